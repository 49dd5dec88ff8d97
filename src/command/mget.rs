//! MGET

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "mget",
    arity: -2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::to_end(1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Returns the strings of several keys.",
    complexity: "O(N) for N keys",
    tips: &["request_policy:multi_shard"],
    arguments: &[Argument::new("key", ArgKind::Key(0)).multiple()],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.array(request.len() - 1);
    for key in request.args_from(1) {
        // A key of another type has no string, which is no error here.
        match context.keys.find_string(&Key::new(key)) {
            Ok(Some(string)) => string.with_bytes(|bytes| context.reply.bulk(bytes)),
            Ok(None) | Err(_) => context.reply.null(),
        }
    }
    Ok(Outcome::Done)
}
