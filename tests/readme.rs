//! README's table of commands is generated from the command table: this test holds it to that.
//!
//! `MILLSTREAM_UPDATE_README=1 cargo test --test readme` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use millstream::command::{ArgKind, Argument, Command, Spec, table};

const BEGIN: &str = "<!-- commands:begin -->\n";
const END: &str = "<!-- commands:end -->";

#[test]
fn readme_lists_the_commands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md is there");
    let (before, rest) = readme.split_once(BEGIN).expect("the table's beginning is marked");
    let (_, after) = rest.split_once(END).expect("the table's end is marked");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", commands());
    if std::env::var_os("MILLSTREAM_UPDATE_README").is_some() {
        std::fs::write(&path, &wanted).expect("README.md can be written");
    } else {
        assert!(
            readme == wanted,
            "README's table of commands is not the command table's: MILLSTREAM_UPDATE_README=1 cargo test --test readme"
        );
    }
}

/// A table for each group: the command with its arguments, since when Redis has it and which of its options, which of them
/// are supported, and what is different on purpose.
fn commands() -> String {
    let mut groups: Vec<&str> = table().commands().map(|command| command.spec.group.name()).collect();
    groups.sort_unstable();
    groups.dedup();
    // Streams are what this is about.
    groups.sort_by_key(|group| *group != "stream");
    let mut out = String::new();
    for group in groups {
        let _ = write!(
            out,
            "\n**{group}**\n\n| command | since | newer options | supported | deviation |\n|---|---|---|---|---|\n"
        );
        for command in table().commands().filter(|command| command.spec.group.name() == group) {
            write_row(&mut out, command);
            table().subcommands(command).for_each(|subcommand| write_row(&mut out, subcommand));
        }
    }
    out.push('\n');
    out
}

fn write_row(out: &mut String, command: &Command) {
    let spec = command.spec;
    // A container's own deviation is that of all its subcommands, and would be lost.
    if !spec.subcommands.is_empty() {
        assert_eq!(spec.deviation, None, "{}: a subcommand's, or README will not tell", command.full_name);
        return;
    }
    let name = command.full_name.to_uppercase().replace('|', " ");
    let usage = format!("{name} {}", write_all(spec.arguments));
    let mut newer = BTreeMap::new();
    spec.arguments.iter().for_each(|argument| list_newer(spec, argument, None, &mut newer));
    let newer: Vec<String> =
        newer.iter().map(|(since, words)| format!("{}: {}", since.1, words.join(", "))).collect();
    for words in spec.unsupported {
        assert!(usage.contains(words), "{}: {words} is none of its arguments", command.full_name);
    }
    let supported = match spec.unsupported {
        [] => "yes".to_owned(),
        words => format!("without {}", words.join(", ")),
    };
    let cells =
        [usage.trim_end(), spec.since, &newer.join("; "), &supported, spec.deviation.unwrap_or_default()];
    for cell in cells {
        assert!(!cell.contains('\n'), "{}: a cell is one line: {cell}", command.full_name);
        let _ = write!(out, "| {}", cell.replace('|', "\\|"));
        out.push_str(if cell.is_empty() { "" } else { " " });
    }
    out.push_str("|\n");
}

/// A version, as numbers to sort by and as it is written.
type Version = (Vec<u32>, &'static str);

/// Collects the options that are newer than their command, by the version that brought them, which the argument tells, what
/// it is part of, or else the history's line that names it.
fn list_newer(
    spec: &Spec,
    argument: &Argument,
    since: Option<&'static str>,
    newer: &mut BTreeMap<Version, Vec<&'static str>>,
) {
    let of_history = |token: &'static str| {
        let quoted = format!("`{token}`");
        spec.history.iter().find(|(_, what)| what.contains(&quoted)).map(|(version, _)| *version)
    };
    let since =
        argument.since.or(argument.untold_since).or(since).or_else(|| argument.token.and_then(of_history));
    let parts = match argument.kind {
        ArgKind::OneOf(parts) | ArgKind::Block(parts) => parts,
        _ => &[],
    };
    match (since, argument.token) {
        (Some(since), token) if token.is_some() || (parts.is_empty() && argument.since.is_some()) => {
            let numbers =
                since.split('.').map(|number| number.parse().expect("a version is of numbers")).collect();
            newer.entry((numbers, since)).or_default().push(token.unwrap_or(argument.name));
        }
        _ => parts.iter().for_each(|part| list_newer(spec, part, since, newer)),
    }
}

fn write_all(arguments: &[Argument]) -> String {
    arguments.iter().map(write_argument).collect::<Vec<_>>().join(" ")
}

fn write_argument(argument: &Argument) -> String {
    let value = match argument.kind {
        ArgKind::PureToken => String::new(),
        ArgKind::OneOf(choices) => {
            let choices = choices.iter().map(write_argument).collect::<Vec<_>>().join(" | ");
            if argument.optional { choices } else { format!("<{choices}>") }
        }
        ArgKind::Block(parts) => write_all(parts),
        _ => argument.name.to_string(),
    };
    let mut text = match argument.token {
        // A token that is quoted is an empty word: there is nothing to show.
        Some(token) if value.is_empty() => token.to_string(),
        Some(token) => format!("{token} {value}"),
        None => value.clone(),
    };
    if argument.multiple {
        let repeated = if argument.multiple_token { text.clone() } else { value };
        text = format!("{text} [{repeated} ...]");
    }
    if argument.optional { format!("[{text}]") } else { text }
}
