//! ECHO

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "echo",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Categories::CONNECTION,
    since: "1.0.0",
    group: Group::Connection,
    summary: "Answers its argument.",
    complexity: "O(1)",
    arguments: &[Argument::new("message", ArgKind::String)],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.bulk(request.arg(1));
    Ok(Outcome::Done)
}
