//! The connected clients, as others see and reach them (CLIENT LIST, KILL, UNBLOCK).

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};

use parking_lot::Mutex;

use super::outbox::Outbox;
use super::wakeup::Wakeup;

/// So many bytes of replies do not count against `client-output-buffer-limit`, as in Redis.
pub const UNLIMITED_OUTPUT_BYTES: usize = 16 * 1024;

/// What a subscription takes, as far as it was measured: of a million to channels with short names.
const SUBSCRIPTION_BYTES: usize = 400;

/// How CLIENT UNBLOCK ends a blocked command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time were up.
    Timeout,
    /// With the error UNBLOCKED.
    Error,
}

/// What a client may set of itself, and others may read.
#[derive(Debug, Clone, Default)]
pub struct ClientNames {
    /// CLIENT SETNAME, or HELLO's SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_version: Vec<u8>,
    /// The user it authenticated as.
    pub user: Vec<u8>,
}

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port.
    Internet(SocketAddr),
    /// The path of a Unix socket, which is that of both ends.
    Unix(Arc<str>),
}

impl Endpoint {
    /// No end: of what is no connection.
    pub fn nowhere() -> Self {
        Self::Internet(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Internet(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether it is a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl fmt::Display for Endpoint {
    /// As Redis writes it: a Unix socket has port 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{path}:0"),
        }
    }
}

/// A connected client. Its own thread writes the figures after each batch of commands; others read
/// them, and may ask it to close or to stop waiting.
#[derive(Debug)]
pub struct ClientHandle {
    /// The client's ID: never given twice.
    pub id: u64,
    /// The other end.
    pub peer: Endpoint,
    /// This end.
    pub local: Endpoint,
    /// The socket's descriptor, for CLIENT LIST only.
    pub fd: i32,
    /// When it connected, in milliseconds since the Unix epoch.
    pub connected_ms: u64,
    /// What it calls itself.
    pub names: Mutex<ClientNames>,
    /// The selected database.
    pub db: AtomicUsize,
    /// 2 or 3.
    pub resp: AtomicU8,
    /// The number of commands queued by MULTI; -1 outside of a transaction.
    pub multi: AtomicI32,
    /// The number of keys watched.
    pub watching: AtomicU32,
    /// The last command, by its index in the command table; `u32::MAX` before the first.
    pub last_command: AtomicU32,
    /// When it last sent anything, in milliseconds since the Unix epoch.
    pub active_ms: AtomicU64,
    /// Bytes read and not yet executed.
    pub query_buffer: AtomicUsize,
    /// Bytes the read buffer has room for beyond them.
    pub query_buffer_free: AtomicUsize,
    /// Bytes of replies that were not yet sent.
    pub output_buffer: AtomicUsize,
    /// The number of buffers in which replies wait that may not leave yet.
    pub output_held: AtomicUsize,
    /// Since when the soft limit of `client-output-buffer-limit` is exceeded, in milliseconds since the Unix epoch; 0 when it is not.
    pub output_soft_since_ms: AtomicU64,
    /// Bytes of the commands queued by MULTI.
    pub multi_bytes: AtomicUsize,
    /// Commands executed.
    pub commands: AtomicU64,
    /// Channels it is subscribed to.
    pub channels: AtomicU32,
    /// Patterns it is subscribed to.
    pub patterns: AtomicU32,
    /// Shard channels it is subscribed to.
    pub shard_channels: AtomicU32,
    /// What it was sent unasked, until its connection takes it.
    pub outbox: Outbox,
    /// Whether it is blocked.
    pub blocked: AtomicBool,
    /// It tracks keys.
    pub tracking: AtomicBool,
    /// It does so in broadcasting mode.
    pub tracking_broadcast: AtomicBool,
    /// The client that it redirects invalidations to was found to be gone.
    pub tracking_broken: AtomicBool,
    /// The client that it redirects invalidations to; 0 for none.
    pub tracking_redirect: AtomicU64,
    /// It is shown all commands (MONITOR).
    pub monitor: AtomicBool,
    /// CLIENT NO-EVICT.
    pub no_evict: AtomicBool,
    /// CLIENT NO-TOUCH.
    pub no_touch: AtomicBool,
    /// It is to be closed.
    killed: AtomicBool,
    unblock: Mutex<Option<Unblock>>,
    /// Wakes the connection: it was killed, or is to stop waiting.
    pub wakeup: Wakeup,
}

impl ClientHandle {
    fn new(id: u64, peer: Endpoint, local: Endpoint, fd: i32, now_ms: u64) -> Self {
        Self {
            id,
            peer,
            local,
            fd,
            connected_ms: now_ms,
            names: Mutex::new(ClientNames { user: b"default".to_vec(), ..ClientNames::default() }),
            db: AtomicUsize::new(0),
            resp: AtomicU8::new(2),
            multi: AtomicI32::new(-1),
            watching: AtomicU32::new(0),
            last_command: AtomicU32::new(u32::MAX),
            active_ms: AtomicU64::new(now_ms),
            query_buffer: AtomicUsize::new(0),
            query_buffer_free: AtomicUsize::new(0),
            output_buffer: AtomicUsize::new(0),
            output_held: AtomicUsize::new(0),
            output_soft_since_ms: AtomicU64::new(0),
            multi_bytes: AtomicUsize::new(0),
            commands: AtomicU64::new(0),
            channels: AtomicU32::new(0),
            patterns: AtomicU32::new(0),
            shard_channels: AtomicU32::new(0),
            outbox: Outbox::default(),
            blocked: AtomicBool::new(false),
            tracking: AtomicBool::new(false),
            tracking_broadcast: AtomicBool::new(false),
            tracking_broken: AtomicBool::new(false),
            tracking_redirect: AtomicU64::new(0),
            monitor: AtomicBool::new(false),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            unblock: Mutex::new(None),
            wakeup: Wakeup::default(),
        }
    }

    /// A client that is no connection: who executes the log.
    pub fn detached(now_ms: u64) -> Self {
        Self::new(0, Endpoint::nowhere(), Endpoint::nowhere(), -1, now_ms)
    }

    /// Bytes of replies not yet sent that count against `client-output-buffer-limit`.
    pub fn limited_output_bytes(&self) -> usize {
        self.output_buffer.load(Relaxed).saturating_sub(UNLIMITED_OUTPUT_BYTES)
    }

    /// What its read buffer takes, in bytes.
    pub fn input_bytes(&self) -> usize {
        self.query_buffer.load(Relaxed) + self.query_buffer_free.load(Relaxed)
    }

    /// What its buffers, its transaction, its subscriptions and its entry among the connections take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let transaction = self.multi_bytes.load(Relaxed);
        let subscriptions = [&self.channels, &self.patterns, &self.shard_channels];
        let subscriptions: usize = subscriptions.iter().map(|count| count.load(Relaxed) as usize).sum();
        size_of::<Self>()
            + self.input_bytes()
            + self.output_buffer.load(Relaxed)
            + self.outbox.bytes()
            + transaction
            + subscriptions * SUBSCRIPTION_BYTES
    }

    /// Has the connection closed, as soon as it is not busy.
    pub fn kill(&self) {
        self.killed.store(true, Relaxed);
        self.wakeup.wake();
    }

    /// Whether it is to be closed.
    #[inline]
    pub fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    /// Whether it is subscribed to anything.
    pub fn is_subscriber(&self) -> bool {
        [&self.channels, &self.patterns, &self.shard_channels].iter().any(|count| count.load(Relaxed) > 0)
    }

    /// Ends what the client is blocked in; `false` when it is not blocked.
    pub fn unblock(&self, how: Unblock) -> bool {
        if !self.blocked.load(Relaxed) {
            return false;
        }
        *self.unblock.lock() = Some(how);
        self.wakeup.wake();
        true
    }

    /// What CLIENT UNBLOCK asked for since the last call.
    pub fn take_unblock(&self) -> Option<Unblock> {
        self.unblock.lock().take()
    }
}

/// All connected clients.
#[derive(Debug, Default)]
pub struct Clients {
    by_id: Mutex<BTreeMap<u64, Arc<ClientHandle>>>,
    last_id: AtomicU64,
    count: AtomicUsize,
}

impl Clients {
    /// Adds a connection.
    pub fn register(&self, peer: Endpoint, local: Endpoint, fd: i32, now_ms: u64) -> Arc<ClientHandle> {
        let id = self.last_id.fetch_add(1, Relaxed) + 1;
        let handle = Arc::new(ClientHandle::new(id, peer, local, fd, now_ms));
        self.by_id.lock().insert(handle.id, handle.clone());
        self.count.fetch_add(1, Relaxed);
        handle
    }

    /// Takes a connection off.
    pub fn remove(&self, id: u64) {
        if self.by_id.lock().remove(&id).is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
    }

    /// The client of this ID; one that was killed is gone, though its thread has not closed it yet.
    pub fn find(&self, id: u64) -> Option<Arc<ClientHandle>> {
        self.by_id.lock().get(&id).filter(|client| !client.is_killed()).cloned()
    }

    /// All but those that were killed, in the order they connected.
    pub fn list(&self) -> Vec<Arc<ClientHandle>> {
        self.by_id.lock().values().filter(|client| !client.is_killed()).cloned().collect()
    }

    /// The number of connections.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
