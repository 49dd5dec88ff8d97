//! [`LogError`]: everything that can go wrong with the append-only file.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the log was doing when it failed. Its text follows "cannot".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOperation {
    /// Taking the directory's lock, which keeps a second server out.
    Lock,
    /// Making a file or a directory.
    Create,
    /// Opening a file that is there.
    Open,
    /// Listing a directory.
    List,
    /// Reading a file's bytes or understanding them.
    Read,
    /// Executing a command that was read from a file.
    Replay,
    /// Appending to a file.
    Write,
    /// Making a file's or a directory's changes durable.
    Sync,
    /// Cutting a file's end off.
    Truncate,
    /// Giving a file its final name.
    Rename,
    /// Removing a file.
    Remove,
    /// Writing the log anew.
    Rewrite,
    /// Starting the thread that writes and syncs.
    Start,
}

impl fmt::Display for LogOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "lock",
            Self::Create => "create",
            Self::Open => "open",
            Self::List => "list",
            Self::Read => "read",
            Self::Replay => "replay",
            Self::Write => "write to",
            Self::Sync => "sync",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Rewrite => "rewrite",
            Self::Start => "start the log thread of",
        })
    }
}

/// Why an operation of the log failed.
#[derive(Debug, thiserror::Error)]
pub enum LogCause {
    /// The operating system refused.
    #[error("{}", system_message(.0))]
    System(io::Error),
    /// What was found is not what may be there.
    #[error("{0}")]
    Content(Cow<'static, str>),
}

/// A failure of the append-only file: what was tried, on which file, where in it, and why it failed. Its text is one line.
#[derive(Debug, thiserror::Error)]
#[error("append-only file: cannot {operation} {}{}: {cause}{}", .path.display(), at_offset(.offset), and_way_out(.way_out))]
pub struct LogError {
    /// What was being done.
    pub operation: LogOperation,
    /// The file or directory it was done to.
    pub path: PathBuf,
    /// The byte offset in the file, where one is known.
    pub offset: Option<u64>,
    /// Why it failed.
    pub cause: LogCause,
    /// What can be done about it, where that does not follow from the cause.
    pub way_out: Option<Cow<'static, str>>,
}

impl LogError {
    /// An operation that the operating system refused.
    pub fn system(operation: LogOperation, path: &Path, error: io::Error) -> Self {
        let way_out = (error.kind() == io::ErrorKind::PermissionDenied).then(|| {
            let user = rustix::process::geteuid().as_raw();
            format!("the server runs as the user {user}, who is to have access to it (chown, chmod)").into()
        });
        Self { operation, path: path.to_path_buf(), offset: None, cause: LogCause::System(error), way_out }
    }

    /// An operation that failed for what a file or directory contains.
    pub fn content(operation: LogOperation, path: &Path, what: impl Into<Cow<'static, str>>) -> Self {
        let mut what = what.into();
        // What a damaged file holds may be quoted in it.
        if what.contains(char::is_control) {
            let escape =
                |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
            what = what.chars().map(escape).collect::<String>().into();
        }
        Self {
            operation,
            path: path.to_path_buf(),
            offset: None,
            cause: LogCause::Content(what),
            way_out: None,
        }
    }

    /// The same error, with what can be done about it.
    #[must_use]
    pub fn with_way_out(mut self, way_out: impl Into<Cow<'static, str>>) -> Self {
        self.way_out = Some(way_out.into());
        self
    }

    /// The same error about damage that the check can tell more of, and cut away at a loss.
    #[must_use]
    pub(super) fn with_check(self) -> Self {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let check = format!(
            "`millstream check {}` tells what would be lost, and cuts it away with --fix --lossy",
            dir.display()
        );
        self.with_way_out(check)
    }

    /// The same error, with the byte offset at which it happened.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The bare reason, as the system words it: what Redis's `MISCONF` reply quotes.
    pub fn reason(&self) -> String {
        self.cause.to_string()
    }
}

/// A write or a sync that failed while the log was in use: it takes no more writes.
#[derive(Debug, Clone)]
pub struct LogFailure {
    /// What failed.
    pub error: Arc<LogError>,
    /// Whether it is the end. Otherwise the file is as it was before, and what could not be written is tried again: once that works,
    /// the log takes writes again. After a failed sync nobody knows what the disk has, so that nothing can be tried again.
    pub is_final: bool,
}

impl LogFailure {
    /// A failure that nothing can be done about.
    pub(super) fn last(error: LogError) -> Self {
        Self { error: Arc::new(error), is_final: true }
    }

    /// The bare reason, as the system words it, and what is left to do where waiting does not help.
    pub fn reason(&self) -> String {
        let reason = self.error.reason();
        match self.is_final {
            true => {
                reason + ". Once the disk is in order, switch appendonly off and on, or start the server anew"
            }
            false => reason,
        }
    }
}

fn and_way_out(way_out: &Option<Cow<'static, str>>) -> String {
    way_out.as_ref().map(|way_out| format!("; {way_out}")).unwrap_or_default()
}

fn at_offset(offset: &Option<u64>) -> String {
    offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default()
}

/// The system's words for an error, without the number that the standard library adds.
fn system_message(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => text.strip_suffix(&format!(" (os error {code})")).map(str::to_owned).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: LogError, expected: &str) {
        let text = error.to_string();
        assert_eq!(text, expected);
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn one_line_says_what_where_and_why() {
        let path = Path::new("d/appendonly.aof.1.incr.aof");
        check(
            LogError::system(LogOperation::Write, path, io::Error::from_raw_os_error(28)).at(17),
            "append-only file: cannot write to d/appendonly.aof.1.incr.aof at offset 17: No space left on device",
        );
        check(
            LogError::content(LogOperation::Read, path, "the checksum is wrong"),
            "append-only file: cannot read d/appendonly.aof.1.incr.aof: the checksum is wrong",
        );
    }

    #[test]
    fn it_stays_one_line_whatever_it_quotes() {
        check(
            LogError::content(LogOperation::Read, Path::new("f"), String::from("expected '$', got '\n'"))
                .at(3),
            "append-only file: cannot read f at offset 3: expected '$', got '\\n'",
        );
    }

    #[test]
    fn the_way_out_stands_at_the_end() {
        check(
            LogError::content(LogOperation::Read, Path::new("d/f"), "it is damaged").at(3).with_check(),
            "append-only file: cannot read d/f at offset 3: it is damaged; `millstream check d` tells what would be lost, \
             and cuts it away with --fix --lossy",
        );
        let user = rustix::process::geteuid().as_raw();
        check(
            LogError::system(LogOperation::Open, Path::new("d/f"), io::Error::from_raw_os_error(13)),
            &format!(
                "append-only file: cannot open d/f: Permission denied; the server runs as the user {user}, \
                 who is to have access to it (chown, chmod)"
            ),
        );
    }

    #[test]
    fn the_reason_alone_is_the_systems() {
        let error =
            LogError::system(LogOperation::Sync, Path::new("f"), io::Error::from_raw_os_error(5)).at(1);
        assert_eq!(error.reason(), "Input/output error");
    }
}
