//! From the settings to a running server, and its orderly end.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::supervisor::{self, Heartbeat};
use super::worker::{self, Handover, WorkerHandle};
use super::{background, loading};
use crate::clock;
use crate::command::{Renames, load_users};
use crate::config::{Config, ConfigError, settings};
use crate::log::LogError;
use crate::logging;
use crate::monitoring;
use crate::net::{Listener, bind};
use crate::process;
use crate::state::Shared;

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

async fn serve(config: Arc<Config>) -> Result<(), StartupError> {
    tracing::info!(
        "Millstream {} is starting: process {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
        config.text(settings::DIR)
    );
    let listeners = listen(&config)?;
    let metrics_listeners = listen_for_metrics(&config)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system("Can't handle SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("Can't handle SIGINT"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system("Can't handle SIGHUP"))?;
    // Whoever handles it gets an error from the write instead: a log as large as the process may write is like a full disk.
    let file_too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    let _file_too_large = signal(file_too_large).map_err(system("Can't handle SIGXFSZ"))?;
    let _pid_file = PidFile::write(&config.text(settings::PIDFILE));
    let workers = worker_count(&config);
    // With one thread there is nobody to share with; with more, enough shards that two rarely meet.
    let shards = if workers == 1 { 1 } else { workers * 16 };
    let shared = Arc::new(Shared::new(config, workers, shards));
    load_users(&shared).map_err(StartupError::Users)?;
    Renames::new(&shared.config)?;
    shared.warn_of_policy();
    if let Some(listener) = listeners.first() {
        shared.port.store(listener.address().port(), Relaxed);
    }
    if !metrics_listeners.is_empty() {
        monitoring::start(shared.clone(), metrics_listeners)
            .map_err(system("Can't start the thread for metrics"))?;
    }
    let (handles, threads) = start_workers(&shared)?;
    let handles = Arc::new(handles);
    for listener in listeners {
        tracing::info!("Listening on {}", listener.address());
        tokio::spawn(accept(shared.clone(), listener, handles.clone()));
    }
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
fn worker_count(config: &Config) -> usize {
    match config.integer(settings::WORKER_THREADS) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads as usize,
    }
}

/// Listens on each address of `bind`; one with a `-` before it may be missing.
fn listen(config: &Config) -> Result<Vec<Listener>, StartupError> {
    let port = config.integer(settings::PORT) as u16;
    let backlog = config.integer(settings::TCP_BACKLOG) as i32;
    let mut listeners = Vec::new();
    for name in config.text(settings::BIND).split_ascii_whitespace() {
        let (optional, host) = match name.strip_prefix('-') {
            Some(host) => (true, host),
            None => (false, name),
        };
        let error = |cause| StartupError::Listen { address: host.to_string(), port, cause };
        let result = resolve(host).and_then(|address| bind(address, port, backlog));
        match result {
            Ok(listener) => listeners.push(listener),
            Err(cause) if optional => tracing::debug!("Not listening on {host}: {cause}"),
            Err(cause) => return Err(error(cause)),
        }
    }
    Ok(listeners)
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

fn resolve(host: &str) -> io::Result<IpAddr> {
    match host {
        "*" => Ok(IpAddr::from([0, 0, 0, 0])),
        "::*" => Ok(IpAddr::from([0; 16])),
        _ => (host, 0)
            .to_socket_addrs()?
            .next()
            .map(|address| address.ip())
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)),
    }
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

/// Accepts connections, and hands each to the thread that has the fewest.
async fn accept(shared: Arc<Shared>, listener: Listener, workers: Arc<Vec<WorkerHandle>>) {
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("Accepting a connection failed: {error}");
                // Most often too many open files: some will close.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Some(refusal) = refuse(&shared, &stream) {
            use std::io::Write;
            shared.metrics.connections_rejected.fetch_add(1, Relaxed);
            // The socket's buffer is empty: it takes the line without blocking, or the client is
            // gone.
            let _ = (&stream).write(refusal.as_bytes());
            continue;
        }
        let nowhere = || SocketAddr::from(([0, 0, 0, 0], 0));
        let handle = shared.clients.register(
            stream.peer_addr().unwrap_or_else(|_| nowhere()),
            stream.local_addr().unwrap_or_else(|_| nowhere()),
            stream.as_raw_fd(),
            clock::unix_ms(),
        );
        shared.metrics.connections_received.fetch_add(1, Relaxed);
        keep_alive(&shared, &stream);
        let authenticated = shared.users.is_open();
        let Some(worker) = workers.iter().min_by_key(|worker| worker.connections.load(Relaxed)) else {
            return;
        };
        worker.connections.fetch_add(1, Relaxed);
        // It fails only when the worker is gone, which is at the server's end.
        let _ = worker.sender.send(Handover { stream, handle, authenticated });
    }
}

fn keep_alive(shared: &Shared, stream: &std::net::TcpStream) {
    let seconds = shared.config.integer(settings::TCP_KEEPALIVE);
    if seconds > 0 {
        let time = Duration::from_secs(seconds as u64);
        let probes = socket2::TcpKeepalive::new()
            .with_time(time)
            .with_interval((time / 3).max(Duration::from_secs(1)))
            .with_retries(3);
        // A peer that goes away in silence is noticed later then.
        let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&probes);
    }
}

/// Why a connection is refused, if it is.
fn refuse(shared: &Shared, stream: &std::net::TcpStream) -> Option<&'static str> {
    let config = &shared.config;
    if shared.clients.len() >= config.integer(settings::MAXCLIENTS) as usize {
        return Some("-ERR max number of clients reached\r\n");
    }
    let is_protected =
        config.boolean(settings::PROTECTED_MODE) && shared.users.default_user().needs_no_password();
    let is_local = stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    (is_protected && !is_local).then_some(
        "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set \
         for the default user. Only connections from this machine are taken. To change that, set a password \
         (CONFIG SET requirepass, or the setting in the configuration file), or switch protected mode off \
         (CONFIG SET protected-mode no) where the network is trusted.\r\n",
    )
}

/// Ends in order: no new connections, the present ones closed, the log synced.
async fn stop(shared: &Arc<Shared>, workers: Arc<Vec<WorkerHandle>>, threads: Vec<JoinHandle<()>>) {
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
    match shared.log().close() {
        Ok(()) => tracing::info!("The log is synced, bye"),
        Err(error) => tracing::error!("Closing the log failed: {error}"),
    }
}
