//! STRLEN

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "strlen",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    categories: Categories::STRING,
    since: "2.2.0",
    group: Group::String,
    summary: "Tells the length of a key's string, in bytes.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let string = context.keys.find_string(&Key::new(request.arg(1)))?;
    context.reply.count(string.map_or(0, |string| string.len()) as u64);
    Ok(Outcome::Done)
}
