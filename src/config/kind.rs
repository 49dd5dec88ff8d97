//! The types of settings: how each reads its arguments, and how it writes its value.

use std::sync::Arc;

use super::choice::ShutdownFlags;
use super::list::{ListArguments, ListReader};
use super::syntax::{append_memory, append_quoted, parse_integer, parse_memory};
use super::text::TextReader;

/// A setting's type and bounds. Bounds are inclusive.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A whole number.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// A whole number written in octal, such as a file mode.
    Octal {
        /// The greatest value.
        max: u32,
    },
    /// A number of bytes, with or without a unit: `64mb`.
    Memory {
        /// The least value, in bytes.
        min: u64,
        /// The greatest value, in bytes.
        max: u64,
    },
    /// A number of bytes, or a percentage of `maxmemory`: `5%`.
    MemoryOrPercent,
    /// `yes` or `no`.
    Boolean,
    /// One of a few words.
    Choice {
        /// The words.
        words: &'static [&'static str],
    },
    /// Several of a few words.
    Flags {
        /// The word for none, then the word of each bit from the lowest up.
        words: &'static [&'static str],
    },
    /// A text in one argument.
    Text {
        /// Checks the text and brings it into the form that is kept, where there is something to check.
        read: Option<TextReader>,
    },
    /// Several arguments, kept joined by single spaces.
    List {
        /// Checks the arguments and joins them into the form that is kept.
        read: ListReader,
    },
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Of the kinds that are numbers underneath.
    Number(u64),
    /// Of texts and lists.
    Text(Arc<str>),
}

/// Added to a percentage to tell it from a number of bytes.
pub(super) const PERCENT_BASE: u64 = u64::MAX - 100;
/// The most bytes that a setting can hold where percentages are allowed too, and where Redis keeps a signed number.
pub(super) const BYTES_MAX: u64 = i64::MAX as u64;

impl Kind {
    /// Whether the setting takes any number of arguments.
    fn takes_many(&self) -> bool {
        matches!(self, Kind::List { .. } | Kind::Flags { .. })
    }

    /// Reads a value from its arguments. The error says what is wrong, in the words a client of CONFIG SET sees.
    pub(super) fn read(&self, input: ListArguments<'_>) -> Result<Value, String> {
        // CONFIG SET gives all of a list in one argument, and a quoted argument in a file may hold a list too.
        let split: Vec<&str>;
        let mut input = input;
        if let (true, &[all]) = (self.takes_many(), input.arguments) {
            split = all.split(' ').collect();
            input.arguments = &split;
        }
        if let Kind::List { read } = self {
            return read(input).map(|text| Value::Text(text.into()));
        }
        if let Kind::Flags { words } = self {
            return read_flags(words, input.arguments).map(Value::Number);
        }
        let &[argument] = input.arguments else {
            return Err("wrong number of arguments".to_owned());
        };
        match *self {
            Kind::Integer { min, max } => {
                read_integer(argument, min, max).map(|number| Value::Number(number as u64))
            }
            Kind::Octal { max } => read_octal(argument, max).map(Value::Number),
            Kind::Memory { min, max } => read_memory(argument, min, max).map(Value::Number),
            Kind::MemoryOrPercent => read_memory_or_percent(argument).map(Value::Number),
            Kind::Boolean => match argument {
                yes if yes.eq_ignore_ascii_case("yes") => Ok(Value::Number(1)),
                no if no.eq_ignore_ascii_case("no") => Ok(Value::Number(0)),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Kind::Choice { words } => words
                .iter()
                .position(|word| word.eq_ignore_ascii_case(argument))
                .map(|index| Value::Number(index as u64))
                .ok_or_else(|| not_one_of(words)),
            Kind::Text { read: Some(read) } => read(argument).map(|text| Value::Text(text.into())),
            Kind::Text { read: None } | Kind::Flags { .. } | Kind::List { .. } => {
                Ok(Value::Text(argument.into()))
            }
        }
    }

    /// Writes a value as CONFIG GET answers it.
    pub(super) fn render(&self, value: &Value) -> String {
        let number = match value {
            Value::Text(text) => return text.to_string(),
            Value::Number(number) => *number,
        };
        match self {
            Kind::Octal { .. } => format!("{number:o}"),
            Kind::MemoryOrPercent if number >= PERCENT_BASE => format!("{}%", number - PERCENT_BASE),
            Kind::Memory { .. } | Kind::MemoryOrPercent => number.to_string(),
            Kind::Boolean => if number == 0 { "no" } else { "yes" }.to_owned(),
            Kind::Choice { words } => words[number as usize].to_owned(),
            Kind::Flags { words } => render_flags(words, number),
            Kind::Integer { .. } | Kind::Text { .. } | Kind::List { .. } => (number as i64).to_string(),
        }
    }

    /// Writes what follows the name on the one line of a configuration file that sets this value. Lists that take a line
    /// for each of their parts are not written here.
    pub(super) fn render_for_file(&self, value: &Value) -> String {
        let mut out = String::new();
        match (self, value) {
            (Kind::Text { .. }, Value::Text(text)) => append_quoted(&mut out, text.as_bytes()),
            (_, Value::Text(text)) if text.is_empty() => out.push_str("\"\""),
            (_, Value::Text(text)) => out.push_str(text),
            (Kind::Memory { .. }, Value::Number(number)) => append_memory(&mut out, *number),
            (Kind::MemoryOrPercent, Value::Number(number)) if *number < PERCENT_BASE => {
                append_memory(&mut out, *number);
            }
            (_, Value::Number(_)) => out.push_str(&self.render(value)),
        }
        out
    }
}

fn not_one_of(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

fn read_integer(argument: &str, min: i64, max: i64) -> Result<i64, String> {
    let number =
        parse_integer(argument).ok_or_else(|| "argument couldn't be parsed into an integer".to_owned())?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

fn read_octal(argument: &str, max: u32) -> Result<u64, String> {
    let digits = if argument.is_empty() { "0" } else { argument };
    let number = Some(digits)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| u64::from_str_radix(digits, 8).ok())
        .ok_or_else(|| "argument couldn't be parsed as an octal number".to_owned())?;
    if number <= u64::from(max) {
        Ok(number)
    } else {
        Err(format!("argument must be between 0 and {max:o} inclusive"))
    }
}

fn read_memory(argument: &str, min: u64, max: u64) -> Result<u64, String> {
    let bytes = parse_memory(argument).ok_or_else(|| "argument must be a memory value".to_owned())?;
    if (min..=max).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

fn read_memory_or_percent(argument: &str) -> Result<u64, String> {
    let refusal = || "argument must be a memory or percent value".to_owned();
    let Some(percent) = argument.strip_suffix('%') else {
        return parse_memory(argument).filter(|&bytes| bytes <= BYTES_MAX).ok_or_else(refusal);
    };
    match parse_integer(percent).ok_or_else(refusal)? {
        0 => Ok(0),
        percent @ 1..=100 => Ok(PERCENT_BASE + percent as u64),
        101.. => Err("percentage argument must be less or equal to 100".to_owned()),
        _ => Err(refusal()),
    }
}

fn read_flags(words: &[&str], arguments: &[&str]) -> Result<u64, String> {
    if arguments.is_empty() {
        return Err("wrong number of arguments".to_owned());
    }
    let mut bits = 0;
    for argument in arguments {
        match words.iter().position(|word| word.eq_ignore_ascii_case(argument)) {
            None => return Err(not_one_of(words)),
            Some(0) => {}
            Some(index) => bits |= 1 << (index - 1),
        }
    }
    if ShutdownFlags::from_bits_truncate(bits).contains(ShutdownFlags::SAVE | ShutdownFlags::NOSAVE) {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    Ok(bits)
}

fn render_flags(words: &[&str], bits: u64) -> String {
    let set: Vec<&str> = words
        .iter()
        .skip(1)
        .enumerate()
        .filter(|(bit, _)| bits & (1 << bit) != 0)
        .map(|(_, word)| *word)
        .collect();
    if set.is_empty() { words[0].to_owned() } else { set.join(" ") }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Origin, SetError};

    /// Sets a setting and compares what CONFIG GET answers then, or what is wrong.
    #[track_caller]
    fn check(name: &str, value: &str, expected: Result<&str, &str>) {
        let config = Config::new();
        let pairs = [(name.as_bytes(), value.as_bytes())];
        let found = match config.set(&pairs, Origin::Local, |_| Ok(())) {
            Ok(_) => Ok(config.get([name.as_bytes()])[0].1.clone()),
            Err(SetError::Failed { reason, .. }) => Err(reason),
            Err(unknown) => panic!("{unknown}"),
        };
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "CONFIG SET {name} {value:?}");
    }

    const NOT_INTEGER: Result<&str, &str> = Err("argument couldn't be parsed into an integer");
    const NOT_MEMORY: Result<&str, &str> = Err("argument must be a memory value");
    const NOT_PERCENT: Result<&str, &str> = Err("argument must be a memory or percent value");
    const NOT_BOOLEAN: Result<&str, &str> = Err("argument must be 'yes' or 'no'");

    // Every line of the tables below was answered by redis-server 7.0.15, except where a comment says otherwise.

    #[test]
    fn integers() {
        for wrong in
            ["", "+5", "007", " 5", "5 ", "-0", "0x10", "1.0", "1k", "00", "zz", "9223372036854775808"]
        {
            check("timeout", wrong, NOT_INTEGER);
        }
        let out_of_range = Err("argument must be between 0 and 2147483647 inclusive");
        check("timeout", "2147483648", out_of_range);
        check("timeout", "-5", out_of_range);
        check("timeout", "5", Ok("5"));
        check("slowlog-max-len", "9223372036854775807", Ok("9223372036854775807"));
        check(
            "slowlog-max-len",
            "-9223372036854775808",
            Err("argument must be between 0 and 9223372036854775807 inclusive"),
        );
        check("slowlog-max-len", "-9223372036854775809", NOT_INTEGER);
        check("slowlog-log-slower-than", "-1", Ok("-1"));
        check("list-max-listpack-size", "-5", Ok("-5"));
        check(
            "list-max-listpack-size",
            "9223372036854775807",
            Err("argument must be between -2147483648 and 2147483647 inclusive"),
        );
        check("maxclients", "0", Err("argument must be between 1 and 4294967295 inclusive"));
        check("port", "70000", Err("argument must be between 0 and 65535 inclusive"));
    }

    #[test]
    fn memory_sizes() {
        for (given, kept) in [
            ("0", "0"),
            ("1k", "1000"),
            ("1KB", "1024"),
            ("1Kb", "1024"),
            ("64mb", "67108864"),
            ("k", "0"),
            ("", "0"),
            ("007", "7"),
            ("5b", "5"),
            ("5B", "5"),
            ("18446744073709551615", "18446744073709551615"),
            ("99999999999999999999", "18446744073709551615"),
        ] {
            check("maxmemory", given, Ok(kept));
        }
        for wrong in ["1 k", "1.5m", "0x10", "-1", "50%", "-0", "+5", " 5", "5tb", "1gb ", "1gbx"] {
            check("maxmemory", wrong, NOT_MEMORY);
        }
        // Redis keeps what is left of the product after it has run over.
        check("maxmemory", "20000000000gb", NOT_MEMORY);
        let out_of_range = Err("argument must be between 1048576 and 9223372036854775807 inclusive");
        check("proto-max-bulk-len", "1", out_of_range);
        check("proto-max-bulk-len", "9223372036854775808", out_of_range);
        check("proto-max-bulk-len", "4294967296", Ok("4294967296"));
        check(
            "stream-node-max-bytes",
            "9223372036854775808",
            Err("argument must be between 0 and 9223372036854775807 inclusive"),
        );
    }

    #[test]
    fn memory_sizes_or_percentages() {
        for (given, kept) in
            [("0", "0"), ("1k", "1000"), ("0%", "0"), ("50%", "50%"), ("100%", "100%"), ("", "0")]
        {
            check("maxmemory-clients", given, Ok(kept));
        }
        check("maxmemory-clients", "101%", Err("percentage argument must be less or equal to 100"));
        check("maxmemory-clients", "-1%", NOT_PERCENT);
        check("maxmemory-clients", "1.5m", NOT_PERCENT);
        // Redis takes this for a percentage.
        check("maxmemory-clients", "18446744073709551615", NOT_PERCENT);
    }

    #[test]
    fn booleans_and_words() {
        check("lazyfree-lazy-expire", "YES", Ok("yes"));
        for wrong in ["1", "true", "", "yes no"] {
            check("lazyfree-lazy-expire", wrong, NOT_BOOLEAN);
        }
        check("appendfsync", "ALWAYS", Ok("always"));
        for wrong in ["", "no everysec", "zz"] {
            let reason = "argument(s) must be one of the following: everysec, always, no";
            check("appendfsync", wrong, Err(reason));
        }
        check("maxmemory-policy", "ALLKEYS-LRU", Ok("allkeys-lru"));
        // 7.2 has `nothing`, which 7.0 lacks.
        check("loglevel", "nothing", Ok("nothing"));
        check(
            "loglevel",
            "zz",
            Err("argument(s) must be one of the following: debug, verbose, notice, warning, nothing"),
        );
        for (given, kept) in
            [("now save", "save now"), ("NOW", "now"), ("default now", "now"), ("default", "default")]
        {
            check("shutdown-on-sigterm", given, Ok(kept));
        }
        for wrong in ["", "force now  save", "zz"] {
            let reason = "argument(s) must be one of the following: default, save, nosave, now, force";
            check("shutdown-on-sigterm", wrong, Err(reason));
        }
        check(
            "shutdown-on-sigterm",
            "save nosave",
            Err("shutdown options SAVE and NOSAVE can't be used simultaneously"),
        );
    }

    #[test]
    fn texts_with_rules() {
        for (given, kept) in
            [("KEA", "AKE"), ("Kx", "xK"), ("EnmKd", "dnKEm"), ("mA", "Am"), ("g$lshzxetd", "A"), ("", "")]
        {
            check("notify-keyspace-events", given, Ok(kept));
        }
        check("notify-keyspace-events", "B", Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."));
        check("cluster-announce-hostname", "foo", Ok("foo"));
        let reason = "Hostnames may only contain alphanumeric characters, hyphens or dots";
        check("cluster-announce-hostname", "a b", Err(reason));
        let reason = "Hostnames must be less than 256 characters";
        check("cluster-announce-hostname", &"x".repeat(257), Err(reason));
        check("proc-title-template", "{title} {port}", Ok("{title} {port}"));
        for wrong in ["{zz}", "{title", ""] {
            let reason = "template format is invalid or contains unknown variables";
            check("proc-title-template", wrong, Err(reason));
        }
    }

    #[test]
    fn lists() {
        for (given, kept) in
            [("", ""), ("3600 1", "3600 1"), ("3600 0", "3600 0"), ("60 1 60 1", "60 1 60 1")]
        {
            check("save", given, Ok(kept));
        }
        for wrong in ["3600", "0 1", "a b", "-1 5", "3600  1", "1 -1"] {
            check("save", wrong, Err("Invalid save parameters"));
        }
        // Redis wraps the number round.
        check("save", "1 2147483648", Err("Invalid save parameters"));
        check("bind", "", Ok(""));
        check("bind", "127.0.0.1 -::1", Ok("127.0.0.1 -::1"));
        check("bind", "a b c d e f g h i j k l m n o p q", Err("Too many bind addresses specified."));
        check("oom-score-adj-values", "1 2 3", Ok("1 2 3"));
        for wrong in ["1 2", "1 2 3 ", "  1 2 3"] {
            check("oom-score-adj-values", wrong, Err("wrong number of arguments"));
        }
        for wrong in ["a b c", "0 200 5000", "\"1\" 2 3"] {
            let reason = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
            check("oom-score-adj-values", wrong, Err(reason));
        }
        for (given, kept) in [("", ""), ("50.5 99.999", "50.5 99.999"), ("1e1", "10"), ("99.90", "99.9")] {
            check("latency-tracking-info-percentiles", given, Ok(kept));
        }
        for wrong in ["nan", "abc"] {
            let reason = "Invalid latency-tracking-info-percentiles parameters";
            check("latency-tracking-info-percentiles", wrong, Err(reason));
        }
        for wrong in ["inf", "100.1", "-5"] {
            let reason = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
            check("latency-tracking-info-percentiles", wrong, Err(reason));
        }
    }

    #[test]
    fn buffer_limits() {
        let name = "client-output-buffer-limit";
        let untouched = "slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        check(name, "normal 0 0 0", Ok(&format!("normal 0 0 0 {untouched}")));
        check(name, "", Ok(&format!("normal 0 0 0 {untouched}")));
        check(name, "NORMAL 1mb 1kb 5", Ok(&format!("normal 1048576 1024 5 {untouched}")));
        check(name, "replica 10 5 1", Ok("normal 0 0 0 slave 10 5 1 pubsub 33554432 8388608 60"));
        check(
            name,
            "normal 1mb 1kb 5 pubsub 2 1 1",
            Ok("normal 1048576 1024 5 slave 268435456 67108864 60 pubsub 2 1 1"),
        );
        for wrong in ["normal 1 1", "normal", "zz"] {
            check(name, wrong, Err("Wrong number of arguments in buffer limit configuration."));
        }
        for wrong in ["foo 1 1 1", "master 0 0 0"] {
            check(name, wrong, Err("Invalid client class specified in buffer limit configuration."));
        }
        for wrong in ["normal a 1 1", "normal 1 1 a", "normal -1 1 1", "normal 1 1 -1", "normal 1.5mb 1 1"] {
            let reason = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
            check(name, wrong, Err(reason));
        }
    }
}
