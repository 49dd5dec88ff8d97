//! INFO's section on connections.

use std::sync::atomic::Ordering::Relaxed;

use super::Lines;
use crate::command::context::Context;
use crate::config::settings;

pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let shared = context.shared;
    let clients = shared.clients.list();
    let input_max = clients.iter().map(|client| client.input_bytes()).max();
    let output_max = clients.iter().map(|client| client.output_buffer.load(Relaxed)).max();
    let (mut blocking, mut blocking_on_loss) = (0, 0);
    for (_, shard) in context.keys.shards().iter_mut() {
        blocking += shard.waiters.len();
        blocking_on_loss += shard.waiters.len_on_loss();
    }
    lines.field("connected_clients", shared.clients.len());
    lines.field("cluster_connections", 0);
    lines.field("maxclients", shared.config.integer(settings::MAXCLIENTS));
    lines.field("client_recent_max_input_buffer", input_max.unwrap_or(0));
    lines.field("client_recent_max_output_buffer", output_max.unwrap_or(0));
    lines.field("blocked_clients", shared.blocked_clients.load(Relaxed));
    lines.field("tracking_clients", 0);
    lines.field("total_blocking_keys", blocking);
    lines.field("total_blocking_keys_on_nokey", blocking_on_loss);
}
