//! CLIENT ID

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "id",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "5.0.0",
    group: Group::Connection,
    summary: "Returns the connection's ID.",
    complexity: "O(1)",
    help: &["ID", "    The ID of this connection. No other connection ever has it."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.count(context.session.handle.id);
    Ok(Outcome::Done)
}
