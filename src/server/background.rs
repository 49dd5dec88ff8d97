//! What runs by the clock: keys that expire though nobody asks for them, clients that idle.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::blocking::serve_ready;
use crate::clock;
use crate::command::table;
use crate::config::settings;
use crate::engine::Key;
use crate::log::Effects;
use crate::metrics::WorkerMetrics;
use crate::state::{Keys, ShardSet, Shared};

/// The time between two rounds.
const ROUND: Duration = Duration::from_millis(100);
/// A shard stays locked for the removal of so many keys at a time.
const EXPIRED_AT_A_TIME: usize = 200;

/// Runs until it is dropped.
pub(super) async fn run(shared: Arc<Shared>) {
    let metrics = shared.metrics.register_worker(table().len());
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if shared.active_expire.load(Relaxed) && !shared.paused.load(Relaxed) {
            for shard in 0..shared.store.shard_count() {
                while expire_some(&shared, &metrics, shard) == EXPIRED_AT_A_TIME {
                    tokio::task::yield_now().await;
                }
            }
        }
        close_idle_clients(&shared);
    }
}

/// Removes keys of a shard whose time is up, and returns how many.
fn expire_some(shared: &Shared, metrics: &WorkerMetrics, shard: usize) -> usize {
    let now_ms = clock::unix_ms();
    let mut keys = Keys::new(&shared.store, shared.log(), metrics, Effects::new(), now_ms);
    keys.acquire(ShardSet::One(shard));
    let mut expired = 0;
    for db in 0..shared.store.databases() {
        keys.db = db;
        while expired < EXPIRED_AT_A_TIME {
            let Some(key) = keys.shards().get(shard).dbs[db].find_expired(now_ms).map(<[u8]>::to_vec) else {
                break;
            };
            keys.expire(&Key::new(&key));
            expired += 1;
        }
    }
    serve_ready(&mut keys);
    let (_, position) = keys.finish();
    if expired > 0 && shared.log().written() < position {
        // A failure is latched, and told to whoever writes next.
        let _ = shared.log().write_out();
    }
    expired
}

/// Closes clients that sent nothing for longer than `timeout`, unless they are blocked.
fn close_idle_clients(shared: &Shared) {
    let timeout_s = shared.config.integer(settings::TIMEOUT);
    if timeout_s <= 0 {
        return;
    }
    let now_ms = clock::unix_ms();
    for client in shared.clients.list() {
        let idle_ms = now_ms.saturating_sub(client.active_ms.load(Relaxed));
        if idle_ms > timeout_s as u64 * 1000 && !client.blocked.load(Relaxed) {
            tracing::debug!(client = client.id, "closing an idle client");
            client.kill();
        }
    }
}
