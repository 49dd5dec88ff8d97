//! INCRBYFLOAT

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, StringValue, Value};
use crate::number::{Extended, ExtendedText};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "incrbyfloat",
    arity: 3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "2.6.0",
    group: Group::String,
    summary: "Adds to the floating point number that a key holds; a key that is not there counts as 0.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("increment", ArgKind::Double)],
    handler: execute,
    ..Spec::DEFAULT
};

fn parse(text: &[u8]) -> Result<ExtendedText, CommandError> {
    Extended::parse(text).ok_or(CommandError::NotAFloat)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    let before = match keys.find_string_for_write(&key)? {
        Some(string) => string.with_bytes(parse)?,
        None => ExtendedText::Finite(Extended::zero()),
    };
    let sum = match (before, parse(request.arg(2))?) {
        (ExtendedText::Finite(before), ExtendedText::Finite(increment)) => before.checked_add(&increment),
        _ => None,
    };
    let text = sum.ok_or(CommandError::Other("ERR increment would produce NaN or Infinity"))?.to_text();
    let value = StringValue::new_text(text.as_bytes());
    match keys.find_string_for_write(&key)? {
        Some(string) => *string = value,
        None => {
            keys.insert(&key, Value::String(value), None);
        }
    }
    keys.effect(&[b"SET", key.bytes, text.as_bytes(), b"KEEPTTL"]);
    keys.notify(EventClass::STRING, "incrbyfloat", &key);
    keys.changed(&key, Change::Updated);
    context.reply.text(&text);
    Ok(Outcome::Done)
}
