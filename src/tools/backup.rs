//! `millstream backup`: a consistent copy of a log, while a server writes to it.
//!
//! Files of the log only grow, and a manifest that is replaced names the ones that are in force. So a copy is the log as it was at one
//! moment when
//! - the manifest is the same before and after its files were opened (a file that is removed later stays readable),
//! - of each file so much is copied as there was of it at a moment before which all later files' bytes had been written: sizes are taken from the last
//!   file to the first, since a rewrite lets nothing into the next increment before the one before it is whole.
//!
//! The end of the last file may be cut off within a write then, as after a crash, and is dropped from the copy.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::ToolError;
use super::find_log::find_log;
use crate::log::{DiskStorage, LogPaths, Manifest, ManifestFile, cut, inspect};

/// How often it begins anew when a rewrite replaces the manifest meanwhile.
const TRIES: u32 = 100;

/// An open file and how much of it belongs to the copy.
struct Part {
    file: File,
    name: String,
    bytes: u64,
}

/// Copies the log in `dir` to `dest`, which is made, as a directory that a server can be started on. With `link` the base, which never changes,
/// is linked instead of copied where the file system can.
///
/// # Errors
/// A destination that holds something; files that cannot be copied; a copy that is not sound.
pub(super) fn backup(dir: &Path, dest: &Path, link: bool, out: &mut dyn Write) -> Result<(), ToolError> {
    let from = find_log(dir)?;
    let to = prepare(dest, &from)?;
    let (manifest, parts) = open_all(&from)?;
    let mut bytes = 0;
    for part in &parts {
        let is_base = manifest.base.as_ref().is_some_and(|base| base.name == part.name);
        copy(part, &to.file(&part.name), (link && is_base).then(|| from.file(&part.name)))?;
        bytes += part.bytes;
    }
    manifest.store(&DiskStorage, &to)?;
    sync_dir(&to.dir)?;
    let dropped_bytes = verify(&to)?;
    let dropped = if dropped_bytes > 0 {
        format!("; {dropped_bytes} bytes at the end were still being written, and are not in it")
    } else {
        String::new()
    };
    writeln!(
        out,
        "Copied {} files, {bytes} bytes, to {}; checked: sound{dropped}",
        parts.len(),
        dest.display()
    )
    .map_err(|error| ToolError::Other(format!("cannot write: {error}")))
}

/// Makes the destination; where in it the copy goes.
fn prepare(dest: &Path, from: &LogPaths) -> Result<LogPaths, ToolError> {
    fs::create_dir_all(dest).map_err(ToolError::file("make", dest))?;
    if fs::read_dir(dest).map_err(ToolError::file("list", dest))?.next().is_some() {
        return Err(ToolError::Other(format!(
            "{} is not empty: a copy needs a directory of its own",
            dest.display()
        )));
    }
    let to = LogPaths { dir: dest.to_path_buf(), ..from.clone() };
    let append_dir = to.append_dir();
    fs::create_dir(&append_dir).map_err(ToolError::file("make", &append_dir))?;
    Ok(to)
}

/// Opens the files that make up the log at one moment, and takes their sizes.
fn open_all(paths: &LogPaths) -> Result<(Manifest, Vec<Part>), ToolError> {
    for _ in 0..TRIES {
        let Some(before) = Manifest::load(&DiskStorage, paths)? else {
            return Err(ToolError::Other(format!("{} holds no log", paths.append_dir().display())));
        };
        let opened = open_named(paths, &before);
        let after = Manifest::load(&DiskStorage, paths)?;
        if after.as_ref() == Some(&before) {
            return Ok((Manifest { history: Vec::new(), ..before }, opened?));
        }
    }
    Err(ToolError::Other("the log was rewritten again and again meanwhile; try later".to_owned()))
}

fn open_named(paths: &LogPaths, manifest: &Manifest) -> Result<Vec<Part>, ToolError> {
    let named: Vec<&ManifestFile> = manifest.base.iter().chain(&manifest.increments).collect();
    let mut parts = Vec::new();
    for file in named {
        let path = paths.file(&file.name);
        let opened = File::open(&path).map_err(ToolError::file("open", &path))?;
        parts.push(Part { file: opened, name: file.name.clone(), bytes: 0 });
    }
    // See above: the last one first.
    for part in parts.iter_mut().rev() {
        let path = paths.file(&part.name);
        part.bytes = part.file.metadata().map_err(ToolError::file("look at", &path))?.len();
    }
    Ok(parts)
}

/// Copies a part to a new file; or links it, if a path to link to is given and can be linked to.
fn copy(part: &Part, to: &Path, link_from: Option<PathBuf>) -> Result<(), ToolError> {
    if let Some(from) = link_from
        && fs::hard_link(from, to).is_ok()
    {
        return Ok(());
    }
    let mut target = File::create_new(to).map_err(ToolError::file("make", to))?;
    // On Linux this is done within the kernel, and by file systems that can, without copying.
    let copied =
        io::copy(&mut (&part.file).take(part.bytes), &mut target).map_err(ToolError::file("copy to", to))?;
    if copied != part.bytes {
        return Err(ToolError::Other(format!("{} became shorter while it was copied", part.name)));
    }
    target.sync_all().map_err(ToolError::file("sync", to))
}

fn sync_dir(dir: &Path) -> Result<(), ToolError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(ToolError::file("sync", dir))
}

/// Reads the copy, drops a write that is cut off, and answers how many bytes those were.
fn verify(paths: &LogPaths) -> Result<u64, ToolError> {
    let Some(inspection) = inspect(&DiskStorage, paths, &mut |_, _| {})? else { return Ok(0) };
    for file in inspection.files {
        let Some(damage) = file.damage else { continue };
        let Some(offset) = damage.error.offset.filter(|_| damage.is_torn_tail) else {
            return Err(damage.error.into());
        };
        let kept = cut(&DiskStorage, paths, &file.path, offset)?;
        fs::remove_file(&kept).map_err(ToolError::file("remove", &kept))?;
        return Ok(damage.lost_bytes);
    }
    Ok(0)
}
