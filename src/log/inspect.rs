//! [`inspect`]: looks at the files of a log one by one, whatever state they are in; [`cut`]: repairs what can be repaired.

use std::path::{Path, PathBuf};

use super::error::{LogError, LogOperation};
use super::manifest::{LogPaths, Manifest, ManifestFile};
use super::recovery::{LoadProgress, check_no_orphans, find_later_increment, holds_data, open_named};
use super::replay::{FileReplay, Recorded};
use super::storage::{Storage, StorageFile, append_all, read_full};
use crate::protocol::{Decoded, DecoderLimits, RequestDecoder};

/// What cut-off bytes are copied by.
const PIECE_BYTES: usize = 1 << 20;
/// How much of what would be lost is looked at for commands.
const LOST_BYTES_MAX: u64 = 64 << 20;

/// A log, file by file.
#[derive(Debug)]
pub struct Inspection {
    /// What the manifest names.
    pub manifest: Manifest,
    /// The files that it names for loading, in their order.
    pub files: Vec<InspectedFile>,
    /// Files of the log's name that the manifest does not name.
    pub strays: Vec<String>,
    /// One of them that holds data and is later than all that the manifest names, which therefore is not the last one: the server does not start.
    pub unnamed: Option<String>,
}

/// A file of the log.
#[derive(Debug)]
pub struct InspectedFile {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether Millstream made it, so that it has checksums.
    pub is_ours: bool,
    /// Keys in a snapshot in the RDB format.
    pub keys: u64,
    /// Commands that were read, SELECT included.
    pub commands: u64,
    /// What is wrong with it, if anything.
    pub damage: Option<Damage>,
}

/// What is wrong with a file.
#[derive(Debug)]
pub struct Damage {
    /// What was found, and where.
    pub error: LogError,
    /// It ends within something that was being written, in the last file that holds data: the server drops that at its start,
    /// unless `aof-load-truncated` is off.
    pub is_torn_tail: bool,
    /// How many bytes stand behind the place; 0 when the file is not there.
    pub lost_bytes: u64,
    /// How many whole commands can be read in them, and the first one's beginning.
    pub lost_commands: u64,
    /// The name and the first argument of the first of them.
    pub first_lost: Option<String>,
}

/// Looks at a log's files, and gives `visit` what stands in them. Changes nothing. `None` when there is no log.
///
/// # Errors
/// A manifest that cannot be read, and data without one.
pub fn inspect(
    storage: &dyn Storage,
    paths: &LogPaths,
    visit: &mut dyn FnMut(&Path, Recorded<'_>),
) -> Result<Option<Inspection>, LogError> {
    let Some(manifest) = Manifest::load(storage, paths)? else {
        check_no_orphans(storage, paths, &Manifest::default())?;
        return Ok(None);
    };
    let named: Vec<ManifestFile> = manifest.base.iter().chain(&manifest.increments).cloned().collect();
    let mut files = Vec::new();
    for (index, file) in named.iter().enumerate() {
        let is_base = manifest.base.as_ref() == Some(file) && !manifest.increments.is_empty();
        let mut inspected = inspect_file(storage, &paths.file(&file.name), visit);
        if let Some(damage) = &mut inspected.damage {
            let mut later_hold_data = is_base;
            for later in &named[index + 1..] {
                later_hold_data |= holds_data(storage, &paths.file(&later.name))?;
            }
            damage.is_torn_tail &= !later_hold_data;
        }
        files.push(inspected);
    }
    let dir = paths.append_dir();
    let names = storage.list(&dir).map_err(|error| LogError::system(LogOperation::List, &dir, error))?;
    let prefix = format!("{}.", paths.append_file_name);
    let is_of_log = |name: &String| {
        paths.is_temporary(name)
            || name.starts_with(&prefix) && (name.ends_with(".aof") || name.ends_with(".rdb"))
    };
    let mut strays: Vec<String> =
        names.into_iter().filter(|name| is_of_log(name) && !manifest.names(name)).collect();
    strays.sort_unstable();
    let unnamed = find_later_increment(storage, paths, &manifest)?;
    // A server may have begun it meanwhile.
    let is_same = Manifest::load(storage, paths)?.as_ref() == Some(&manifest);
    Ok(Some(Inspection { manifest, files, strays, unnamed: unnamed.filter(|_| is_same) }))
}

/// Looks at one file.
fn inspect_file(
    storage: &dyn Storage,
    path: &Path,
    visit: &mut dyn FnMut(&Path, Recorded<'_>),
) -> InspectedFile {
    let mut inspected = InspectedFile {
        path: path.to_path_buf(),
        bytes: 0,
        is_ours: false,
        keys: 0,
        commands: 0,
        damage: None,
    };
    if let Err((error, is_torn_tail)) = read_file(storage, &mut inspected, visit) {
        let (lost_bytes, lost_commands, first_lost) = match error.offset {
            Some(offset) => find_lost(storage, path, offset).unwrap_or_default(),
            None => Lost::default(),
        };
        inspected.damage = Some(Damage { error, is_torn_tail, lost_bytes, lost_commands, first_lost });
    }
    inspected
}

/// Reads the file; its error, with whether it is about a torn tail.
fn read_file(
    storage: &dyn Storage,
    inspected: &mut InspectedFile,
    visit: &mut dyn FnMut(&Path, Recorded<'_>),
) -> Result<(), (LogError, bool)> {
    let path = inspected.path.clone();
    let damaged = |error| (error, false);
    let file = open_named(storage, &path).map_err(damaged)?;
    inspected.bytes =
        file.len().map_err(|error| damaged(LogError::system(LogOperation::Read, &path, error)))?;
    let progress = LoadProgress::default();
    let mut apply = |recorded: Recorded<'_>| {
        visit(&path, recorded);
        Ok(())
    };
    let mut reader = FileReplay::new(&path, &*file, &progress, &mut apply).map_err(damaged)?;
    let end = reader.run();
    (inspected.keys, inspected.commands, inspected.is_ours) =
        (reader.keys, reader.commands, reader.is_ours());
    let end = end.map_err(damaged)?;
    match end.torn {
        None => Ok(()),
        Some(what) => Err((LogError::content(LogOperation::Read, &path, what).at(end.len), true)),
    }
}

/// Bytes, whole commands, and the first one.
type Lost = (u64, u64, Option<String>);

/// What stands behind a damaged place.
fn find_lost(storage: &dyn Storage, path: &Path, offset: u64) -> std::io::Result<Lost> {
    let file = storage.open_read(path)?;
    let bytes = file.len()?.saturating_sub(offset);
    let mut data = vec![0; bytes.min(LOST_BYTES_MAX) as usize];
    let len = read_full(&*file, offset, &mut data)?;
    let mut rest = &data[..len];
    let (mut decoder, limits) = (RequestDecoder::new(), DecoderLimits::default());
    let (mut commands, mut first) = (0, None);
    while !rest.is_empty() {
        let line = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        decoder.reset();
        match decoder.decode(rest, &limits) {
            Ok(Decoded::Request { consumed }) if rest[0] == b'*' => {
                let request = decoder.request(rest);
                commands += 1;
                first.get_or_insert_with(|| {
                    let argument = request.get(1).unwrap_or_default();
                    format!("{} {}", request.arg(0).escape_ascii(), argument.escape_ascii())
                });
                rest = &rest[consumed..];
            }
            // Lines between commands, or the remains of something.
            _ => rest = &rest[line..],
        }
    }
    Ok((bytes, commands, first))
}

/// Cuts a file at an offset, and keeps what was cut off in a file beside it, whose path is answered. The caller holds the
/// directory's lock.
///
/// # Errors
/// Whatever the system refuses; the file is cut only once what is cut off is durable beside it.
pub fn cut(storage: &dyn Storage, paths: &LogPaths, path: &Path, offset: u64) -> Result<PathBuf, LogError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kept = paths.file(&free_name(storage, paths, &format!("{name}.cut-{offset}"))?);
    let system = |operation, path: &Path| {
        let path = path.to_path_buf();
        move |error| LogError::system(operation, &path, error)
    };
    let from = storage.open_read(path).map_err(system(LogOperation::Open, path))?;
    let to = storage.create(&kept).map_err(system(LogOperation::Create, &kept))?;
    copy_rest(&*from, offset, &*to, (path, &kept))?;
    to.sync().map_err(system(LogOperation::Sync, &kept))?;
    sync_dir(storage, paths)?;
    let file = storage.open_append(path).map_err(system(LogOperation::Open, path))?;
    file.truncate(offset).map_err(system(LogOperation::Truncate, path))?;
    file.sync().map_err(system(LogOperation::Sync, path))?;
    Ok(kept)
}

/// Takes files out of the log: first out of the manifest, then they get another name, which is answered. The caller holds the
/// directory's lock.
///
/// # Errors
/// Whatever the system refuses.
pub fn set_aside(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &mut Manifest,
    names: &[String],
) -> Result<Vec<PathBuf>, LogError> {
    manifest.increments.retain(|file| !names.contains(&file.name));
    if *manifest == Manifest::default() {
        // One that names nothing is none.
        let path = paths.manifest();
        storage.remove(&path).map_err(|error| LogError::system(LogOperation::Remove, &path, error))?;
        sync_dir(storage, paths)?;
    } else {
        manifest.store(storage, paths)?;
    }
    let mut kept = Vec::new();
    for name in names {
        let (path, aside) =
            (paths.file(name), paths.file(&free_name(storage, paths, &format!("{name}.aside"))?));
        match storage.rename(&path, &aside) {
            // It is the one that is missed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            result => result.map_err(|error| LogError::system(LogOperation::Rename, &path, error))?,
        }
        kept.push(aside);
    }
    sync_dir(storage, paths)?;
    Ok(kept)
}

/// A name that no file has.
fn free_name(storage: &dyn Storage, paths: &LogPaths, name: &str) -> Result<String, LogError> {
    let mut free = name.to_owned();
    for number in 2_u64.. {
        let path = paths.file(&free);
        if !storage.exists(&path).map_err(|error| LogError::system(LogOperation::Open, &path, error))? {
            break;
        }
        free = format!("{name}-{number}");
    }
    Ok(free)
}

fn copy_rest(
    from: &dyn StorageFile,
    mut offset: u64,
    to: &dyn StorageFile,
    (from_path, to_path): (&Path, &Path),
) -> Result<(), LogError> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = read_full(from, offset, &mut piece)
            .map_err(|error| LogError::system(LogOperation::Read, from_path, error).at(offset))?;
        if count == 0 {
            return Ok(());
        }
        append_all(to, &piece[..count])
            .map_err(|error| LogError::system(LogOperation::Write, to_path, error))?;
        offset += count as u64;
    }
}

fn sync_dir(storage: &dyn Storage, paths: &LogPaths) -> Result<(), LogError> {
    let dir = paths.append_dir();
    storage.sync_dir(&dir).map_err(|error| LogError::system(LogOperation::Sync, &dir, error))
}
