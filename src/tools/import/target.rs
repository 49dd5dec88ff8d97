//! Where imported keys go: [`DirTarget`], a directory, or [`ServerTarget`], a server.

use std::collections::VecDeque;
use std::path::Path;

use super::super::client::Client;
use super::super::error::ToolError;
use super::report::Report;
use crate::clock;
use crate::command::{Dump, library_name};
use crate::engine::Value;
use crate::log::{
    DiskStorage, Effects, FsyncPolicy, LoadProgress, Log, LogPaths, LogSettings, RecoverySettings, recover,
};
use crate::protocol::Frame;
use crate::rdb;
use crate::script::Scripting;

/// So much is appended to a log before it is written.
const UNWRITTEN_BYTES_MAX: u64 = 1 << 20;
/// So many keys, and bytes, are on their way to a server.
const KEYS_ON_THE_WAY_MAX: usize = 128;
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// A key that is to be written.
pub(super) struct NewKey<'a> {
    pub(super) db: usize,
    pub(super) key: &'a [u8],
    pub(super) value: &'a Value,
    pub(super) expires_at_ms: Option<u64>,
}

/// Takes keys.
pub(super) trait Target {
    /// Writes a key; a key that is there from before is replaced, or kept and told in the report.
    fn put(&mut self, new: &NewKey<'_>, report: &mut Report) -> Result<(), ToolError>;
    /// Writes a library of functions; of one that is there from before the same holds.
    fn put_library(&mut self, code: &[u8], report: &mut Report) -> Result<(), ToolError>;
    /// Waits until all that was put is as safe as the target makes it.
    fn settle(&mut self, report: &mut Report) -> Result<(), ToolError>;
    /// Ends it.
    fn finish(&mut self, report: &mut Report) -> Result<(), ToolError>;
}

/// A directory without a server.
pub(super) struct DirTarget {
    log: Log,
    unwritten_bytes: u64,
    effects: Effects,
    /// Where libraries are tried: a log with one that cannot be loaded would be of no use.
    libraries: Scripting,
}

impl DirTarget {
    /// Makes the directory and its log; `goes_on` says that an import has begun to write there.
    pub(super) fn open(dir: &Path, goes_on: bool) -> Result<Self, ToolError> {
        std::fs::create_dir_all(dir).map_err(ToolError::file("make", dir))?;
        let dir = std::fs::canonicalize(dir).map_err(ToolError::file("open", dir))?;
        let paths = LogPaths {
            dir: dir.clone(),
            append_dir_name: "appendonlydir".to_owned(),
            append_file_name: "appendonly.aof".to_owned(),
        };
        let settings = RecoverySettings { paths, load_truncated: true };
        // The data are not needed, only where the log ends.
        let recovered = recover(&DiskStorage, &settings, &LoadProgress::default(), &mut |_| Ok(()))?;
        if recovered.replayed.commands + recovered.replayed.keys > 0 && !goes_on {
            return Err(ToolError::Other(format!(
                "{} holds data already; an import needs a directory of its own, or a running server (--to)",
                dir.display()
            )));
        }
        let log = Log::start(&DiskStorage, recovered, LogSettings::new(FsyncPolicy::No))?;
        Ok(Self { log, unwritten_bytes: 0, effects: Effects::new(), libraries: Scripting::default() })
    }

    fn write(&mut self) -> Result<(), ToolError> {
        self.unwritten_bytes = 0;
        self.log.write_out().map_err(|error| ToolError::Other(error.to_string()))
    }
}

impl Target for DirTarget {
    fn put(&mut self, new: &NewKey<'_>, report: &mut Report) -> Result<(), ToolError> {
        // SCAN may return a key twice, and an import that goes on begins with some that were written.
        self.effects.clear();
        self.effects.begin(new.db, 2);
        self.effects.arg(b"DEL");
        self.effects.arg(new.key);
        self.log.append(&self.effects);
        let (log, mut bytes) = (&self.log, 0);
        let mut sink = |effects: &Effects| {
            bytes += effects.len() as u64;
            log.append(effects);
            Ok(())
        };
        let mut dump = Dump::new(&mut sink);
        dump.push_value(new.db, new.key, new.value, new.expires_at_ms)?;
        dump.finish()?;
        self.unwritten_bytes += bytes;
        report.take(new.value.type_name());
        if self.unwritten_bytes > UNWRITTEN_BYTES_MAX { self.write() } else { Ok(()) }
    }

    fn put_library(&mut self, code: &[u8], report: &mut Report) -> Result<(), ToolError> {
        if let Err(why) = self.libraries.load_library(code, false, true) {
            leave_library(code, &String::from_utf8_lossy(&why), report);
            return Ok(());
        }
        let log = &self.log;
        let mut sink = |effects: &Effects| {
            log.append(effects);
            Ok(())
        };
        let mut dump = Dump::new(&mut sink);
        dump.push_library(code)?;
        dump.finish()?;
        report.take_library();
        self.write()
    }

    fn settle(&mut self, _: &mut Report) -> Result<(), ToolError> {
        self.write()?;
        self.log.sync_all().map_err(|error| ToolError::Other(error.to_string()))
    }

    fn finish(&mut self, _: &mut Report) -> Result<(), ToolError> {
        self.log.close().map_err(|error| ToolError::Other(error.to_string()))
    }
}

/// A server, which is sent RESTORE.
pub(super) struct ServerTarget {
    client: Client,
    replace: bool,
    db: Option<usize>,
    /// What replies are awaited for, in their order.
    on_the_way: VecDeque<OnTheWay>,
    payload: Vec<u8>,
}

enum OnTheWay {
    Select(usize),
    Key { key: Vec<u8>, kind: &'static str },
    Library { code: Vec<u8> },
}

/// Tells of a library that was not taken.
pub(super) fn leave_library(code: &[u8], why: &str, report: &mut Report) {
    report.leave(&format!("function libraries that were refused: {why}"), library_name(code));
}

impl ServerTarget {
    pub(super) fn new(client: Client, replace: bool) -> Self {
        Self { client, replace, db: None, on_the_way: VecDeque::new(), payload: Vec::new() }
    }

    fn read_replies(&mut self, report: &mut Report) -> Result<(), ToolError> {
        self.client.flush()?;
        while let Some(sent) = self.on_the_way.pop_front() {
            match (self.client.read()?, sent) {
                (Frame::Error(text), OnTheWay::Select(db)) => {
                    return Err(ToolError::Other(format!("the server has no database {db}: {text}")));
                }
                (Frame::Error(text), OnTheWay::Key { key, kind }) => {
                    report.give_back(kind);
                    let why = if text.starts_with("BUSYKEY") {
                        "the server has the key already (--replace replaces it)".to_owned()
                    } else {
                        format!("the server answers {text}")
                    };
                    report.leave(&why, &key);
                }
                (Frame::Error(text), OnTheWay::Library { code }) => {
                    report.give_back_library();
                    leave_library(&code, &text, report);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Target for ServerTarget {
    fn put(&mut self, new: &NewKey<'_>, report: &mut Report) -> Result<(), ToolError> {
        if new.expires_at_ms.is_some_and(|at| at <= clock::unix_ms()) {
            report.expired += 1;
            return Ok(());
        }
        if self.db != Some(new.db) {
            self.client.push(&[b"SELECT", new.db.to_string().as_bytes()]);
            self.on_the_way.push_back(OnTheWay::Select(new.db));
            self.db = Some(new.db);
        }
        self.payload.clear();
        rdb::encode(new.value, &mut self.payload);
        let expires_at = new.expires_at_ms.unwrap_or(0).to_string();
        let args: [&[u8]; 6] =
            [b"RESTORE", new.key, expires_at.as_bytes(), &self.payload, b"ABSTTL", b"REPLACE"];
        self.client.push(if self.replace { &args } else { &args[..5] });
        let kind = new.value.type_name();
        self.on_the_way.push_back(OnTheWay::Key { key: new.key.to_vec(), kind });
        report.take(kind);
        if self.on_the_way.len() >= KEYS_ON_THE_WAY_MAX || self.client.unsent_bytes() >= UNSENT_BYTES_MAX {
            self.read_replies(report)?;
        }
        Ok(())
    }

    fn put_library(&mut self, code: &[u8], report: &mut Report) -> Result<(), ToolError> {
        let args: [&[u8]; 4] = [b"FUNCTION", b"LOAD", b"REPLACE", code];
        if self.replace {
            self.client.push(&args);
        } else {
            self.client.push(&[args[0], args[1], args[3]]);
        }
        self.on_the_way.push_back(OnTheWay::Library { code: code.to_vec() });
        report.take_library();
        self.read_replies(report)
    }

    fn settle(&mut self, report: &mut Report) -> Result<(), ToolError> {
        self.read_replies(report)
    }

    fn finish(&mut self, report: &mut Report) -> Result<(), ToolError> {
        self.read_replies(report)
    }
}
