//! `millstream export`: data as plain commands, or as a directory that redis-server 7.0 loads.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::error::ToolError;
use super::find_log::find_log;
use super::load::{Loaded, Refused};
use crate::command::Dump;
use crate::engine::Value;
use crate::log::{
    DiskStorage, LoadProgress, LogError, LogPaths, Manifest, ManifestFile, RecoverySettings, replay,
};

/// What the data are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A stream of commands.
    Commands,
    /// A directory of redis-server's.
    Redis,
}

/// What redis-server 7.0 has no place for.
#[derive(Debug, Default)]
struct LeftOut {
    keys: usize,
    pending_for_nobody: u64,
    producers: usize,
}

/// Writes the data of the log in `dir` to `dest`, or to the standard output. A server may go on writing to the log: it is read as it is.
///
/// # Errors
/// A log that cannot be loaded; a destination that cannot be written.
pub(super) fn export(dir: &Path, dest: Option<&Path>, format: Format) -> Result<(), ToolError> {
    let loaded = load_log(dir)?;
    let left_out = match (format, dest) {
        (Format::Commands, None) => {
            let mut out = BufWriter::new(io::stdout().lock());
            let left_out = write_commands(&loaded, &mut out, Path::new("the standard output"))?;
            out.flush().map_err(ToolError::file("write to", Path::new("the standard output")))?;
            left_out
        }
        (Format::Commands, Some(dest)) => write_file(&loaded, dest)?,
        (Format::Redis, Some(dest)) => write_redis_dir(&loaded, dest)?,
        (Format::Redis, None) => {
            return Err(ToolError::Other(
                "--format redis writes a directory: name it with --output".to_owned(),
            ));
        }
    };
    tell(&left_out);
    Ok(())
}

/// Loads a log, whether or not a server writes to it: files that a rewrite removes are looked for again.
fn load_log(dir: &Path) -> Result<Loaded, ToolError> {
    let paths = find_log(dir)?;
    let settings = RecoverySettings { paths: paths.clone(), load_truncated: true };
    let mut tries = 0;
    loop {
        let before = Manifest::load(&DiskStorage, &paths)?;
        let result = Loaded::load(&mut |refused| Err(why(refused)), |apply| {
            let replayed = replay(&DiskStorage, &settings, &LoadProgress::default(), apply)?;
            if let Some(tail) = replayed.torn_tail {
                eprintln!(
                    "{} ends within something that was being written ({}): {} bytes are left out",
                    tail.path.display(),
                    tail.what,
                    tail.bytes
                );
            }
            Ok(())
        });
        tries += 1;
        match result {
            Ok((loaded, ())) => return Ok(loaded),
            Err(_) if tries < 10 && Manifest::load(&DiskStorage, &paths)? != before => {}
            Err(error) => return Err(error),
        }
    }
}

/// Nothing is left out in silence: what cannot be loaded ends the export.
fn why(refused: Refused<'_>) -> String {
    match refused {
        Refused::Key { kind, key } => {
            format!("the key \"{}\" holds a {kind}, a type that Millstream does not have", key.escape_ascii())
        }
        Refused::Function { why, .. } | Refused::Command { why, .. } | Refused::Other(why) => why,
    }
}

/// Writes all data as commands that redis-server 7.0 knows.
fn write_commands(loaded: &Loaded, out: &mut dyn Write, path: &Path) -> Result<LeftOut, ToolError> {
    let mut left_out = LeftOut::default();
    write_with(out, path, |dump| loaded.libraries().iter().try_for_each(|code| dump.push_library(code)))?;
    let mut db_before = usize::MAX;
    loaded.for_each(|db, entry| {
        left_out.count(&entry.value);
        if db != db_before {
            let number = db.to_string();
            write!(out, "*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len())
                .map_err(ToolError::file("write to", path))?;
            db_before = db;
        }
        // What is in one call's commands is all of this database.
        write_with(out, path, |dump| dump.push(db, entry))
    })?;
    Ok(left_out)
}

/// Writes what `push` encodes.
fn write_with(
    out: &mut dyn Write,
    path: &Path,
    push: impl FnOnce(&mut Dump<'_>) -> Result<(), LogError>,
) -> Result<(), ToolError> {
    let mut failure = None;
    let mut sink = |commands: &crate::log::Effects| {
        if failure.is_none() {
            failure = out.write_all(commands.as_bytes()).err();
        }
        Ok(())
    };
    let mut dump = Dump::plain(&mut sink);
    push(&mut dump)?;
    dump.finish()?;
    failure.map_or(Ok(()), |error| Err(ToolError::file("write to", path)(error)))
}

fn write_file(loaded: &Loaded, dest: &Path) -> Result<LeftOut, ToolError> {
    let file = File::create_new(dest).map_err(ToolError::file("make", dest))?;
    let mut out = BufWriter::new(file);
    let left_out = write_commands(loaded, &mut out, dest)?;
    out.flush().map_err(ToolError::file("write to", dest))?;
    out.get_ref().sync_all().map_err(ToolError::file("sync", dest))?;
    Ok(left_out)
}

/// Writes a directory with a log of one base and an empty increment.
fn write_redis_dir(loaded: &Loaded, dest: &Path) -> Result<LeftOut, ToolError> {
    fs::create_dir_all(dest).map_err(ToolError::file("make", dest))?;
    let paths = LogPaths {
        dir: dest.to_path_buf(),
        append_dir_name: "appendonlydir".to_owned(),
        append_file_name: "appendonly.aof".to_owned(),
    };
    let append_dir = paths.append_dir();
    fs::create_dir(&append_dir).map_err(ToolError::file("make", &append_dir))?;
    let file = |kind: &str| ManifestFile { name: format!("{}.1.{kind}.aof", paths.append_file_name), seq: 1 };
    let (base, increment) = (file("base"), file("incr"));
    let left_out = write_file(loaded, &paths.file(&base.name))?;
    let increment_path = paths.file(&increment.name);
    File::create_new(&increment_path).map_err(ToolError::file("make", &increment_path))?;
    Manifest { base: Some(base), history: Vec::new(), increments: vec![increment] }
        .store(&DiskStorage, &paths)?;
    Ok(left_out)
}

impl LeftOut {
    fn count(&mut self, value: &Value) {
        self.keys += 1;
        let Value::Stream(stream) = value else { return };
        self.pending_for_nobody +=
            stream.groups().iter().map(|(_, group)| group.pending().released()).sum::<u64>();
        self.producers += usize::from(stream.idempotency().is_some_and(|known| known.entry_count() > 0));
    }
}

fn tell(left_out: &LeftOut) {
    let LeftOut { keys, pending_for_nobody, producers } = left_out;
    eprintln!("Exported {keys} keys as commands of Redis 7.0");
    if *pending_for_nobody > 0 {
        eprintln!("Left out: {pending_for_nobody} entries that are pending for nobody (XNACK)");
    }
    if *producers > 0 {
        eprintln!("Left out: what {producers} streams remember of idempotent producers (IDMP)");
    }
}
