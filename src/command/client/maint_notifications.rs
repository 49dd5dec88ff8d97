//! CLIENT MAINT_NOTIFICATIONS

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

/// Redis 7.2 has no such subcommand. It is here so that what clients ask for is refused in words that
/// tell the reason; they carry on.
pub(super) const SPEC: Spec = Spec {
    name: "maint_notifications",
    arity: -3,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "7.2.0",
    group: Group::Connection,
    summary: "Asks for notifications of maintenance, which this server does not send: refused.",
    complexity: "O(1)",
    help: &["MAINT_NOTIFICATIONS (ON|OFF) ...", "    Refused: there are no notifications of maintenance."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(_: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    Err(CommandError::Other("ERR Notifications of maintenance are not supported"))
}
