//! What all connections share.

use std::path::PathBuf;
use std::sync::atomic::{
    AtomicBool, AtomicU16, AtomicU64,
    Ordering::{Relaxed, Release},
};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::clients::Clients;
use super::pubsub::PubSub;
use super::slowlog::SlowLog;
use super::store::Store;
use crate::acl::Users;
use crate::clock;
use crate::config::{AppendFsync, Config, settings};
use crate::log::{FsyncPolicy, LoadProgress, Log, LogPaths, RecoverySettings};
use crate::metrics::Metrics;
use crate::process::{self, AllocatorBytes};

/// Which commands CLIENT PAUSE holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseMode {
    /// Those that may write.
    Write,
    /// All.
    All,
}

/// A pause that CLIENT PAUSE asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// What it holds back.
    pub mode: PauseMode,
    /// When it ends, in milliseconds since the Unix epoch.
    pub until_ms: u64,
}

/// The server's state, as far as commands act on it.
#[derive(Debug)]
pub struct Shared {
    /// The settings.
    pub config: Arc<Config>,
    /// The data.
    pub store: Store,
    /// The log, once it was read at the start.
    log: OnceLock<Log>,
    no_log: Log,
    /// The connections.
    pub clients: Clients,
    /// The subscribers.
    pub pubsub: PubSub,
    /// Who may do what.
    pub users: Arc<Users>,
    /// What is counted.
    pub metrics: Metrics,
    /// When the server started.
    pub started: Instant,
    /// The same, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// This run's name: 40 hexadecimal digits (INFO's run_id).
    pub run_id: String,
    /// The number of worker threads.
    pub workers: usize,
    /// The port that is listened on.
    pub port: AtomicU16,
    /// The log is being read: commands that touch data are refused.
    pub loading: AtomicBool,
    /// How far the reading has come.
    pub load_progress: LoadProgress,
    /// Keys expire in the background (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: AtomicBool,
    /// The pause that is in force.
    pub pause: Mutex<Option<Pause>>,
    /// Whether [`Self::pause`] is worth a look.
    pub paused: AtomicBool,
    /// Wakes those who wait for the end of a pause.
    pub unpaused: Notify,
    /// The number of blocked clients.
    pub blocked_clients: AtomicU64,
    /// When the data was last saved as a whole, in seconds since the Unix epoch.
    pub last_save_s: AtomicU64,
    /// Changes at that time: see [`crate::metrics::WorkerMetrics::changes`].
    pub last_save_changes: AtomicU64,
    /// A background save is going on.
    pub saving: AtomicBool,
    /// Whether the last background save failed.
    pub last_save_failed: AtomicBool,
    /// How many saves there were.
    pub saves: AtomicU64,
    /// The name of the data's history (INFO's master_replid): 40 hexadecimal digits.
    pub replication_id: Mutex<String>,
    /// Memory allocated when the server started, and the most that was seen since, in bytes.
    pub startup_memory_bytes: u64,
    /// See [`Self::startup_memory_bytes`].
    pub peak_memory_bytes: AtomicU64,
    /// The commands that took long.
    pub slowlog: SlowLog,
    /// Asks for the server's end.
    pub shutdown: Notify,
    /// The server is ending: connections close.
    pub stopping: AtomicBool,
}

impl Shared {
    /// A server without data, as its settings want it: `workers` threads, a keyspace in `shards`
    /// shards. It is loading until its log is given to it.
    pub fn new(config: Arc<Config>, workers: usize, shards: usize) -> Self {
        let databases = config.integer(settings::DATABASES) as usize;
        let now_ms = clock::unix_ms();
        let startup_memory_bytes = process::allocator().allocated;
        let pubsub = PubSub::new(&config);
        Self {
            config,
            store: Store::new(shards, databases),
            log: OnceLock::new(),
            no_log: Log::disabled(),
            clients: Clients::default(),
            pubsub,
            users: Arc::default(),
            metrics: Metrics::default(),
            started: Instant::now(),
            started_ms: now_ms,
            run_id: random_id(),
            workers,
            port: AtomicU16::new(0),
            loading: AtomicBool::new(true),
            load_progress: LoadProgress::default(),
            active_expire: AtomicBool::new(true),
            pause: Mutex::new(None),
            paused: AtomicBool::new(false),
            unpaused: Notify::new(),
            blocked_clients: AtomicU64::new(0),
            last_save_s: AtomicU64::new(now_ms / 1000),
            last_save_changes: AtomicU64::new(0),
            saving: AtomicBool::new(false),
            last_save_failed: AtomicBool::new(false),
            saves: AtomicU64::new(0),
            replication_id: Mutex::new(random_id()),
            startup_memory_bytes,
            peak_memory_bytes: AtomicU64::new(startup_memory_bytes),
            slowlog: SlowLog::default(),
            shutdown: Notify::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The log; before it was read, one that keeps nothing.
    #[inline]
    pub fn log(&self) -> &Log {
        self.log.get().unwrap_or(&self.no_log)
    }

    /// Where the log is, by the settings, and how its tail is treated.
    pub fn recovery_settings(&self) -> RecoverySettings {
        let config = &self.config;
        RecoverySettings {
            paths: LogPaths {
                dir: PathBuf::from(&*config.text(settings::DIR)),
                append_dir_name: config.text(settings::APPENDDIRNAME).to_string(),
                append_file_name: config.text(settings::APPENDFILENAME).to_string(),
            },
            load_truncated: config.boolean(settings::AOF_LOAD_TRUNCATED),
        }
    }

    /// When the log is to be synced, by the settings.
    pub fn fsync_policy(&self) -> FsyncPolicy {
        match self.config.choice(settings::APPENDFSYNC) {
            AppendFsync::Always => FsyncPolicy::Always,
            AppendFsync::EverySecond => FsyncPolicy::EverySecond,
            AppendFsync::Never => FsyncPolicy::No,
        }
    }

    /// Bytes that are allocated now; the peak is kept.
    pub fn allocator(&self) -> AllocatorBytes {
        let bytes = process::allocator();
        self.peak_memory_bytes.fetch_max(bytes.allocated, Relaxed);
        bytes
    }

    /// Notes that all that was changed by `changes` (a value of [`Self::changes`]) is saved.
    pub fn set_saved(&self, changes: u64) {
        self.last_save_s.store(clock::unix_ms() / 1000, Relaxed);
        self.last_save_changes.store(changes, Relaxed);
        self.last_save_failed.store(false, Relaxed);
        self.saves.fetch_add(1, Relaxed);
    }

    /// Changes of the data since the start.
    pub fn changes(&self) -> u64 {
        self.metrics.sum(|worker| worker.changes.get())
    }

    /// Gives the server its log, once all is read from it.
    pub fn set_log(&self, log: Log) {
        let first = self.log.set(log).is_ok();
        debug_assert!(first, "a server has one log");
        self.loading.store(false, Release);
    }
}

/// 40 random hexadecimal digits.
pub fn random_id() -> String {
    let mut random = fastrand::Rng::new();
    (0..40).map(|_| random.digit(16)).collect()
}
