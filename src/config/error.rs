//! What can be wrong with a configuration.

use std::fmt;

/// The configuration with which the server was started is wrong. One line says where and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("can't open config file '{file}': {reason}")]
    Unreadable {
        /// The file, as it was named.
        file: String,
        /// The operating system's words.
        reason: String,
    },
    /// A line, or an argument of the command line, is wrong.
    #[error("{place}: '{line}': {reason}")]
    Line {
        /// Where it stands.
        place: Place,
        /// The line itself.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a directive stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, or on the standard input.
    File {
        /// The file's name.
        name: String,
        /// The line's number, from 1.
        line: usize,
    },
    /// Among the arguments of the command line.
    CommandLine,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { name, line } => write!(f, "{name}:{line}"),
            Place::CommandLine => f.write_str("command line"),
        }
    }
}

/// CONFIG SET was refused, and nothing was changed. The text is the reply after `ERR `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// There is no such setting.
    #[error("Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    /// One setting cannot be set, or not to that value.
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Failed {
        /// The setting.
        name: String,
        /// Why not.
        reason: String,
    },
}

/// Given by whoever acts on changed settings when a change cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRefusal {
    /// The setting it is about.
    pub setting: super::SettingId,
    /// Why not, in the words a client sees.
    pub reason: String,
}

/// CONFIG REWRITE failed, and the file is as it was. The text is the reply after `ERR `.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The server was started without a configuration file.
    #[error("The server is running without a config file")]
    NoFile,
    /// The file cannot be read or written.
    #[error("Rewriting config file: {}", super::text::describe_io(.0))]
    Io(#[from] std::io::Error),
}
