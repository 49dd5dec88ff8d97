//! Removing the files of the log that are of no use any more.

use std::io;

use super::error::{LogError, LogOperation};
use super::manifest::{LogPaths, Manifest};
use super::recovery::find_later_increment;
use super::storage::Storage;

/// Removes what a rewrite replaced, and what one left behind that did not come to its end. It is called once all that the
/// manifest names was read. A failure is told and otherwise of no consequence: the next start tries again.
pub(super) fn remove_leftovers(storage: &dyn Storage, paths: &LogPaths, manifest: &mut Manifest) {
    let result =
        remove_history(storage, paths, manifest).and_then(|()| remove_unfinished(storage, paths, manifest));
    if let Err(error) = result {
        tracing::warn!("{error}; the file is of no use and stays for now");
    }
}

/// Removes the files that a rewrite replaced, then their names from the manifest.
pub(super) fn remove_history(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &mut Manifest,
) -> Result<(), LogError> {
    if manifest.history.is_empty() {
        return Ok(());
    }
    // The manifest that was read may itself be lost with the machine as long as its name is not durable.
    sync_dir(storage, paths)?;
    for file in &manifest.history {
        let is_in_use = manifest.base.iter().chain(&manifest.increments).any(|used| used.name == file.name);
        if !is_in_use {
            remove(storage, paths, &file.name)?;
        }
    }
    sync_dir(storage, paths)?;
    let mut next = manifest.clone();
    next.history.clear();
    if next == Manifest::default() {
        // A manifest has to name something.
        return Ok(());
    }
    next.store(storage, paths)?;
    *manifest = next;
    Ok(())
}

/// Removes temporary files, and a base or an increment that was made but did not get into the manifest.
fn remove_unfinished(storage: &dyn Storage, paths: &LogPaths, manifest: &Manifest) -> Result<(), LogError> {
    let dir = paths.append_dir();
    let names = storage.list(&dir).map_err(|error| LogError::system(LogOperation::List, &dir, error))?;
    let temporary = names.iter().filter(|name| paths.is_temporary(name));
    let later = find_unnamed(storage, paths, manifest, &names)?;
    remove_all(storage, paths, &temporary.chain(later).collect::<Vec<_>>())
}

/// Removes a base or an increment that was made but did not get into the manifest, which names files.
pub(super) fn remove_unnamed(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &Manifest,
) -> Result<(), LogError> {
    let dir = paths.append_dir();
    let names = storage.list(&dir).map_err(|error| LogError::system(LogOperation::List, &dir, error))?;
    remove_all(storage, paths, &find_unnamed(storage, paths, manifest, &names)?)
}

/// The bases and increments among the files that were made but did not get into the manifest.
fn find_unnamed<'a>(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &Manifest,
    names: &'a [String],
) -> Result<Vec<&'a String>, LogError> {
    let mut unnamed = Vec::new();
    // With a later increment the manifest is not the last one (somebody has put an old one there), and what looks like a leftover is not.
    if find_later_increment(storage, paths, manifest)?.is_none() {
        let seq = manifest.base.as_ref().map_or(0, |base| base.seq);
        let is_later = |name: &str, kind, seq| paths.find_seq(name, kind).is_some_and(|other| other > seq);
        let increment_seq = manifest.increments.last().map_or(0, |last| last.seq);
        unnamed.extend(names.iter().filter(|name| {
            !manifest.names(name)
                && (is_later(name, ".base.aof", seq) || is_later(name, ".incr.aof", increment_seq))
        }));
    }
    Ok(unnamed)
}

fn remove_all(storage: &dyn Storage, paths: &LogPaths, names: &[&String]) -> Result<(), LogError> {
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        tracing::info!("Removing {name}, which an unfinished rewrite of the append-only file left behind");
        remove(storage, paths, name)?;
    }
    sync_dir(storage, paths)
}

fn remove(storage: &dyn Storage, paths: &LogPaths, name: &str) -> Result<(), LogError> {
    let path = paths.file(name);
    match storage.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError::system(LogOperation::Remove, &path, error))
        }
        _ => Ok(()),
    }
}

fn sync_dir(storage: &dyn Storage, paths: &LogPaths) -> Result<(), LogError> {
    let dir = paths.append_dir();
    storage.sync_dir(&dir).map_err(|error| LogError::system(LogOperation::Sync, &dir, error))
}
