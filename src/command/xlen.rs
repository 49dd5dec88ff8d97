//! XLEN

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "xlen",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Returns the number of entries in a stream.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let stream = context.keys.find_stream(&Key::new(request.arg(1)))?;
    let len = stream.map_or(0, |stream| stream.len());
    context.reply.count(len);
    Ok(Outcome::Done)
}
