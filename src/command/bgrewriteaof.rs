//! BGREWRITEAOF

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::rewrite::start_rewrite;
use super::spec::{Flags, Group, Spec};
use crate::log::RewriteRefusal;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "bgrewriteaof",
    arity: 1,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::NO_ASYNC_LOADING),
    group: Group::Server,
    summary: "Writes the append-only log anew in the background, as short as the data allows.",
    complexity: "O(1)",
    deviation: Some("With `appendonly no` it is refused; Redis writes a file that it will not read."),
    handler: execute,
    ..Spec::DEFAULT
};

/// Without a log there is nothing to rewrite, and the answer says so; Redis writes a file then that it will not read.
fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    match start_rewrite(context.shared) {
        // The thread waits for the transaction's locks, as Redis waits for its end.
        Ok(()) if context.session.in_exec => {
            context.reply.simple("Background append only file rewriting scheduled");
        }
        Ok(()) => context.reply.simple("Background append only file rewriting started"),
        Err(RewriteRefusal::InProgress) => {
            let text = "ERR Background append only file rewriting already in progress";
            return Err(CommandError::Other(text));
        }
        Err(RewriteRefusal::NoLog) => {
            return Err(CommandError::Other(
                "ERR There is no append only file to rewrite: appendonly is off",
            ));
        }
        Err(RewriteRefusal::Failed(error)) => {
            let text = format!("ERR Can't rewrite the append only file in the background: {error}");
            return Err(CommandError::Text(text));
        }
    }
    Ok(Outcome::Done)
}
