//! CLIENT TRACKINGINFO

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "trackinginfo",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.2.0",
    group: Group::Connection,
    summary: "Tells whether and how the connection tracks keys.",
    complexity: "O(1)",
    help: &["TRACKINGINFO", "    How this connection tracks keys."],
    handler: execute,
    ..Spec::DEFAULT
};

/// No connection is tracking.
fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    reply.map(3);
    reply.text("flags");
    reply.set(1);
    reply.text("off");
    reply.text("redirect");
    reply.integer(-1);
    reply.text("prefixes");
    reply.array(0);
    Ok(Outcome::Done)
}
