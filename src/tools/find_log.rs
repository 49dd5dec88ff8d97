//! [`find_log`]: where in a directory the log is, without the server's settings.

use std::fs;
use std::path::Path;

use super::error::ToolError;
use crate::log::LogPaths;

const MANIFEST_END: &str = ".manifest";
const DIR_NAME: &str = "appendonlydir";
const FILE_NAME: &str = "appendonly.aof";

/// Finds the log in `dir`, which is the server's directory or the log's own. Names other than the usual ones are known by the manifest.
///
/// # Errors
/// A directory that cannot be read; none, or several, that could be the log's.
pub(super) fn find_log(dir: &Path) -> Result<LogPaths, ToolError> {
    let dir = &fs::canonicalize(dir).map_err(ToolError::file("open", dir))?;
    let mut found = list_logs(dir)?;
    if found.is_empty() {
        for entry in fs::read_dir(dir).map_err(ToolError::file("list", dir))? {
            let path = entry.map_err(ToolError::file("list", dir))?.path();
            if path.is_dir() {
                found.extend(list_logs(&path).unwrap_or_default());
            }
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(paths), true) => Ok(paths),
        (Some(_), false) => Err(ToolError::Other(format!(
            "{} holds several append-only files; name the directory of one of them",
            dir.display()
        ))),
        // Without a manifest: what there is goes by the usual names, if it does.
        (None, _) if dir.join(DIR_NAME).is_dir() => Ok(paths_of(&dir.join(DIR_NAME), FILE_NAME)),
        (None, _) if dir.file_name().is_some_and(|name| name == DIR_NAME) => Ok(paths_of(dir, FILE_NAME)),
        (None, _) => Err(ToolError::Other(format!(
            "{} holds no append-only file: neither a manifest nor a directory {DIR_NAME}",
            dir.display()
        ))),
    }
}

/// The logs whose manifest is in a directory.
fn list_logs(dir: &Path) -> Result<Vec<LogPaths>, ToolError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(ToolError::file("list", dir))? {
        let name = entry.map_err(ToolError::file("list", dir))?.file_name();
        let name = name.to_string_lossy();
        if let Some(file_name) = name.strip_suffix(MANIFEST_END).filter(|name| !name.starts_with("temp-")) {
            found.push(paths_of(dir, file_name));
        }
    }
    Ok(found)
}

fn paths_of(append_dir: &Path, file_name: &str) -> LogPaths {
    LogPaths {
        dir: append_dir.parent().unwrap_or(append_dir).to_path_buf(),
        append_dir_name: append_dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        append_file_name: file_name.to_owned(),
    }
}
