//! CLIENT GETREDIR

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "getredir",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.0.0",
    group: Group::Connection,
    summary: "Returns the client to which invalidations of tracked keys are sent.",
    complexity: "O(1)",
    help: &["GETREDIR", "    The ID of the client that tracking redirects to; -1 when nothing is tracked."],
    handler: execute,
    ..Spec::DEFAULT
};

/// No connection is tracking.
fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.integer(-1);
    Ok(Outcome::Done)
}
