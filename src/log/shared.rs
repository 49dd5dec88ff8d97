//! [`Shared`]: the parts of an open log that all threads use, and the log thread's work.
//!
//! Three places follow each other through the log: `appended` (in the buffer), `written` (handed to the system; survives
//! the process), `durable` (synced; survives the machine).
//!
//! Locks, in the order in which they may nest: `syncing`, `writer`, `buffer`. Only `buffer` is taken to append, and
//! nobody who holds it does I/O. The sync itself runs with `syncing` alone, so writes go on meanwhile.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::annotation::FileTag;
use super::buffer::{Buffer, Chunks};
use super::effects::Effects;
use super::error::{LogError, LogOperation};
use super::position::Position;
use super::recovery::OpenFile;
use super::settings::{FsyncPolicy, LogSettings, LogStatistics};
use super::storage::{DirectoryLock, StorageFile};
use super::waiters::Waiters;

/// What the threads share of an open log: its buffer, its file, and how far each has come.
pub(super) struct Shared {
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
    path: PathBuf,
    tag: FileTag,
    /// The offset in the file of [`Position::START`].
    start_offset: u64,
    /// Memory for the exchange with the buffer; empty between writes.
    chunks: Chunks,
    /// Keeps other servers out of the directory until the log is closed.
    lock: Option<Box<dyn DirectoryLock>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("appended", &self.appended)
            .field("written", &self.written)
            .field("durable", &self.durable)
            .field("latch", &self.latch)
            .finish_non_exhaustive()
    }
}

/// What ended the log thread's sleep.
enum Wake {
    Stop,
    SyncWanted,
    Interval,
}

impl Shared {
    /// The state of a log that goes on with `open`.
    pub(super) fn new(open: OpenFile, settings: LogSettings) -> Self {
        let OpenFile { file, path, tag, len, total_bytes, lock } = open;
        let writer =
            Writer { file, path, tag, start_offset: len, chunks: Chunks::default(), lock: Some(lock) };
        Self {
            buffer: Mutex::default(),
            writer: Mutex::new(writer),
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
        }
    }

    #[inline]
    pub(super) fn append(&self, effects: &Effects) -> Position {
        let mut buffer = self.buffer.lock();
        let position = buffer.append(effects);
        self.appended.store(position.0, Ordering::Release);
        position
    }

    #[inline]
    pub(super) fn appended(&self) -> Position {
        Position(self.appended.load(Ordering::Acquire))
    }

    pub(super) fn written(&self) -> Position {
        Position(self.written.load(Ordering::Acquire))
    }

    pub(super) fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    pub(super) fn policy(&self) -> FsyncPolicy {
        match self.policy.load(Ordering::Relaxed) {
            0 => FsyncPolicy::Always,
            1 => FsyncPolicy::EverySecond,
            _ => FsyncPolicy::No,
        }
    }

    fn check_latch(&self) -> Result<(), Arc<LogError>> {
        self.latch.get().map_or(Ok(()), |error| Err(Arc::clone(error)))
    }

    pub(super) fn write_out(&self) -> Result<(), Arc<LogError>> {
        let target = self.appended();
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
    pub(super) fn sync(&self) -> Result<(), Arc<LogError>> {
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

    /// The failure that latched the log.
    #[inline]
    pub(super) fn latched(&self) -> Option<&Arc<LogError>> {
        self.latch.get()
    }

    pub(super) fn set_policy(&self, policy: FsyncPolicy) {
        self.policy.store(policy as u8, Ordering::Relaxed);
        if policy == FsyncPolicy::Always {
            self.request_sync();
        }
    }

    /// Ends the log thread soon.
    pub(super) fn stop_thread(&self) {
        *self.stop.lock() = true;
        self.wake.notify_one();
    }

    #[cfg(test)]
    pub(super) fn waiter_count(&self) -> usize {
        self.waiters.len()
    }

    fn request_sync(&self) {
        if !self.sync_wanted.swap(true, Ordering::AcqRel) {
            // The lock is what makes sure that the log thread is asleep or yet to look.
            drop(self.stop.lock());
            self.wake.notify_one();
        }
    }

    /// The log thread.
    pub(super) fn run(&self) {
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

    pub(super) fn close(&self) -> Result<(), Arc<LogError>> {
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

    pub(super) fn statistics(&self) -> LogStatistics {
        let (durable, written) = (self.durable().0, self.written().0);
        let appended = self.appended().0;
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
    shared: Option<&'a Shared>,
    position: Position,
    /// The place among the waiters.
    key: Option<usize>,
}

impl<'a> DurableAt<'a> {
    /// Waits for `position`; without a log there is nothing to wait for.
    pub(super) fn new(shared: Option<&'a Shared>, position: Position) -> Self {
        Self { shared, position, key: None }
    }
}

impl Future for DurableAt<'_> {
    type Output = Result<(), Arc<LogError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(shared) = self.shared else { return Poll::Ready(Ok(())) };
        if let Some(outcome) = shared.find_outcome(self.position) {
            return Poll::Ready(outcome);
        }
        let position = self.position;
        shared.waiters.register(&mut self.key, position, context.waker());
        // The outcome may have come about before this task was on the list.
        if let Some(outcome) = shared.find_outcome(position) {
            return Poll::Ready(outcome);
        }
        shared.request_sync();
        Poll::Pending
    }
}

impl Drop for DurableAt<'_> {
    fn drop(&mut self) {
        if let (Some(shared), Some(key)) = (self.shared, self.key) {
            shared.waiters.remove(key);
        }
    }
}
