//! Log output: where it goes, in which form, and from which level on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use parking_lot::Mutex;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat, LogLevel, settings};

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static FILE: OnceLock<LogFile> = OnceLock::new();

/// The file that log output goes to.
#[derive(Debug)]
struct LogFile {
    /// Absolute: the server goes to another directory after the start.
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(path)
    }
}

impl Write for &LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.lock().flush()
    }
}

/// Starts log output as the settings want it: to the standard output, as redis-server does, or to the
/// end of a file.
///
/// # Errors
/// The file cannot be opened.
pub fn start(config: &Config) -> io::Result<()> {
    let path = config.text(settings::LOGFILE);
    let writer = if path.is_empty() {
        BoxMakeWriter::new(io::stdout)
    } else {
        let path = std::path::absolute(&*path)?;
        let file = Mutex::new(LogFile::open(&path)?);
        let log = FILE.get_or_init(|| LogFile { path, file });
        BoxMakeWriter::new(move || log)
    };
    let (level, handle) = reload::Layer::new(filter(config.choice(settings::LOGLEVEL)));
    let lines = fmt::layer().with_target(false).with_writer(writer);
    let lines: Box<dyn Layer<_> + Send + Sync> = match config.choice(settings::LOG_FORMAT) {
        LogFormat::Text => Box::new(lines.with_ansi(false)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    // A second server in one process, as tests have it, goes on with the first one's output.
    if tracing_subscriber::registry().with(level).with(lines).try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
    Ok(())
}

/// Opens the log file anew, as it is wanted after the old one was renamed (by logrotate). Whether there is one.
///
/// # Errors
/// It cannot be opened; output goes on into the old one.
pub fn reopen() -> io::Result<bool> {
    let Some(log) = FILE.get() else { return Ok(false) };
    let file = LogFile::open(&log.path)?;
    *log.file.lock() = file;
    Ok(true)
}

/// Changes the level from which on messages are logged.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails only when the output is gone, and then there is nothing to be changed.
        let _ = handle.modify(|current| *current = filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}
