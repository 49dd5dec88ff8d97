//! [`recover`]: reads the log back at the server's start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::annotation::{self, FILE_LINE_BYTES, FileTag};
use super::error::{LogError, LogOperation};
use super::leftovers::remove_leftovers;
use super::manifest::{LogPaths, Manifest, ManifestFile};
use super::replay::{FileEnd, FileReplay, Recorded};
use super::storage::{DirectoryLock, Storage, StorageFile, append_all};

/// Where the log is and how its tail is to be treated.
#[derive(Debug, Clone)]
pub struct RecoverySettings {
    /// Where the files are.
    pub paths: LogPaths,
    /// Whether a torn tail is cut off (`aof-load-truncated yes`) or an error.
    pub load_truncated: bool,
}

/// How far the loading has come; another thread may look.
#[derive(Debug, Default)]
pub struct LoadProgress {
    /// Bytes read.
    pub loaded_bytes: AtomicU64,
    /// Bytes to read.
    pub total_bytes: AtomicU64,
}

impl LoadProgress {
    /// The part that is read, of 100.
    pub fn percentage(&self) -> f64 {
        let (loaded, total) =
            (self.loaded_bytes.load(Ordering::Relaxed), self.total_bytes.load(Ordering::Relaxed));
        loaded as f64 / total.max(1) as f64 * 100.0
    }
}

/// A torn tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedTail {
    /// The file.
    pub path: PathBuf,
    /// Where the torn tail begins.
    pub offset: u64,
    /// Its size.
    pub bytes: u64,
    /// What is wrong there.
    pub what: String,
}

/// What reading the log came to.
#[derive(Debug)]
pub struct Replayed {
    /// Commands executed.
    pub commands: u64,
    /// Keys loaded from a snapshot in the RDB format.
    pub keys: u64,
    /// The sound size of all files.
    pub bytes: u64,
    /// The torn tail of the last file, if it has one.
    pub torn_tail: Option<DroppedTail>,
    manifest: Manifest,
    /// The last file, if it is an increment: its name, its tag if Millstream made it, and its sound size.
    last: Option<(String, Option<FileTag>, u64)>,
}

/// A log that was read and is ready to be written to, with [`super::Log::start`]. Until it is dropped no other server can
/// use the directory.
pub struct Recovered {
    /// What reading it came to; a torn tail is cut off by now.
    pub replayed: Replayed,
    paths: LogPaths,
    lock: Box<dyn DirectoryLock>,
}

/// An increment that is open for writing.
#[derive(Clone)]
pub(super) struct Increment {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) path: PathBuf,
    pub(super) tag: FileTag,
    /// Its size when it was opened.
    pub(super) len: u64,
}

/// What [`super::Log`] goes on with.
pub(super) struct OpenLog {
    pub(super) increment: Increment,
    pub(super) paths: LogPaths,
    pub(super) manifest: Manifest,
    /// The size of all files.
    pub(super) total_bytes: u64,
    pub(super) lock: Box<dyn DirectoryLock>,
}

/// A file of the log, open for reading.
type OpenForReading = (PathBuf, Box<dyn StorageFile>);

/// Reads the log: gives `apply` what stands in its files, in order: the keys of a snapshot that redis-server wrote, and each command, SELECT included. A transaction is
/// executed when its end was seen, without its MULTI and EXEC. Makes the log's directory if it is not there, locks it, and
/// cuts a torn tail off.
///
/// # Errors
/// Files that are missing, that cannot be read or do not belong together; corruption that is no torn tail, with its
/// offset; a torn tail when the settings forbid to drop it; another server in the directory; what `apply`
/// answers. Commands before the place were executed by then.
pub fn recover(
    storage: &dyn Storage,
    settings: &RecoverySettings,
    progress: &LoadProgress,
    apply: &mut dyn FnMut(Recorded<'_>) -> Result<(), String>,
) -> Result<Recovered, LogError> {
    let paths = &settings.paths;
    let lock = open_dir(storage, paths)?;
    check_manifest_is_last(storage, paths)?;
    let replayed = replay(storage, settings, progress, apply)?;
    if let Some(tail) = &replayed.torn_tail {
        cut_tail(storage, tail)?;
    }
    Ok(Recovered { replayed, paths: paths.clone(), lock })
}

/// Reads the log as [`recover`] does, and changes nothing: a torn tail is told and left alone, the directory is not locked.
///
/// # Errors
/// As [`recover`].
pub fn replay(
    storage: &dyn Storage,
    settings: &RecoverySettings,
    progress: &LoadProgress,
    apply: &mut dyn FnMut(Recorded<'_>) -> Result<(), String>,
) -> Result<Replayed, LogError> {
    let paths = &settings.paths;
    let mut replayed = Replayed {
        commands: 0,
        keys: 0,
        bytes: 0,
        torn_tail: None,
        manifest: Manifest::default(),
        last: None,
    };
    let manifest = Manifest::load(storage, paths)?.unwrap_or_default();
    if manifest.base.is_none() && manifest.increments.is_empty() {
        check_no_orphans(storage, paths, &manifest)?;
        replayed.manifest = manifest;
        return Ok(replayed);
    }
    let files: Vec<&ManifestFile> = manifest.base.iter().chain(&manifest.increments).collect();
    let opened = open_files(storage, paths, &files, progress)?;
    let mut bytes_before = 0;
    for (index, (path, file)) in opened.iter().enumerate() {
        progress.loaded_bytes.store(bytes_before, Ordering::Relaxed);
        let mut reader = FileReplay::new(path, &**file, progress, apply)?;
        let end = reader.run()?;
        replayed.commands += reader.commands;
        replayed.keys += reader.keys;
        let is_last = index + 1 == opened.len();
        let len = end.len;
        if let Some(tail) = find_torn_tail(path, &**file, &end)? {
            // A rewrite makes its increment before the one that is written to is done with.
            let is_increment = manifest.base.as_ref().is_none_or(|base| base != files[index]);
            let mut was_last = is_last || is_increment;
            for (path, _) in &opened[index + 1..] {
                was_last = was_last && !holds_data(storage, path)?;
            }
            check_torn_tail(&tail, was_last, settings.load_truncated)?;
            replayed.torn_tail = Some(tail);
        }
        if is_last && !manifest.increments.is_empty() {
            replayed.last = Some((files[index].name.clone(), end.tag, len));
        }
        bytes_before += len;
    }
    progress.loaded_bytes.store(bytes_before, Ordering::Relaxed);
    replayed.bytes = bytes_before;
    replayed.manifest = manifest;
    Ok(replayed)
}

/// Reads one file as [`replay`] does: a log of Redis before 7.0, or a part of a later one.
///
/// # Errors
/// As [`replay`]; a torn tail is none.
pub fn replay_file(
    storage: &dyn Storage,
    path: &Path,
    progress: &LoadProgress,
    apply: &mut dyn FnMut(Recorded<'_>) -> Result<(), String>,
) -> Result<Option<DroppedTail>, LogError> {
    let file = storage.open_read(path).map_err(|error| LogError::system(LogOperation::Open, path, error))?;
    let len = file.len().map_err(|error| LogError::system(LogOperation::Read, path, error))?;
    progress.total_bytes.store(len, Ordering::Relaxed);
    let end = FileReplay::new(path, &*file, progress, apply)?.run()?;
    find_torn_tail(path, &*file, &end)
}

/// Makes the directory if need be, and locks it.
pub(super) fn open_dir(storage: &dyn Storage, paths: &LogPaths) -> Result<Box<dyn DirectoryLock>, LogError> {
    let dir = paths.append_dir();
    if !storage.exists(&dir).map_err(|error| LogError::system(LogOperation::Open, &dir, error))? {
        storage.create_dir(&dir).map_err(|error| LogError::system(LogOperation::Create, &dir, error))?;
        storage
            .sync_dir(&paths.dir)
            .map_err(|error| LogError::system(LogOperation::Sync, &paths.dir, error))?;
    }
    lock(storage, paths)
}

/// Locks the log's directory, which must be there.
///
/// # Errors
/// A server uses it; the system refuses.
pub fn lock(storage: &dyn Storage, paths: &LogPaths) -> Result<Box<dyn DirectoryLock>, LogError> {
    let dir = paths.append_dir();
    storage.lock_dir(&dir).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            LogError::content(LogOperation::Lock, &dir, "another server uses it")
                .with_way_out("stop that one, or give this one a directory of its own (dir)")
        } else {
            LogError::system(LogOperation::Lock, &dir, error)
        }
    })
}

/// Opens all files before any is read, so that a missing one is known before anything was executed.
fn open_files(
    storage: &dyn Storage,
    paths: &LogPaths,
    files: &[&ManifestFile],
    progress: &LoadProgress,
) -> Result<Vec<OpenForReading>, LogError> {
    let mut total_bytes = 0;
    let mut opened = Vec::new();
    for ManifestFile { name, .. } in files {
        let path = paths.file(name);
        let file = open_named(storage, &path)?;
        total_bytes += file.len().map_err(|error| LogError::system(LogOperation::Read, &path, error))?;
        opened.push((path, file));
    }
    progress.total_bytes.store(total_bytes, Ordering::Relaxed);
    Ok(opened)
}

/// Opens a file that the manifest names.
pub(super) fn open_named(storage: &dyn Storage, path: &Path) -> Result<Box<dyn StorageFile>, LogError> {
    storage.open_read(path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            let dir = path.parent().unwrap_or(Path::new("."));
            LogError::content(LogOperation::Open, path, "the manifest names it, but it is not there")
                .with_way_out(format!(
                    "put it back, from a backup; `millstream check {}` tells what there is",
                    dir.display()
                ))
        } else {
            LogError::system(LogOperation::Open, path, error)
        }
    })
}

/// Refuses to begin a new log beside the files of an old one. The manifest names no data; what is history to it (a log has been about to
/// begin) is of no use.
pub(super) fn check_no_orphans(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &Manifest,
) -> Result<(), LogError> {
    let legacy = paths.dir.join(&paths.append_file_name);
    if storage.exists(&legacy).map_err(|error| LogError::system(LogOperation::Open, &legacy, error))? {
        let way_out =
            format!("`millstream import {} --into DIR` takes it over into a new directory", legacy.display());
        let what = "it is a single-file log of Redis before 7.0";
        return Err(LogError::content(LogOperation::Read, &legacy, what).with_way_out(way_out));
    }
    let dir = paths.append_dir();
    let names = match storage.list(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(|error| LogError::system(LogOperation::List, &dir, error))?,
    };
    let prefix = format!("{}.", paths.append_file_name);
    for name in names {
        let is_data = name.starts_with(&prefix) && (name.ends_with(".aof") || name.ends_with(".rdb"));
        let path = paths.file(&name);
        if is_data && !manifest.names(&name) && holds_data(storage, &path)? {
            let what = "it holds data, but there is no manifest that names it";
            let way_out = format!(
                "put {} back, from a backup or by hand, or move the files elsewhere to begin without data",
                paths.manifest().display()
            );
            return Err(LogError::content(LogOperation::Read, &path, what).with_way_out(way_out));
        }
    }
    Ok(())
}

/// Refuses a manifest that an older one has taken the place of: increments that hold data and are later than all that it names. Nothing
/// is written to an increment before the manifest names it.
fn check_manifest_is_last(storage: &dyn Storage, paths: &LogPaths) -> Result<(), LogError> {
    let Some(manifest) = Manifest::load(storage, paths)? else { return Ok(()) };
    match find_later_increment(storage, paths, &manifest)? {
        Some(name) => Err(unnamed(&paths.file(&name))),
        None => Ok(()),
    }
}

/// An increment that holds data and is later than all that the manifest names.
pub(super) fn find_later_increment(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &Manifest,
) -> Result<Option<String>, LogError> {
    let dir = paths.append_dir();
    let names = storage.list(&dir).map_err(|error| LogError::system(LogOperation::List, &dir, error))?;
    let last = manifest.increments.last().map_or(0, |last| last.seq);
    for name in names {
        let is_later = paths.find_seq(&name, ".incr.aof").is_some_and(|seq| seq > last);
        if is_later && !manifest.names(&name) && holds_data(storage, &paths.file(&name))? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn unnamed(path: &Path) -> LogError {
    LogError::content(LogOperation::Read, path, "it holds data, but the manifest does not name it").with_way_out(
        "the manifest is an old one, or was changed: put the last one back, or move this file elsewhere to go on without it",
    )
}

/// Whether a file has more in it than the line with which a file of ours begins: what is left when the machine stops while
/// an increment is made has not.
pub(super) fn holds_data(storage: &dyn Storage, path: &Path) -> Result<bool, LogError> {
    let file = match storage.open_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        result => result.map_err(|error| LogError::system(LogOperation::Open, path, error))?,
    };
    let system = |error| LogError::system(LogOperation::Read, path, error);
    let mut start = [0; FILE_LINE_BYTES + 1];
    let count = super::storage::read_full(&*file, 0, &mut start).map_err(system)?;
    Ok(count > FILE_LINE_BYTES || matches!(start[0], b'*' | b'R'))
}

fn find_torn_tail(
    path: &Path,
    file: &dyn StorageFile,
    end: &FileEnd,
) -> Result<Option<DroppedTail>, LogError> {
    let Some(what) = &end.torn else { return Ok(None) };
    let file_len = file.len().map_err(|error| LogError::system(LogOperation::Read, path, error))?;
    let bytes = file_len.saturating_sub(end.len);
    Ok(Some(DroppedTail { path: path.to_path_buf(), offset: end.len, bytes, what: what.clone() }))
}

/// Whether a torn tail may be dropped.
fn check_torn_tail(tail: &DroppedTail, is_last: bool, load_truncated: bool) -> Result<(), LogError> {
    let why = match (is_last, load_truncated) {
        (false, _) => "only the last file may end so",
        (true, false) => "aof-load-truncated is off",
        (true, true) => return Ok(()),
    };
    let what = format!("{}: the last {} bytes would have to be dropped, but {why}", tail.what, tail.bytes);
    let error = LogError::content(LogOperation::Read, &tail.path, what).at(tail.offset);
    if !is_last {
        return Err(error.with_check());
    }
    let dir = tail.path.parent().unwrap_or(Path::new("."));
    Err(error.with_way_out(format!(
        "`millstream check {} --fix` drops them, and keeps them in a file beside",
        dir.display()
    )))
}

fn cut_tail(storage: &dyn Storage, tail: &DroppedTail) -> Result<(), LogError> {
    let DroppedTail { path, offset, bytes, what } = tail;
    tracing::warn!(
        path = %path.display(), offset, bytes,
        "the append-only file's tail is torn ({what}): dropped {bytes} bytes at offset {offset}"
    );
    let file =
        storage.open_append(path).map_err(|error| LogError::system(LogOperation::Open, path, error))?;
    file.truncate(*offset)
        .map_err(|error| LogError::system(LogOperation::Truncate, path, error).at(*offset))?;
    file.sync().map_err(|error| LogError::system(LogOperation::Sync, path, error))
}

impl Recovered {
    /// Opens the file to write to.
    pub(super) fn open(self, storage: &dyn Storage) -> Result<OpenLog, LogError> {
        let Self { replayed, paths, lock } = self;
        let Replayed { bytes, mut manifest, last, .. } = replayed;
        remove_leftovers(storage, &paths, &mut manifest);
        if let Some((name, Some(tag), len)) = last {
            let path = paths.file(&name);
            let file = storage
                .open_append(&path)
                .map_err(|error| LogError::system(LogOperation::Open, &path, error))?;
            // A process that was killed may have left it unsynced, and the first chunk calls it durable.
            file.sync().map_err(|error| LogError::system(LogOperation::Sync, &path, error))?;
            let increment = Increment { file: file.into(), path, tag, len };
            return Ok(OpenLog { increment, paths, manifest, total_bytes: bytes, lock });
        }
        let increment = create_increment(storage, &paths, &mut manifest)?;
        let total_bytes = bytes + increment.len;
        // A manifest of nothing but history had to stay until there was something else for it to name.
        if !manifest.history.is_empty() {
            remove_leftovers(storage, &paths, &mut manifest);
        }
        Ok(OpenLog { increment, paths, manifest, total_bytes, lock })
    }
}

/// Makes the next increment: first the file, durably, then the manifest that names it, so that a manifest never names a
/// file that is not there.
pub(super) fn create_increment(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &mut Manifest,
) -> Result<Increment, LogError> {
    let last = manifest.increments.last().map_or(0, |last| last.seq);
    let replaced = manifest.history.iter().filter_map(|file| paths.find_seq(&file.name, ".incr.aof"));
    let seq = replaced.fold(last, u64::max) + 1;
    let name = paths.increment_name(seq);
    let path = paths.file(&name);
    if holds_data(storage, &path)? {
        return Err(unnamed(&path));
    }
    let system = |operation| {
        let path = &path;
        move |error| LogError::system(operation, path, error)
    };
    let tag = FileTag(fastrand::u32(..));
    let file = storage.create(&path).map_err(system(LogOperation::Create))?;
    append_all(&*file, &annotation::encode_file_line(tag)).map_err(system(LogOperation::Write))?;
    file.sync().map_err(system(LogOperation::Sync))?;
    let dir = paths.append_dir();
    storage.sync_dir(&dir).map_err(|error| LogError::system(LogOperation::Sync, &dir, error))?;
    let mut next = manifest.clone();
    next.increments.push(ManifestFile { name, seq });
    next.store(storage, paths)?;
    *manifest = next;
    Ok(Increment { file: file.into(), path, tag, len: FILE_LINE_BYTES as u64 })
}

#[cfg(test)]
mod tests;
