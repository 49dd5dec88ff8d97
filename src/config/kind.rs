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
const PERCENT_BASE: u64 = u64::MAX - 100;
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
