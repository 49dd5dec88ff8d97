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
//!
//! A log that is switched on while the server runs begins by one: see [`super::first`]. If that fails the log is yet to begin, and
//! nothing is recorded until the next one.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;

use super::annotation::{self, FILE_LINE_BYTES, FileTag};
use super::buffer::{Buffer, Chunks};
use super::directory::DirectoryHold;
use super::effects::Effects;
use super::error::{LogError, LogOperation};
use super::first::FirstFiles;
use super::leftovers::remove_history;
use super::manifest::{LogPaths, Manifest, ManifestFile};
use super::position::Position;
use super::recovery::create_increment;
use super::settings::RewriteStatistics;
use super::shared::{Files, OpenFiles, Phase, Shared};
use super::storage::{Storage, StorageFile, append_all};

/// The base is written in pieces of this size, or of one append if that is larger.
const PIECE_BYTES: usize = 128 << 10;
/// Whoever else wants the core gets it whenever so much was appended: some 50 us of work. Linux lets a thread that was woken
/// wait until the running one has used up its slice (1.4 ms on two cores), though it only works in the background.
const YIELD_BYTES: usize = 16 << 10;
/// The base is synced whenever so much was written. A sync of more keeps other writes to the disk, the log's own, waiting.
const SYNC_BYTES: u64 = 4 << 20;

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
    claims: u64,
    /// The number of the one that is going on.
    current: Option<u64>,
    started: Option<Instant>,
    ended: Option<Instant>,
}

impl RewriteHistory {
    /// Begins a rewrite, unless one is going on. Answers its number.
    fn begin(&self) -> Option<u64> {
        let mut history = self.0.lock();
        if history.current.is_some() {
            return None;
        }
        history.started = Some(Instant::now());
        history.claims += 1;
        history.current = Some(history.claims);
        history.current
    }

    /// Counts a rewrite that has its files.
    fn count(&self) {
        self.0.lock().statistics.count += 1;
    }

    /// Whether a rewrite is still wanted.
    pub(super) fn is_current(&self, rewrite: u64) -> bool {
        self.0.lock().current == Some(rewrite)
    }

    /// Has the rewrite that goes on end as soon as it looks, which is no failure. Another may begin.
    pub(super) fn abandon(&self) {
        let mut history = self.0.lock();
        history.current = None;
        history.started = None;
    }

    fn end(&self, rewrite: u64, succeeded: bool) {
        let mut history = self.0.lock();
        if history.current != Some(rewrite) {
            return;
        }
        history.current = None;
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
    number: u64,
    /// The directory of the log.
    dir: PathBuf,
    succeeded: bool,
}

impl fmt::Debug for RewriteClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewriteClaim").finish_non_exhaustive()
    }
}

impl Drop for RewriteClaim {
    fn drop(&mut self) {
        if !self.succeeded {
            self.shared.give_up_first(self.number);
        }
        self.shared.rewrites.end(self.number, self.succeeded);
    }
}

impl RewriteClaim {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, RewriteRefusal> {
        if shared.phase() == Phase::Off {
            return Err(RewriteRefusal::NoLog);
        }
        if let Some(failure) = shared.latched() {
            return Err(RewriteRefusal::Failed(failure.error));
        }
        let number = shared.rewrites.begin().ok_or(RewriteRefusal::InProgress)?;
        let mut claim = Self { shared: Arc::clone(shared), number, dir: PathBuf::new(), succeeded: false };
        let dir = shared.files.lock().paths().map(LogPaths::append_dir);
        // It was switched off in this very moment.
        claim.dir = dir.ok_or(RewriteRefusal::NoLog)?;
        Ok(claim)
    }

    /// Why the rewrite comes to no end.
    fn abandoned(&self, what: impl Into<Cow<'static, str>>) -> LogError {
        LogError::content(LogOperation::Rewrite, &self.dir, what)
    }

    fn check_current(&self) -> Result<(), LogError> {
        if self.shared.rewrites.is_current(self.number) {
            return Ok(());
        }
        Err(self.abandoned("the log was closed or switched off meanwhile"))
    }

    /// Makes the files that the rewrite needs. The log is synced meanwhile, so that little is left to be synced at the switch.
    ///
    /// # Errors
    /// Whatever keeps a file from being made, or the failure that latched the log.
    pub fn prepare(self) -> Result<Rewrite, LogError> {
        let shared = &self.shared;
        // A switch of a rewrite before, which then failed, is made by now, or made here.
        let synced = shared.finish_switch().and_then(|()| shared.sync());
        synced.map_err(|error| self.abandoned(error.to_string()))?;
        let mut files = shared.files.lock();
        self.check_current()?;
        let (kind, base) = match &mut *files {
            Files::None => return Err(self.abandoned("there is no log")),
            Files::Wanted { storage, paths } => {
                let (first, increment) = FirstFiles::create(storage, paths, &shared.directory)?;
                shared.set_first(increment);
                let base = NewBase::create(Arc::clone(storage), paths.clone(), first.base.clone())?;
                (Kind::First(Box::new(first)), base)
            }
            Files::Open(open) => {
                let OpenFiles { storage, paths, .. } = open;
                let next = create_increment(&**storage, paths, &mut open.manifest)?;
                let next_seq = open.manifest.increments.last().map_or(0, |last| last.seq);
                shared.set_next(next);
                open.base_seq_max += 1;
                let base = ManifestFile { name: paths.base_name(open.base_seq_max), seq: open.base_seq_max };
                let base = NewBase::create(Arc::clone(storage), paths.clone(), base)?;
                (Kind::Again { next_seq, _hold: open.hold.clone() }, base)
            }
        };
        drop(files);
        shared.rewrites.count();
        Ok(Rewrite { claim: self, base, kind, switched: None, unyielded_bytes: 0 })
    }
}

/// What a rewrite is for.
enum Kind {
    /// The log is to be shorter.
    Again {
        /// The number of the increment that follows the new base.
        next_seq: u64,
        /// The base that is given up may have to be removed yet.
        _hold: DirectoryHold,
    },
    /// The log is to begin.
    First(Box<FirstFiles>),
}

/// A rewrite that is going on. Dropped before [`Rewrite::finish`] it is a failure; what it made is of no use then and is
/// removed, now or at the next start.
pub struct Rewrite {
    claim: RewriteClaim,
    base: NewBase,
    kind: Kind,
    /// Where the new base ends, and the size of the files up to there.
    switched: Option<(Position, u64)>,
    /// Appended since this thread last let others run.
    unyielded_bytes: usize,
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrite")
            .field("base", &self.base.manifest_file)
            .field("switched", &self.switched)
            .finish_non_exhaustive()
    }
}

impl Rewrite {
    /// Whether the log is still the one that is to be rewritten: it was neither switched off nor closed.
    #[cfg(test)]
    pub(super) fn is_wanted(&self) -> bool {
        self.claim.check_current().is_ok()
    }

    /// The switch: the new base is to hold what everything appended before this comes to. Does no I/O; to be called once, with
    /// locks held that keep others from appending.
    ///
    /// # Errors
    /// The log was closed or latched meanwhile.
    pub fn switch(&mut self) -> Result<Position, LogError> {
        let RewriteClaim { shared, number, .. } = &self.claim;
        let switched = match &self.kind {
            Kind::Again { .. } => shared.switch(*number),
            Kind::First(_) => shared.begin_recording(*number),
        };
        let switched = switched.ok_or_else(|| self.claim.abandoned("the log takes nothing any more"))?;
        self.switched = Some(switched);
        Ok(switched.0)
    }

    /// Puts effects at the end of the new base.
    ///
    /// # Errors
    /// A base that cannot be written; a log that was closed meanwhile, since nobody needs the base then.
    pub fn append(&mut self, effects: &Effects) -> Result<(), LogError> {
        self.base.append(effects)?;
        self.unyielded_bytes += effects.len();
        if self.unyielded_bytes >= YIELD_BYTES {
            self.unyielded_bytes = 0;
            thread::yield_now();
        }
        if self.base.buffer.content_bytes() < PIECE_BYTES {
            return Ok(());
        }
        self.claim.check_current()?;
        if let Some(failure) = self.claim.shared.latched() {
            return Err(self.claim.abandoned(failure.error.to_string()));
        }
        self.base.write()
    }

    /// Puts the new base in the place of the old files. Answers its size in bytes.
    ///
    /// # Errors
    /// Whatever failed; the old files are in force then.
    pub fn finish(self) -> Result<u64, LogError> {
        let Self { mut claim, mut base, kind, switched, .. } = self;
        let Some((_, old_bytes)) = switched else { return Err(claim.abandoned("nothing was switched")) };
        let shared = Arc::clone(&claim.shared);
        // The manifest says from now on that nothing goes to the old increment.
        shared.finish_switch().map_err(|error| claim.abandoned(error.to_string()))?;
        base.write()?;
        base.sync()?;
        let mut files = shared.files.lock();
        claim.check_current()?;
        match kind {
            Kind::Again { next_seq, .. } => match &mut *files {
                Files::Open(open) => replace_base(open, &mut base, next_seq)?,
                _ => return Err(claim.abandoned("there is no log")),
            },
            Kind::First(first) => begin_log(&claim, &mut files, &mut base, *first)?,
        }
        claim.succeeded = true;
        shared.replace_size(old_bytes, base.len);
        if let Files::Open(open) = &mut *files
            && let Err(error) = remove_history(&*base.storage, &base.paths, &mut open.manifest)
        {
            tracing::warn!(
                "{error}; what the rewrite has replaced stays until the next one or the next start"
            );
        }
        Ok(base.len)
    }
}

/// Has the manifest name the base and the increment that a log begins with.
fn begin_log(
    claim: &RewriteClaim,
    files: &mut Files,
    base: &mut NewBase,
    mut first: FirstFiles,
) -> Result<(), LogError> {
    let shared = &claim.shared;
    // What was recorded is not all there then, and nobody was promised that it is: the log begins anew.
    if let Some(failure) = shared.latched() {
        return Err(claim.abandoned(failure.error.to_string()));
    }
    let manifest = first.commit(|| base.name_finally())?;
    let open = OpenFiles {
        storage: Arc::clone(&base.storage),
        paths: base.paths.clone(),
        manifest,
        base_seq_max: base.manifest_file.seq,
        hold: first.hold.clone(),
    };
    shared.has_begun(files, open, first.increment_path());
    Ok(())
}

/// Has the manifest name the new base, and the increments from `next_seq` on.
fn replace_base(files: &mut OpenFiles, base: &mut NewBase, next_seq: u64) -> Result<(), LogError> {
    let mut next = files.manifest.clone();
    let increments = mem::take(&mut next.increments);
    let (old, new) = increments.into_iter().partition(|file| file.seq < next_seq);
    next.increments = new;
    next.history.extend(next.base.replace(base.manifest_file.clone()));
    next.history.extend::<Vec<_>>(old);
    let named = base.name_finally();
    if let Err(error) = named.and_then(|()| next.store(&*files.storage, &files.paths)) {
        // If the manifest was not replaced, the base only takes up space. If it was, either manifest may be there at the
        // next start, and either is right as long as all files are there: the base goes with the next rewrite.
        let stored = Manifest::load(&*files.storage, &files.paths);
        if stored.is_ok_and(|stored| stored.as_ref() == Some(&files.manifest)) {
            let _ = files.storage.remove(&files.paths.file(&base.manifest_file.name));
        }
        files.manifest.history.push(base.manifest_file.clone());
        return Err(error);
    }
    files.manifest = next;
    Ok(())
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
