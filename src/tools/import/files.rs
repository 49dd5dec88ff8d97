//! Importing from files.

use std::fs::File;
use std::path::Path;

use super::super::error::ToolError;
use super::super::find_log::find_log;
use super::super::load::{Loaded, Refused};
use super::report::Report;
use super::target::{NewKey, Target, leave_library};
use super::{Import, name_of, progress_bar};
use crate::log::{DiskStorage, LoadProgress, RecoverySettings, replay, replay_file};
use crate::rdb::{Content, FileItem, FileKey, FileReader};

/// The longest string in a file: whatever a server once accepted.
const STRING_BYTES_MAX: usize = 1 << 40;

/// Imports a snapshot, key by key: no more of it is in memory than one value.
pub(super) fn import_rdb(
    import: &Import,
    path: &Path,
    target: &mut dyn Target,
    report: &mut Report,
) -> Result<(), ToolError> {
    let file = File::open(path).map_err(ToolError::file("open", path))?;
    let len = file.metadata().map_err(ToolError::file("look at", path))?.len();
    let bar = progress_bar(len, true).with_message(name_of(path));
    let wrong = |error: crate::rdb::FileError| {
        ToolError::Other(format!("cannot read {} at offset {}: {error}", path.display(), error.offset))
    };
    let mut reader = FileReader::new(file, STRING_BYTES_MAX).map_err(wrong)?;
    while let Some(item) = reader.read_item().map_err(wrong)? {
        bar.set_position(reader.offset());
        match item {
            FileItem::Key(FileKey { db, key, expires_at_ms, content, .. }) => {
                if !import.wants(db, &key) {
                    continue;
                }
                match (content, usize::try_from(db)) {
                    (Content::Value(value), Ok(db)) => {
                        target.put(&NewKey { db, key: &key, value: &value, expires_at_ms }, report)?;
                    }
                    (Content::Foreign(kind), _) => report.leave(&lacking(&kind), &key),
                    (_, Err(_)) => report.leave("a database of too high a number", &key),
                }
            }
            FileItem::Function(code) => {
                if import.wants_libraries() {
                    target.put_library(&code, report)?;
                }
            }
            FileItem::ModuleData(name) => report.leave("data of modules", name.as_bytes()),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Why a key of a type was left out.
pub(super) fn lacking(kind: &str) -> String {
    format!("{kind}, a type that Millstream does not have")
}

/// Imports a log of Redis before 7.0.
pub(super) fn import_aof(
    import: &Import,
    path: &Path,
    target: &mut dyn Target,
    report: &mut Report,
) -> Result<(), ToolError> {
    let (loaded, tail) = Loaded::load(&mut |refused| leave(report, refused), |apply| {
        Ok(replay_file(&DiskStorage, path, &LoadProgress::default(), apply)?)
    })?;
    if let Some(tail) = tail {
        report.leave("bytes behind a place where the log is cut off", tail.bytes.to_string().as_bytes());
    }
    import_loaded(import, &loaded, target, report)
}

/// Imports a log's directory.
pub(super) fn import_dir(
    import: &Import,
    dir: &Path,
    target: &mut dyn Target,
    report: &mut Report,
) -> Result<(), ToolError> {
    let settings = RecoverySettings { paths: find_log(dir)?, load_truncated: true };
    let (loaded, tail) = Loaded::load(&mut |refused| leave(report, refused), |apply| {
        Ok(replay(&DiskStorage, &settings, &LoadProgress::default(), apply)?.torn_tail)
    })?;
    if let Some(tail) = tail {
        report.leave("bytes behind a place where the log is cut off", tail.bytes.to_string().as_bytes());
    }
    import_loaded(import, &loaded, target, report)
}

/// Goes on without what Millstream lacks.
fn leave(report: &mut Report, refused: Refused<'_>) -> Result<(), String> {
    match refused {
        Refused::Key { kind, key } => report.leave(&lacking(&kind), &key),
        Refused::Function { code, why } => leave_library(&code, &why, report),
        Refused::Command { request, why } => {
            report.leave(&format!("commands that were refused: {why}"), request.get(1).unwrap_or_default());
        }
        Refused::Other(why) => report.leave(&why, b""),
    }
    Ok(())
}

fn import_loaded(
    import: &Import,
    loaded: &Loaded,
    target: &mut dyn Target,
    report: &mut Report,
) -> Result<(), ToolError> {
    if import.wants_libraries() {
        loaded.libraries().iter().try_for_each(|code| target.put_library(code, report))?;
    }
    let bar = progress_bar(loaded.len() as u64, false);
    loaded.for_each(|db, entry| {
        bar.inc(1);
        if !import.wants(db as u64, entry.key()) {
            return Ok(());
        }
        let new = NewKey { db, key: entry.key(), value: &entry.value, expires_at_ms: entry.expires_at_ms() };
        target.put(&new, report)
    })?;
    bar.finish_and_clear();
    Ok(())
}
