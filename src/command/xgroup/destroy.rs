//! XGROUP DESTROY

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::find_stream;
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "destroy",
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::DELETE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Destroys a consumer group, and all that is pending in it.",
    complexity: "O(N) for N pending entries of the group",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("group", ArgKind::String)],
    help: &["DESTROY <key> <groupname>", "    Destroy the group, and all that is pending in it."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(2));
    let keys = &mut *context.keys;
    let destroyed = find_stream(keys, &key)?.groups_mut().destroy(request.arg(3));
    if destroyed {
        keys.effect(&[b"XGROUP", b"DESTROY", key.bytes, request.arg(3)]);
        keys.notify(EventClass::STREAM, "xgroup-destroy", &key);
        // Who is blocked on the group is told that it is gone.
        keys.changed(&key, Change::GroupLost);
    }
    context.reply.integer(i64::from(destroyed));
    Ok(Outcome::Done)
}
