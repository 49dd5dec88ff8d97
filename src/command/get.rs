//! GET

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "get",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Returns a key's string.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    reply_string(context, &Key::new(request.arg(1)))?;
    Ok(Outcome::Done)
}

/// Replies with the string that a key holds, or null; whether it holds one.
///
/// # Errors
/// When it holds another type.
pub(super) fn reply_string(context: &mut Context<'_, '_>, key: &Key<'_>) -> Result<bool, CommandError> {
    let string = context.keys.find_string(key)?;
    match &string {
        Some(string) => string.with_bytes(|bytes| context.reply.bulk(bytes)),
        None => context.reply.null(),
    }
    Ok(string.is_some())
}
