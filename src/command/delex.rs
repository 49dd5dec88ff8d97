//! DELEX

use super::comparison::Comparison;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, Value};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "delex",
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE).union(KeyFlags::VARIABLE_FLAGS))],
    categories: Categories::STRING,
    since: "8.4.0",
    group: Group::String,
    summary: "Removes a key if its string, or the string's digest, compares as it is to.",
    complexity: "O(1) by value, O(N) by digest for a string of N bytes",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new(
            "condition",
            ArgKind::OneOf(&[
                Argument::new("ifeq-value", ArgKind::String).token("IFEQ"),
                Argument::new("ifne-value", ArgKind::String).token("IFNE"),
                Argument::new("ifdeq-digest", ArgKind::Integer).token("IFDEQ"),
                Argument::new("ifdne-digest", ArgKind::Integer).token("IFDNE"),
            ]),
        )
        .optional(),
    ],
    key_flags: Some(key_flags),
    handler: execute,
    ..Spec::DEFAULT
};

/// Without a condition nothing is read.
fn key_flags(request: Request<'_>) -> KeyFlags {
    if request.len() > 2 {
        KeyFlags::RW.union(KeyFlags::DELETE)
    } else {
        KeyFlags::RM.union(KeyFlags::DELETE)
    }
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if !matches!(request.len(), 2 | 4) {
        return Err(CommandError::Arity("delex".into()));
    }
    let key = Key::new(request.arg(1));
    let keys = &mut *context.keys;
    // As in Redis, a condition is looked at when there is a string to try it on.
    let entry = if request.len() == 2 { keys.find_for_write(&key) } else { keys.find(&key) };
    let is_removed = match entry {
        None => false,
        Some(_) if request.len() == 2 => true,
        Some(entry) if !matches!(entry.value, Value::String(_)) => {
            return Err(CommandError::Other("ERR Key should be of string type if conditions are specified"));
        }
        Some(_) => Comparison::find(request.arg(2), request.get(3))
            .ok_or(CommandError::Other("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?
            .is_met(keys, &key)?,
    };
    if is_removed {
        keys.remove(&key);
        keys.effect(&[b"DEL", key.bytes]);
        keys.notify(EventClass::GENERIC, "del", &key);
        keys.changed(&key, Change::Lost);
    }
    context.reply.integer(i64::from(is_removed));
    Ok(Outcome::Done)
}
