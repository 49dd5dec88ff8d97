//! GETRANGE and SUBSTR

use std::ops::Range;

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const GETRANGE: Spec = Spec {
    name: "getrange",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STRING,
    since: "2.4.0",
    group: Group::String,
    summary: "Returns a part of a key's string.",
    complexity: "O(N) for N bytes that are returned",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("start", ArgKind::Integer),
        Argument::new("end", ArgKind::Integer),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

pub(super) const SUBSTR: Spec = Spec {
    name: "substr",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    deprecated: Some(("2.0.0", "`GETRANGE`")),
    summary: "Returns a part of a key's string, as GETRANGE does.",
    complexity: "O(N) for N bytes that are returned",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("start", ArgKind::Integer),
        Argument::new("end", ArgKind::Integer),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (first, last) = (parse_integer(request.arg(2))?, parse_integer(request.arg(3))?);
    match context.keys.find_string(&Key::new(request.arg(1)))? {
        Some(string) => {
            string.with_bytes(|bytes| context.reply.bulk(&bytes[range(first, last, bytes.len())]))
        }
        None => context.reply.bulk(b""),
    }
    Ok(Outcome::Done)
}

/// The bytes from `first` to `last`, both included and counted from the end when negative, as far
/// as they are among `len`.
fn range(first: i64, last: i64, len: usize) -> Range<usize> {
    if first < 0 && last < 0 && first > last {
        return 0..0;
    }
    let from_start = |index: i64| match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let (first, end) = (from_start(first), from_start(last).saturating_add(1).min(len));
    if first < end { first..end } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (first, last, len, expected) in [
            (0, 3, 10, 0..4),
            (0, -1, 10, 0..10),
            (-3, -1, 10, 7..10),
            (-100, -8, 10, 0..3),
            (-1, -3, 10, 0..0),
            (5, 2, 10, 0..0),
            (9, i64::MAX, 10, 9..10),
            (10, 20, 10, 0..0),
            (i64::MIN, i64::MIN, 10, 0..1),
            (i64::MIN, i64::MAX, 10, 0..10),
            (0, -100, 10, 0..1),
            (0, -1, 0, 0..0),
        ] {
            assert_eq!(range(first, last, len), expected, "{first} {last} of {len}");
        }
    }
}
