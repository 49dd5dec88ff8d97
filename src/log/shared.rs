//! [`Shared`]: the parts of an open log that all threads use, and the log thread's work.
//!
//! Three places follow each other through the log: `appended` (in the buffer), `written` (handed to the system; survives
//! the process), `durable` (synced; survives the machine).
//!
//! Locks, in the order in which they may nest: `files`, `syncing`, `writer`, `buffer`. Only `buffer` is taken to append, and
//! nobody who holds it does I/O. The sync itself runs with `syncing` alone, so writes go on meanwhile; but for the moment when the
//! log goes on in its next file: nothing gets into that one before the one before is durable.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::annotation::FILE_LINE_BYTES;
use super::buffer::{Buffer, Chunks};
use super::directory::{Directory, DirectoryHold};
use super::effects::Effects;
use super::error::{LogError, LogFailure, LogOperation};
use super::manifest::{LogPaths, Manifest};
use super::planted::Planted;
use super::position::Position;
use super::recovery::{Increment, OpenLog};
use super::rewrite::RewriteHistory;
use super::settings::{FsyncPolicy, LogSettings, LogStatistics};
use super::storage::{Storage, append_all};
use super::waiters::Waiters;
use crate::metrics::{Histogram, HistogramCounts, LatencyEvent, LatencyMonitor, LockCounters};

/// A sync that takes less is not worth waiting for others with whom to share it.
const SLOW_SYNC: Duration = Duration::from_micros(500);
/// The log thread waits up to this part of a sync's time for others who may want the next one,
const GATHERING_PART: u32 = 2;
/// no longer than this,
const GATHERING_MAX: Duration = Duration::from_millis(4);
/// and looks whether they are there as often as this.
const GATHERING_STEP: Duration = Duration::from_micros(50);

/// What the threads share of a log: its buffer, its file, and how far each has come. It is there without a log, too: what is appended is
/// dropped then, and all positions are the same.
pub(super) struct Shared {
    pub(super) files: Mutex<Files>,
    /// Who keeps other servers out of the directory.
    pub(super) directory: Directory,
    pub(super) rewrites: RewriteHistory,
    /// Changed by who holds `files`.
    phase: AtomicU8,
    /// Whether effects are taken; changed by who holds `buffer`, and to true only by who keeps others from appending.
    is_recording: AtomicBool,
    // What changes with every batch is on cache lines of its own: of the rest, each thread reads something for each command.
    buffer: CachePadded<Mutex<Buffer>>,
    /// `None`: there is no file to write to.
    writer: CachePadded<Mutex<Option<Writer>>>,
    syncing: Mutex<()>,
    appended: CachePadded<AtomicU64>,
    written: CachePadded<AtomicU64>,
    durable: CachePadded<AtomicU64>,
    /// Whether `failure` is worth a look.
    has_failed: AtomicBool,
    failure: Mutex<Option<LogFailure>>,
    sync_failed: AtomicBool,
    policy: AtomicU8,
    sync_interval: Duration,
    pub(super) waiters: Waiters,
    /// Somebody waits for a sync; the log thread clears it before it takes the buffer.
    sync_wanted: AtomicBool,
    /// Whether the log thread is to end.
    stop: Mutex<bool>,
    wake: Condvar,
    /// The size of all files less what this process has written; wraps around.
    size_before_bytes: AtomicU64,
    /// The size of all files when the log was opened, or a rewrite ended.
    base_size_bytes: AtomicU64,
    last_sync_us: AtomicU64,
    /// Only who holds `syncing` adds.
    sync_durations: Histogram,
    sync_count: AtomicU64,
    delayed_sync_count: AtomicU64,
    /// Who keeps what took long.
    monitor: OnceLock<Arc<LatencyMonitor>>,
}

/// Whether there is a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// There is none.
    Off,
    /// There will be, once its first rewrite has come to its end: until then the files are no whole.
    Beginning,
    /// There is.
    On,
}

/// Where the log is.
pub(super) enum Files {
    /// Nowhere: it is off, or closed. The directory may be another server's by now.
    None,
    /// It is to begin there, by its first rewrite.
    Wanted {
        /// The file system.
        storage: Arc<dyn Storage>,
        /// The names.
        paths: LogPaths,
    },
    /// In these files.
    Open(OpenFiles),
}

impl Files {
    /// Their names.
    pub(super) fn paths(&self) -> Option<&LogPaths> {
        match self {
            Self::None => None,
            Self::Wanted { paths, .. } => Some(paths),
            Self::Open(open) => Some(&open.paths),
        }
    }
}

/// The files that the log is made of.
pub(super) struct OpenFiles {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) paths: LogPaths,
    /// What is in force. The one on the disk says the same, unless storing it failed in a way that leaves that open.
    pub(super) manifest: Manifest,
    /// The greatest number that was given to a base.
    pub(super) base_seq_max: u64,
    /// Keeps other servers out of the directory until the log is closed.
    pub(super) hold: DirectoryHold,
}

struct Writer {
    increment: Increment,
    /// The position that is at the offset `increment.len` of the file.
    start: Position,
    /// What is written to after the next switch.
    next: Option<Increment>,
    /// Memory for the exchange with the buffer; empty between writes, unless one failed.
    chunks: Chunks,
    /// A write failed: the position behind `chunks`, which are to be written before anything else.
    unwritten: Option<Position>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("appended", &self.appended)
            .field("written", &self.written)
            .field("durable", &self.durable)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Who is expected to want the next sync. Connections that send one command after another, and were served by the last sync, are
/// back in a moment: without waiting for them they fall into two halves, each of which waits while the other's sync is made.
#[derive(Debug, Clone, Copy)]
struct Expected {
    waiters: usize,
    /// They are waited for no longer.
    until: Instant,
}

/// What ended the log thread's sleep.
enum Wake {
    Stop,
    SyncWanted,
    Interval,
}

impl Shared {
    /// The state of a log that goes on with `open`.
    pub(super) fn new(storage: &dyn Storage, open: OpenLog, settings: LogSettings) -> Self {
        let OpenLog { increment, paths, manifest, total_bytes, lock } = open;
        let base_seq_max = manifest.base.as_ref().map_or(0, |base| base.seq);
        let off = Self::off(settings);
        let hold = off.directory.hold(lock);
        let files = OpenFiles { storage: storage.to_arc(), paths, manifest, base_seq_max, hold };
        Self {
            files: Mutex::new(Files::Open(files)),
            phase: AtomicU8::new(Phase::On as u8),
            is_recording: AtomicBool::new(true),
            buffer: CachePadded::default(),
            writer: CachePadded::new(Mutex::new(Some(Writer::new(increment, Position::START)))),
            size_before_bytes: AtomicU64::new(total_bytes),
            base_size_bytes: AtomicU64::new(total_bytes),
            ..off
        }
    }

    /// The state without a log.
    pub(super) fn off(settings: LogSettings) -> Self {
        Self {
            files: Mutex::new(Files::None),
            directory: Directory::default(),
            rewrites: RewriteHistory::default(),
            phase: AtomicU8::new(Phase::Off as u8),
            is_recording: AtomicBool::new(false),
            buffer: CachePadded::new(Mutex::new(Buffer::off())),
            writer: CachePadded::default(),
            syncing: Mutex::default(),
            appended: CachePadded::default(),
            written: CachePadded::default(),
            durable: CachePadded::default(),
            has_failed: AtomicBool::new(false),
            failure: Mutex::default(),
            sync_failed: AtomicBool::new(false),
            policy: AtomicU8::new(settings.policy as u8),
            sync_interval: settings.sync_interval,
            waiters: Waiters::default(),
            sync_wanted: AtomicBool::new(false),
            stop: Mutex::new(false),
            wake: Condvar::new(),
            size_before_bytes: AtomicU64::new(0),
            base_size_bytes: AtomicU64::new(0),
            last_sync_us: AtomicU64::new(0),
            sync_durations: Histogram::default(),
            sync_count: AtomicU64::new(0),
            delayed_sync_count: AtomicU64::new(0),
            monitor: OnceLock::new(),
        }
    }

    #[inline]
    pub(super) fn append(&self, effects: &Effects) -> Position {
        self.append_locked(self.buffer.lock(), effects)
    }

    #[inline]
    pub(super) fn append_counted(&self, effects: &Effects, counters: &LockCounters) -> Position {
        self.append_locked(counters.lock(&self.buffer), effects)
    }

    #[inline]
    fn append_locked(&self, mut buffer: MutexGuard<'_, Buffer>, effects: &Effects) -> Position {
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
        self.latched().map_or(Ok(()), |failure| Err(failure.error))
    }

    pub(super) fn write_out(&self) -> Result<(), Arc<LogError>> {
        let target = self.appended();
        if self.written() >= target { Ok(()) } else { self.write_until(target, None) }
    }

    pub(super) fn write_out_counted(&self, counters: &LockCounters) -> Result<(), Arc<LogError>> {
        let target = self.appended();
        if self.written() >= target { Ok(()) } else { self.write_until(target, Some(counters)) }
    }

    /// Writes what is in the buffer, unless everything up to `target` is written and there is no switch to another file to be made.
    fn write_until(&self, target: Position, counters: Option<&LockCounters>) -> Result<(), Arc<LogError>> {
        let mut syncing = None;
        loop {
            let mut writer =
                counters.map_or_else(|| self.writer.lock(), |counters| counters.lock(&self.writer));
            let mut buffer = self.buffer.lock();
            if self.written() >= target && !buffer.has_switch() {
                return Ok(());
            }
            self.check_latch()?;
            // Without a file there is nothing that anybody waits for.
            let Some(open) = &mut *writer else { return Ok(()) };
            if buffer.has_switch() && syncing.is_none() {
                // It syncs, and that comes before the other locks.
                drop((buffer, writer));
                syncing = Some(self.syncing.lock());
                continue;
            }
            let end = buffer.take(&mut open.chunks);
            drop(buffer);
            return self.write(open, end);
        }
    }

    /// Writes the chunks that the writer has taken over, which end at `end`.
    fn write(&self, writer: &mut Writer, end: Position) -> Result<(), Arc<LogError>> {
        writer.unwritten = Some(end);
        if let Some((next, at)) = writer.chunks.split_off_next() {
            if let Err(error) = self.write_chunks(writer, at) {
                writer.chunks.rejoin(next, at);
                return Err(error);
            }
            self.switch_file(writer, at)?;
            writer.chunks = next;
        }
        self.write_chunks(writer, end)?;
        writer.unwritten = None;
        Ok(())
    }

    /// Tries to write what could not be written, and all that came later; once that is durable, the log takes writes again.
    pub(super) fn retry(&self) {
        let syncing = self.syncing.lock();
        let Some(failure) = self.latched().filter(|failure| !failure.is_final) else { return };
        let mut guard = self.writer.lock();
        let Some(writer) = &mut *guard else { return };
        while let Some(end) = writer.unwritten {
            if self.write(writer, end).is_err() {
                return;
            }
            let mut buffer = self.buffer.lock();
            if buffer.content_bytes() > 0 {
                writer.unwritten = Some(buffer.take(&mut writer.chunks));
            }
        }
        let (increment, end) = (writer.increment.clone(), self.written());
        drop(guard);
        if self.sync_file(&increment, end).is_ok() {
            *self.failure.lock() = None;
            self.has_failed.store(false, Ordering::Release);
            tracing::warn!(
                "The append only file can be written again; writes are taken from now on (it was: {})",
                failure.error
            );
        }
        drop(syncing);
    }

    fn write_chunks(&self, writer: &mut Writer, end: Position) -> Result<(), Arc<LogError>> {
        let synced_offset = writer.offset_of(self.durable());
        let offset = writer.offset_of(self.written());
        let timed =
            self.monitor.get().filter(|monitor| monitor.is_on()).map(|monitor| (monitor, Instant::now()));
        if let Err(failure) = writer.write(offset, synced_offset) {
            return Err(self.latch(failure));
        }
        if let Some((monitor, started)) = timed {
            monitor.note(LatencyEvent::AofWrite, started.elapsed());
        }
        writer.chunks.clear();
        self.written.store(end.0, Ordering::Release);
        Ok(())
    }

    /// Goes on in the next file, once the present one is durable: it was the last one, whose end may be torn, and is so no more. The
    /// caller holds `syncing`.
    fn switch_file(&self, writer: &mut Writer, at: Position) -> Result<(), Arc<LogError>> {
        if self.sync_failed.load(Ordering::Acquire) {
            return self.check_latch();
        }
        let Some(next) = writer.next.take() else {
            let what = "there is no file to go on in";
            let error = LogError::content(LogOperation::Write, &writer.increment.path, what);
            return Err(self.latch(LogFailure::last(error)));
        };
        self.sync_file(&writer.increment, at)?;
        writer.increment = next;
        writer.start = at;
        Ok(())
    }

    /// Makes what is written durable. After a write failed, what was written before it may still be synced; after a sync
    /// failed, nothing may. Answers how many waited when it ended, for it or for the next one.
    pub(super) fn sync(&self) -> Result<usize, Arc<LogError>> {
        let _one_at_a_time = self.syncing.lock();
        if self.sync_failed.load(Ordering::Acquire) {
            return self.check_latch().map(|()| 0);
        }
        let (increment, end) = {
            let writer = self.writer.lock();
            let end = self.written();
            let Some(writer) = writer.as_ref().filter(|_| self.durable() < end) else { return Ok(0) };
            (writer.increment.clone(), end)
        };
        self.sync_file(&increment, end)
    }

    /// Syncs a file, after which everything up to `end` is durable. The caller holds `syncing`.
    fn sync_file(&self, increment: &Increment, end: Position) -> Result<usize, Arc<LogError>> {
        let started = Instant::now();
        let result = if Planted::MissingSync.is_there() { Ok(()) } else { increment.file.sync() };
        let took = started.elapsed();
        self.last_sync_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.sync_durations.add(1, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if let Some(monitor) = self.monitor.get().filter(|_| self.policy() == FsyncPolicy::Always) {
            monitor.note(LatencyEvent::AofFsyncAlways, took);
        }
        self.sync_count.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result {
            self.sync_failed.store(true, Ordering::Release);
            let error = LogError::system(LogOperation::Sync, &increment.path, error);
            return Err(self.latch(LogFailure::last(error)));
        }
        let waiting = self.waiters.waiting();
        self.durable.store(end.0, Ordering::Release);
        self.waiters.wake(end);
        Ok(waiting)
    }

    /// Has `next` written to after the next switch.
    pub(super) fn set_next(&self, next: Increment) {
        if let Some(writer) = &mut *self.writer.lock() {
            writer.next = Some(next);
        }
    }

    /// What is appended from now on goes to the next file. Does no I/O. Answers the position, and the size of all files up to
    /// it; `None` when the log takes nothing any more, or the rewrite is none any more.
    pub(super) fn switch(&self, rewrite: u64) -> Option<(Position, u64)> {
        let mut buffer = self.buffer.lock();
        if !self.rewrites.is_current(rewrite) {
            return None;
        }
        let position = buffer.switch()?;
        let before = self.size_before_bytes.load(Ordering::Relaxed).wrapping_add(position.0);
        self.size_before_bytes.fetch_add(FILE_LINE_BYTES as u64, Ordering::Relaxed);
        Some((position, before))
    }

    /// Makes the switch that was asked for, if nobody has made it yet.
    pub(super) fn finish_switch(&self) -> Result<(), Arc<LogError>> {
        self.write_until(self.appended(), None)
    }

    /// Counts `new` bytes of files in the place of `old` ones.
    pub(super) fn replace_size(&self, old: u64, new: u64) {
        let before = &self.size_before_bytes;
        before.store(before.load(Ordering::Relaxed).wrapping_sub(old).wrapping_add(new), Ordering::Relaxed);
        self.base_size_bytes.store(self.current_size_bytes(), Ordering::Relaxed);
    }

    fn current_size_bytes(&self) -> u64 {
        self.size_before_bytes.load(Ordering::Relaxed).wrapping_add(self.written().0)
    }

    /// Takes no writes from now on, and tells everybody. Answers the failure that came first, or that nothing can be done about.
    fn latch(&self, failure: LogFailure) -> Arc<LogError> {
        let mut latched = self.failure.lock();
        let before = latched.as_ref().filter(|before| before.is_final || !failure.is_final);
        if let Some(before) = before {
            return Arc::clone(&before.error);
        }
        match failure.is_final {
            true => tracing::error!(
                "{}; writes are refused until appendonly is switched off and on, or the server is started anew",
                failure.error
            ),
            false => tracing::error!(
                "{}; writes are refused, and what was not written is tried again every {} ms",
                failure.error,
                self.sync_interval.as_millis()
            ),
        }
        *latched = Some(failure.clone());
        self.has_failed.store(true, Ordering::Release);
        drop(latched);
        if failure.is_final {
            self.buffer.lock().close();
        }
        self.waiters.wake_all();
        failure.error
    }

    /// What waiting for a position comes to, if that is known.
    pub(super) fn find_outcome(&self, position: Position) -> Option<Result<(), Arc<LogError>>> {
        if self.durable() >= position {
            return Some(Ok(()));
        }
        let failure = self.latched()?;
        let is_lost = self.sync_failed.load(Ordering::Acquire) || self.written() < position;
        is_lost.then_some(Err(failure.error))
    }

    /// The failure that latched the log.
    #[inline]
    pub(super) fn latched(&self) -> Option<LogFailure> {
        if self.has_failed.load(Ordering::Acquire) { self.failure.lock().clone() } else { None }
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

    /// Whether there is a log.
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Off,
            1 => Phase::Beginning,
            _ => Phase::On,
        }
    }

    /// Whether effects are taken.
    #[inline]
    pub(super) fn is_recording(&self) -> bool {
        self.is_recording.load(Ordering::Relaxed)
    }

    /// Has the log begin in this place, by its next rewrite.
    pub(super) fn want(&self, storage: Arc<dyn Storage>, paths: LogPaths) {
        let mut files = self.files.lock();
        *files = Files::Wanted { storage, paths };
        *self.stop.lock() = false;
        self.phase.store(Phase::Beginning as u8, Ordering::Relaxed);
    }

    /// Has what is recorded written to the first increment. The caller holds `files`.
    pub(super) fn set_first(&self, increment: Increment) {
        let mut writer = self.writer.lock();
        let end = self.buffer.lock().end();
        self.size_before_bytes.store(increment.len.wrapping_sub(end.0), Ordering::Relaxed);
        self.base_size_bytes.store(0, Ordering::Relaxed);
        *writer = Some(Writer::new(increment, end));
    }

    /// Records what is appended from now on, as [`Self::switch`] does for a log that is there.
    pub(super) fn begin_recording(&self, rewrite: u64) -> Option<(Position, u64)> {
        let mut buffer = self.buffer.lock();
        if !self.rewrites.is_current(rewrite) {
            return None;
        }
        buffer.open();
        self.is_recording.store(true, Ordering::Relaxed);
        Some((buffer.end(), 0))
    }

    /// The log has begun, in these files, of which the increment has its name now. The caller holds `files`.
    pub(super) fn has_begun(&self, files: &mut Files, open: OpenFiles, increment: PathBuf) {
        *files = Files::Open(open);
        self.phase.store(Phase::On as u8, Ordering::Relaxed);
        if let Some(writer) = &mut *self.writer.lock() {
            writer.increment.path = increment;
        }
    }

    /// What a first rewrite that has failed leaves behind: the log is yet to begin.
    pub(super) fn give_up_first(&self, rewrite: u64) {
        let files = self.files.lock();
        if self.rewrites.is_current(rewrite) && matches!(*files, Files::Wanted { .. }) {
            self.let_go();
        }
    }

    /// Takes nothing from now on; a rewrite that goes on is none any more.
    pub(super) fn stop_recording(&self) {
        let mut files = self.files.lock();
        self.rewrites.abandon();
        self.phase.store(Phase::Off as u8, Ordering::Relaxed);
        if matches!(*files, Files::Wanted { .. }) {
            *files = Files::None;
        }
        let mut buffer = self.buffer.lock();
        buffer.stop();
        self.is_recording.store(false, Ordering::Relaxed);
    }

    /// Makes durable what was recorded, and lets the files and the directory go; [`Self::stop_recording`] came before. Nobody waits
    /// for anything then, and a failure is none any more.
    pub(super) fn end(&self) -> Result<(), Arc<LogError>> {
        let was_open = matches!(*self.files.lock(), Files::Open(_));
        let result = if was_open { self.write_to_the_end() } else { Ok(()) };
        let mut files = self.files.lock();
        self.let_go();
        *files = Files::None;
        result
    }

    /// Lets the file go that was written to: what was appended is as durable as it will be. The caller holds `files`.
    fn let_go(&self) {
        let syncing = self.syncing.lock();
        let mut writer = self.writer.lock();
        let mut buffer = self.buffer.lock();
        *writer = None;
        let end = buffer.end();
        *buffer = Buffer::off_at(end);
        self.is_recording.store(false, Ordering::Relaxed);
        for position in [&*self.appended, &self.written, &self.durable] {
            position.store(end.0, Ordering::Release);
        }
        self.size_before_bytes.store(end.0.wrapping_neg(), Ordering::Relaxed);
        self.base_size_bytes.store(0, Ordering::Relaxed);
        self.sync_failed.store(false, Ordering::Release);
        *self.failure.lock() = None;
        self.has_failed.store(false, Ordering::Release);
        drop((buffer, writer, syncing));
        self.waiters.wake_all();
    }

    /// The log thread.
    pub(super) fn run(&self) {
        let mut due = Instant::now() + self.sync_interval;
        let mut expected = Expected { waiters: 0, until: due };
        loop {
            // Failures latch, which is where they are reported.
            match self.sleep_until(due) {
                Wake::Stop => return,
                Wake::SyncWanted => {
                    self.gather(expected);
                    let _ = self.write_out();
                    expected = self.expect(self.sync().unwrap_or_default());
                }
                Wake::Interval => {
                    self.retry();
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

    /// Waits for those who are expected to want a sync; see [`Expected`].
    fn gather(&self, expected: Expected) {
        while self.waiters.waiting() < expected.waiters && Instant::now() < expected.until {
            thread::sleep(GATHERING_STEP);
        }
    }

    /// Whom the next sync is to wait for, after one at whose end so many waited.
    fn expect(&self, waiting: usize) -> Expected {
        let last_sync = self.last_sync();
        let waiters = if last_sync < SLOW_SYNC { 0 } else { waiting };
        Expected { waiters, until: Instant::now() + (last_sync / GATHERING_PART).min(GATHERING_MAX) }
    }

    /// How long the last sync took.
    pub(super) fn last_sync(&self) -> Duration {
        Duration::from_micros(self.last_sync_us.load(Ordering::Relaxed))
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

    /// Writes and syncs all that was appended.
    fn write_to_the_end(&self) -> Result<(), Arc<LogError>> {
        self.retry();
        let mut result = self.write_out().and_then(|()| self.sync()).map(drop);
        if result.is_ok() && self.written() > Position::START {
            // Tells recovery that the last chunks were durable, so that damage in them is not taken for a torn tail.
            let mut buffer = self.buffer.lock();
            self.appended.store(buffer.append_empty_chunk().0, Ordering::Release);
            drop(buffer);
            result = self.write_out().and_then(|()| self.sync()).map(drop);
        }
        result.and_then(|()| self.check_latch())
    }

    pub(super) fn close(&self) -> Result<(), Arc<LogError>> {
        let result = self.write_to_the_end();
        // A rewrite that goes on leaves the files alone from now on.
        let mut files = self.files.lock();
        self.rewrites.abandon();
        *files = Files::None;
        drop(files);
        let writer = self.writer.lock().take();
        let path = writer.map(|writer| writer.increment.path).unwrap_or_default();
        let closed = LogError::content(LogOperation::Write, &path, "the log is closed");
        self.failure.lock().get_or_insert(LogFailure::last(closed));
        self.has_failed.store(true, Ordering::Release);
        self.buffer.lock().close();
        self.waiters.wake_all();
        result
    }

    pub(super) fn report_to(&self, monitor: &Arc<LatencyMonitor>) {
        // A second one is not heard.
        let _ = self.monitor.set(monitor.clone());
    }

    pub(super) fn add_sync_durations(&self, counts: &mut HistogramCounts) {
        counts.add(&self.sync_durations);
    }

    pub(super) fn statistics(&self) -> LogStatistics {
        let (durable, written) = (self.durable().0, self.written().0);
        let appended = self.appended().0;
        LogStatistics {
            is_enabled: self.phase() != Phase::Off,
            awaits_base: self.phase() == Phase::Beginning,
            current_size_bytes: self.current_size_bytes(),
            base_size_bytes: self.base_size_bytes.load(Ordering::Relaxed),
            buffered_bytes: appended.saturating_sub(written),
            unsynced_bytes: written.saturating_sub(durable),
            has_failed: self.has_failed.load(Ordering::Acquire),
            last_sync_us: self.last_sync_us.load(Ordering::Relaxed),
            sync_count: self.sync_count.load(Ordering::Relaxed),
            delayed_sync_count: self.delayed_sync_count.load(Ordering::Relaxed),
            rewrite: self.rewrites.statistics(),
        }
    }
}

impl Writer {
    /// Writes to a file, at whose end `start` is.
    fn new(increment: Increment, start: Position) -> Self {
        Self { increment, start, next: None, chunks: Chunks::default(), unwritten: None }
    }

    /// Where in the file a position is; one before the file is its beginning.
    fn offset_of(&self, position: Position) -> u64 {
        self.increment.len + position.0.saturating_sub(self.start.0)
    }

    /// Writes the chunks at the file's end, which is `offset`. If that fails, the file is as long as before, and it can be tried again;
    /// unless cutting it fails, too: recovery drops the rest then.
    fn write(&mut self, offset: u64, synced_offset: u64) -> Result<(), LogFailure> {
        let Increment { file, path, tag, .. } = &self.increment;
        let Err(error) = append_all(&**file, self.chunks.seal(*tag, synced_offset)) else { return Ok(()) };
        let error = LogError::system(LogOperation::Write, path, error).at(offset);
        if let Err(cause) = file.truncate(offset) {
            let cause = LogError::system(LogOperation::Truncate, path, cause).at(offset);
            tracing::error!("{cause}; the next start drops what a failed write left there");
            return Err(LogFailure::last(error));
        }
        Err(LogFailure { error: Arc::new(error), is_final: false })
    }
}

/// The future of [`Log::durable_at`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct DurableAt<'a> {
    shared: &'a Shared,
    position: Position,
    /// The place among the waiters.
    key: Option<usize>,
}

impl<'a> DurableAt<'a> {
    /// Waits for `position`.
    pub(super) fn new(shared: &'a Shared, position: Position) -> Self {
        Self { shared, position, key: None }
    }
}

impl Future for DurableAt<'_> {
    type Output = Result<(), Arc<LogError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared;
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
        if let Some(key) = self.key {
            self.shared.waiters.remove(key);
        }
    }
}
