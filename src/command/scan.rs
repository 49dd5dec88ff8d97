//! SCAN

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::engine::{Key, KeyEntry};
use crate::glob::{self, Case};
use crate::number::parse_u64;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "scan",
    arity: -2,
    flags: Flags::READONLY.union(Flags::ALL_SHARDS),
    categories: Categories::KEYSPACE,
    since: "2.8.0",
    group: Group::Generic,
    summary: "Walks over the keys of the database, some at a time.",
    complexity: "O(1) for a call, O(N) for a whole walk over N keys",
    history: &[("6.0.0", "`TYPE` came.")],
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    arguments: &[
        Argument::new("cursor", ArgKind::Integer),
        Argument::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
        Argument::new("count", ArgKind::Integer).token("COUNT").optional(),
        Argument::new("type", ArgKind::String).token("TYPE").optional().since("6.0.0"),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// So many slots are looked at for each key that COUNT asks for, at most.
const SLOTS_PER_KEY: usize = 10;

/// Where a walk goes on.
///
/// A key keeps its shard for good and its slot from its insertion to its removal. A walk visits the
/// shards one after the other and their slots in order, so it returns whatever is there from its
/// beginning to its end, once. The shard stands in the low bits: their number is a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    shard: usize,
    slot: usize,
}

impl Cursor {
    fn decode(value: u64, shards: usize) -> Self {
        let value = usize::try_from(value).unwrap_or(usize::MAX);
        Self { shard: value & (shards - 1), slot: value >> shards.trailing_zeros() }
    }

    /// 0, where a walk begins, when it has come to its end.
    fn encode(self, shards: usize) -> u64 {
        if self.shard >= shards { 0 } else { (self.slot << shards.trailing_zeros() | self.shard) as u64 }
    }

    fn next_shard(self) -> Self {
        Self { shard: self.shard + 1, slot: 0 }
    }
}

/// A cursor as C's `strtoul` reads it.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    let value = match digits.iter().position(|&digit| digit != b'0') {
        None if text.is_empty() || !digits.is_empty() => 0,
        None => return None,
        Some(start) => parse_u64(&digits[start..])?,
    };
    Some(if negative { value.wrapping_neg() } else { value })
}

struct Options<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(request: Request<'a>) -> Result<Self, CommandError> {
        let mut options = Self { count: 10, pattern: None, type_name: None };
        let mut at = 2;
        while let Some(word) = request.get(at) {
            let value = request.get(at + 1).ok_or(CommandError::Syntax)?;
            match word.to_ascii_lowercase().as_slice() {
                b"count" => {
                    let count = parse_integer(value)?;
                    options.count =
                        usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
                }
                b"match" => options.pattern = Some(value),
                b"type" => options.type_name = Some(value),
                _ => return Err(CommandError::Syntax),
            }
            at += 2;
        }
        Ok(options)
    }

    fn match_entry(&self, entry: &KeyEntry) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, entry.key(), Case::Sensitive))
            && self.type_name.is_none_or(|name| name.eq_ignore_ascii_case(entry.value.type_name().as_bytes()))
    }
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let cursor = parse_cursor(request.arg(1)).ok_or(CommandError::Other("ERR invalid cursor"))?;
    let options = Options::parse(request)?;
    let keys = &mut *context.keys;
    let (db, now_ms, shards) = (keys.db, keys.now_ms, keys.store().shard_count());
    let mut cursor = Cursor::decode(cursor, shards);
    let (mut found, mut expired) = (Vec::new(), Vec::new());
    let (mut keys_left, mut slots_left) = (options.count, options.count.saturating_mul(SLOTS_PER_KEY));
    while cursor.shard < shards {
        let part = &keys.shards().get(cursor.shard).dbs[db];
        let slots_here = part.slot_count().saturating_sub(cursor.slot);
        if part.is_empty() || slots_here == 0 {
            cursor = cursor.next_shard();
            continue;
        }
        let slots = keys_left.min(slots_left).min(slots_here);
        if slots == 0 {
            break;
        }
        slots_left -= slots;
        let next = part.scan(cursor.slot, slots, |entry| {
            keys_left = keys_left.saturating_sub(1);
            if entry.is_expired(now_ms) {
                expired.push(Box::<[u8]>::from(entry.key()));
            } else if options.match_entry(entry) {
                found.push(Box::<[u8]>::from(entry.key()));
            }
        });
        cursor = match next {
            Some(slot) => Cursor { slot, ..cursor },
            None => cursor.next_shard(),
        };
    }
    for key in &expired {
        keys.expire(&Key::new(key));
    }
    context.reply.array(2);
    context.reply.text(itoa::Buffer::new().format(cursor.encode(shards)));
    context.reply.array(found.len());
    found.iter().for_each(|key| context.reply.bulk(key));
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        for shards in [1, 64] {
            for (shard, slot) in [(0, 0), (0, 5), (shards - 1, 0), (shards - 1, u32::MAX as usize)] {
                let cursor = Cursor { shard, slot };
                assert_eq!(Cursor::decode(cursor.encode(shards), shards), cursor);
            }
            assert_eq!(Cursor { shard: shards, slot: 0 }.encode(shards), 0);
        }
    }

    #[test]
    fn cursors_as_text() {
        for (text, expected) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("007", Some(7)),
            ("+7", Some(7)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-", None),
            ("x", None),
            ("1x", None),
            (" 1", None),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), expected, "{text:?}");
        }
    }
}
