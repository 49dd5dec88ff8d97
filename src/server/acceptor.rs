//! Where the server listens, and the way of a connection to the thread that serves it.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::startup::StartupError;
use super::worker::{Handover, WorkerHandle};
use crate::clock;
use crate::config::{Config, Handle, SetRefusal, SettingId, settings};
use crate::net::{self, Acceptor, Listener, Socket};
use crate::state::{Endpoint, Listen, Shared};

/// Where the server listens, and what it is told to do there.
#[derive(Debug)]
pub(super) struct Listening {
    config: Arc<Config>,
    /// The places, and what stops the accepting there.
    places: Mutex<Vec<(Place, Arc<StopSign>)>>,
    /// What stops it on the Unix socket.
    unix: Mutex<Option<Arc<StopSign>>>,
    /// Takes new listeners to the thread that accepts connections.
    started: mpsc::UnboundedSender<NewListener>,
}

/// An address and port that are asked for, and whether it is for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    is_tls: bool,
}

/// Stops the accepting of connections at a place.
#[derive(Debug)]
pub(super) struct StopSign {
    stopped: Notify,
    closer: net::Closer,
}

/// A listener whose connections are to be accepted.
#[derive(Debug)]
pub(super) struct NewListener {
    listener: Listener,
    is_tls: bool,
    stop: Arc<StopSign>,
}

impl Listening {
    /// Listens wherever the settings want it. What is listened on, then and later, comes from the receiver.
    pub(super) fn start(
        config: Arc<Config>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<NewListener>), StartupError> {
        let (started, receiver) = mpsc::unbounded_channel();
        let listening = Self { config, places: Mutex::default(), unix: Mutex::default(), started };
        listening.listen()?;
        listening.listen_on_unix_socket()?;
        Ok((listening, receiver))
    }

    fn listen_on_unix_socket(&self) -> Result<(), StartupError> {
        let path = self.config.text(settings::UNIXSOCKET);
        if path.is_empty() {
            return Ok(());
        }
        let mode = self.config.integer(settings::UNIXSOCKETPERM) as u32;
        let failed = |cause| StartupError::UnixSocket { path: path.to_string(), cause };
        let listener = Listener::bind_unix(Path::new(&*path), mode, self.backlog()).map_err(failed)?;
        let stop = StopSign::new(&listener).map_err(failed)?;
        *self.unix.lock() = Some(stop.clone());
        self.hand_over(NewListener { listener, is_tls: false, stop });
        Ok(())
    }

    fn backlog(&self) -> i32 {
        self.config.integer(settings::TCP_BACKLOG) as i32
    }

    fn hand_over(&self, listener: NewListener) {
        // It fails when nobody accepts any more, which is at the server's end.
        let _ = self.started.send(listener);
    }

    fn listen(&self) -> Result<(), StartupError> {
        let mut places = self.places.lock();
        let wanted = self.wanted();
        let (kept, left): (Vec<_>, Vec<_>) = std::mem::take(&mut *places)
            .into_iter()
            .partition(|(place, _)| wanted.iter().any(|(wanted, _)| wanted == place));
        // They may be in the way of new ones.
        for (_, stop) in &left {
            stop.stop();
        }
        let new = self.listen_on_new(&wanted, &kept);
        let (new, result) = match new {
            Ok(new) => (new, Ok(())),
            Err(error) => {
                let before: Vec<_> = left.into_iter().map(|(place, _)| (place, false)).collect();
                let again = self.listen_on_new(&before, &[]).unwrap_or_else(|error| {
                    tracing::error!("The server does not listen where it did any more: {error}");
                    Vec::new()
                });
                (again, Err(error))
            }
        };
        *places = kept;
        for (place, new) in new {
            places.push((place, new.stop.clone()));
            self.hand_over(new);
        }
        result
    }

    /// The places that the settings ask for, and whether each may be missing.
    fn wanted(&self) -> Vec<(Place, bool)> {
        let addresses = self.config.text(settings::BIND);
        let ports = [(settings::PORT, false), (settings::TLS_PORT, true)];
        let mut wanted = Vec::new();
        for (setting, is_tls) in ports {
            let port = self.config.integer(setting) as u16;
            for name in addresses.split_ascii_whitespace().filter(|_| port != 0) {
                let host = name.strip_prefix('-').unwrap_or(name).to_owned();
                wanted.push((Place { host, port, is_tls }, name.starts_with('-')));
            }
        }
        wanted
    }

    fn listen_on_new(
        &self,
        wanted: &[(Place, bool)],
        kept: &[(Place, Arc<StopSign>)],
    ) -> Result<Vec<(Place, NewListener)>, StartupError> {
        let mut new = Vec::new();
        for (place, is_optional) in wanted {
            if kept.iter().any(|(kept, _)| kept == place) {
                continue;
            }
            let bound = resolve(&place.host)
                .and_then(|address| Listener::bind(address, place.port, self.backlog()))
                .and_then(|listener| Ok((StopSign::new(&listener)?, listener)));
            match bound {
                Ok((stop, listener)) => {
                    new.push((place.clone(), NewListener { listener, is_tls: place.is_tls, stop }));
                }
                Err(cause) if *is_optional => tracing::debug!("Not listening on {}: {cause}", place.host),
                Err(cause) => {
                    let (address, port) = (place.host.clone(), place.port);
                    return Err(StartupError::Listen { address, port, cause });
                }
            }
        }
        Ok(new)
    }
}

impl Listen for Listening {
    /// Places that are still asked for stay as they are.
    fn relisten(&self, changed: &[SettingId]) -> Result<(), SetRefusal> {
        self.listen().map_err(|error| {
            tracing::warn!("{error}; the server listens where it did");
            let bind = settings::BIND.id();
            let listening = [bind, settings::PORT.id(), settings::TLS_PORT.id()];
            let setting = listening.into_iter().find(|id| changed.contains(id)).unwrap_or(bind);
            let reason = if setting == bind {
                "Failed to bind to specified addresses."
            } else {
                "Unable to listen on this port. Check server logs."
            };
            SetRefusal { setting, reason: reason.to_owned() }
        })
    }

    fn end(&self) {
        let places = std::mem::take(&mut *self.places.lock());
        for stop in places.into_iter().map(|(_, stop)| stop).chain(self.unix.lock().take()) {
            stop.stop();
        }
    }
}

impl StopSign {
    fn stop(&self) {
        self.stopped.notify_one();
        self.closer.close();
    }

    fn new(listener: &Listener) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { stopped: Notify::new(), closer: listener.closer()? }))
    }
}

/// The address of a name as `bind` has it.
pub(super) fn resolve(host: &str) -> io::Result<IpAddr> {
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

/// Accepts connections from all listeners, as they come, until this is dropped.
pub(super) async fn accept_all(
    shared: Arc<Shared>,
    mut listeners: mpsc::UnboundedReceiver<NewListener>,
    workers: Arc<Vec<WorkerHandle>>,
) {
    while let Some(NewListener { listener, is_tls, stop }) = listeners.recv().await {
        tracing::info!("Listening on {listener}{}", if is_tls { " for TLS" } else { "" });
        let acceptor = match listener.start() {
            Ok(acceptor) => acceptor,
            Err(error) => {
                tracing::error!("No connection can be accepted there: {error}");
                continue;
            }
        };
        let (shared, workers) = (shared.clone(), workers.clone());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = stop.stopped.notified() => {}
                () = accept(&shared, &acceptor, is_tls, &workers) => {}
            }
        });
    }
}

/// Accepts connections, and hands each to the thread that has the fewest.
async fn accept(shared: &Shared, acceptor: &Acceptor, is_tls: bool, workers: &[WorkerHandle]) {
    loop {
        let socket = match acceptor.accept().await {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!("Accepting a connection failed: {error}");
                // Most often too many open files: some will close.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (peer, local) = ends(&socket, acceptor);
        if let Some(refusal) = refuse(shared, &peer) {
            shared.metrics.connections_rejected.fetch_add(1, Relaxed);
            if !is_tls {
                socket.send_first(refusal.as_bytes());
            }
            continue;
        }
        let handle = shared.clients.register(peer, local, socket.as_raw_fd(), clock::unix_ms());
        shared.metrics.connections_received.fetch_add(1, Relaxed);
        if let Socket::Tcp(stream) = &socket {
            keep_alive(shared, stream);
        }
        let authenticated = shared.users.is_open();
        let Some(worker) = workers.iter().min_by_key(|worker| worker.connections.load(Relaxed)) else {
            return;
        };
        worker.connections.fetch_add(1, Relaxed);
        let tls = if is_tls { shared.tls.setup() } else { None };
        // It fails only when the worker is gone, which is at the server's end.
        let _ = worker.sender.send(Handover { socket, tls, handle, authenticated });
    }
}

/// Both ends of a connection: the other one, and this one.
fn ends(socket: &Socket, acceptor: &Acceptor) -> (Endpoint, Endpoint) {
    let internet = |address: io::Result<_>| address.map_or_else(|_| Endpoint::nowhere(), Endpoint::Internet);
    match (socket, acceptor.path()) {
        (Socket::Tcp(stream), _) => (internet(stream.peer_addr()), internet(stream.local_addr())),
        (Socket::Unix(_), path) => {
            let end = Endpoint::Unix(path.cloned().unwrap_or_default());
            (end.clone(), end)
        }
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
fn refuse(shared: &Shared, peer: &Endpoint) -> Option<&'static str> {
    let config = &shared.config;
    if shared.clients.len() >= config.integer(settings::MAXCLIENTS) as usize {
        return Some("-ERR max number of clients reached\r\n");
    }
    let is_protected =
        config.boolean(settings::PROTECTED_MODE) && shared.users.default_user().needs_no_password();
    (is_protected && !peer.is_local()).then_some(
        "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set \
         for the default user. Only connections from this machine are taken. To change that, set a password \
         (CONFIG SET requirepass, or the setting in the configuration file), or switch protected mode off \
         (CONFIG SET protected-mode no) where the network is trusted.\r\n",
    )
}
