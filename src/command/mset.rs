//! MSET and MSETNX

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, StringValue, Value};
use crate::protocol::Request;
use crate::state::{Change, EventClass, Keys};

pub(super) const MSET: Spec = Spec {
    name: "mset",
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::to_end(1, 2, KeyFlags::OW.union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "1.0.1",
    group: Group::String,
    summary: "Sets several keys to strings.",
    complexity: "O(N) for N keys",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "data",
        ArgKind::Block(&[Argument::new("key", ArgKind::Key(0)), Argument::new("value", ArgKind::String)]),
    )
    .multiple()],
    handler: execute_mset,
    ..Spec::DEFAULT
};

pub(super) const MSETNX: Spec = Spec {
    name: "msetnx",
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::to_end(1, 2, KeyFlags::OW.union(KeyFlags::INSERT))],
    categories: Categories::STRING,
    since: "1.0.1",
    group: Group::String,
    summary: "Sets several keys to strings if none of them is there.",
    complexity: "O(N) for N keys",
    arguments: &[Argument::new(
        "data",
        ArgKind::Block(&[Argument::new("key", ArgKind::Key(0)), Argument::new("value", ArgKind::String)]),
    )
    .multiple()],
    handler: execute_msetnx,
    ..Spec::DEFAULT
};

/// The keys with their values.
fn pairs<'a>(request: Request<'a>) -> impl Iterator<Item = (Key<'a>, &'a [u8])> {
    request.args_from(1).step_by(2).map(Key::new).zip(request.args_from(2).step_by(2))
}

fn check_pairs(request: Request<'_>, command: &str) -> Result<(), CommandError> {
    if request.len().is_multiple_of(2) { Err(CommandError::Arity(command.into())) } else { Ok(()) }
}

fn execute_mset(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    check_pairs(request, "mset")?;
    apply(context.keys, request);
    context.reply.ok();
    Ok(Outcome::Done)
}

fn execute_msetnx(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    check_pairs(request, "msetnx")?;
    let none_there = pairs(request).all(|(key, _)| context.keys.find_for_write(&key).is_none());
    if none_there {
        apply(context.keys, request);
    }
    context.reply.integer(i64::from(none_there));
    Ok(Outcome::Done)
}

fn apply(keys: &mut Keys<'_>, request: Request<'_>) {
    for (key, value) in pairs(request) {
        keys.insert(&key, Value::String(StringValue::new(value)), None);
        keys.notify(EventClass::STRING, "set", &key);
    }
    let effect = keys.begin_effect(request.len());
    effect.arg(b"MSET");
    request.args_from(1).for_each(|arg| effect.arg(arg));
    for (key, _) in pairs(request) {
        keys.changed(&key, Change::Lost);
    }
}
