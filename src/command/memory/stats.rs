//! MEMORY STATS

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{Flags, Group, Spec};
use super::figures::{MemoryFigures, difference, percent, ratio};
use std::sync::atomic::Ordering::Relaxed;

use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "stats",
    arity: 2,
    flags: Flags::ALL_SHARDS,
    since: "4.0.0",
    group: Group::Server,
    summary: "Returns what memory is taken for.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    help: &["STATS", "    What memory is taken for, in bytes."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let figures = MemoryFigures::measure(context.shared);
    let shards = context.keys.shards().iter_mut();
    let keys: usize =
        shards.map(|(_, shard)| shard.dbs.iter().map(crate::engine::Db::len).sum::<usize>()).sum();
    let used = figures.used();
    let net = used.saturating_sub(figures.startup);
    let allocator = figures.allocator;
    let scripts = &context.shared.scripting.figures;
    let counts = [
        ("peak.allocated", figures.peak),
        ("total.allocated", used),
        ("startup.allocated", figures.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", figures.clients),
        ("cluster.links", 0),
        ("aof.buffer", figures.log_buffer),
        ("lua.caches", scripts.script_bytes.load(Relaxed) as u64),
        ("functions.caches", scripts.library_bytes.load(Relaxed) as u64),
        ("overhead.total", figures.overhead()),
        ("keys.count", keys as u64),
        ("keys.bytes-per-key", net.checked_div(keys as u64).unwrap_or(0)),
        ("dataset.bytes", figures.dataset()),
        ("allocator.allocated", used),
        ("allocator.active", allocator.active),
        ("allocator.resident", allocator.resident),
    ];
    let differences = [
        ("allocator-fragmentation.bytes", difference(allocator.active, used)),
        ("allocator-rss.bytes", difference(allocator.resident, allocator.active)),
        ("rss-overhead.bytes", difference(figures.resident, allocator.resident)),
        ("fragmentation.bytes", difference(figures.resident, used)),
    ];
    let ratios = [
        ("dataset.percentage", percent(figures.dataset(), net)),
        ("peak.percentage", percent(used, figures.peak)),
        ("allocator-fragmentation.ratio", ratio(allocator.active, used)),
        ("allocator-rss.ratio", ratio(allocator.resident, allocator.active)),
        ("rss-overhead.ratio", ratio(figures.resident, allocator.resident)),
        ("fragmentation", ratio(figures.resident, used)),
    ];
    let reply = &mut *context.reply;
    reply.map(counts.len() + differences.len() + ratios.len());
    for (name, bytes) in counts {
        reply.text(name);
        reply.count(bytes);
    }
    for (name, bytes) in differences {
        reply.text(name);
        reply.integer(bytes);
    }
    for (name, ratio) in ratios {
        reply.text(name);
        reply.double(ratio);
    }
    Ok(Outcome::Done)
}
