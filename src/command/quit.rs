//! QUIT

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "quit",
    arity: -1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::NO_AUTH)
        .union(Flags::ALLOW_BUSY)
        .union(Flags::SUBSCRIBED)
        .union(Flags::UNQUEUED),
    categories: Categories::CONNECTION,
    since: "1.0.0",
    group: Group::Connection,
    summary: "Closes the connection.",
    complexity: "O(1)",
    deprecated: Some(("7.2.0", "just closing the connection")),
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    // Whoever sees the connection closed may count on no message's being sent to it any more.
    context.shared.pubsub.unsubscribe_all(context.session);
    context.session.untrack(&context.shared.tracking);
    context.shared.monitors.remove(&context.session.handle);
    context.session.handle.outbox.close();
    context.session.closing = true;
    context.reply.ok();
    Ok(Outcome::Done)
}
