//! What all connections share.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, Release},
};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::clients::{ClientHandle, Clients, UNLIMITED_OUTPUT_BYTES};
use super::events::KeyEvents;
use super::memory_limit::MemoryLimit;
use super::monitors::Monitors;
use super::pubsub::PubSub;
use super::slowlog::SlowLog;
use super::store::{ShardSet, Store};
use super::tracking::Tracking;
use crate::acl::Users;
use crate::clock;
use crate::config::{AppendFsync, Config, Handle, MaxmemoryPolicy, SetRefusal, SettingId, settings};
use crate::log::{FsyncPolicy, LoadProgress, Log, LogPaths, RecoverySettings};
use crate::metrics::{LatencyMonitor, Metrics};
use crate::process::{self, AllocatorBytes};
use crate::script::Scripting;
use crate::tls::{self, Tls, TlsError};

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

/// Who listens for connections.
pub trait Listen: fmt::Debug + Send + Sync {
    /// Listens where the settings, of which some have changed, want it.
    ///
    /// # Errors
    /// Not all of it can be listened on; all is as it was.
    fn relisten(&self, changed: &[SettingId]) -> Result<(), SetRefusal>;

    /// Listens nowhere any more.
    fn end(&self);
}

/// Has the server listen where changed settings want it; whoever listens provides for it.
#[derive(Debug, Default)]
pub struct Relisten(OnceLock<Box<dyn Listen>>);

impl Relisten {
    /// Says what does it.
    pub fn provide(&self, listen: Box<dyn Listen>) {
        let first = self.0.set(listen).is_ok();
        debug_assert!(first, "a server listens once");
    }

    /// Takes no connections any more: who connects is refused.
    pub fn end(&self) {
        if let Some(listen) = self.0.get() {
            listen.end();
        }
    }

    /// Listens where the settings, of which some have changed, want it.
    ///
    /// # Errors
    /// Not all of it can be listened on; all is as it was.
    pub fn call(&self, changed: &[SettingId]) -> Result<(), SetRefusal> {
        self.0.get().map_or(Ok(()), |listen| listen.relisten(changed))
    }
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
    /// Held by who switches the log on or off, as `appendonly` has it.
    pub switching_log: Mutex<()>,
    /// The connections.
    pub clients: Clients,
    /// The subscribers.
    pub pubsub: PubSub,
    /// Who tracks keys.
    pub tracking: Tracking,
    /// Who sees all commands.
    pub monitors: Monitors,
    /// Which events of keys are published to them.
    pub events: KeyEvents,
    /// Who may do what.
    pub users: Arc<Users>,
    /// Scripts and functions.
    pub scripting: Scripting,
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
    /// What TLS connections begin with.
    pub tls: Tls,
    /// Has the server listen elsewhere.
    pub relisten: Relisten,
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
    /// Keys that were loaded from a snapshot at the start.
    pub keys_from_snapshot: AtomicU64,
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
    /// The hard limit of `client-output-buffer-limit` for normal clients, in bytes; 0 for none.
    output_hard_bytes: AtomicUsize,
    /// What `maxmemory` allows.
    pub memory_limit: MemoryLimit,
    /// The commands that took long.
    pub slowlog: SlowLog,
    /// The events that took long.
    pub latency: Arc<LatencyMonitor>,
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
        let limits = config.buffer_limits();
        let (monitors, tracking) = (Monitors::new(&limits), Tracking::new(limits));
        let shared = Self {
            config,
            store: Store::new(shards, databases),
            log: OnceLock::new(),
            no_log: Log::disabled(),
            switching_log: Mutex::new(()),
            clients: Clients::default(),
            pubsub,
            tracking,
            monitors,
            events: KeyEvents::default(),
            users: Arc::default(),
            scripting: Scripting::default(),
            metrics: Metrics::default(),
            started: Instant::now(),
            started_ms: now_ms,
            run_id: random_id(),
            workers,
            tls: Tls::default(),
            relisten: Relisten::default(),
            loading: AtomicBool::new(true),
            load_progress: LoadProgress::default(),
            active_expire: AtomicBool::new(true),
            pause: Mutex::new(None),
            paused: AtomicBool::new(false),
            unpaused: Notify::new(),
            keys_from_snapshot: AtomicU64::new(0),
            last_save_s: AtomicU64::new(now_ms / 1000),
            last_save_changes: AtomicU64::new(0),
            saving: AtomicBool::new(false),
            last_save_failed: AtomicBool::new(false),
            saves: AtomicU64::new(0),
            replication_id: Mutex::new(random_id()),
            startup_memory_bytes,
            peak_memory_bytes: AtomicU64::new(startup_memory_bytes),
            output_hard_bytes: AtomicUsize::new(0),
            memory_limit: MemoryLimit::default(),
            slowlog: SlowLog::default(),
            latency: Arc::default(),
            shutdown: Notify::new(),
            stopping: AtomicBool::new(false),
        };
        shared.note_output_limits();
        shared.note_events();
        shared.note_latency_threshold();
        shared
    }

    /// Has some of the keys forgotten that clients keep copies of, if more are remembered than `tracking-table-max-keys` allows now, and all
    /// once nobody tracks keys any more. No shard is locked by the caller.
    pub fn give_up_tracked(&self) {
        let keys_max = self.config.integer(settings::TRACKING_TABLE_MAX_KEYS) as u64;
        let keys = self.tracking.keys();
        let is_too_many = keys_max > 0 && keys > keys_max;
        if !is_too_many && (keys == 0 || self.tracking.is_on()) {
            return;
        }
        for shard in 0..self.store.shard_count() {
            let mut shards = self.store.lock(&ShardSet::One(shard));
            let shard = shards.get(shard);
            shard.give_up_tracked(&self.tracking, keys_max);
            // Who begins to track keys does so before it reads any: under the lock this is known.
            if !self.tracking.is_on() {
                shard.tracked.clear(&self.tracking);
            }
        }
    }

    /// Takes over what `notify-keyspace-events` says.
    pub fn note_events(&self) {
        self.events.configure(&self.config.text(settings::NOTIFY_KEYSPACE_EVENTS));
    }

    /// Takes over what `latency-monitor-threshold` says.
    pub fn note_latency_threshold(&self) {
        let threshold_ms = self.config.integer(settings::LATENCY_MONITOR_THRESHOLD);
        self.latency.set_threshold_ms(u64::try_from(threshold_ms).unwrap_or(0));
    }

    /// Takes over what `client-output-buffer-limit` says.
    pub fn note_output_limits(&self) {
        let limits = self.config.buffer_limits();
        self.pubsub.configure(&limits);
        self.monitors.configure(&limits);
        self.tracking.configure(&limits);
        let hard_bytes = limits.normal.hard_bytes;
        self.output_hard_bytes.store(usize::try_from(hard_bytes).unwrap_or(usize::MAX), Relaxed);
    }

    /// With so many bytes of replies to be sent a client is closed.
    #[inline]
    pub fn output_bytes_max(&self) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.output_hard_bytes.load(Relaxed))
            .map(|hard_bytes| hard_bytes.saturating_add(UNLIMITED_OUTPUT_BYTES))
    }

    /// Counts and logs that a client is closed since more replies wait to be sent than it may have.
    pub fn note_output_disconnection(&self, client: &ClientHandle) {
        self.metrics.output_buffer_limit_disconnections.fetch_add(1, Relaxed);
        tracing::warn!(
            client = client.id,
            bytes = client.output_buffer.load(Relaxed),
            "closing a client that reached the limit of its output buffer"
        );
    }

    /// Reads anew what TLS connections begin with, where the settings ask for TLS.
    ///
    /// # Errors
    /// What is wrong with the settings or the files; what was in force stays so.
    pub fn load_tls(&self) -> Result<(), TlsError> {
        if tls::is_wanted(&self.config) {
            self.tls.replace(tls::load(&self.config)?);
        }
        Ok(())
    }

    /// The log; before it was read, one that keeps nothing.
    #[inline]
    pub fn log(&self) -> &Log {
        self.log.get().unwrap_or(&self.no_log)
    }

    /// Where the log is, by the settings, and how its tail is treated.
    pub fn recovery_settings(&self) -> RecoverySettings {
        let load_truncated = self.config.boolean(settings::AOF_LOAD_TRUNCATED);
        RecoverySettings { paths: self.log_paths(), load_truncated }
    }

    /// Where the log is, by the settings.
    pub fn log_paths(&self) -> LogPaths {
        let config = &self.config;
        LogPaths {
            dir: PathBuf::from(&*config.text(settings::DIR)),
            append_dir_name: config.text(settings::APPENDDIRNAME).to_string(),
            append_file_name: config.text(settings::APPENDFILENAME).to_string(),
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

    /// What counts against `maxmemory`, in bytes: what is allocated, without what waits to be written to the log.
    fn limited_memory_bytes(&self) -> u64 {
        let log = self.log();
        let log_bytes = log.appended().bytes().saturating_sub(log.written().bytes());
        self.allocator().allocated.saturating_sub(log_bytes)
    }

    /// Finds out whether more memory is used than `maxmemory` allows.
    pub fn sample_memory(&self) {
        let max_bytes = self.config.memory(settings::MAXMEMORY);
        self.memory_limit.sample(max_bytes, || self.limited_memory_bytes());
    }

    /// Says in the log that nothing is evicted, where the settings want it.
    pub fn warn_of_policy(&self) {
        let policy = self.config.choice(settings::MAXMEMORY_POLICY);
        if policy != MaxmemoryPolicy::NoEviction {
            tracing::warn!(
                "maxmemory-policy is {}, but Millstream evicts no key: what may grow memory is refused over maxmemory",
                self.config.render(settings::MAXMEMORY_POLICY.id())
            );
        }
    }

    /// Notes that so many bytes came in, or were allocated for a command that is shorter than what it makes.
    #[inline]
    pub fn note_growth(&self, bytes: u64) {
        if self.memory_limit.note_growth(bytes) {
            self.sample_memory();
        }
    }

    /// Whether what may grow memory is refused, now that `maxmemory` was found exceeded.
    pub fn refuses_growth(&self) -> bool {
        let max_bytes = self.config.memory(settings::MAXMEMORY);
        self.memory_limit.refuses(max_bytes, || self.limited_memory_bytes())
    }

    /// Notes that all that was changed by `changes` (a value of [`Self::changes`]) is saved.
    pub fn set_saved(&self, changes: u64) {
        self.last_save_s.store(clock::unix_ms() / 1000, Relaxed);
        self.last_save_changes.store(changes, Relaxed);
        self.last_save_failed.store(false, Relaxed);
        self.saves.fetch_add(1, Relaxed);
    }

    /// The number of blocked clients.
    pub fn blocked_clients(&self) -> u64 {
        self.metrics.sum(|worker| worker.blocked_clients.get())
    }

    /// Changes of the data since the start.
    pub fn changes(&self) -> u64 {
        self.metrics.sum(|worker| worker.changes.get())
    }

    /// Gives the server its log, once all is read from it.
    pub fn set_log(&self, log: Log) {
        log.report_to(&self.latency);
        let first = self.log.set(log).is_ok();
        debug_assert!(first, "a server has one log");
        self.sample_memory();
        self.loading.store(false, Release);
    }
}

/// 40 random hexadecimal digits.
pub fn random_id() -> String {
    let mut random = fastrand::Rng::new();
    (0..40).map(|_| random.digit(16)).collect()
}
