//! What the server counts. Each worker thread has counters of its own, which only it writes; whoever
//! reads them sums over the threads.

mod histogram;
mod latency;
mod locks;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;

pub use histogram::{Histogram, HistogramCounts};
pub use latency::{LatencyEvent, LatencyHistory, LatencyMonitor, LatencySample};
pub use locks::{LockCounters, LockCounts};

/// A counter that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at 0.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds; to be called by the owning thread only. A load and a store, for there is no other
    /// writer: cheaper than an atomic addition.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Subtracts, where it counts what there is now; to be called by the owning thread only.
    #[inline]
    pub fn subtract(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Sets it to 0 (CONFIG RESETSTAT). An addition at the same instant may be lost.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// What is counted of one command.
#[derive(Debug, Default)]
pub struct CommandCounters {
    /// Executions.
    pub calls: Counter,
    /// Time spent, in nanoseconds.
    pub ns: Counter,
    /// Refusals before execution (arity, authentication, memory, a failed log).
    pub rejected: Counter,
    /// Executions that answered with an error.
    pub failed: Counter,
    /// How long executions took, without what blocked ones waited; there once one was timed.
    durations: OnceLock<Box<Histogram>>,
}

impl CommandCounters {
    /// Counts the time of `calls` executions in a row, which were timed together; each counts with their mean in the distribution, if
    /// that is kept (`has_distribution`). To be called by the owning thread only.
    #[inline]
    pub fn add_time(&self, calls: u64, ns: u64, has_distribution: bool) {
        self.ns.add(ns);
        if has_distribution {
            self.durations.get_or_init(Box::default).add(calls, ns);
        }
    }
}

/// The counters of one worker thread. They share no cache line with anything else: each is written with every batch.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    /// By the command's index in the command table.
    pub commands: Box<[CommandCounters]>,
    /// Commands executed.
    pub commands_processed: Counter,
    /// Bytes read from connections.
    pub net_input_bytes: Counter,
    /// Bytes written to connections.
    pub net_output_bytes: Counter,
    /// Reads from and writes to connections.
    pub reads: Counter,
    /// Writes to connections.
    pub writes: Counter,
    /// Lookups of keys that were there.
    pub keyspace_hits: Counter,
    /// Lookups of keys that were not.
    pub keyspace_misses: Counter,
    /// Keys whose time was up and that were removed.
    pub expired_keys: Counter,
    /// Changes of the data.
    pub changes: Counter,
    /// Time spent on removing keys in the background, in nanoseconds.
    pub expire_ns: Counter,
    /// Its clients that are blocked, and how many of them do not wait for ever: as they are now.
    pub blocked_clients: Counter,
    /// See [`Self::blocked_clients`].
    pub blocked_clients_with_timeout: Counter,
    /// The locks of shards, as commands take them.
    pub shard_locks: LockCounters,
    /// The lock of the log's buffer, which a batch that changes anything takes to append.
    pub log_buffer_locks: LockCounters,
    /// The lock of the log's file, held while it is written: whoever has something to be written takes it.
    pub log_file_locks: LockCounters,
}

impl WorkerMetrics {
    /// The kinds of locks that are counted, each with its name and counters.
    pub fn locks(&self) -> [(&'static str, &LockCounters); 3] {
        [
            ("shard", &self.shard_locks),
            ("log_buffer", &self.log_buffer_locks),
            ("log_file", &self.log_file_locks),
        ]
    }
}

/// How much happens in a second, as an average over the last samples.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Commands executed.
    pub commands: u64,
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
}

#[derive(Debug, Default)]
struct RateSamples {
    /// When the last sample was taken, and the counters then.
    last: Option<(Instant, Rates)>,
    samples: [Rates; Self::LEN],
    next: usize,
}

impl RateSamples {
    const LEN: usize = 16;

    fn take(&mut self, now: Instant, counters: Rates) {
        if let Some((then, before)) = self.last.replace((now, counters)) {
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            if seconds > 0.0 {
                // Counters that were reset meanwhile count from 0.
                let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds) as u64;
                self.samples[self.next] = Rates {
                    commands: rate(counters.commands, before.commands),
                    input_bytes: rate(counters.input_bytes, before.input_bytes),
                    output_bytes: rate(counters.output_bytes, before.output_bytes),
                };
                self.next = (self.next + 1) % Self::LEN;
            }
        }
    }

    fn average(&self) -> Rates {
        let average = |of: fn(&Rates) -> u64| self.samples.iter().map(of).sum::<u64>() / Self::LEN as u64;
        Rates {
            commands: average(|rates| rates.commands),
            input_bytes: average(|rates| rates.input_bytes),
            output_bytes: average(|rates| rates.output_bytes),
        }
    }
}

/// The counters of the server.
#[derive(Debug, Default)]
pub struct Metrics {
    workers: Mutex<Vec<Arc<WorkerMetrics>>>,
    /// Connections accepted.
    pub connections_received: AtomicU64,
    /// Connections refused, since there were too many.
    pub connections_rejected: AtomicU64,
    /// Replies that were errors.
    pub error_replies: AtomicU64,
    /// Errors by their code (the first word), and how often each was answered.
    errors: Mutex<Vec<(String, u64)>>,
    rates: Mutex<RateSamples>,
    /// Connections closed since their query buffer grew over its limit.
    pub query_buffer_limit_disconnections: AtomicU64,
    /// Connections closed since more replies waited to be sent than `client-output-buffer-limit` allows.
    pub output_buffer_limit_disconnections: AtomicU64,
    /// Connections closed since all together took more than `maxmemory-clients` allows.
    pub evicted_clients: AtomicU64,
}

impl Metrics {
    /// The most error codes that are told apart, as in Redis 7.2.
    const ERROR_CODES_MAX: usize = 128;

    /// The counters of a new worker thread.
    pub fn register_worker(&self, commands: usize) -> Arc<WorkerMetrics> {
        let metrics = Arc::new(WorkerMetrics {
            commands: (0..commands).map(|_| CommandCounters::default()).collect(),
            ..WorkerMetrics::default()
        });
        self.workers.lock().push(metrics.clone());
        metrics
    }

    /// The sum of a counter over the worker threads.
    pub fn sum(&self, counter: impl Fn(&WorkerMetrics) -> u64) -> u64 {
        self.workers.lock().iter().map(|worker| counter(worker)).sum()
    }

    /// What was counted of locks, by their kind: of each thread that executes commands, in the order in which they began.
    pub fn locks(&self) -> Vec<[(&'static str, LockCounts); 3]> {
        let of_one = |worker: &Arc<WorkerMetrics>| worker.locks().map(|(kind, locks)| (kind, locks.counts()));
        self.workers.lock().iter().map(of_one).collect()
    }

    /// The same, summed over the threads.
    pub fn locks_of_all(&self) -> [(&'static str, LockCounts); 3] {
        let none = WorkerMetrics::default().locks().map(|(kind, _)| (kind, LockCounts::default()));
        self.locks().into_iter().fold(none, |mut sums, of_one| {
            sums.iter_mut().zip(of_one).for_each(|((_, sum), (_, counts))| *sum = sum.plus(counts));
            sums
        })
    }

    /// How long executions of a command took, by its index in the command table: without what blocked ones waited.
    pub fn durations(&self, command: usize) -> HistogramCounts {
        let mut counts = HistogramCounts::default();
        for worker in self.workers.lock().iter() {
            if let Some(durations) = worker.commands[command].durations.get() {
                counts.add(durations);
            }
        }
        counts
    }

    /// Counts an error reply, by the code that `message` begins with.
    pub fn count_error(&self, message: &[u8]) {
        self.error_replies.fetch_add(1, Relaxed);
        let code = message.split(|&b| b == b' ').next().unwrap_or_default();
        let code = String::from_utf8_lossy(code);
        let mut errors = self.errors.lock();
        if let Some((_, count)) = errors.iter_mut().find(|(known, _)| *known == code) {
            *count += 1;
        } else if errors.len() < Self::ERROR_CODES_MAX {
            errors.push((code.into_owned(), 1));
        }
    }

    /// Errors by their code, sorted, and how often each was answered.
    pub fn errors(&self) -> Vec<(String, u64)> {
        let mut errors = self.errors.lock().clone();
        errors.sort();
        errors
    }

    /// Takes a sample for [`Self::rates`]; to be called several times a second.
    pub fn sample_rates(&self) {
        let counters = Rates {
            commands: self.sum(|worker| worker.commands_processed.get()),
            input_bytes: self.sum(|worker| worker.net_input_bytes.get()),
            output_bytes: self.sum(|worker| worker.net_output_bytes.get()),
        };
        self.rates.lock().take(Instant::now(), counters);
    }

    /// How much happened in a second lately.
    pub fn rates(&self) -> Rates {
        self.rates.lock().average()
    }

    /// Sets to 0 what CONFIG RESETSTAT does.
    pub fn reset(&self) {
        for worker in self.workers.lock().iter() {
            for command in &worker.commands {
                for counter in [&command.calls, &command.ns, &command.rejected, &command.failed] {
                    counter.reset();
                }
                if let Some(durations) = command.durations.get() {
                    durations.reset();
                }
            }
            for counter in [
                &worker.commands_processed,
                &worker.net_input_bytes,
                &worker.net_output_bytes,
                &worker.reads,
                &worker.writes,
                &worker.keyspace_hits,
                &worker.keyspace_misses,
                &worker.expired_keys,
                &worker.expire_ns,
            ] {
                counter.reset();
            }
            worker.locks().iter().for_each(|(_, locks)| locks.reset());
        }
        for counter in [
            &self.connections_received,
            &self.connections_rejected,
            &self.error_replies,
            &self.query_buffer_limit_disconnections,
            &self.output_buffer_limit_disconnections,
            &self.evicted_clients,
        ] {
            counter.store(0, Relaxed);
        }
        self.errors.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rates_are_averages_and_survive_a_reset() {
        let mut samples = RateSamples::default();
        let mut now = Instant::now();
        let mut counters = Rates::default();
        samples.take(now, counters);
        for _ in 0..RateSamples::LEN {
            now += Duration::from_millis(100);
            counters.commands += 7;
            samples.take(now, counters);
        }
        assert_eq!(samples.average(), Rates { commands: 70, ..Rates::default() });
        samples.take(now + Duration::from_millis(100), Rates::default());
        assert_eq!(samples.average().commands, 70 * 15 / 16);
    }
}
