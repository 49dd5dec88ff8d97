//! Settings that take several arguments: how each reads them, and the typed values behind them.

use super::kind::BYTES_MAX;
use super::syntax::{append_memory, parse_integer, parse_memory};

/// What a list is read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListArguments<'a> {
    /// The arguments after the name.
    pub(super) arguments: &'a [&'a str],
    /// The setting's value before.
    pub(super) current: &'a str,
    /// Whether an earlier line of the same configuration set it, so that a line that adds to others adds to it.
    pub(super) repeated: bool,
}

/// Checks a list's arguments and joins them into the form that is kept, or says what is wrong with them.
pub(super) type ListReader = fn(ListArguments<'_>) -> Result<String, String>;

/// No arguments, which may be written as one empty argument.
fn is_blank(arguments: &[&str]) -> bool {
    matches!(arguments, [] | [""])
}

/// `bind`: up to 16 addresses.
pub(super) fn read_bind(input: ListArguments<'_>) -> Result<String, String> {
    if is_blank(input.arguments) {
        return Ok(String::new());
    }
    let addresses = input.arguments;
    if addresses.len() > 16 {
        return Err("Too many bind addresses specified.".to_owned());
    }
    Ok(addresses.join(" "))
}

/// `save`: pairs of seconds and changes. Lines of one configuration add up; a blank one forgets those before it.
pub(super) fn read_save(input: ListArguments<'_>) -> Result<String, String> {
    if is_blank(input.arguments) {
        return Ok(String::new());
    }
    let refusal = || "Invalid save parameters".to_owned();
    let numbers = input.arguments;
    if !numbers.len().is_multiple_of(2) {
        return Err(refusal());
    }
    for pair in numbers.chunks(2) {
        parse_integer(pair[0]).filter(|&seconds| seconds >= 1).ok_or_else(refusal)?;
        parse_integer(pair[1])
            .filter(|changes| (0..=i64::from(i32::MAX)).contains(changes))
            .ok_or_else(refusal)?;
    }
    let own = numbers.join(" ");
    Ok(if input.repeated && !input.current.is_empty() { format!("{} {own}", input.current) } else { own })
}

/// The lines that set `save` to a value.
pub(super) fn save_lines(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec!["\"\"".to_owned()];
    }
    let numbers: Vec<&str> = value.split(' ').collect();
    numbers.chunks(2).map(|pair| pair.join(" ")).collect()
}

/// `oom-score-adj-values`: three numbers between -2000 and 2000.
pub(super) fn read_oom_values(input: ListArguments<'_>) -> Result<String, String> {
    let values = input.arguments;
    if values.len() != 3 {
        return Err("wrong number of arguments".to_owned());
    }
    if values.iter().all(|value| parse_integer(value).is_some_and(|number| (-2000..=2000).contains(&number)))
    {
        Ok(values.join(" "))
    } else {
        Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_owned())
    }
}

/// `latency-tracking-info-percentiles`: any number of numbers between 0 and 100.
pub(super) fn read_percentiles(input: ListArguments<'_>) -> Result<String, String> {
    if is_blank(input.arguments) {
        return Ok(String::new());
    }
    let mut kept = Vec::new();
    for argument in input.arguments {
        let number: f64 = argument
            .parse()
            .ok()
            .filter(|number: &f64| !number.is_nan())
            .ok_or_else(|| "Invalid latency-tracking-info-percentiles parameters".to_owned())?;
        if !(0.0..=100.0).contains(&number) {
            return Err(
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned()
            );
        }
        kept.push(number.to_string());
    }
    Ok(kept.join(" "))
}

/// `replicaof`: a host and a port, or `no one`.
pub(super) fn read_replicaof(input: ListArguments<'_>) -> Result<String, String> {
    if is_blank(input.arguments) {
        return Ok(String::new());
    }
    let words = input.arguments;
    let &[host, port] = words else {
        return Err("wrong number of arguments".to_owned());
    };
    if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
        return Ok(String::new());
    }
    if parse_integer(port).is_none_or(|port| !(0..=65535).contains(&port)) {
        return Err("Invalid master port".to_owned());
    }
    Ok(format!("{host} {port}"))
}

/// When a client that does not read its replies is closed. Zero means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferLimit {
    /// Closed at once past this many bytes.
    pub hard_bytes: u64,
    /// Closed when past this many bytes for [`BufferLimit::soft_seconds`].
    pub soft_bytes: u64,
    /// How long the soft limit may be exceeded.
    pub soft_seconds: u64,
}

/// The limits of `client-output-buffer-limit`, by class of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferLimits {
    /// Ordinary clients.
    pub normal: BufferLimit,
    /// Replicas.
    pub replica: BufferLimit,
    /// Subscribers to channels.
    pub pubsub: BufferLimit,
}

impl BufferLimits {
    /// What a client that is no subscriber may leave unread of what it is sent unasked. Redis counts it as replies, which have no
    /// limit as a rule; here nothing grows without one, unless subscribers' messages may too.
    pub fn unasked(&self) -> BufferLimit {
        let BufferLimits { normal, pubsub, .. } = *self;
        if normal.hard_bytes > 0 || normal.soft_bytes > 0 { normal } else { pubsub }
    }

    const NONE: BufferLimits = {
        let none = BufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };
        BufferLimits { normal: none, replica: none, pubsub: none }
    };

    /// Reads the form in which the setting is kept, or any list of its groups of four words.
    pub(super) fn parse(text: &str) -> Result<BufferLimits, String> {
        BufferLimits::NONE.with(&text.split(' ').collect::<Vec<_>>())
    }

    /// These limits with those of the classes named in `words` replaced.
    fn with(mut self, words: &[&str]) -> Result<BufferLimits, String> {
        if is_blank(words) {
            return Ok(self);
        }
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        for group in words.chunks(4) {
            let limit = match group[0].to_ascii_lowercase().as_str() {
                "normal" => &mut self.normal,
                "slave" | "replica" => &mut self.replica,
                "pubsub" => &mut self.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration.".to_owned()),
            };
            let bytes = |text: &str| parse_memory(text).filter(|&bytes| bytes <= BYTES_MAX);
            let seconds = |text: &str| parse_integer(text).and_then(|seconds| u64::try_from(seconds).ok());
            let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) =
                (bytes(group[1]), bytes(group[2]), seconds(group[3]))
            else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_owned()
                );
            };
            *limit = BufferLimit { hard_bytes, soft_bytes, soft_seconds };
        }
        Ok(self)
    }

    fn classes(&self) -> [(&'static str, &BufferLimit); 3] {
        [("normal", &self.normal), ("slave", &self.replica), ("pubsub", &self.pubsub)]
    }
}

/// `client-output-buffer-limit`: groups of class, hard bytes, soft bytes and soft seconds. Classes not named keep theirs.
pub(super) fn read_buffer_limits(input: ListArguments<'_>) -> Result<String, String> {
    let words = input.arguments;
    let limits = BufferLimits::parse(input.current)?.with(words)?;
    let groups = limits.classes().map(|(class, limit)| {
        format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
    });
    Ok(groups.join(" "))
}

/// The lines that set `client-output-buffer-limit` to a value.
pub(super) fn buffer_limit_lines(value: &str) -> Vec<String> {
    let Ok(limits) = BufferLimits::parse(value) else {
        return vec![value.to_owned()];
    };
    let line = |(class, limit): (&str, &BufferLimit)| {
        let mut line = format!("{class} ");
        append_memory(&mut line, limit.hard_bytes);
        line.push(' ');
        append_memory(&mut line, limit.soft_bytes);
        line.push(' ');
        line + &limit.soft_seconds.to_string()
    };
    limits.classes().map(line).to_vec()
}
