//! XDEL

use smallvec::SmallVec;

use super::argument::parse_stream_id_strict;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, StreamId};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "xdel",
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Deletes entries of a stream by their IDs, and returns how many were there.",
    complexity: "O(1) for each ID, however long the stream is",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("id", ArgKind::String).multiple()],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    let Some(stream) = context.keys.find_stream_for_write(&key)? else {
        context.reply.integer(0);
        return Ok(Outcome::Done);
    };
    // All are read before any is deleted: a wrong one leaves the stream as it is.
    let ids = request
        .args_from(2)
        .map(|id| parse_stream_id_strict(id, 0))
        .collect::<Result<SmallVec<[StreamId; 16]>, _>>()?;
    let deleted: SmallVec<[StreamId; 16]> = ids.into_iter().filter(|&id| stream.delete(id)).collect();
    if !deleted.is_empty() {
        let effect = context.keys.begin_effect(2 + deleted.len());
        effect.arg(b"XDEL");
        effect.arg(key.bytes);
        deleted.iter().for_each(|&id| effect.arg_id(id));
        context.keys.notify(EventClass::STREAM, "xdel", &key);
        context.keys.changed(&key, Change::Touched);
    }
    context.reply.integer(deleted.len() as i64);
    Ok(Outcome::Done)
}
