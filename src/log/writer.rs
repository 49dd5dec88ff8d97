//! [`Log`]: takes effects over, writes them, syncs them.
//!
//! A reply may leave once [`Log::written`] or [`Log::durable`], as the policy says, has passed what the reply depends on.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::effects::Effects;
use super::error::{LogError, LogFailure, LogOperation};
use super::manifest::LogPaths;
use super::position::{EffectLog, Position};
use super::recovery::Recovered;
use super::rewrite::{RewriteClaim, RewriteRefusal};
use super::settings::{FsyncPolicy, LogSettings, LogStatistics};
use super::shared::{DurableAt, Phase, Shared};
use super::storage::Storage;
use super::waiters::Waiters;
use crate::metrics::{HistogramCounts, LatencyMonitor, LockCounters};

/// The append-only file, open for writing. All threads share one.
///
/// A write or a sync that fails latches the log; the caller is to refuse write commands as long as [`Log::latched`] answers with a failure.
/// - After a failed *write* (a full disk) what was written before stays; a part of a chunk that got into the file is cut off again. What was not
///   written is kept, with what is still appended, and tried again with every interval: once it is written and
///   durable, the log is as if nothing had happened.
/// - After a failed *sync* nothing more counts as durable, since the system may have dropped the bytes and forgotten that it did: nothing is
///   tried again, and [`Log::append`] drops its bytes.
///
/// Meanwhile waiting for a position that is not written, or not durable after a failed sync, answers with the failure.
///
/// Dropping the log closes it.
///
/// It can be switched off and on. While it is off, all positions are the same, and durable. When it is switched on it takes nothing until its first
/// rewrite has a copy of the data ([`Log::is_recording`]), and promises nothing until that has come to its end: as in Redis, a reply
/// waits no longer meanwhile than the policy says for what is written to the files of now, and these are of use to a start only when they are whole.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// No log: positions are durable at once.
    pub fn disabled() -> Self {
        Self::off(LogSettings::new(FsyncPolicy::No))
    }

    /// A log that is off.
    pub(super) fn off(settings: LogSettings) -> Self {
        Self { shared: Arc::new(Shared::off(settings)), thread: Mutex::new(None) }
    }

    /// Goes on with the log that [`super::recover`] has read, and starts the log thread. Writes to the last
    /// increment if Millstream made it, and to a new one otherwise.
    ///
    /// # Errors
    /// Whatever keeps the file from being opened or made, or the thread from starting.
    pub fn start(
        storage: &dyn Storage,
        recovered: Recovered,
        settings: LogSettings,
    ) -> Result<Self, LogError> {
        let open = recovered.open(storage)?;
        let path = open.increment.path.clone();
        let shared = Arc::new(Shared::new(storage, open, settings));
        let thread = start_thread(&shared, &path)?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Switches the log on, unless it is: it begins with the next rewrite ([`Self::claim_rewrite`]), in whose files it then goes on. What is in the
    /// directory is replaced. Does no I/O; always the same directory is to be given.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn switch_on(&self, storage: &dyn Storage, paths: LogPaths) -> Result<(), LogError> {
        let mut thread = self.thread.lock();
        if self.is_enabled() {
            return Ok(());
        }
        let dir = paths.append_dir();
        self.shared.want(storage.to_arc(), paths);
        match start_thread(&self.shared, &dir) {
            Ok(started) => {
                *thread = Some(started);
                Ok(())
            }
            Err(error) => {
                self.shared.stop_recording();
                Err(error)
            }
        }
    }

    /// Switches the log off, unless it is: what was appended is written and synced, and the directory let go; a rewrite that goes on
    /// comes to nothing. Nobody waits for anything then. The files stay. A log that was latched is off all the same.
    ///
    /// # Errors
    /// The failure because of which not everything is durable.
    pub fn switch_off(&self) -> Result<(), Arc<LogError>> {
        let mut thread = self.thread.lock();
        if !self.is_enabled() {
            return Ok(());
        }
        self.shared.stop_recording();
        if let Some(thread) = thread.take() {
            self.end_thread(thread);
        }
        self.shared.end()
    }

    fn end_thread(&self, thread: JoinHandle<()>) {
        self.shared.stop_thread();
        if thread.join().is_err() {
            tracing::error!("the log thread has panicked");
        }
    }

    /// Whether there is a log, or will be once its first rewrite is through.
    pub fn is_enabled(&self) -> bool {
        self.shared.phase() != Phase::Off
    }

    /// Whether the log was switched on and has not begun yet: what is in its files is no whole, and of no use to a start.
    pub fn awaits_base(&self) -> bool {
        self.shared.phase() == Phase::Beginning
    }

    /// Whether effects are taken. It becomes so only with locks held that keep others from appending, see [`super::Rewrite::switch`].
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.shared.is_recording()
    }

    /// Takes the effects over and answers the position behind them. Only copies memory under a short lock, so that it may be called
    /// with a shard's lock held. The effects of one call are one whole to recovery when the machine stops: they are
    /// all applied or none of them.
    #[inline]
    pub fn append(&self, effects: &Effects) -> Position {
        debug_assert!(effects.is_whole(), "effects lack arguments or a transaction's end");
        self.shared.append(effects)
    }

    /// [`Self::append`]; `counters` tell what the buffer's lock cost the calling thread.
    #[inline]
    pub fn append_counted(&self, effects: &Effects, counters: &LockCounters) -> Position {
        debug_assert!(effects.is_whole(), "effects lack arguments or a transaction's end");
        self.shared.append_counted(effects, counters)
    }

    /// The position behind everything appended: what a reply that read the data may depend on.
    #[inline]
    pub fn appended(&self) -> Position {
        self.shared.appended()
    }

    /// The position up to which everything was handed to the system.
    #[inline]
    pub fn written(&self) -> Position {
        self.shared.written()
    }

    /// The position up to which everything is durable.
    #[inline]
    pub fn durable(&self) -> Position {
        self.shared.durable()
    }

    /// Hands everything that was appended before the call to the system, unless another thread does so, for whom it waits.
    ///
    /// # Errors
    /// The failure that latched the log, if not everything got written.
    pub fn write_out(&self) -> Result<(), Arc<LogError>> {
        self.shared.write_out()
    }

    /// [`Self::write_out`]; `counters` tell what the file's lock, which is held for the whole of a write, cost the calling thread.
    ///
    /// # Errors
    /// The failure that latched the log, if not everything got written.
    pub fn write_out_counted(&self, counters: &LockCounters) -> Result<(), Arc<LogError>> {
        self.shared.write_out_counted(counters)
    }

    /// Waits until everything up to `position` is durable; the log thread is asked for a sync, whatever the policy. Many waiters share
    /// one sync.
    ///
    /// The future's output is the failure that latched the log, if the position cannot become durable any more. Whether its effects
    /// are there after a restart is then open.
    pub fn durable_at(&self, position: Position) -> DurableAt<'_> {
        DurableAt::new(&self.shared, position)
    }

    /// What waiting for a position comes to, if that is known.
    #[inline]
    pub(super) fn find_outcome(&self, position: Position) -> Option<Result<(), Arc<LogError>>> {
        self.shared.find_outcome(position)
    }

    /// Those who wait, of whom the log thread knows whether they wait for a sync.
    pub(super) fn waiters(&self) -> &Waiters {
        &self.shared.waiters
    }

    /// How long the last sync took.
    pub fn last_sync(&self) -> Duration {
        self.shared.last_sync()
    }

    /// The failure that latched the log, if there was one.
    #[inline]
    pub fn latched(&self) -> Option<LogFailure> {
        self.shared.latched()
    }

    /// Writes and syncs everything appended before the call, on this thread.
    ///
    /// # Errors
    /// The failure that latched the log.
    pub fn sync_all(&self) -> Result<(), Arc<LogError>> {
        self.shared.write_out()?;
        self.shared.sync().map(drop)
    }

    /// Tries again what could not be written, as the log thread does with every interval.
    #[cfg(test)]
    pub(super) fn retry(&self) {
        self.shared.retry();
    }

    /// When the log is synced.
    #[inline]
    pub fn policy(&self) -> FsyncPolicy {
        self.shared.policy()
    }

    /// Changes when the log is synced. Everything written so far is synced soon when the policy becomes [`FsyncPolicy::Always`].
    pub fn set_policy(&self, policy: FsyncPolicy) {
        self.shared.set_policy(policy);
    }

    /// Claims the right to rewrite the log, which one thread has at a time; does no I/O.
    ///
    /// # Errors
    /// There is no log, or it was latched, or it is being rewritten.
    pub fn claim_rewrite(&self) -> Result<RewriteClaim, RewriteRefusal> {
        RewriteClaim::new(&self.shared)
    }

    /// What INFO tells of the log.
    pub fn statistics(&self) -> LogStatistics {
        self.shared.statistics()
    }

    /// Tells of writes that took long, and of syncs for which writers waited; once.
    pub fn report_to(&self, monitor: &Arc<LatencyMonitor>) {
        self.shared.report_to(monitor);
    }

    /// Adds how long its syncs took.
    pub fn add_sync_durations(&self, counts: &mut HistogramCounts) {
        self.shared.add_sync_durations(counts);
    }

    /// Writes and syncs everything, ends the log thread and lets go of the directory. What is appended later is dropped. A second call
    /// does nothing.
    ///
    /// # Errors
    /// The failure that latched the log: not everything is durable.
    pub fn close(&self) -> Result<(), Arc<LogError>> {
        let Some(thread) = self.thread.lock().take() else { return Ok(()) };
        self.end_thread(thread);
        self.shared.close()
    }
}

fn start_thread(shared: &Arc<Shared>, path: &Path) -> Result<JoinHandle<()>, LogError> {
    let for_thread = Arc::clone(shared);
    thread::Builder::new()
        .name("log".into())
        .spawn(move || for_thread.run())
        .map_err(|error| LogError::system(LogOperation::Start, path, error))
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!("the log was not closed in order: {error}");
        }
    }
}

impl EffectLog for Log {
    fn append(&self, effects: &Effects) -> Position {
        Self::append(self, effects)
    }

    fn appended(&self) -> Position {
        Self::appended(self)
    }

    fn durable(&self) -> Position {
        Self::durable(self)
    }

    fn durable_at(&self, position: Position) -> impl Future<Output = Result<(), Arc<LogError>>> + Send {
        Self::durable_at(self, position)
    }

    fn latched(&self) -> Option<LogFailure> {
        Self::latched(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::annotation::{CHUNK_LINE_BYTES, FileTag, encode_file_line, seal_chunk};
    use super::super::testing::*;
    use super::super::{DiskStorage, Fault, FaultStorage, LogCause, Survival};
    use super::*;
    use crate::metrics::LatencyEvent;
    use std::pin::Pin;
    use std::task::Poll;
    use std::time::Instant;

    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    const INCREMENT: &str = "d/appendonlydir/appendonly.aof.1.incr.aof";

    /// What a new server finds in the storage.
    fn check(storage: &FaultStorage, survival: Survival, expected: &[&str]) {
        let (texts, result) = recover_texts(&storage.restart(survival, 1), &test_paths());
        result.unwrap();
        assert_eq!(texts, expected, "with {survival:?}");
    }

    fn wait_until(what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(30), "{what} did not come");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_files_bytes() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::EverySecond).unwrap();
        assert_eq!(log.append(&effects_of(3, &["SET k v", "DEL a"])), log.appended());
        log.write_out().unwrap();
        log.append(&effects_of(3, &["DEL b"]));
        log.sync_all().unwrap();
        log.append(&effects_of(0, &["DEL c"]));
        log.close().unwrap();

        let text = String::from_utf8(storage.content(INCREMENT.as_ref()).unwrap()).unwrap();
        let tag = &text[4..12];
        let chunk = |payload: &str, synced_offset: usize| {
            let mut chunk = vec![0; CHUNK_LINE_BYTES];
            chunk.extend_from_slice(payload.as_bytes());
            let tag = FileTag(u32::from_str_radix(tag, 16).unwrap());
            seal_chunk(&mut chunk, tag, synced_offset as u64);
            String::from_utf8(chunk).unwrap()
        };
        let tag_number = FileTag(u32::from_str_radix(tag, 16).unwrap());
        let file_line = encode_file_line(tag_number);
        let mut expected = String::from_utf8(file_line.to_vec()).unwrap();
        expected += &chunk(
            "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n",
            40,
        );
        expected += &chunk("*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n", 40);
        let synced = expected.len();
        expected += &chunk("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$3\r\nDEL\r\n$1\r\nc\r\n", synced);
        let synced = expected.len();
        expected += &chunk("", synced);
        assert_eq!(text, expected);
        let manifest = storage.content("d/appendonlydir/appendonly.aof.manifest".as_ref()).unwrap();
        assert_eq!(manifest, b"file appendonly.aof.1.incr.aof seq 1 type i\n");
    }

    #[test]
    fn written_survives_the_process_and_durable_the_machine() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::EverySecond).unwrap();
        let first = log.append(&effects_of(0, &["DEL a"]));
        assert!(log.written() < first);
        check(&storage, Survival::Written, &[]);
        log.write_out().unwrap();
        assert!(log.written() == first && log.durable() < first);
        check(&storage, Survival::Written, &["SELECT 0", "DEL a"]);
        check(&storage, Survival::Synced, &[]);
        log.sync_all().unwrap();
        assert_eq!(log.durable(), first);
        check(&storage, Survival::Synced, &["SELECT 0", "DEL a"]);
        let statistics = log.statistics();
        assert_eq!(statistics.current_size_bytes, storage.content(INCREMENT.as_ref()).unwrap().len() as u64);
        assert_eq!((statistics.base_size_bytes, statistics.sync_count), (40, 1));
        assert_eq!((statistics.buffered_bytes, statistics.unsynced_bytes), (0, 0));
    }

    #[test]
    fn a_log_is_continued() {
        let storage = test_storage(1);
        for key in ["a", "b", "c"] {
            let log = start(&storage, &test_paths(), FsyncPolicy::No).unwrap();
            log.append(&effects_of(0, &[&format!("DEL {key}")]));
            log.close().unwrap();
        }
        let expected = ["SELECT 0", "DEL a", "SELECT 0", "DEL b", "SELECT 0", "DEL c"];
        check(&storage, Survival::Synced, &expected);
    }

    #[test]
    fn the_interval_syncs() {
        let storage = test_storage(1);
        let recovered = recover_texts(&storage, &test_paths()).1.unwrap();
        let sync_interval = Duration::from_millis(5);
        let settings = LogSettings { policy: FsyncPolicy::No, sync_interval };
        let log = Log::start(&storage, recovered, settings).unwrap();
        let position = log.append(&effects_of(0, &["DEL a"]));
        wait_until("the write", || log.written() == position);
        thread::sleep(sync_interval * 4);
        assert!(log.durable() < position, "the policy is not to sync");
        log.set_policy(FsyncPolicy::EverySecond);
        assert_eq!(log.policy(), FsyncPolicy::EverySecond);
        wait_until("the sync", || log.durable() == position);
        let count = log.statistics().sync_count;
        thread::sleep(sync_interval * 4);
        assert_eq!(log.statistics().sync_count, count, "there was nothing to sync");
    }

    #[test]
    fn always_makes_durable_what_was_written_under_another_policy() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::No).unwrap();
        let position = log.append(&effects_of(0, &["DEL a"]));
        log.set_policy(FsyncPolicy::Always);
        wait_until("the sync", || log.durable() == position);
    }

    #[test]
    fn many_waiters_on_many_runtimes() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths_in(dir.path().to_path_buf());
        let log = start(&DiskStorage, &paths, FsyncPolicy::Always).unwrap();
        const THREADS: usize = 4;
        const TASKS: usize = 25;
        const ROUNDS: usize = 20;
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let log = &log;
                scope.spawn(move || {
                    block_on(async move {
                        let mut tasks = Vec::new();
                        for task in 0..TASKS {
                            tasks.push(Box::pin(async move {
                                for round in 0..ROUNDS {
                                    let command = format!("DEL {thread}.{task}.{round}");
                                    let position = log.append(&effects_of(thread, &[&command]));
                                    log.durable_at(position).await.unwrap();
                                    assert!(log.durable() >= position);
                                }
                            }));
                        }
                        for task in join_all(tasks).await {
                            task
                        }
                    })
                });
            }
        });
        let statistics = log.statistics();
        assert!(
            statistics.sync_count < (THREADS * TASKS * ROUNDS) as u64 / 4,
            "waiters share syncs: {}",
            statistics.sync_count
        );
        log.close().unwrap();
        let (texts, result) = recover_texts(&DiskStorage, &paths);
        assert!(result.unwrap().replayed.torn_tail.is_none());
        let mut keys: Vec<_> = texts.iter().filter(|text| text.starts_with("DEL")).collect();
        assert_eq!(keys.len(), THREADS * TASKS * ROUNDS);
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), THREADS * TASKS * ROUNDS);
    }

    /// Polls all futures until all are done.
    async fn join_all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
        let mut outputs = Vec::new();
        std::future::poll_fn(|context| {
            futures.retain_mut(|future| match Pin::new(future).poll(context) {
                Poll::Ready(output) => {
                    outputs.push(output);
                    false
                }
                Poll::Pending => true,
            });
            if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        outputs
    }

    #[test]
    fn many_threads_write_out() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::EverySecond).unwrap();
        thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    for round in 0..500 {
                        let position = log.append(&effects_of(thread, &[&format!("DEL {thread}.{round}")]));
                        log.write_out().unwrap();
                        assert!(log.written() >= position);
                    }
                });
            }
        });
        let (texts, result) = recover_texts(&storage.restart(Survival::Written, 1), &test_paths());
        result.unwrap();
        let mut next = [0; 4];
        let mut db = usize::MAX;
        for text in &texts {
            match text.split_once(' ').unwrap() {
                ("SELECT", number) => db = number.parse().unwrap(),
                (_, key) => {
                    assert_eq!(key, format!("{db}.{}", next[db]));
                    next[db] += 1;
                }
            }
        }
        assert_eq!(next, [500; 4]);
    }

    /// Lets the next operation but `skip` fail under a write of two commands, one of them after the failure.
    fn check_failure(skip: u64, fault: Fault, code: i32, operation: LogOperation, survives: &[&str]) {
        let storage = test_storage(3);
        let log = start(&storage, &test_paths(), FsyncPolicy::EverySecond).unwrap();
        let good = log.append(&effects_of(0, &["DEL a"]));
        log.sync_all().unwrap();
        storage.fail_operation(storage.operations() + skip, fault);
        let bad = log.append(&effects_of(0, &["DEL b"]));
        let error = log.sync_all().unwrap_err();
        assert_eq!(error.operation, operation);
        assert!(matches!(&error.cause, LogCause::System(error) if error.raw_os_error() == Some(code)));
        let failure = log.latched().unwrap();
        assert!(Arc::ptr_eq(&failure.error, &error));
        assert_eq!(failure.is_final, operation == LogOperation::Sync);
        assert!(log.statistics().has_failed);

        let operations = storage.operations();
        let later = log.append(&effects_of(0, &["DEL c"]));
        assert!(later > bad && bad > good);
        assert_eq!(log.durable(), good);
        assert!(block_on(log.durable_at(good)).is_ok());
        for position in [bad, later] {
            assert!(Arc::ptr_eq(&block_on(log.durable_at(position)).unwrap_err(), &error));
        }
        assert!(log.write_out().is_err() && log.sync_all().is_err());
        assert_eq!(storage.operations(), operations, "nothing is tried again");
        check(&storage, Survival::Written, survives);
        // The last try at a write is made at the end.
        assert_eq!(log.close().is_ok(), operation == LogOperation::Write);
        match operation {
            LogOperation::Write => {
                check(&storage, Survival::Synced, &["SELECT 0", "DEL a", "DEL b", "DEL c"])
            }
            _ => assert_eq!(storage.operations(), operations, "nothing is tried again"),
        }
    }

    /// A log that tries again what it could not write soon.
    fn start_with_retries(storage: &FaultStorage) -> Log {
        let recovered = recover_texts(storage, &test_paths()).1.unwrap();
        let sync_interval = Duration::from_millis(2);
        Log::start(storage, recovered, LogSettings { policy: FsyncPolicy::No, sync_interval }).unwrap()
    }

    #[test]
    fn what_a_full_disk_refused_is_written_when_there_is_room() {
        let storage = test_storage(1);
        let log = start_with_retries(&storage);
        log.append(&effects_of(0, &["DEL a"]));
        log.sync_all().unwrap();
        storage.set_free_bytes(Some(30));
        log.append(&effects_of(0, &["DEL b"]));
        wait_until("the failure", || log.latched().is_some());
        // What was on its way, and keys that expire.
        let last = log.append(&effects_of(1, &["DEL c"]));
        assert!(log.write_out().is_err());
        assert!(block_on(log.durable_at(last)).is_err());
        thread::sleep(Duration::from_millis(20));
        assert!(!log.latched().unwrap().is_final);
        check(&storage, Survival::Written, &["SELECT 0", "DEL a"]);
        storage.set_free_bytes(None);
        wait_until("the way back", || log.latched().is_none());
        assert_eq!((log.written(), log.durable()), (last, last));
        log.append(&effects_of(1, &["DEL d"]));
        log.sync_all().unwrap();
        check(&storage, Survival::Synced, &["SELECT 0", "DEL a", "DEL b", "SELECT 1", "DEL c", "DEL d"]);
        assert!(!log.statistics().has_failed);
        log.close().unwrap();
    }

    #[test]
    fn a_slow_disk_is_told_of() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::Always).unwrap();
        let monitor = Arc::new(LatencyMonitor::default());
        log.report_to(&monitor);
        storage.set_delay(Duration::from_millis(20));
        log.append(&effects_of(0, &["DEL a"]));
        log.sync_all().unwrap();
        assert!(monitor.all().is_empty(), "nobody wants to know");
        monitor.set_threshold_ms(15);
        log.append(&effects_of(0, &["DEL b"]));
        log.sync_all().unwrap();
        let events: Vec<LatencyEvent> = monitor.all().into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, [LatencyEvent::AofFsyncAlways, LatencyEvent::AofWrite]);
        // Nobody waits for this one's sync.
        log.set_policy(FsyncPolicy::EverySecond);
        monitor.forget(LatencyEvent::AofFsyncAlways);
        log.append(&effects_of(0, &["DEL c"]));
        log.sync_all().unwrap();
        assert!(monitor.find(LatencyEvent::AofFsyncAlways).is_none());
    }

    #[test]
    fn a_rewrites_switch_outlives_a_full_disk() {
        let storage = test_storage(1);
        let log = start_with_retries(&storage);
        log.append(&effects_of(0, &["DEL a"]));
        log.sync_all().unwrap();
        let mut rewrite = log.claim_rewrite().unwrap().prepare().unwrap();
        storage.set_free_bytes(Some(0));
        log.append(&effects_of(0, &["DEL b"]));
        rewrite.switch().unwrap();
        log.append(&effects_of(0, &["DEL c"]));
        wait_until("the failure", || log.latched().is_some());
        assert!(rewrite.finish().is_err());
        assert!(matches!(log.claim_rewrite(), Err(RewriteRefusal::Failed(_))));
        storage.set_free_bytes(None);
        wait_until("the way back", || log.latched().is_none());
        log.append(&effects_of(0, &["DEL d"]));
        log.close().unwrap();
        let expected = ["SELECT 0", "DEL a", "DEL b", "SELECT 0", "DEL c", "DEL d"];
        check(&storage, Survival::Synced, &expected);
    }

    #[test]
    fn a_sync_that_fails_after_a_write_did_is_final() {
        let storage = test_storage(1);
        let log = start_with_retries(&storage);
        log.append(&effects_of(0, &["DEL a"]));
        log.sync_all().unwrap();
        storage.fail_operation(storage.operations(), Fault::Error(ENOSPC));
        // Its part that got into the file is cut off, then it is written again, then synced.
        storage.fail_operation(storage.operations() + 3, Fault::Error(EIO));
        log.append(&effects_of(0, &["DEL b"]));
        wait_until("the end", || log.latched().is_some_and(|failure| failure.is_final));
        let operations = storage.operations();
        thread::sleep(Duration::from_millis(20));
        assert_eq!(storage.operations(), operations, "nothing is tried again");
        assert!(log.close().is_err());
    }

    #[test]
    fn failures_latch() {
        let a = ["SELECT 0", "DEL a"];
        let a_b = ["SELECT 0", "DEL a", "DEL b"];
        check_failure(0, Fault::Error(ENOSPC), ENOSPC, LogOperation::Write, &a);
        check_failure(0, Fault::Torn(EIO), EIO, LogOperation::Write, &a);
        check_failure(1, Fault::Error(EIO), EIO, LogOperation::Sync, &a_b);
    }

    #[test]
    fn a_full_disk_leaves_no_part_of_a_chunk() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::EverySecond).unwrap();
        log.append(&effects_of(0, &["DEL a"]));
        log.write_out().unwrap();
        let size = storage.content(INCREMENT.as_ref()).unwrap().len();
        storage.set_free_bytes(Some(20));
        log.append(&effects_of(0, &["DEL b"]));
        assert_eq!(log.write_out().unwrap_err().reason(), "No space left on device");
        assert_eq!(storage.content(INCREMENT.as_ref()).unwrap().len(), size);
        // What was written before may still become durable.
        let written = log.written();
        block_on(log.durable_at(written)).unwrap();
        check(&storage, Survival::Synced, &["SELECT 0", "DEL a"]);
    }

    #[test]
    fn a_waiter_hears_of_a_failure() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::Always).unwrap();
        let position = log.append(&effects_of(0, &["DEL a"]));
        storage.fail_operation(storage.operations() + 1, Fault::Error(EIO));
        let error = block_on(log.durable_at(position)).unwrap_err();
        assert_eq!(error.operation, LogOperation::Sync);
    }

    #[test]
    fn a_waiter_that_gives_up_leaves_the_list() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::Always).unwrap();
        let position = Position(log.append(&effects_of(0, &["DEL a"])).0 + 1);
        let waiting = async {
            let mut future = std::pin::pin!(log.durable_at(position));
            std::future::poll_fn(|context| {
                assert!(future.as_mut().poll(context).is_pending());
                assert!(future.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            assert_eq!(log.shared.waiter_count(), 1);
        };
        block_on(waiting);
        assert_eq!(log.shared.waiter_count(), 0);
    }

    #[test]
    fn a_closed_log_lets_the_directory_go_and_takes_nothing() {
        let storage = test_storage(1);
        let log = start(&storage, &test_paths(), FsyncPolicy::Always).unwrap();
        let refused = start(&storage, &test_paths(), FsyncPolicy::Always).unwrap_err();
        assert_eq!(refused.operation, LogOperation::Lock);
        log.close().unwrap();
        log.close().unwrap();
        let position = log.append(&effects_of(0, &["DEL a"]));
        assert!(block_on(log.durable_at(position)).is_err());
        let again = start(&storage, &test_paths(), FsyncPolicy::Always).unwrap();
        drop(log);
        drop(again);
        check(&storage, Survival::Written, &[]);
    }

    #[test]
    fn no_log() {
        let log = Log::disabled();
        let position = log.append(&effects_of(0, &["DEL a"]));
        assert_eq!((position, log.durable(), log.written()), (log.appended(), position, position));
        block_on(log.durable_at(position)).unwrap();
        log.write_out().unwrap();
        log.sync_all().unwrap();
        assert!(log.latched().is_none() && !log.is_enabled());
        assert_eq!(log.statistics(), LogStatistics::default());
        log.close().unwrap();
    }
}
