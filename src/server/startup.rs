//! From the settings to a running server, and its orderly end.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::acceptor::{Listening, accept_all, resolve};
use super::supervisor::{self, Heartbeat};
use super::worker::{self, WorkerHandle};
use super::{background, loading};
use crate::command::{Renames, find_faulty_users, load_users};
use crate::config::{Config, ConfigError, settings};
use crate::log::LogError;
use crate::logging;
use crate::monitoring;
use crate::process;
use crate::state::Shared;
use crate::tls::TlsError;

/// How long the server waits for its connections to close when it ends.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(10);

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum StartupError {
    /// An address cannot be listened on.
    #[error("Failed listening on {address}:{port}: {cause}")]
    Listen {
        /// The address as it stands in the settings.
        address: String,
        /// The port.
        port: u16,
        /// The system's words.
        cause: io::Error,
    },
    /// The Unix socket cannot be listened on.
    #[error("Failed opening Unix socket '{path}': {cause}")]
    UnixSocket {
        /// Its path as it stands in the settings.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
    /// The working directory cannot be entered.
    #[error("Can't chdir to '{path}': {cause}")]
    Directory {
        /// The directory.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
    /// A line of the configuration cannot be followed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The users that the settings tell of cannot be made.
    #[error("{0}")]
    Users(String),
    /// The settings for TLS, or the files that they name, are of no use.
    #[error("Failed to configure TLS: {0}")]
    Tls(#[from] TlsError),
    /// The log cannot be read or continued.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A thread, a signal handler or a timer cannot be had.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's words.
        cause: io::Error,
    },
}

fn system(what: &'static str) -> impl Fn(io::Error) -> StartupError {
    move |cause| StartupError::System { what, cause }
}

/// Runs the server until it is told to end.
///
/// # Errors
/// Whatever keeps it from starting; one line says what.
pub fn run(config: Config) -> Result<(), StartupError> {
    let config = Arc::new(config);
    let dir = config.text(settings::DIR);
    std::env::set_current_dir(&*dir)
        .map_err(|cause| StartupError::Directory { path: dir.to_string(), cause })?;
    let wanted = process::open_files_for_clients(config.integer(settings::MAXCLIENTS) as u64);
    if let Err(allowed) = process::raise_open_files(wanted) {
        tracing::warn!("Only {allowed} files may be open; maxclients needs {wanted}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("Can't start the event loop"))?;
    runtime.block_on(serve(config))
}

/// What would keep the server from starting with these settings, as far as it can be told without listening and without touching the
/// data: the directory, the users, commands with other names, TLS. Goes to the directory.
pub fn find_faults(config: Config) -> Vec<String> {
    let dir = config.text(settings::DIR);
    let mut faults = Vec::new();
    if let Err(cause) = std::env::set_current_dir(&*dir) {
        faults.push(StartupError::Directory { path: dir.to_string(), cause }.to_string());
    }
    let shared = Shared::new(Arc::new(config), 1, 1);
    faults.extend(find_faulty_users(&shared));
    faults.extend(Renames::new(&shared.config).err().map(|error| error.to_string()));
    faults.extend(shared.load_tls().err().map(|error| StartupError::Tls(error).to_string()));
    faults
}

async fn serve(config: Arc<Config>) -> Result<(), StartupError> {
    tracing::info!(
        "Millstream {} is starting: process {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
        config.text(settings::DIR)
    );
    let (listening, listeners) = Listening::start(config.clone())?;
    let metrics_listeners = listen_for_metrics(&config)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system("Can't handle SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("Can't handle SIGINT"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system("Can't handle SIGHUP"))?;
    // Whoever handles it gets an error from the write instead: a log as large as the process may write is like a full disk.
    let file_too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    let _file_too_large = signal(file_too_large).map_err(system("Can't handle SIGXFSZ"))?;
    let _pid_file = PidFile::write(&config.text(settings::PIDFILE));
    let workers = worker_count(&config);
    let shared = Arc::new(Shared::new(config, workers, shard_count(workers)));
    load_users(&shared).map_err(StartupError::Users)?;
    Renames::new(&shared.config)?;
    shared.warn_of_policy();
    shared.load_tls()?;
    shared.relisten.provide(Box::new(listening));
    if !metrics_listeners.is_empty() {
        monitoring::start(shared.clone(), metrics_listeners)
            .map_err(system("Can't start the thread for metrics"))?;
    }
    let (handles, threads) = start_workers(&shared)?;
    let handles = Arc::new(handles);
    tokio::spawn(accept_all(shared.clone(), listeners, handles.clone()));
    let beats = handles.iter().map(|worker| worker.heartbeat.clone()).collect();
    let watchdog = tokio::spawn(supervisor::feed_watchdog(beats));
    let report = tokio::spawn(supervisor::report_loading(shared.clone()));
    let mut loading = loading::start(&shared)?;
    let mut background = None;
    loop {
        tokio::select! {
            // It is gone without a word only in a panic, which ends the process.
            Ok(loaded) = &mut loading, if background.is_none() => {
                loaded?;
                report.abort();
                background = Some(tokio::spawn(background::run(shared.clone())));
                tracing::info!("Ready to accept connections, {workers} worker thread(s)");
                supervisor::tell_ready();
                continue;
            }
            _ = hangup.recv() => {
                reopen_log_file();
                if let Err(error) = shared.load_tls() {
                    tracing::warn!("TLS stays as it was: {error}");
                }
                continue;
            }
            _ = terminate.recv() => tracing::info!("Received SIGTERM, ending"),
            _ = interrupt.recv() => tracing::info!("Received SIGINT, ending"),
            () = shared.shutdown.notified() => tracing::info!("SHUTDOWN was asked for, ending"),
        }
        break;
    }
    report.abort();
    supervisor::tell_stopping();
    if let Some(background) = background {
        background.abort();
    }
    stop(&shared, handles, threads).await;
    watchdog.abort();
    Ok(())
}

fn reopen_log_file() {
    match logging::reopen() {
        Ok(true) => tracing::info!("Received SIGHUP, the log file was opened anew"),
        Ok(false) => tracing::info!("Received SIGHUP, and there is no log file to open anew"),
        Err(error) => tracing::warn!("Received SIGHUP, but the log file can't be opened anew: {error}"),
    }
}

/// The file with the process's number, if one is wanted; removed when the server ends.
struct PidFile(Option<PathBuf>);

impl PidFile {
    /// Without the file the server runs all the same.
    fn write(path: &str) -> Self {
        if path.is_empty() {
            return Self(None);
        }
        match std::fs::write(path, format!("{}\n", std::process::id())) {
            Ok(()) => Self(Some(path.into())),
            Err(error) => {
                tracing::warn!("Can't write the pid file '{path}': {error}");
                Self(None)
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may have been removed meanwhile.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The number of worker threads: the setting, or the number of cores.
pub(super) fn worker_count(config: &Config) -> usize {
    match config.integer(settings::WORKER_THREADS) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads as usize,
    }
}

/// With one thread there is nobody to share with; with more, enough shards that two rarely meet.
pub(super) fn shard_count(workers: usize) -> usize {
    if workers == 1 { 1 } else { workers * 16 }
}

/// Listens for metrics where the settings want it.
fn listen_for_metrics(config: &Config) -> Result<Vec<TcpListener>, StartupError> {
    let port = config.integer(settings::METRICS_PORT) as u16;
    let addresses = config.text(settings::METRICS_BIND);
    let listen = |host: &str| {
        let listener = resolve(host)
            .and_then(|address| TcpListener::bind((address, port)))
            .map_err(|cause| StartupError::Listen { address: host.to_owned(), port, cause })?;
        tracing::info!("Listening on {host}:{port} for metrics");
        Ok(listener)
    };
    let addresses = addresses.split_ascii_whitespace();
    if port == 0 { Ok(Vec::new()) } else { addresses.map(listen).collect() }
}

fn start_workers(shared: &Arc<Shared>) -> Result<(Vec<WorkerHandle>, Vec<JoinHandle<()>>), StartupError> {
    let (mut handles, mut threads) = (Vec::new(), Vec::new());
    for number in 0..shared.workers {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(system("Can't start a worker's event loop"))?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let heartbeat = Heartbeat::new();
        handles.push(WorkerHandle { sender, connections: connections.clone(), heartbeat: heartbeat.clone() });
        let shared = shared.clone();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(worker::run(shared, receiver, connections, heartbeat)))
            .map_err(system("Can't start a worker thread"))?;
        threads.push(thread);
    }
    Ok((handles, threads))
}

/// Ends in order: no new connections, the present ones closed, the log synced.
async fn stop(shared: &Arc<Shared>, workers: Arc<Vec<WorkerHandle>>, threads: Vec<JoinHandle<()>>) {
    shared.relisten.end();
    shared.stopping.store(true, Relaxed);
    let deadline = Instant::now() + CLOSING_TIME_MAX;
    while !shared.clients.is_empty() && Instant::now() < deadline {
        for client in shared.clients.list() {
            client.kill();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(workers);
    if shared.clients.is_empty() {
        tracing::debug!("All connections are closed, {} worker thread(s) to end", threads.len());
    } else {
        tracing::warn!("{} connection(s) did not close in time", shared.clients.len());
    }
    if shared.loading.load(Relaxed) {
        tracing::info!("The log was not read to its end, and is as it was, bye");
        return;
    }
    await_first_rewrite(shared).await;
    match shared.log().close() {
        Ok(()) => tracing::info!("The log is synced, bye"),
        Err(error) => tracing::error!("Closing the log failed: {error}"),
    }
}

/// A log that was switched on is of no use before its first rewrite has come to its end: that is waited for, as long as it goes on.
async fn await_first_rewrite(shared: &Shared) {
    let goes_on = || {
        let log = shared.log().statistics();
        // A script that did not end with its client's connection keeps the data from being written.
        log.awaits_base && log.rewrite.current.is_some() && !shared.scripting.running.is_busy()
    };
    if goes_on() {
        tracing::info!("The append only file was switched on, waiting for its first rewrite");
    }
    while goes_on() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if shared.log().awaits_base() {
        tracing::error!("The append only file was switched on and could not be written: the data is lost");
    }
}
