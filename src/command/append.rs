//! APPEND and SETRANGE

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::config::settings;
use crate::engine::{Key, StringValue, Value};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const APPEND: Spec = Spec {
    name: "append",
    arity: 3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    categories: Categories::STRING,
    since: "2.0.0",
    group: Group::String,
    summary: "Appends to the string that a key holds.",
    complexity: "O(1) for short texts, amortised",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("value", ArgKind::String)],
    handler: execute_append,
    ..Spec::DEFAULT
};

pub(super) const SETRANGE: Spec = Spec {
    name: "setrange",
    arity: 4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "2.2.0",
    group: Group::String,
    summary: "Overwrites a part of the string that a key holds; zero bytes fill the room before it.",
    complexity: "O(M) for M bytes that are written",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("offset", ArgKind::Integer),
        Argument::new("value", ArgKind::String),
    ],
    handler: execute_setrange,
    ..Spec::DEFAULT
};

/// Checks that a string of `len` bytes may be made. What is in the log was allowed once.
fn check_len(context: &Context<'_, '_>, len: Option<usize>) -> Result<usize, CommandError> {
    let max = context.shared.config.memory(settings::PROTO_MAX_BULK_LEN);
    len.filter(|&len| context.keys.replaying || len as u64 <= max).ok_or(CommandError::StringTooLong)
}

/// Makes room for `more` bytes.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<(), CommandError> {
    bytes.try_reserve(more).map_err(|_| CommandError::StringTooLong)
}

fn execute_append(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (key, text) = (Key::new(request.arg(1)), request.arg(2));
    let len = match context.keys.find_string_for_write(&key)?.map(|string| string.len()) {
        None => {
            context.keys.insert(&key, Value::String(StringValue::new(text)), None);
            text.len()
        }
        Some(len) => {
            let len = check_len(context, len.checked_add(text.len()))?;
            if let Some(string) = context.keys.find_string_for_write(&key)? {
                let bytes = string.edit();
                reserve(bytes, text.len())?;
                bytes.extend_from_slice(text);
            }
            len
        }
    };
    context.keys.effect(&[b"APPEND", key.bytes, text]);
    context.keys.notify(EventClass::STRING, "append", &key);
    context.keys.changed(&key, Change::Updated);
    context.reply.count(len as u64);
    Ok(Outcome::Done)
}

fn execute_setrange(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (key, text) = (Key::new(request.arg(1)), request.arg(3));
    let start = usize::try_from(parse_integer(request.arg(2))?)
        .map_err(|_| CommandError::Other("ERR offset is out of range"))?;
    let string = context.keys.find_string_for_write(&key)?;
    let present_len = string.as_ref().map(|string| string.len());
    if text.is_empty() {
        context.reply.count(present_len.unwrap_or(0) as u64);
        return Ok(Outcome::Done);
    }
    let end = check_len(context, start.checked_add(text.len()))?;
    let len = end.max(present_len.unwrap_or(0));
    let write = |bytes: &mut Vec<u8>| {
        reserve(bytes, len - bytes.len())?;
        bytes.resize(len, 0);
        bytes[start..end].copy_from_slice(text);
        Ok::<(), CommandError>(())
    };
    match context.keys.find_string_for_write(&key)? {
        Some(string) => write(string.edit())?,
        None => {
            let mut string = StringValue::new(b"");
            write(string.edit())?;
            context.keys.insert(&key, Value::String(string), None);
        }
    }
    context.shared.note_growth((len - present_len.unwrap_or(0)) as u64);
    context.keys.effect(&[b"SETRANGE", key.bytes, request.arg(2), text]);
    context.keys.notify(EventClass::STRING, "setrange", &key);
    context.keys.changed(&key, Change::Updated);
    context.reply.count(len as u64);
    Ok(Outcome::Done)
}
