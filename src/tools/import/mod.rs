//! `millstream import`: data from an RDB file, an append-only file or a running Redis, into a new directory or a running server.

mod files;
mod live;
mod report;
mod resume;
mod target;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use self::report::Report;
use self::target::{DirTarget, ServerTarget, Target};
use super::client::{Address, Client};
use super::error::ToolError;
use crate::glob;

/// Where data come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A snapshot of redis-server's.
    RdbFile(PathBuf),
    /// A log of Redis before 7.0, in one file.
    AofFile(PathBuf),
    /// A log's directory.
    Dir(PathBuf),
    /// A server.
    Server(Address),
}

impl Source {
    /// Understands a path, which must be there, or a server's address with `redis://`.
    pub(super) fn parse(text: &str) -> Result<Self, ToolError> {
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            return Ok(Self::Server(Address::parse(text)?));
        }
        let path = PathBuf::from(text);
        if path.is_dir() {
            return Ok(Self::Dir(path));
        }
        let mut file = File::open(&path).map_err(ToolError::file("open", &path))?;
        let mut start = [0; 5];
        let count = file.read(&mut start).map_err(ToolError::file("read", &path))?;
        let is_snapshot = start[..count] == *b"REDIS";
        // A log may begin with a snapshot, too: its name tells.
        let is_log = path.extension().is_some_and(|extension| extension == "aof");
        Ok(if is_snapshot && !is_log { Self::RdbFile(path) } else { Self::AofFile(path) })
    }
}

/// Where data go to.
#[derive(Debug, Clone)]
pub(super) enum Destination {
    /// A directory for a server that is to be started.
    Dir(PathBuf),
    /// A server.
    Server(Address),
}

/// What is to be imported.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) source: Source,
    pub(super) destination: Destination,
    /// Only keys that match.
    pub(super) pattern: Option<String>,
    /// Only these databases; all, if there are none.
    pub(super) dbs: Vec<u64>,
    /// Keys that a server has already are replaced.
    pub(super) replace: bool,
    /// Where it is kept how far an import from a server has come.
    pub(super) resume: Option<PathBuf>,
}

impl Import {
    fn wants(&self, db: u64, key: &[u8]) -> bool {
        (self.dbs.is_empty() || self.dbs.contains(&db))
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| glob::matches(pattern.as_bytes(), key, glob::Case::Sensitive))
    }

    /// Who chooses keys wants these alone.
    fn wants_libraries(&self) -> bool {
        self.dbs.is_empty() && self.pattern.is_none()
    }

    /// Imports, and tells the report. Answers whether all was imported that was wanted.
    ///
    /// # Errors
    /// A source that cannot be read to its end; a destination that does not take it. What was imported by then stays.
    pub(super) fn run(&self) -> Result<bool, ToolError> {
        let resumed = self.resumed()?;
        let mut report = Report::default();
        let mut target: Box<dyn Target> = match &self.destination {
            Destination::Dir(dir) => Box::new(DirTarget::open(dir, resumed.is_some())?),
            Destination::Server(address) => {
                Box::new(ServerTarget::new(Client::connect(address)?, self.replace))
            }
        };
        match &self.source {
            Source::RdbFile(path) => files::import_rdb(self, path, &mut *target, &mut report),
            Source::AofFile(path) => files::import_aof(self, path, &mut *target, &mut report),
            Source::Dir(dir) => files::import_dir(self, dir, &mut *target, &mut report),
            Source::Server(address) => live::import(self, address, resumed, &mut *target, &mut report),
        }?;
        target.finish(&mut report)?;
        if let Some(path) = &self.resume {
            resume::remove(path)?;
        }
        print!("{report}");
        Ok(report.is_complete())
    }

    /// How far an import before this one has come, if this one is to go on.
    fn resumed(&self) -> Result<Option<resume::State>, ToolError> {
        match (&self.resume, &self.source) {
            (None, _) => Ok(None),
            (Some(path), Source::Server(_)) => resume::State::load(path),
            _ => Err(ToolError::Other(
                "--resume is for an import from a server; from files begin anew, into a new directory"
                    .to_owned(),
            )),
        }
    }

    /// What a state must say to belong to this import.
    fn destination_text(&self) -> String {
        match &self.destination {
            Destination::Dir(dir) => {
                std::path::absolute(dir).unwrap_or_else(|_| dir.clone()).display().to_string()
            }
            Destination::Server(address) => address.host_and_port.clone(),
        }
    }
}

/// A bar on the standard error, if that is a terminal.
fn progress_bar(total: u64, is_bytes: bool) -> ProgressBar {
    let template = if is_bytes {
        "{bar:40} {bytes}/{total_bytes}, {eta} left {msg}"
    } else {
        "{bar:40} {human_pos}/{human_len} keys, {eta} left {msg}"
    };
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    ProgressBar::new(total).with_style(style)
}

/// A name without its directory.
fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
