//! XACK

use smallvec::SmallVec;

use super::argument::parse_stream_id_strict;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, StreamId};
use crate::protocol::Request;
use crate::state::Change;

pub(super) const SPEC: Spec = Spec {
    name: "xack",
    arity: -4,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Acknowledges entries, and returns how many were pending.",
    complexity: "O(1) for each ID",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        Argument::new("id", ArgKind::String).multiple(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    let stream = context.keys.find_stream(&key)?;
    let Some(group) = stream.and_then(|stream| stream.groups_mut().find_mut(request.arg(2))) else {
        context.reply.integer(0);
        return Ok(Outcome::Done);
    };
    // All are read before any is acknowledged: a wrong one leaves the group as it is.
    let ids = request
        .args_from(3)
        .map(|id| parse_stream_id_strict(id, 0))
        .collect::<Result<SmallVec<[StreamId; 16]>, _>>()?;
    let acknowledged: SmallVec<[StreamId; 16]> =
        ids.into_iter().filter(|&id| group.acknowledge(id).is_some()).collect();
    if !acknowledged.is_empty() {
        let effect = context.keys.begin_effect(3 + acknowledged.len());
        effect.arg(b"XACK");
        effect.arg(key.bytes);
        effect.arg(request.arg(2));
        acknowledged.iter().for_each(|&id| effect.arg_id(id));
        context.keys.changed(&key, Change::Metadata);
    }
    context.reply.integer(acknowledged.len() as i64);
    Ok(Outcome::Done)
}
