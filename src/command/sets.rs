//! SADD, SCARD and SMEMBERS, so that there are sets: see [`SetValue`].

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, KeyEntry, SetValue, Value};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SADD: Spec = Spec {
    name: "sadd",
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    categories: Categories::SET,
    since: "1.0.0",
    group: Group::Set,
    summary: "Adds members to a set; makes the set if it is not there.",
    complexity: "O(N) for N members that are added",
    history: &[("2.4.0", "Several members may be given.")],
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("member", ArgKind::String).multiple()],
    handler: execute_sadd,
    ..Spec::DEFAULT
};

pub(super) const SCARD: Spec = Spec {
    name: "scard",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    categories: Categories::SET,
    since: "1.0.0",
    group: Group::Set,
    summary: "Counts the members of a set.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_scard,
    ..Spec::DEFAULT
};

pub(super) const SMEMBERS: Spec = Spec {
    name: "smembers",
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::SET,
    since: "1.0.0",
    group: Group::Set,
    summary: "Returns the members of a set.",
    complexity: "O(N) for N members",
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_smembers,
    ..Spec::DEFAULT
};

fn as_set(entry: Option<&mut KeyEntry>) -> Result<Option<&mut SetValue>, CommandError> {
    match entry.map(|entry| &mut entry.value) {
        None => Ok(None),
        Some(Value::Set(set)) => Ok(Some(set)),
        Some(_) => Err(CommandError::WrongType),
    }
}

fn execute_sadd(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    if as_set(keys.find_for_write(&key))?.is_none() {
        keys.insert(&key, Value::Set(Box::default()), None);
    }
    let Some(set) = as_set(keys.find_for_write(&key))? else {
        unreachable!("it was there, or was put there above")
    };
    let added = request.args_from(2).filter(|member| set.insert(member)).count();
    if added > 0 {
        let effect = keys.begin_effect(request.len());
        effect.arg(b"SADD");
        request.args_from(1).for_each(|arg| effect.arg(arg));
        keys.notify(EventClass::SET, "sadd", &key);
        keys.changed(&key, Change::Updated);
    }
    context.reply.count(added as u64);
    Ok(Outcome::Done)
}

fn execute_scard(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let set = as_set(context.keys.find(&Key::new(request.arg(1))))?;
    context.reply.count(set.map_or(0, |set| set.len()) as u64);
    Ok(Outcome::Done)
}

fn execute_smembers(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    match as_set(context.keys.find(&Key::new(request.arg(1))))? {
        Some(set) => {
            context.reply.set(set.len());
            set.iter().for_each(|member| context.reply.bulk(member));
        }
        None => context.reply.set(0),
    }
    Ok(Outcome::Done)
}
