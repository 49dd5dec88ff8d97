//! CONFIG RESETSTAT

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "resetstat",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.0.0",
    group: Group::Server,
    summary: "Sets counters back to 0.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    help: &["RESETSTAT", "    Sets what INFO counts back to 0."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let shared = context.shared;
    shared.metrics.reset();
    shared.users.log.reset_counts();
    shared.peak_memory_bytes.store(0, std::sync::atomic::Ordering::Relaxed);
    shared.allocator();
    context.reply.ok();
    Ok(Outcome::Done)
}
