//! [`Log`]: takes effects over, writes them, syncs them.
//!
//! Three places follow each other through the log: `appended` (in the buffer), `written` (handed to the system; survives
//! the process), `durable` (synced; survives the machine). A reply may leave once `written` or `durable`, as the policy
//! says, has passed what the reply depends on.
//!
//! Locks, in the order in which they may nest: `syncing`, `writer`, `buffer`. Only `buffer` is taken by [`Log::append`], and
//! nobody who holds it does I/O. The sync itself runs with `syncing` alone, so writes go on meanwhile.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::annotation::FileTag;
use super::buffer::{Buffer, Chunks};
use super::effects::Effects;
use super::error::{LogError, LogOperation};
use super::position::{EffectLog, Position};
use super::recovery::{OpenFile, Recovered};
use super::storage::{DirectoryLock, Storage, StorageFile};
use super::waiters::Waiters;

/// When the log is synced (`appendfsync`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FsyncPolicy {
    /// Before the reply: callers wait with [`Log::durable_at`].
    Always,
    /// Once a second: callers see to it with [`Log::write_out`] that their effects survive the process.
    EverySecond,
    /// When the system likes; callers do as with `EverySecond`.
    No,
}

/// How a log is to work.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// When it syncs.
    pub policy: FsyncPolicy,
    /// The time between two syncs under [`FsyncPolicy::EverySecond`]: a second, unless a test is in a hurry.
    pub sync_interval: Duration,
}

impl LogSettings {
    /// Usual settings with this policy.
    pub fn new(policy: FsyncPolicy) -> Self {
        Self { policy, sync_interval: Duration::from_secs(1) }
    }
}

/// What INFO tells of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStatistics {
    /// Whether there is a log.
    pub is_enabled: bool,
    /// The size of all its files.
    pub current_size_bytes: u64,
    /// That size when the log was opened.
    pub base_size_bytes: u64,
    /// Bytes appended and not yet written.
    pub buffered_bytes: u64,
    /// Bytes written and not yet synced.
    pub unsynced_bytes: u64,
    /// Whether a write or a sync has failed.
    pub has_failed: bool,
    /// How long the last sync took.
    pub last_sync_us: u64,
    /// How many syncs there were.
    pub sync_count: u64,
    /// How many syncs under [`FsyncPolicy::EverySecond`] took longer than the time between two.
    pub delayed_sync_count: u64,
}

/// The append-only file, open for writing. All threads share one.
///
/// A write or a sync that fails latches the log: what was written before stays (a part of a chunk that got into the file is cut off
/// again), nothing is written after it, and nothing is tried again; after a failed sync nothing more counts as
/// durable either, since the system may have dropped the bytes and forgotten that it did. While latched, [`Log::append`] drops its bytes:
/// its position never becomes written or durable, and waiting for it answers with the failure. The caller
/// is to refuse write commands as long as [`Log::latched`] answers with a failure.
///
/// Dropping the log closes it.
#[derive(Debug)]
pub struct Log {
    /// `None`: there is no log (`appendonly no`).
    core: Option<Arc<Core>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Core {
    buffer: Mutex<Buffer>,
    writer: Mutex<Writer>,
    syncing: Mutex<()>,
    appended: AtomicU64,
    written: AtomicU64,
    durable: AtomicU64,
    latch: OnceLock<Arc<LogError>>,
    sync_failed: AtomicBool,
    policy: AtomicU8,
    sync_interval: Duration,
    waiters: Waiters,
    /// Somebody waits for a sync; the log thread clears it before it takes the buffer.
    sync_wanted: AtomicBool,
    /// Whether the log thread is to end.
    stop: Mutex<bool>,
    wake: Condvar,
    /// The size of the files when the log was opened.
    base_size_bytes: u64,
    last_sync_us: AtomicU64,
    sync_count: AtomicU64,
    delayed_sync_count: AtomicU64,
}

struct Writer {
    file: Arc<dyn StorageFile>,
    path: std::path::PathBuf,
    tag: FileTag,
    /// The offset in the file of [`Position::START`].
    start_offset: u64,
    /// Memory for the exchange with the buffer; empty between writes.
    chunks: Chunks,
    /// Keeps other servers out of the directory until the log is closed.
    lock: Option<Box<dyn DirectoryLock>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("appended", &self.appended)
            .field("written", &self.written)
            .field("durable", &self.durable)
            .field("latch", &self.latch)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// No log: positions are durable at once.
    pub fn disabled() -> Self {
        Self { core: None, thread: Mutex::new(None) }
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
        let OpenFile { file, path, tag, len, total_bytes, lock } = recovered.open(storage)?;
        let core = Arc::new(Core {
            buffer: Mutex::default(),
            writer: Mutex::new(Writer {
                file,
                path: path.clone(),
                tag,
                start_offset: len,
                chunks: Chunks::default(),
                lock: Some(lock),
            }),
            syncing: Mutex::default(),
            appended: AtomicU64::new(0),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            latch: OnceLock::new(),
            sync_failed: AtomicBool::new(false),
            policy: AtomicU8::new(settings.policy as u8),
            sync_interval: settings.sync_interval,
            waiters: Waiters::default(),
            sync_wanted: AtomicBool::new(false),
            stop: Mutex::new(false),
            wake: Condvar::new(),
            base_size_bytes: total_bytes,
            last_sync_us: AtomicU64::new(0),
            sync_count: AtomicU64::new(0),
            delayed_sync_count: AtomicU64::new(0),
        });
        let for_thread = Arc::clone(&core);
        let thread = thread::Builder::new()
            .name("log".into())
            .spawn(move || for_thread.run())
            .map_err(|error| LogError::system(LogOperation::Start, &path, error))?;
        Ok(Self { core: Some(core), thread: Mutex::new(Some(thread)) })
    }

    /// Whether there is a log.
    pub fn is_enabled(&self) -> bool {
        self.core.is_some()
    }

    /// Takes the effects over and answers the position behind them. Only copies memory under a short lock, so that it may be called
    /// with a shard's lock held. The effects of one call are one whole to recovery when the machine stops: they are
    /// all applied or none of them.
    #[inline]
    pub fn append(&self, effects: &Effects) -> Position {
        debug_assert!(effects.is_whole(), "effects lack arguments or a transaction's end");
        let Some(core) = &self.core else { return Position::START };
        let mut buffer = core.buffer.lock();
        let position = buffer.append(effects);
        core.appended.store(position.0, Ordering::Release);
        position
    }

    /// The position behind everything appended: what a reply that read the data may depend on.
    #[inline]
    pub fn appended(&self) -> Position {
        self.core.as_ref().map_or(Position::START, |core| Position(core.appended.load(Ordering::Acquire)))
    }

    /// The position up to which everything was handed to the system.
    #[inline]
    pub fn written(&self) -> Position {
        self.core.as_ref().map_or(Position::START, |core| core.written())
    }

    /// The position up to which everything is durable.
    #[inline]
    pub fn durable(&self) -> Position {
        self.core.as_ref().map_or(Position::START, |core| core.durable())
    }

    /// Hands everything that was appended before the call to the system, unless another thread does so, for whom it waits.
    ///
    /// # Errors
    /// The failure that latched the log, if not everything got written.
    pub fn write_out(&self) -> Result<(), Arc<LogError>> {
        self.core.as_ref().map_or(Ok(()), |core| core.write_out())
    }

    /// Waits until everything up to `position` is durable; the log thread is asked for a sync, whatever the policy. Many waiters share
    /// one sync.
    ///
    /// The future's output is the failure that latched the log, if the position cannot become durable any more. Whether its effects
    /// are there after a restart is then open.
    pub fn durable_at(&self, position: Position) -> DurableAt<'_> {
        DurableAt { core: self.core.as_deref(), position, key: None }
    }

    /// The failure that latched the log, if there was one.
    #[inline]
    pub fn latched(&self) -> Option<Arc<LogError>> {
        self.core.as_ref()?.latch.get().cloned()
    }

    /// Writes and syncs everything appended before the call, on this thread.
    ///
    /// # Errors
    /// The failure that latched the log.
    pub fn sync_all(&self) -> Result<(), Arc<LogError>> {
        self.core.as_ref().map_or(Ok(()), |core| {
            core.write_out()?;
            core.sync()
        })
    }

    /// When the log is synced.
    #[inline]
    pub fn policy(&self) -> FsyncPolicy {
        self.core.as_ref().map_or(FsyncPolicy::No, |core| core.policy())
    }

    /// Changes when the log is synced. Everything written so far is synced soon when the policy becomes [`FsyncPolicy::Always`].
    pub fn set_policy(&self, policy: FsyncPolicy) {
        let Some(core) = &self.core else { return };
        core.policy.store(policy as u8, Ordering::Relaxed);
        if policy == FsyncPolicy::Always {
            core.request_sync();
        }
    }

    /// What INFO tells of the log.
    pub fn statistics(&self) -> LogStatistics {
        self.core.as_ref().map(|core| core.statistics()).unwrap_or_default()
    }

    /// Writes and syncs everything, ends the log thread and lets go of the directory. What is appended later is dropped. A second call
    /// does nothing.
    ///
    /// # Errors
    /// The failure that latched the log: not everything is durable.
    pub fn close(&self) -> Result<(), Arc<LogError>> {
        let Some(thread) = self.thread.lock().take() else { return Ok(()) };
        let Some(core) = &self.core else { return Ok(()) };
        *core.stop.lock() = true;
        core.wake.notify_one();
        if thread.join().is_err() {
            tracing::error!("the log thread has panicked");
        }
        core.close()
    }
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

    fn latched(&self) -> Option<Arc<LogError>> {
        Self::latched(self)
    }
}

/// What ended the log thread's sleep.
enum Wake {
    Stop,
    SyncWanted,
    Interval,
}

impl Core {
    fn written(&self) -> Position {
        Position(self.written.load(Ordering::Acquire))
    }

    fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    fn policy(&self) -> FsyncPolicy {
        match self.policy.load(Ordering::Relaxed) {
            0 => FsyncPolicy::Always,
            1 => FsyncPolicy::EverySecond,
            _ => FsyncPolicy::No,
        }
    }

    fn check_latch(&self) -> Result<(), Arc<LogError>> {
        self.latch.get().map_or(Ok(()), |error| Err(Arc::clone(error)))
    }

    fn write_out(&self) -> Result<(), Arc<LogError>> {
        let target = Position(self.appended.load(Ordering::Acquire));
        if self.written() >= target {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        if self.written() >= target {
            return Ok(());
        }
        self.check_latch()?;
        let before = self.written();
        let end = self.buffer.lock().take(&mut writer.chunks);
        let synced_offset = writer.start_offset + self.durable().0;
        let offset = writer.start_offset + before.0;
        let result = writer.write(offset, synced_offset);
        writer.chunks.clear();
        match result {
            Ok(()) => {
                self.written.store(end.0, Ordering::Release);
                Ok(())
            }
            Err(error) => Err(self.latch(error)),
        }
    }

    /// Makes what is written durable. After a write failed, what was written before it may still be synced; after a sync
    /// failed, nothing may.
    fn sync(&self) -> Result<(), Arc<LogError>> {
        let _one_at_a_time = self.syncing.lock();
        if self.sync_failed.load(Ordering::Acquire) {
            return self.check_latch();
        }
        let (file, path, end) = {
            let writer = self.writer.lock();
            let end = self.written();
            if self.durable() >= end {
                return Ok(());
            }
            (Arc::clone(&writer.file), writer.path.clone(), end)
        };
        let started = Instant::now();
        let result = file.sync();
        let took = started.elapsed();
        self.last_sync_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.sync_count.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result {
            self.sync_failed.store(true, Ordering::Release);
            return Err(self.latch(LogError::system(LogOperation::Sync, &path, error)));
        }
        self.durable.store(end.0, Ordering::Release);
        self.waiters.wake(end);
        Ok(())
    }

    /// Makes a failure final and tells everybody. Answers the failure that came first.
    fn latch(&self, error: LogError) -> Arc<LogError> {
        let error = Arc::new(error);
        let first = self.latch.get_or_init(|| Arc::clone(&error));
        if Arc::ptr_eq(first, &error) {
            tracing::error!("{error}; writes are refused from now on");
        }
        self.buffer.lock().close();
        self.waiters.wake_all();
        Arc::clone(first)
    }

    /// What waiting for a position comes to, if that is known.
    fn find_outcome(&self, position: Position) -> Option<Result<(), Arc<LogError>>> {
        if self.durable() >= position {
            return Some(Ok(()));
        }
        let error = self.latch.get()?;
        let is_lost = self.sync_failed.load(Ordering::Acquire) || self.written() < position;
        is_lost.then(|| Err(Arc::clone(error)))
    }

    fn request_sync(&self) {
        if !self.sync_wanted.swap(true, Ordering::AcqRel) {
            // The lock is what makes sure that the log thread is asleep or yet to look.
            drop(self.stop.lock());
            self.wake.notify_one();
        }
    }

    /// The log thread.
    fn run(&self) {
        let mut due = Instant::now() + self.sync_interval;
        loop {
            // Failures latch, which is where they are reported.
            match self.sleep_until(due) {
                Wake::Stop => return,
                Wake::SyncWanted => {
                    let _ = self.write_out();
                    let _ = self.sync();
                }
                Wake::Interval => {
                    let _ = self.write_out();
                    if self.policy() != FsyncPolicy::No {
                        let _ = self.sync();
                    }
                    due += self.sync_interval;
                    let now = Instant::now();
                    if due < now {
                        self.delayed_sync_count.fetch_add(1, Ordering::Relaxed);
                        due = now;
                    }
                }
            }
        }
    }

    fn sleep_until(&self, due: Instant) -> Wake {
        let mut stop = self.stop.lock();
        loop {
            if *stop {
                return Wake::Stop;
            }
            if self.sync_wanted.swap(false, Ordering::AcqRel) {
                return Wake::SyncWanted;
            }
            if Instant::now() >= due {
                return Wake::Interval;
            }
            self.wake.wait_until(&mut stop, due);
        }
    }

    fn close(&self) -> Result<(), Arc<LogError>> {
        let mut result = self.write_out().and_then(|()| self.sync());
        if result.is_ok() && self.written() > Position::START {
            // Tells recovery that the last chunks were durable, so that damage in them is not taken for a torn tail.
            let mut buffer = self.buffer.lock();
            self.appended.store(buffer.append_empty_chunk().0, Ordering::Release);
            drop(buffer);
            result = self.write_out().and_then(|()| self.sync());
        }
        result = result.and_then(|()| self.check_latch());
        let mut writer = self.writer.lock();
        writer.lock = None;
        let closed = LogError::content(LogOperation::Write, &writer.path, "the log is closed");
        drop(writer);
        let _ = self.latch.set(Arc::new(closed));
        self.buffer.lock().close();
        self.waiters.wake_all();
        result
    }

    fn statistics(&self) -> LogStatistics {
        let (durable, written) = (self.durable().0, self.written().0);
        let appended = self.appended.load(Ordering::Acquire);
        LogStatistics {
            is_enabled: true,
            current_size_bytes: self.base_size_bytes + written,
            base_size_bytes: self.base_size_bytes,
            buffered_bytes: if self.latch.get().is_none() { appended.saturating_sub(written) } else { 0 },
            unsynced_bytes: written.saturating_sub(durable),
            has_failed: self.latch.get().is_some(),
            last_sync_us: self.last_sync_us.load(Ordering::Relaxed),
            sync_count: self.sync_count.load(Ordering::Relaxed),
            delayed_sync_count: self.delayed_sync_count.load(Ordering::Relaxed),
        }
    }
}

impl Writer {
    /// Writes the chunks at the file's end, which is `offset`. If that fails, the file is as long as before, unless cutting it
    /// fails, too; recovery drops the rest then.
    fn write(&mut self, offset: u64, synced_offset: u64) -> Result<(), LogError> {
        let mut rest = self.chunks.seal(self.tag, synced_offset);
        let error = loop {
            if rest.is_empty() {
                return Ok(());
            }
            match self.file.append(rest) {
                Ok(0) => break io::ErrorKind::WriteZero.into(),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error,
            }
        };
        if let Err(error) = self.file.truncate(offset) {
            let error = LogError::system(LogOperation::Truncate, &self.path, error).at(offset);
            tracing::error!("{error}; the next start drops what a failed write left there");
        }
        Err(LogError::system(LogOperation::Write, &self.path, error).at(offset))
    }
}

/// The future of [`Log::durable_at`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct DurableAt<'a> {
    core: Option<&'a Core>,
    position: Position,
    /// The place among the waiters.
    key: Option<usize>,
}

impl Future for DurableAt<'_> {
    type Output = Result<(), Arc<LogError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(core) = self.core else { return Poll::Ready(Ok(())) };
        if let Some(outcome) = core.find_outcome(self.position) {
            return Poll::Ready(outcome);
        }
        let position = self.position;
        core.waiters.register(&mut self.key, position, context.waker());
        // The outcome may have come about before this task was on the list.
        if let Some(outcome) = core.find_outcome(position) {
            return Poll::Ready(outcome);
        }
        core.request_sync();
        Poll::Pending
    }
}

impl Drop for DurableAt<'_> {
    fn drop(&mut self) {
        if let (Some(core), Some(key)) = (self.core, self.key) {
            core.waiters.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{DiskStorage, Fault, FaultStorage, LogCause, Survival};
    use super::*;

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
            let mut chunk = vec![0; super::super::annotation::CHUNK_LINE_BYTES];
            chunk.extend_from_slice(payload.as_bytes());
            let tag = FileTag(u32::from_str_radix(tag, 16).unwrap());
            super::super::annotation::seal_chunk(&mut chunk, tag, synced_offset as u64);
            String::from_utf8(chunk).unwrap()
        };
        let tag_number = FileTag(u32::from_str_radix(tag, 16).unwrap());
        let file_line = super::super::annotation::encode_file_line(tag_number);
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
        assert!(Arc::ptr_eq(&log.latched().unwrap(), &error));
        assert!(log.statistics().has_failed);

        let operations = storage.operations();
        let later = log.append(&effects_of(0, &["DEL c"]));
        assert!(later > bad && bad > good);
        assert_eq!(log.durable(), good);
        assert!(block_on(log.durable_at(good)).is_ok());
        for position in [bad, later] {
            assert!(Arc::ptr_eq(&block_on(log.durable_at(position)).unwrap_err(), &error));
        }
        assert!(log.write_out().is_err() && log.sync_all().is_err() && log.close().is_err());
        assert_eq!(storage.operations(), operations, "nothing is tried again");
        check(&storage, Survival::Written, survives);
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
            assert_eq!(log.core.as_ref().unwrap().waiters.len(), 1);
        };
        block_on(waiting);
        assert_eq!(log.core.as_ref().unwrap().waiters.len(), 0);
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
