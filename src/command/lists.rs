//! LPUSH, RPUSH, LPOP, LLEN and LRANGE, so that there are lists: see [`ListValue`]. RPUSH is what redis-server writes its lists as when it rewrites its log.

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, KeyEntry, ListValue, Value};
use crate::number::parse_i64;
use crate::protocol::Request;
use crate::state::{Change, EventClass, Keys};

pub(super) const LPUSH: Spec = Spec {
    name: "lpush",
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    categories: Categories::LIST,
    since: "1.0.0",
    group: Group::List,
    summary: "Puts elements before those of a list; makes the list if it is not there.",
    complexity: "O(N) for N elements that are put there",
    history: &[("2.4.0", "Several elements may be given.")],
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("element", ArgKind::String).multiple()],
    handler: execute_lpush,
    ..Spec::DEFAULT
};

pub(super) const RPUSH: Spec = Spec {
    name: "rpush",
    summary: "Puts elements behind those of a list; makes the list if it is not there.",
    handler: execute_rpush,
    ..LPUSH
};

pub(super) const LPOP: Spec = Spec {
    name: "lpop",
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    categories: Categories::LIST,
    since: "1.0.0",
    group: Group::List,
    summary: "Takes elements away from a list's beginning and returns them.",
    complexity: "O(N) for N elements that are taken",
    history: &[("6.2.0", "How many are wanted may be given.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("count", ArgKind::Integer).optional().since("6.2.0"),
    ],
    handler: execute_lpop,
    ..Spec::DEFAULT
};

pub(super) const LLEN: Spec = Spec {
    name: "llen",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    categories: Categories::LIST,
    since: "1.0.0",
    group: Group::List,
    summary: "Counts the elements of a list.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_llen,
    ..Spec::DEFAULT
};

pub(super) const LRANGE: Spec = Spec {
    name: "lrange",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::LIST,
    since: "1.0.0",
    group: Group::List,
    summary: "Returns a range of a list's elements.",
    complexity: "O(S+N) for N elements behind S others",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("start", ArgKind::Integer),
        Argument::new("stop", ArgKind::Integer),
    ],
    handler: execute_lrange,
    ..Spec::DEFAULT
};

pub(super) fn as_list(entry: Option<&mut KeyEntry>) -> Result<Option<&mut ListValue>, CommandError> {
    match entry.map(|entry| &mut entry.value) {
        None => Ok(None),
        Some(Value::List(list)) => Ok(Some(list)),
        Some(_) => Err(CommandError::WrongType),
    }
}

fn execute_lpush(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    push(context, request, (b"LPUSH", "lpush"), ListValue::push_front)
}

fn execute_rpush(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    push(context, request, (b"RPUSH", "rpush"), ListValue::push_back)
}

fn push(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    (name, event): (&[u8], &'static str),
    push_element: fn(&mut ListValue, &[u8]),
) -> Result<Outcome, CommandError> {
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    if as_list(keys.find_for_write(&key))?.is_none() {
        keys.insert(&key, Value::List(Box::default()), None);
    }
    let Some(list) = as_list(keys.find_for_write(&key))? else {
        unreachable!("it was there, or was put there above")
    };
    request.args_from(2).for_each(|element| push_element(list, element));
    let len = list.len();
    let effect = keys.begin_effect(request.len());
    effect.arg(name);
    request.args_from(1).for_each(|arg| effect.arg(arg));
    keys.notify(EventClass::LIST, event, &key);
    keys.changed(&key, Change::Updated);
    context.reply.count(len as u64);
    Ok(Outcome::Done)
}

fn execute_lpop(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if request.len() > 3 {
        return Err(CommandError::Arity(LPOP.name.to_owned()));
    }
    let count = match request.get(2) {
        Some(count) => {
            let count = parse_i64(count).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::Other("ERR value is out of range, must be positive"))?)
        }
        None => None,
    };
    let key = Key::new(request.arg(1));
    let Some(list) = as_list(context.keys.find_for_write(&key))? else {
        if count.is_some() {
            context.reply.null_array()
        } else {
            context.reply.null()
        }
        return Ok(Outcome::Done);
    };
    let taken: Vec<Box<[u8]>> = std::iter::from_fn(|| list.pop_front()).take(count.unwrap_or(1)).collect();
    if count.is_some() {
        context.reply.array(taken.len());
    }
    taken.iter().for_each(|element| context.reply.bulk(element));
    if !taken.is_empty() {
        finish_pop(context.keys, &key, taken.len());
    }
    Ok(Outcome::Done)
}

/// Removes a list that was emptied, and writes how many elements were taken from its beginning.
pub(super) fn finish_pop(keys: &mut Keys<'_>, key: &Key<'_>, taken: usize) {
    keys.effect(&[b"LPOP", key.bytes, taken.to_string().as_bytes()]);
    let is_empty = matches!(as_list(keys.find_for_write(key)), Ok(Some(list)) if list.len() == 0);
    keys.notify(EventClass::LIST, "lpop", key);
    if is_empty {
        keys.remove(key);
        keys.notify(EventClass::GENERIC, "del", key);
    }
    keys.changed(key, if is_empty { Change::Lost } else { Change::Touched });
}

fn execute_llen(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let list = as_list(context.keys.find(&Key::new(request.arg(1))))?;
    context.reply.count(list.map_or(0, |list| list.len()) as u64);
    Ok(Outcome::Done)
}

fn execute_lrange(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (first, last) = (parse_integer(request.arg(2))?, parse_integer(request.arg(3))?);
    let Some(list) = as_list(context.keys.find(&Key::new(request.arg(1))))? else {
        context.reply.array(0);
        return Ok(Outcome::Done);
    };
    let len = list.len() as i64;
    let from_start = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (first, end) = (from_start(first).max(0), from_start(last).saturating_add(1).min(len));
    let elements = list.iter().skip(first as usize).take(end.saturating_sub(first).max(0) as usize);
    context.reply.array(elements.clone().count());
    elements.for_each(|element| context.reply.bulk(element));
    Ok(Outcome::Done)
}
