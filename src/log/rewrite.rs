//! [`Rewrite`]: writes the log anew, as short as the data allows, while the server goes on.
//!
//! The steps, after each of which the files are whole:
//!
//! 1. The next increment is made and the manifest names it: old base, old increments, next one. Writes still go to the old one.
//! 2. The switch: what is appended before it goes to the old increment, what is appended after it to the next one. It
//!    does no I/O, so that the caller can make it together with a copy of the data, under the same locks. The
//!    first write behind it waits until the old increment is durable.
//! 3. The new base is written under a temporary name, synced, and gets its name.
//! 4. The manifest is replaced: new base, next increment; the old files are history.
//! 5. The history is removed, then its names from the manifest.
//!
//! A rewrite that fails leaves the log as it was after step 1 or 2.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;

use super::annotation::{self, FILE_LINE_BYTES, FileTag};
use super::buffer::{Buffer, Chunks};
use super::effects::Effects;
use super::error::{LogError, LogOperation};
use super::leftovers::remove_history;
use super::manifest::{LogPaths, Manifest, ManifestFile};
use super::position::Position;
use super::recovery::create_increment;
use super::settings::RewriteStatistics;
use super::shared::Shared;
use super::storage::{Storage, StorageFile, append_all};

/// The base is written in pieces of this size, or of one append if that is larger. Whoever else wants the core gets it between them.
const PIECE_BYTES: usize = 128 << 10;
/// The base is synced whenever so much was written, so that the last sync is short.
const SYNC_BYTES: u64 = 32 << 20;

/// Why no rewrite can begin.
#[derive(Debug)]
pub enum RewriteRefusal {
    /// There is no log.
    NoLog,
    /// One is going on.
    InProgress,
    /// Nothing can be made durable any more, or there is no thread to be had.
    Failed(Arc<LogError>),
}

/// When and how the rewrites went.
#[derive(Debug, Default)]
pub(super) struct RewriteHistory(Mutex<History>);

#[derive(Debug, Default)]
struct History {
    statistics: RewriteStatistics,
    started: Option<Instant>,
    ended: Option<Instant>,
}

impl RewriteHistory {
    /// Begins a rewrite, unless one is going on.
    fn begin(&self) -> bool {
        let mut history = self.0.lock();
        if history.started.is_some() {
            return false;
        }
        history.started = Some(Instant::now());
        history.statistics.count += 1;
        true
    }

    fn end(&self, succeeded: bool) {
        let mut history = self.0.lock();
        let now = Instant::now();
        let statistics = history.statistics;
        history.statistics = RewriteStatistics {
            last: history.started.map(|started| now.duration_since(started)),
            has_failed: !succeeded,
            consecutive_failures: if succeeded { 0 } else { statistics.consecutive_failures + 1 },
            ..statistics
        };
        history.started = None;
        history.ended = Some(now);
    }

    pub(super) fn statistics(&self) -> RewriteStatistics {
        let history = self.0.lock();
        RewriteStatistics {
            current: history.started.map(|started| started.elapsed()),
            since_last: history.ended.map(|ended| ended.elapsed()),
            ..history.statistics
        }
    }
}

/// The right to rewrite the log. Dropped before the rewrite has come to its end it is a failure.
pub struct RewriteClaim {
    shared: Arc<Shared>,
    succeeded: bool,
}

impl fmt::Debug for RewriteClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewriteClaim").finish_non_exhaustive()
    }
}

impl Drop for RewriteClaim {
    fn drop(&mut self) {
        self.shared.rewrites.end(self.succeeded);
    }
}

impl RewriteClaim {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, RewriteRefusal> {
        if let Some(failure) = shared.latched() {
            return Err(RewriteRefusal::Failed(failure.error));
        }
        if !shared.rewrites.begin() {
            return Err(RewriteRefusal::InProgress);
        }
        Ok(Self { shared: Arc::clone(shared), succeeded: false })
    }

    /// Makes the files that the rewrite needs. The log is synced meanwhile, so that little is left to be synced at the switch.
    ///
    /// # Errors
    /// Whatever keeps a file from being made, or the failure that latched the log.
    pub fn prepare(self) -> Result<Rewrite, LogError> {
        let shared = &self.shared;
        // A switch of a rewrite before, which then failed, is made by now, or made here.
        let synced = shared.finish_switch().and_then(|()| shared.sync());
        synced.map_err(|error| abandoned(shared, error.to_string()))?;
        let mut files = shared.files.lock();
        check_open(&files.paths, files.is_closed)?;
        let storage = Arc::clone(&files.storage);
        let paths = files.paths.clone();
        let next = create_increment(&*storage, &paths, &mut files.manifest)?;
        let next_seq = files.manifest.increments.last().map_or(0, |last| last.seq);
        files.base_seq_max += 1;
        let base = ManifestFile { name: paths.base_name(files.base_seq_max), seq: files.base_seq_max };
        drop(files);
        shared.set_next(next);
        let base = NewBase::create(storage, paths, base)?;
        Ok(Rewrite { claim: self, base, next_seq, switched: None })
    }
}

/// A rewrite that is going on. Dropped before [`Rewrite::finish`] it is a failure; what it made is of no use then and is
/// removed, now or at the next start.
pub struct Rewrite {
    claim: RewriteClaim,
    base: NewBase,
    /// The number of the increment that follows the new base.
    next_seq: u64,
    /// Where the new base ends, and the size of the files up to there.
    switched: Option<(Position, u64)>,
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrite")
            .field("base", &self.base.manifest_file)
            .field("next_seq", &self.next_seq)
            .field("switched", &self.switched)
            .finish_non_exhaustive()
    }
}

impl Rewrite {
    /// The switch: the new base is to hold what everything appended before this comes to. Does no I/O; to be called once, with
    /// locks held that keep others from appending.
    ///
    /// # Errors
    /// The log was closed or latched meanwhile.
    pub fn switch(&mut self) -> Result<Position, LogError> {
        let shared = &self.claim.shared;
        let switched =
            shared.switch().ok_or_else(|| abandoned(shared, "it takes nothing any more".into()))?;
        self.switched = Some(switched);
        Ok(switched.0)
    }

    /// Puts effects at the end of the new base.
    ///
    /// # Errors
    /// A base that cannot be written; a log that was closed meanwhile, since nobody needs the base then.
    pub fn append(&mut self, effects: &Effects) -> Result<(), LogError> {
        self.base.append(effects)?;
        if self.base.buffer.content_bytes() < PIECE_BYTES {
            return Ok(());
        }
        let shared = &self.claim.shared;
        if let Some(failure) = shared.latched() {
            return Err(abandoned(shared, failure.error.to_string()));
        }
        self.base.write()?;
        // Where no core is idle, a worker thread would wait until this one has used up its slice.
        thread::yield_now();
        Ok(())
    }

    /// Puts the new base in the place of the old files. Answers its size in bytes.
    ///
    /// # Errors
    /// Whatever failed; the old files are in force then.
    pub fn finish(mut self) -> Result<u64, LogError> {
        let shared = Arc::clone(&self.claim.shared);
        let Some((_, old_bytes)) = self.switched else {
            return Err(abandoned(&shared, "nothing was switched".into()));
        };
        // The manifest says from now on that nothing goes to the old increment.
        shared.finish_switch().map_err(|error| abandoned(&shared, error.to_string()))?;
        self.base.write()?;
        self.base.sync()?;
        let mut files = shared.files.lock();
        check_open(&files.paths, files.is_closed)?;
        let mut next = files.manifest.clone();
        let increments = mem::take(&mut next.increments);
        let (old, new) = increments.into_iter().partition(|file| file.seq < self.next_seq);
        next.increments = new;
        next.history.extend(next.base.replace(self.base.manifest_file.clone()));
        next.history.extend::<Vec<_>>(old);
        let base = self.base.manifest_file.clone();
        let named = self.base.name_finally();
        if let Err(error) = named.and_then(|()| next.store(&*files.storage, &files.paths)) {
            // If the manifest was not replaced, the base only takes up space. If it was, either manifest may be there at the
            // next start, and either is right as long as all files are there: the base goes with the next rewrite.
            let stored = Manifest::load(&*files.storage, &files.paths);
            if stored.is_ok_and(|stored| stored.as_ref() == Some(&files.manifest)) {
                let _ = files.storage.remove(&files.paths.file(&base.name));
            }
            files.manifest.history.push(base);
            return Err(error);
        }
        files.manifest = next;
        self.claim.succeeded = true;
        shared.replace_size(old_bytes, self.base.len);
        let (storage, paths) = (Arc::clone(&files.storage), files.paths.clone());
        if let Err(error) = remove_history(&*storage, &paths, &mut files.manifest) {
            tracing::warn!(
                "{error}; what the rewrite has replaced stays until the next one or the next start"
            );
        }
        Ok(self.base.len)
    }
}

fn check_open(paths: &LogPaths, is_closed: bool) -> Result<(), LogError> {
    if is_closed {
        let what = "the log was closed meanwhile";
        return Err(LogError::content(LogOperation::Rewrite, &paths.append_dir(), what));
    }
    Ok(())
}

fn abandoned(shared: &Shared, what: String) -> LogError {
    LogError::content(LogOperation::Rewrite, &shared.files.lock().paths.append_dir(), what)
}

/// A base that is being written.
struct NewBase {
    storage: Arc<dyn Storage>,
    paths: LogPaths,
    manifest_file: ManifestFile,
    file: Box<dyn StorageFile>,
    tag: FileTag,
    len: u64,
    synced_len: u64,
    buffer: Buffer,
    chunks: Chunks,
    has_final_name: bool,
}

impl NewBase {
    fn create(
        storage: Arc<dyn Storage>,
        paths: LogPaths,
        manifest_file: ManifestFile,
    ) -> Result<Self, LogError> {
        let path = paths.file(&paths.temporary_name(&manifest_file.name));
        let tag = FileTag(fastrand::u32(..));
        let file =
            storage.create(&path).map_err(|error| LogError::system(LogOperation::Create, &path, error))?;
        let base = Self {
            storage,
            paths,
            manifest_file,
            file,
            tag,
            len: FILE_LINE_BYTES as u64,
            synced_len: 0,
            buffer: Buffer::default(),
            chunks: Chunks::default(),
            has_final_name: false,
        };
        append_all(&*base.file, &annotation::encode_file_line(tag))
            .map_err(|error| LogError::system(LogOperation::Write, &path, error))?;
        Ok(base)
    }

    fn path(&self) -> std::path::PathBuf {
        self.paths.file(&self.paths.temporary_name(&self.manifest_file.name))
    }

    fn append(&mut self, effects: &Effects) -> Result<(), LogError> {
        // A large append would be copied behind what is there; that is written first.
        if self.buffer.content_bytes() > 0 && effects.len() > PIECE_BYTES {
            self.write()?;
        }
        self.buffer.append(effects);
        Ok(())
    }

    fn write(&mut self) -> Result<(), LogError> {
        let bytes = self.buffer.content_bytes() as u64;
        self.buffer.take(&mut self.chunks);
        let result = append_all(&*self.file, self.chunks.seal(self.tag, self.synced_len));
        self.chunks.clear();
        result.map_err(|error| LogError::system(LogOperation::Write, &self.path(), error).at(self.len))?;
        self.len += bytes;
        if self.len - self.synced_len > SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync().map_err(|error| LogError::system(LogOperation::Sync, &self.path(), error))?;
        self.synced_len = self.len;
        Ok(())
    }

    /// Gives the file its name, durably: the manifest may name it then.
    fn name_finally(&mut self) -> Result<(), LogError> {
        let (from, to) = (self.path(), self.paths.file(&self.manifest_file.name));
        self.storage
            .rename(&from, &to)
            .map_err(|error| LogError::system(LogOperation::Rename, &from, error))?;
        self.has_final_name = true;
        let dir = self.paths.append_dir();
        self.storage.sync_dir(&dir).map_err(|error| LogError::system(LogOperation::Sync, &dir, error))
    }
}

impl Drop for NewBase {
    fn drop(&mut self) {
        // Under its final name the manifest on the disk may name it, even if storing that has failed.
        if !self.has_final_name {
            // If that fails the next start does it.
            let _ = self.storage.remove(&self.path());
        }
    }
}
