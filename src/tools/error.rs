//! [`ToolError`]: why a tool could not do what it was asked to.

use std::io;
use std::path::Path;

use thiserror::Error;

use crate::log::LogError;

/// Why a tool could not do what it was asked to. One line.
#[derive(Debug, Error)]
pub(super) enum ToolError {
    /// The log's files.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file or a directory, and what was tried on it.
    #[error("cannot {what} {path}: {cause}")]
    File {
        /// What was tried: follows "cannot".
        what: &'static str,
        /// The file.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
    /// Anything else, told in full.
    #[error("{0}")]
    Other(String),
}

impl ToolError {
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |cause| Self::File { what, path, cause }
    }
}
