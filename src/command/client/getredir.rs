//! CLIENT GETREDIR

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;
use crate::state::Session;

pub(super) const SPEC: Spec = Spec {
    name: "getredir",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.0.0",
    group: Group::Connection,
    summary: "Returns the client to which invalidations of tracked keys are sent.",
    complexity: "O(1)",
    help: &[
        "GETREDIR",
        "    The ID of the client that tracking redirects to; 0 when there is none, -1 when nothing is tracked.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.integer(redirect(context.session));
    Ok(Outcome::Done)
}

/// The client to which a connection redirects; 0 when it tracks keys for itself, -1 when it does not track any.
pub(super) fn redirect(session: &Session) -> i64 {
    let tracking = session.tracking.as_ref();
    tracking.map_or(-1, |tracking| tracking.tracker.options.redirect.map_or(0, u64::cast_signed))
}
