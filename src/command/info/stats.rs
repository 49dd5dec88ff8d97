//! INFO's section on what was done so far.

use std::sync::atomic::Ordering::Relaxed;

use super::Lines;
use crate::acl::LogReason;
use crate::command::context::Context;
use crate::metrics::{Counter, WorkerMetrics};
use crate::state::Topic;

pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let metrics = &context.shared.metrics;
    let sum = |counter: fn(&WorkerMetrics) -> &Counter| metrics.sum(|worker| counter(worker).get());
    let rates = metrics.rates();
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    lines.field("total_connections_received", metrics.connections_received.load(Relaxed));
    lines.field("total_commands_processed", sum(|worker| &worker.commands_processed));
    lines.field("instantaneous_ops_per_sec", rates.commands);
    lines.field("total_net_input_bytes", sum(|worker| &worker.net_input_bytes));
    lines.field("total_net_output_bytes", sum(|worker| &worker.net_output_bytes));
    lines.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    lines.field("instantaneous_input_kbps", kilobytes(rates.input_bytes));
    lines.field("instantaneous_output_kbps", kilobytes(rates.output_bytes));
    lines.field("instantaneous_input_repl_kbps", kilobytes(0));
    lines.field("instantaneous_output_repl_kbps", kilobytes(0));
    lines.field("rejected_connections", metrics.connections_rejected.load(Relaxed));
    lines.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    lines.field("expired_keys", sum(|worker| &worker.expired_keys));
    // What is due is known, and removed whole: nothing is sampled, and no round ends before its work.
    lines.field("expired_stale_perc", "0.00");
    lines.field("expired_time_cap_reached_count", 0);
    lines.field("expire_cycle_cpu_milliseconds", sum(|worker| &worker.expire_ns) / 1_000_000);
    lines.field("evicted_keys", 0);
    lines.field("evicted_clients", metrics.evicted_clients.load(Relaxed));
    lines.zeros(&["total_eviction_exceeded_time", "current_eviction_exceeded_time"]);
    lines.field("keyspace_hits", sum(|worker| &worker.keyspace_hits));
    lines.field("keyspace_misses", sum(|worker| &worker.keyspace_misses));
    for (name, topic) in [
        ("pubsub_channels", Topic::Channel),
        ("pubsub_patterns", Topic::Pattern),
        ("pubsubshard_channels", Topic::ShardChannel),
    ] {
        lines.field(name, context.shared.pubsub.len(topic));
    }
    lines.zeros(&["latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys"]);
    lines.zeros(&["active_defrag_hits", "active_defrag_misses"]);
    lines.zeros(&["active_defrag_key_hits", "active_defrag_key_misses"]);
    lines.zeros(&["total_active_defrag_time", "current_active_defrag_time"]);
    let tracking = &context.shared.tracking;
    lines.field("tracking_total_keys", tracking.keys());
    lines.field("tracking_total_items", tracking.items());
    lines.field("tracking_total_prefixes", tracking.prefixes());
    lines.field("unexpected_error_replies", 0);
    lines.field("total_error_replies", metrics.error_replies.load(Relaxed));
    lines.field("dump_payload_sanitizations", 0);
    lines.field("total_reads_processed", sum(|worker| &worker.reads));
    lines.field("total_writes_processed", sum(|worker| &worker.writes));
    lines.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    lines.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    lines.field(
        "client_query_buffer_limit_disconnections",
        metrics.query_buffer_limit_disconnections.load(Relaxed),
    );
    lines.field(
        "client_output_buffer_limit_disconnections",
        metrics.output_buffer_limit_disconnections.load(Relaxed),
    );
    lines.field("tls_handshake_failures", context.shared.tls.failures());
    let denied = |reason: LogReason| context.shared.users.log.count(reason);
    lines.field("acl_access_denied_auth", denied(LogReason::Auth));
    lines.field("acl_access_denied_cmd", denied(LogReason::Command));
    lines.field("acl_access_denied_key", denied(LogReason::Key));
    lines.field("acl_access_denied_channel", denied(LogReason::Channel));
}
