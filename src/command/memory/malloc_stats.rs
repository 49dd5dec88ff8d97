//! MEMORY MALLOC-STATS

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "malloc-stats",
    arity: 2,
    since: "4.0.0",
    group: Group::Server,
    summary: "Returns what the allocator tells of itself.",
    complexity: "Grows with the memory that is allocated; may take long",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    help: &["MALLOC-STATS", "    What the allocator tells of itself."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let mut text = Vec::new();
    let options = tikv_jemalloc_ctl::stats_print::Options::default();
    // Writing to memory does not fail.
    let _ = tikv_jemalloc_ctl::stats_print::stats_print(&mut text, options);
    context.reply.verbatim(&text);
    Ok(Outcome::Done)
}
