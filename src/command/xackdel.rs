//! XACKDEL

use smallvec::SmallVec;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::references::{
    DeleteOptions, IDS_ARGUMENT, POLICY_ARGUMENT, disposal_number, write_deleted, write_released,
};
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, Released, StreamId};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "xackdel",
    arity: -6,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE).union(KeyFlags::DELETE))],
    categories: Categories::STREAM,
    since: "8.2.0",
    group: Group::Stream,
    summary: "Acknowledges entries for a group, deletes them as other groups allow, and returns what became of each.",
    complexity: "O(1) for each ID",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        POLICY_ARGUMENT,
        IDS_ARGUMENT,
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    let group = request.arg(2);
    let stream = context.keys.find_stream(&key)?;
    let options = DeleteOptions::parse(request, 3)?;
    let Some(stream) = stream.filter(|stream| stream.groups().find(group).is_some()) else {
        options.reply_absent(context.reply);
        return Ok(Outcome::Done);
    };
    let ids = options.parse_ids(request)?;
    let mut released = Released::default();
    let mut deleted = SmallVec::<[StreamId; 16]>::new();
    context.reply.array(ids.len());
    for id in ids {
        let (disposal, is_gone_now) = stream.acknowledge_and_delete(group, id, options.policy, &mut released);
        if is_gone_now {
            deleted.push(id);
        }
        context.reply.integer(disposal_number(disposal));
    }
    let released = released.into_named(stream.groups());
    write_released(context.keys, key.bytes, &released);
    write_deleted(context.keys, key.bytes, &deleted);
    if !deleted.is_empty() {
        context.keys.notify(EventClass::STREAM, "xdel", &key);
        context.keys.changed(&key, Change::Touched);
    } else if !released.is_empty() {
        context.keys.changed(&key, Change::Metadata);
    }
    Ok(Outcome::Done)
}
