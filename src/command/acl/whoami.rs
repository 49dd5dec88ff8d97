//! ACL WHOAMI

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "whoami",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    since: "6.0.0",
    group: Group::Server,
    summary: "Returns the user that the connection is authenticated as.",
    complexity: "O(1)",
    help: &["WHOAMI", "    This connection's user."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.bulk(context.session.access.user().name());
    Ok(Outcome::Done)
}
