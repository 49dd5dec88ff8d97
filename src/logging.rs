//! Log output: where it goes, in which form, and from which level on.

use std::fs::OpenOptions;
use std::io;
use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat, LogLevel, settings};

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Starts log output as the settings want it: to the standard output, as redis-server does, or to the
/// end of a file.
///
/// # Errors
/// The file cannot be opened.
pub fn start(config: &Config) -> io::Result<()> {
    let path = config.text(settings::LOGFILE);
    let is_file = !path.is_empty();
    let writer = if is_file {
        BoxMakeWriter::new(std::sync::Mutex::new(OpenOptions::new().create(true).append(true).open(&*path)?))
    } else {
        BoxMakeWriter::new(io::stdout)
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
