//! The command line: `millstream [FILE.conf] [--name value ...] [-]`.

use super::syntax::split_arguments;

/// The command line's arguments, sorted but not yet looked up.
///
/// A first argument that does not begin with a dash is the configuration file. `-` as the first or the last argument
/// asks for more configuration on the standard input. The argument after `--name` is a value whatever it looks
/// like, except after `--save`, which may stand alone; more values may follow until the next argument that begins with
/// two dashes. `'--name value'` in one argument is taken too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration file.
    pub file: Option<String>,
    /// Whether to read the standard input after the file.
    pub standard_input: bool,
    /// The directives, each a name and values, read last.
    pub directives: Vec<Vec<Vec<u8>>>,
}

impl Arguments {
    /// Sorts the arguments after the program's name.
    pub fn parse(arguments: &[String]) -> Arguments {
        let mut parsed = Arguments::default();
        let mut rest = arguments;
        if let Some((first, others)) = arguments.split_first()
            && !first.starts_with('-')
        {
            parsed.file = Some(first.clone());
            rest = others;
        }
        let mut wants_value = false;
        for (index, argument) in rest.iter().enumerate() {
            let outermost = (index == 0 && parsed.file.is_none()) || index + 1 == rest.len();
            if argument == "-" && outermost {
                parsed.standard_input = true;
                continue;
            }
            let option = argument.strip_prefix("--");
            match (option, parsed.directives.last_mut()) {
                (Some(_), Some(current)) if wants_value && !may_stand_alone(current) => {
                    current.push(argument.clone().into_bytes());
                    wants_value = false;
                }
                (Some(option), _) => {
                    let words = split_arguments(option.as_bytes())
                        .unwrap_or_else(|| vec![option.as_bytes().to_vec()]);
                    wants_value = words.len() == 1;
                    parsed.directives.push(words);
                }
                (None, Some(current)) => {
                    current.push(argument.clone().into_bytes());
                    wants_value = false;
                }
                (None, None) => parsed.directives.push(vec![argument.clone().into_bytes()]),
            }
        }
        parsed
    }
}

fn may_stand_alone(directive: &[Vec<u8>]) -> bool {
    directive.first().is_some_and(|name| name.eq_ignore_ascii_case(b"save"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[&str], file: Option<&str>, standard_input: bool, directives: &[&[&str]]) {
        let arguments: Vec<String> = line.iter().map(|argument| (*argument).to_owned()).collect();
        let expected = Arguments {
            file: file.map(str::to_owned),
            standard_input,
            directives: directives
                .iter()
                .map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect())
                .collect(),
        };
        assert_eq!(Arguments::parse(&arguments), expected, "{line:?}");
    }

    /// Each as redis-server 7.0.15 takes it.
    #[test]
    fn command_lines_are_sorted_as_redis_sorts_them() {
        check(&[], None, false, &[]);
        check(&["a.conf"], Some("a.conf"), false, &[]);
        check(&["a.conf", "--port", "1"], Some("a.conf"), false, &[&["port", "1"]]);
        check(&["timeout", "5"], Some("timeout"), false, &[&["5"]]);
        check(&["--port", "1", "--replicaof", "h 2"], None, false, &[&["port", "1"], &["replicaof", "h 2"]]);
        check(&["--replicaof", "h", "2"], None, false, &[&["replicaof", "h", "2"]]);
        check(&["--bind", "a", "b", "--port", "1"], None, false, &[&["bind", "a", "b"], &["port", "1"]]);
        check(&["--save", "", "--port", "1"], None, false, &[&["save", ""], &["port", "1"]]);
        check(&["--save", "--port", "1"], None, false, &[&["save"], &["port", "1"]]);
        check(&["--save"], None, false, &[&["save"]]);
        check(&["--masterauth", "--timeout", "5"], None, false, &[&["masterauth", "--timeout", "5"]]);
        check(
            &["--masterauth", "--x", "--timeout", "5"],
            None,
            false,
            &[&["masterauth", "--x"], &["timeout", "5"]],
        );
        check(&["--masterauth", "a b"], None, false, &[&["masterauth", "a b"]]);
        check(&["--port 1", "--timeout", "5"], None, false, &[&["port", "1"], &["timeout", "5"]]);
        check(&["--port 1", "9", "--timeout", "5"], None, false, &[&["port", "1", "9"], &["timeout", "5"]]);
        check(&["--timeout=5"], None, false, &[&["timeout=5"]]);
        check(&["-", "--port", "1"], None, true, &[&["port", "1"]]);
        check(&["--port", "1", "-"], None, true, &[&["port", "1"]]);
        check(&["--masterauth", "-", "--port", "1"], None, false, &[&["masterauth", "-"], &["port", "1"]]);
        check(&["--masterauth", "-"], None, true, &[&["masterauth"]]);
        check(&["a.conf", "-"], Some("a.conf"), true, &[]);
        check(&["-x", "5"], None, false, &[&["-x", "5"]]);
    }
}
