//! INFO's section on connections.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Lines;
use crate::command::context::Context;
use crate::config::settings;
use crate::state::ClientHandle;

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
    lines.field("blocked_clients", shared.blocked_clients());
    lines.field("tracking_clients", shared.tracking.clients());
    let watched = |client: &Arc<ClientHandle>| client.watching.load(Relaxed);
    lines.field("pubsub_clients", clients.iter().filter(|client| client.is_subscriber()).count());
    lines.field("watching_clients", clients.iter().filter(|client| watched(client) > 0).count());
    lines.field(
        "clients_in_timeout_table",
        shared.metrics.sum(|worker| worker.blocked_clients_with_timeout.get()),
    );
    lines.field("total_watched_keys", clients.iter().map(watched).sum::<u32>());
    lines.field("total_blocking_keys", blocking);
    lines.field("total_blocking_keys_on_nokey", blocking_on_loss);
}
