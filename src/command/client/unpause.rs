//! CLIENT UNPAUSE

use std::sync::atomic::Ordering::Relaxed;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "unpause",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.2.0",
    group: Group::Connection,
    summary: "Ends a pause.",
    complexity: "O(N) for N paused clients",
    help: &["UNPAUSE", "    Ends what CLIENT PAUSE began."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let shared = context.shared;
    *shared.pause.lock() = None;
    shared.paused.store(false, Relaxed);
    shared.unpaused.notify_waiters();
    context.reply.ok();
    Ok(Outcome::Done)
}
