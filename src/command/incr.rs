//! INCR, DECR, INCRBY and DECRBY

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, StringValue, Value};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const INCR: Spec = Spec {
    name: "incr",
    arity: 2,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Adds one to the integer that a key holds; a key that is not there counts as 0.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_incr,
    ..Spec::DEFAULT
};

pub(super) const DECR: Spec = Spec {
    name: "decr",
    arity: 2,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Subtracts one from the integer that a key holds; a key that is not there counts as 0.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_decr,
    ..Spec::DEFAULT
};

pub(super) const INCRBY: Spec = Spec {
    name: "incrby",
    arity: 3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Adds to the integer that a key holds; a key that is not there counts as 0.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("increment", ArgKind::Integer)],
    handler: execute_incrby,
    ..Spec::DEFAULT
};

pub(super) const DECRBY: Spec = Spec {
    name: "decrby",
    arity: 3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Subtracts from the integer that a key holds; a key that is not there counts as 0.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("decrement", ArgKind::Integer)],
    handler: execute_decrby,
    ..Spec::DEFAULT
};

fn execute_incr(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    add(context, request, 1)
}

fn execute_decr(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    add(context, request, -1)
}

fn execute_incrby(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    add(context, request, parse_integer(request.arg(2))?)
}

fn execute_decrby(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let decrement = parse_integer(request.arg(2))?;
    let increment = decrement.checked_neg().ok_or(CommandError::Other("ERR decrement would overflow"))?;
    add(context, request, increment)
}

fn add(context: &mut Context<'_, '_>, request: Request<'_>, increment: i64) -> Result<Outcome, CommandError> {
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    let string = keys.find_string_for_write(&key)?;
    let before = match &string {
        Some(string) => string.as_integer().ok_or(CommandError::NotAnInteger)?,
        None => 0,
    };
    let sum = before
        .checked_add(increment)
        .ok_or(CommandError::Other("ERR increment or decrement would overflow"))?;
    let value = StringValue::from_integer(sum);
    match string {
        Some(string) => *string = value,
        None => {
            keys.insert(&key, Value::String(value), None);
        }
    }
    let effect = keys.begin_effect(3);
    effect.arg(b"INCRBY");
    effect.arg(key.bytes);
    effect.arg_integer(increment);
    keys.notify(EventClass::STRING, "incrby", &key);
    keys.changed(&key, Change::Updated);
    context.reply.integer(sum);
    Ok(Outcome::Done)
}
