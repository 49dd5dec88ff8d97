//! MONITOR

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "monitor",
    arity: 1,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "1.0.0",
    group: Group::Server,
    summary: "Shows this connection every command that the server executes.",
    deviation: Some(
        "A connection that reads too slowly is closed by the limit of `client-output-buffer-limit` for normal clients, and \
         where there is none by that for subscribers.",
    ),
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let session = &mut *context.session;
    if session.in_exec {
        return Err(CommandError::Other("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // To ask again is answered by nothing, as in Redis.
    if !session.is_monitor {
        session.is_monitor = true;
        context.shared.monitors.add(&session.handle);
        context.reply.ok();
    }
    Ok(Outcome::Done)
}
