//! What runs by the clock: keys that expire though nobody asks for them, clients that idle.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::blocking::serve_ready;
use crate::clock;
use crate::command::{block_limits, start_rewrite, table};
use crate::config::settings;
use crate::engine::{BlockLimits, Key, Stream};
use crate::log::{Effects, LogStatistics, RewriteStatistics};
use crate::metrics::{LatencyEvent, WorkerMetrics};
use crate::state::{Keys, ShardSet, Shared};

/// The time between two rounds.
const ROUND: Duration = Duration::from_millis(100);
/// The time from a rewrite of the log that failed to the next try; it doubles with each further failure.
const RETRY_DELAY: Duration = Duration::from_secs(60);
/// Its bound.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(3600);
/// Once in so many rounds the memory's peak is brought up to date.
const ROUNDS_PER_MEMORY_SAMPLE: u64 = 10;
/// A shard stays locked for the removal of so many keys at a time.
const EXPIRED_AT_A_TIME: usize = 200;
/// So many keys are looked at in a round, and so long a shard stays locked for it, for producers that are to be forgotten (who
/// asks for a stream finds them forgotten in any case), and for blocks to be compressed: this is about memory, and in no hurry.
const STREAM_SLOTS_PER_ROUND: usize = 2000;
/// A shard stays locked for the compression of so many blocks at a time, about half a millisecond.
const COMPRESSED_AT_A_TIME: usize = 32;
/// So often in a round.
const COMPRESSIONS_PER_ROUND: usize = 16;

/// Runs until it is dropped.
pub(super) async fn run(shared: Arc<Shared>) {
    let metrics = shared.metrics.register_worker(table().len());
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut expire_place, mut compress_place) = (Place::default(), Place::default());
    for round in 0_u64.. {
        ticks.tick().await;
        shared.metrics.sample_rates();
        if shared.config.memory(settings::MAXMEMORY) != 0 {
            shared.sample_memory();
        } else if round.is_multiple_of(ROUNDS_PER_MEMORY_SAMPLE) {
            shared.allocator();
        }
        if shared.active_expire.load(Relaxed) && !shared.paused.load(Relaxed) {
            let mut took = Duration::ZERO;
            for shard in 0..shared.store.shard_count() {
                while expire_timed(&shared, &metrics, shard, &mut took) == EXPIRED_AT_A_TIME {
                    tokio::task::yield_now().await;
                }
            }
            shared.latency.note(LatencyEvent::ExpireCycle, took);
            expire_produced(&shared, &mut expire_place);
        }
        for _ in 0..COMPRESSIONS_PER_ROUND {
            if !compress_some(&shared, &mut compress_place) {
                break;
            }
            tokio::task::yield_now().await;
        }
        shared.give_up_tracked();
        close_idle_clients(&shared);
        close_slow_readers(&shared);
        evict_clients(&shared);
        rewrite_grown_log(&shared);
    }
}

/// Begins to rewrite the log when it has grown by so much since the last time as the settings tell.
fn rewrite_grown_log(shared: &Arc<Shared>) {
    if shared.loading.load(Relaxed) {
        return;
    }
    // Whoever switches it on makes the first try.
    if wants_first_rewrite(&shared.log().statistics()) && shared.switching_log.try_lock().is_some() {
        tracing::info!("Rewriting the append only file, which was switched on");
        try_rewrite(shared);
        return;
    }
    let percentage = shared.config.integer(settings::AUTO_AOF_REWRITE_PERCENTAGE);
    if percentage == 0 {
        return;
    }
    let min_bytes = shared.config.memory(settings::AUTO_AOF_REWRITE_MIN_SIZE);
    let statistics = shared.log().statistics();
    if !wants_rewrite(&statistics, percentage as u64, min_bytes) {
        return;
    }
    tracing::info!(
        "Rewriting the append only file, which has grown from {} to {} bytes",
        statistics.base_size_bytes,
        statistics.current_size_bytes
    );
    try_rewrite(shared);
}

fn try_rewrite(shared: &Arc<Shared>) {
    if let Err(refusal) = start_rewrite(shared) {
        tracing::debug!("The append only file is not rewritten: {refusal:?}");
    }
}

/// Whether a log was switched on and its first rewrite has failed, some time ago.
fn wants_first_rewrite(log: &LogStatistics) -> bool {
    log.awaits_base && log.rewrite.current.is_none() && is_time_to_retry(&log.rewrite)
}

/// Whether a rewrite may be tried: after a failure it waits, the longer the more there were.
fn is_time_to_retry(rewrite: &RewriteStatistics) -> bool {
    let delay = match rewrite.consecutive_failures {
        0 => Duration::ZERO,
        failures => RETRY_DELAY_MAX.min(RETRY_DELAY * 2_u32.saturating_pow(failures as u32 - 1)),
    };
    rewrite.since_last.is_none_or(|since| since >= delay)
}

/// Whether the log has grown enough.
fn wants_rewrite(log: &LogStatistics, percentage: u64, min_bytes: u64) -> bool {
    let LogStatistics { current_size_bytes, base_size_bytes, rewrite, .. } = *log;
    let grown_bytes = current_size_bytes.saturating_sub(base_size_bytes);
    log.is_enabled
        && !log.has_failed
        && rewrite.current.is_none()
        && is_time_to_retry(&rewrite)
        && current_size_bytes > min_bytes
        && u128::from(grown_bytes) * 100 >= u128::from(base_size_bytes) * u128::from(percentage)
}

/// [`expire_some`]; adds the time that it took.
fn expire_timed(shared: &Shared, metrics: &WorkerMetrics, shard: usize, took: &mut Duration) -> usize {
    let started = Instant::now();
    let expired = expire_some(shared, metrics, shard);
    let elapsed = started.elapsed();
    metrics.expire_ns.add(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    *took += elapsed;
    expired
}

/// Removes keys of a shard whose time is up, and returns how many.
fn expire_some(shared: &Shared, metrics: &WorkerMetrics, shard: usize) -> usize {
    let now_ms = clock::unix_ms();
    let mut keys = Keys::new(shared, metrics, Effects::new(), now_ms);
    keys.acquire(ShardSet::One(shard));
    if shared.scripting.running.is_busy() {
        // The data are in the middle of a script.
        return 0;
    }
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
    let (_, mark) = keys.finish();
    if expired > 0 && shared.log().written() < mark.seen {
        // A failure is latched, and told to whoever writes next.
        let _ = shared.log().write_out();
    }
    expired
}

/// A place in the keyspace.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    shard: usize,
    db: usize,
    slot: usize,
}

/// Has some streams forget what producers sent too long ago, and moves on; at the end it begins anew in the next round.
fn expire_produced(shared: &Shared, place: &mut Place) {
    let now_ms = clock::unix_ms();
    visit_streams(shared, place, |stream| {
        stream.expire_produced(now_ms);
        ControlFlow::Continue(())
    });
}

/// Compresses some blocks of streams that are to be compressed and are not: those that were there before
/// `stream-compress-after` was set, were restored, or became plain again. Whether there may be more at the place.
fn compress_some(shared: &Shared, place: &mut Place) -> bool {
    let limits = block_limits(&shared.config);
    if limits.plain_max == BlockLimits::ALL_PLAIN || shared.loading.load(Relaxed) {
        return false;
    }
    let (mut left, mut is_interrupted) = (COMPRESSED_AT_A_TIME, false);
    visit_streams(shared, place, |stream| {
        is_interrupted = stream.compress_some(&limits, &mut left) || left == 0;
        if is_interrupted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    is_interrupted
}

/// Visits the streams in the next slots of the keyspace, until `visit` breaks, and moves on. At the end the place is the keyspace's
/// beginning.
fn visit_streams(shared: &Shared, place: &mut Place, mut visit: impl FnMut(&mut Stream) -> ControlFlow<()>) {
    let mut left = STREAM_SLOTS_PER_ROUND;
    let mut is_interrupted = false;
    while left > 0 && !is_interrupted && place.shard < shared.store.shard_count() {
        let mut shards = shared.store.lock(&ShardSet::One(place.shard));
        let dbs = &mut shards.get(place.shard).dbs;
        while left > 0 && !is_interrupted && place.db < dbs.len() {
            // A database that was emptied meanwhile ends before the place.
            let seen = dbs[place.db].slot_count().saturating_sub(place.slot).min(left);
            let next = dbs[place.db].visit_streams(place.slot, left, |stream| {
                let flow = visit(stream);
                is_interrupted = flow.is_break();
                flow
            });
            match next {
                Some(slot) => place.slot = slot,
                None => *place = Place { db: place.db + 1, slot: 0, ..*place },
            }
            left -= seen;
        }
        if place.db == dbs.len() {
            *place = Place { shard: place.shard + 1, ..Place::default() };
        }
    }
    if place.shard >= shared.store.shard_count() {
        *place = Place::default();
    }
}

/// Closes clients that sent nothing for longer than `timeout`, unless they wait for something: blocked ones, subscribers and monitors.
fn close_idle_clients(shared: &Shared) {
    let timeout_s = shared.config.integer(settings::TIMEOUT);
    if timeout_s <= 0 {
        return;
    }
    let now_ms = clock::unix_ms();
    for client in shared.clients.list() {
        let idle_ms = now_ms.saturating_sub(client.active_ms.load(Relaxed));
        let waits = client.blocked.load(Relaxed) || client.is_subscriber() || client.monitor.load(Relaxed);
        if idle_ms > timeout_s as u64 * 1000 && !waits {
            tracing::debug!(client = client.id, "closing an idle client");
            client.kill();
        }
    }
}

/// Closes clients that have more to read than the soft limit of `client-output-buffer-limit` allows for longer than that allows.
fn close_slow_readers(shared: &Shared) {
    let limits = shared.config.buffer_limits();
    let (limit, unasked) = (limits.normal, limits.unasked());
    if limit.soft_bytes == 0 && limits.pubsub.soft_bytes == 0 {
        return;
    }
    let now_ms = clock::unix_ms();
    for client in shared.clients.list() {
        if !client.outbox.is_empty() {
            client.check_unread(if client.is_subscriber() { &limits.pubsub } else { &unasked });
        }
        if limit.soft_bytes == 0 {
            continue;
        }
        // Subscribers have a limit of their own.
        if client.is_subscriber() || (client.limited_output_bytes() as u64) < limit.soft_bytes {
            client.output_soft_since_ms.store(0, Relaxed);
            continue;
        }
        match client.output_soft_since_ms.load(Relaxed) {
            0 => client.output_soft_since_ms.store(now_ms, Relaxed),
            since_ms if now_ms.saturating_sub(since_ms) > limit.soft_seconds.saturating_mul(1000) => {
                shared.note_output_disconnection(&client);
                client.kill();
            }
            _ => {}
        }
    }
}

/// Closes those clients that take the most memory while all together take more than `maxmemory-clients` allows.
fn evict_clients(shared: &Shared) {
    let bytes_max = shared.config.memory_of_clients();
    if bytes_max == 0 {
        return;
    }
    let mut clients: Vec<_> =
        shared.clients.list().into_iter().map(|client| (client.memory_bytes() as u64, client)).collect();
    let mut bytes: u64 = clients.iter().map(|(bytes, _)| bytes).sum();
    if bytes <= bytes_max {
        return;
    }
    clients.retain(|(_, client)| !client.no_evict.load(Relaxed));
    clients.sort_unstable_by_key(|(bytes, _)| *bytes);
    while bytes > bytes_max
        && let Some((client_bytes, client)) = clients.pop()
    {
        tracing::info!(
            client = client.id,
            bytes = client_bytes,
            "closing a client since all together take more than maxmemory-clients allows"
        );
        shared.metrics.evicted_clients.fetch_add(1, Relaxed);
        client.kill();
        bytes -= client_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(current: u64, base: u64, rewrite: RewriteStatistics, expected: bool) {
        let log = LogStatistics {
            is_enabled: true,
            current_size_bytes: current,
            base_size_bytes: base,
            rewrite,
            ..LogStatistics::default()
        };
        assert_eq!(wants_rewrite(&log, 100, 1000), expected);
        assert!(!wants_rewrite(&LogStatistics { is_enabled: false, ..log }, 100, 1000));
        assert!(!wants_rewrite(&LogStatistics { has_failed: true, ..log }, 100, 1000));
    }

    #[test]
    fn when_the_log_is_rewritten() {
        let none = RewriteStatistics::default();
        check(1000, 40, none, false);
        check(1001, 40, none, true);
        check(1999, 1000, none, false);
        check(2000, 1000, none, true);
        check(2000, 0, none, true);
        check(2000, 3000, none, false);
        check(9000, 40, RewriteStatistics { current: Some(Duration::ZERO), ..none }, false);
        for (failures, delay_s) in [(0, 0), (1, 60), (2, 120), (6, 1920), (7, 3600), (200, 3600)] {
            let failed = |since_s| RewriteStatistics {
                consecutive_failures: failures,
                since_last: Some(Duration::from_secs(since_s)),
                ..none
            };
            check(9000, 40, failed(delay_s), true);
            if delay_s > 0 {
                check(9000, 40, failed(delay_s - 1), false);
            }
        }
    }
}
