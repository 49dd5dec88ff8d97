//! XGROUP CREATECONSUMER, XGROUP DELCONSUMER

use super::super::context::{Context, Outcome};
use super::super::deliver::{Names, write_consumer_created};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::find_group;
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

const ARGUMENTS: &[Argument] = &[
    Argument::new("key", ArgKind::Key(0)),
    Argument::new("group", ArgKind::String),
    Argument::new("consumer", ArgKind::String),
];

pub(super) const CREATE: Spec = Spec {
    name: "createconsumer",
    arity: 5,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT))],
    categories: Categories::STREAM,
    since: "6.2.0",
    group: Group::Stream,
    summary: "Makes a consumer in a group.",
    complexity: "O(1)",
    arguments: ARGUMENTS,
    help: &["CREATECONSUMER <key> <groupname> <consumer>", "    Make a consumer in the group."],
    handler: create,
    ..Spec::DEFAULT
};

pub(super) const DELETE: Spec = Spec {
    name: "delconsumer",
    arity: 5,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::DELETE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Removes a consumer from a group, and all that is pending for it.",
    complexity: "O(1)",
    arguments: ARGUMENTS,
    help: &[
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the consumer, and all that is pending for it.",
    ],
    handler: delete,
    ..Spec::DEFAULT
};

fn names<'a>(request: Request<'a>) -> Names<'a> {
    Names { key: request.arg(2), group: request.arg(3), consumer: request.arg(4) }
}

fn create(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let names = names(request);
    let key = Key::new(names.key);
    let keys = &mut *context.keys;
    let now_ms = keys.now_ms;
    let group = find_group(keys, &key, names.group)?;
    let (_, created) = group.consumers_mut().find_or_create(names.consumer, now_ms);
    if created {
        write_consumer_created(keys, names);
        keys.changed(&key, Change::Metadata);
    }
    context.reply.integer(i64::from(created));
    Ok(Outcome::Done)
}

fn delete(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let names = names(request);
    let key = Key::new(names.key);
    let keys = &mut *context.keys;
    let group = find_group(keys, &key, names.group)?;
    let Some(slot) = group.consumers().find(names.consumer) else {
        context.reply.integer(0);
        return Ok(Outcome::Done);
    };
    let pending = group.remove_consumer(slot);
    keys.effect(&[b"XGROUP", b"DELCONSUMER", names.key, names.group, names.consumer]);
    keys.notify(EventClass::STREAM, "xgroup-delconsumer", &key);
    keys.changed(&key, Change::Metadata);
    context.reply.count(pending);
    Ok(Outcome::Done)
}
