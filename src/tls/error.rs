//! Why TLS cannot be set up.

use std::io;

use thiserror::Error;

/// Why the settings for TLS, or the files that they name, are of no use. One line says what is to be changed.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A setting that is needed is empty.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A file or directory cannot be read.
    #[error("{setting} {path}: {cause}")]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// Its path.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{setting} {path}: {reason}")]
    Unusable {
        /// The setting that names it.
        setting: &'static str,
        /// Its path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting asks for what there is not.
    #[error("{setting}: {reason}")]
    Unsupported {
        /// The setting.
        setting: &'static str,
        /// What there is not.
        reason: String,
    },
}
