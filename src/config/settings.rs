//! The table of settings, and a handle for each.
//!
//! An entry's documentation is both this module's and what the default configuration prints. Entries are in the order of
//! their names. To act on a setting that was only accepted, add `.active()` to it, and take away `.default_only(...)`.

use super::choice::{AclPubsubDefault, AppendFsync, ConnectionScope, LogFormat, LogLevel, MaxmemoryPolicy};
use super::kind::BYTES_MAX;
use super::setting::{
    BooleanSetting, ChoiceSetting, FlagsSetting, IntegerSetting, MemorySetting, Setting, SettingId,
    TextSetting, WordSetting,
};
use super::{list, text};

const INT_MAX: i64 = i32::MAX as i64;
const INT_MIN: i64 = i32::MIN as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
const MIB: u64 = 1 << 20;

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $handle:ty = $setting:expr;)+) => {
        /// The settings' places in the table.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($name),+ }

        $($(#[doc = $doc])+ pub const $name: $handle = <$handle>::new(SettingId::new(Index::$name as u16));)+

        /// Every setting's declaration, in the order of [`SettingId::all`].
        pub static SETTINGS: &[Setting] = &TABLE;
        const TABLE: [Setting; [$(Index::$name as u16),+].len()] = [$($setting.doc(concat!($($doc),+))),+];

        /// Whether each setting's handle is of the type that its kind asks for.
        #[cfg(test)]
        fn handles_that_do_not_fit() -> Vec<&'static str> {
            let mut wrong = Vec::new();
            $(if !<$handle>::fits(&TABLE[Index::$name as usize].kind) { wrong.push(stringify!($name)); })+
            wrong
        }
    };
}

settings! {
    /// The channels that a new ACL user may use before any rule says otherwise.
    ACL_PUBSUB_DEFAULT: ChoiceSetting<AclPubsubDefault> =
        Setting::choice::<AclPubsubDefault>("acl-pubsub-default", "resetchannels").active();

    /// File with the ACL users, one a line, instead of `user` lines in the configuration. Empty for none.
    ACLFILE: TextSetting = Setting::text("aclfile", "").at_start().active();

    /// Entries kept in the ACL log, at least 0.
    ACLLOG_MAX_LEN: IntegerSetting = Setting::integer("acllog-max-len", "128", 0, LONG_MAX).active();

    /// Most effort spent on defragmentation, in percent of a core, 1 to 99.
    ACTIVE_DEFRAG_CYCLE_MAX: IntegerSetting = Setting::integer("active-defrag-cycle-max", "25", 1, 99);

    /// Least effort spent on defragmentation, in percent of a core, 1 to 99.
    ACTIVE_DEFRAG_CYCLE_MIN: IntegerSetting = Setting::integer("active-defrag-cycle-min", "1", 1, 99);

    /// Fragmented bytes below which defragmentation does not start, at least 1.
    ACTIVE_DEFRAG_IGNORE_BYTES: MemorySetting =
        Setting::memory("active-defrag-ignore-bytes", "104857600", 1, BYTES_MAX);

    /// Elements of one collection that defragmentation handles at once, at least 1.
    ACTIVE_DEFRAG_MAX_SCAN_FIELDS: IntegerSetting =
        Setting::integer("active-defrag-max-scan-fields", "1000", 1, LONG_MAX);

    /// Fragmentation, in percent, at which defragmentation starts, 0 to 1000.
    ACTIVE_DEFRAG_THRESHOLD_LOWER: IntegerSetting =
        Setting::integer("active-defrag-threshold-lower", "10", 0, 1000);

    /// Fragmentation, in percent, at which defragmentation spends the most effort, 0 to 1000.
    ACTIVE_DEFRAG_THRESHOLD_UPPER: IntegerSetting =
        Setting::integer("active-defrag-threshold-upper", "100", 0, 1000);

    /// Effort spent on finding expired keys, 1 to 10.
    ACTIVE_EXPIRE_EFFORT: IntegerSetting = Setting::integer("active-expire-effort", "1", 1, 10);

    /// Whether memory is defragmented in the background.
    ACTIVEDEFRAG: BooleanSetting = Setting::boolean("activedefrag", "no");

    /// Whether the main tables are rehashed in the background.
    ACTIVEREHASHING: BooleanSetting = Setting::boolean("activerehashing", "yes");

    /// Whether a logo is printed at start even where the log is not a terminal.
    ALWAYS_SHOW_LOGO: BooleanSetting = Setting::boolean("always-show-logo", "no").at_start();

    /// Whether files of the append-only log that a rewrite has made useless are kept.
    AOF_DISABLE_AUTO_GC: BooleanSetting = Setting::boolean("aof-disable-auto-gc", "no");

    /// Whether a server starts from an append-only log whose last write is cut off, losing that write, rather
    /// than refuse to start.
    AOF_LOAD_TRUNCATED: BooleanSetting = Setting::boolean("aof-load-truncated", "yes").active();

    /// Cores for the process that rewrites the log. Millstream has no such process.
    AOF_REWRITE_CPULIST: TextSetting =
        Setting::text("aof-rewrite-cpulist", "").aliases(&["aof_rewrite_cpulist"]).at_start();

    /// Whether a rewrite of the log syncs as it goes rather than at its end.
    AOF_REWRITE_INCREMENTAL_FSYNC: BooleanSetting = Setting::boolean("aof-rewrite-incremental-fsync", "yes");

    /// Whether the append-only log carries annotations of the time.
    AOF_TIMESTAMP_ENABLED: BooleanSetting = Setting::boolean("aof-timestamp-enabled", "no");

    /// Whether the base file of the append-only log is in RDB format.
    AOF_USE_RDB_PREAMBLE: BooleanSetting = Setting::boolean("aof-use-rdb-preamble", "yes");

    /// Name of the directory, inside `dir`, that holds the files of the append-only log. Not a path.
    APPENDDIRNAME: TextSetting =
        Setting::checked_text("appenddirname", "appendonlydir", text::read_appenddirname).at_start().active();

    /// What the names of the append-only log's files begin with. Not a path.
    APPENDFILENAME: TextSetting =
        Setting::checked_text("appendfilename", "appendonly.aof", text::read_appendfilename)
            .at_start()
            .active();

    /// When the append-only log is synced to disk: about every second, before the reply to every write, or when
    /// the operating system chooses.
    APPENDFSYNC: ChoiceSetting<AppendFsync> =
        Setting::choice::<AppendFsync>("appendfsync", "everysec").active();

    /// Whether writes go to an append-only log, from which the next start restores the data. Redis's default is
    /// no.
    APPENDONLY: BooleanSetting = Setting::boolean("appendonly", "yes").active();

    /// Bytes that the append-only log must have before it is rewritten by itself.
    AUTO_AOF_REWRITE_MIN_SIZE: MemorySetting =
        Setting::memory("auto-aof-rewrite-min-size", "67108864", 0, BYTES_MAX).active();

    /// Growth since the last rewrite, in percent, at which the append-only log is rewritten by itself; 0 never.
    AUTO_AOF_REWRITE_PERCENTAGE: IntegerSetting =
        Setting::integer("auto-aof-rewrite-percentage", "100", 0, INT_MAX).active();

    /// Cores for the process that saves in the background. Millstream has no such process.
    BGSAVE_CPULIST: TextSetting = Setting::text("bgsave-cpulist", "").aliases(&["bgsave_cpulist"]).at_start();

    /// Addresses to listen on, up to 16; `*` is every IPv4 address and `::*` every IPv6 address, and a minus
    /// before one means that the server starts without it. Redis's built-in default is every address.
    BIND: TextSetting = Setting::list("bind", "127.0.0.1 -::1", list::read_bind).active();

    /// Address from which connections to other servers are made. Empty for any.
    BIND_SOURCE_ADDR: TextSetting = Setting::text("bind-source-addr", "");

    /// Cores for background threads.
    BIO_CPULIST: TextSetting = Setting::text("bio-cpulist", "").aliases(&["bio_cpulist"]).at_start();

    /// Milliseconds after which a running script makes other clients get -BUSY; 0 never.
    BUSY_REPLY_THRESHOLD: IntegerSetting =
        Setting::integer("busy-reply-threshold", "5000", 0, LONG_MAX).aliases(&["lua-time-limit"]);

    /// For each class of client (normal, replica, pubsub): bytes of unread replies at which it is closed at once,
    /// bytes at which it is closed when they last, and for how many seconds. 0 is no limit.
    CLIENT_OUTPUT_BUFFER_LIMIT: TextSetting =
        Setting::list("client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            list::read_buffer_limits)
            .active();

    /// Bytes of an unfinished request that a client may have, at least 1 MiB.
    CLIENT_QUERY_BUFFER_LIMIT: MemorySetting =
        Setting::memory("client-query-buffer-limit", "1073741824", MIB, BYTES_MAX).active();

    /// Whether sharded channels work while the cluster is down.
    CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN: BooleanSetting =
        Setting::boolean("cluster-allow-pubsubshard-when-down", "yes");

    /// Whether reads are served while the cluster is down.
    CLUSTER_ALLOW_READS_WHEN_DOWN: BooleanSetting = Setting::boolean("cluster-allow-reads-when-down", "no");

    /// Whether replicas move to masters that have none.
    CLUSTER_ALLOW_REPLICA_MIGRATION: BooleanSetting =
        Setting::boolean("cluster-allow-replica-migration", "yes");

    /// Port of the cluster bus as announced to other nodes; 0 for the real one.
    CLUSTER_ANNOUNCE_BUS_PORT: IntegerSetting = Setting::integer("cluster-announce-bus-port", "0", 0, 65535);

    /// Host name announced to other nodes of the cluster. Letters, digits, hyphens and dots, less than 256.
    CLUSTER_ANNOUNCE_HOSTNAME: TextSetting =
        Setting::checked_text("cluster-announce-hostname", "", text::read_hostname);

    /// Name of this node in logs of the cluster.
    CLUSTER_ANNOUNCE_HUMAN_NODENAME: TextSetting = Setting::text("cluster-announce-human-nodename", "");

    /// Address announced to other nodes of the cluster.
    CLUSTER_ANNOUNCE_IP: TextSetting = Setting::text("cluster-announce-ip", "");

    /// Port announced to other nodes of the cluster; 0 for the real one.
    CLUSTER_ANNOUNCE_PORT: IntegerSetting = Setting::integer("cluster-announce-port", "0", 0, 65535);

    /// TLS port announced to other nodes of the cluster; 0 for the real one.
    CLUSTER_ANNOUNCE_TLS_PORT: IntegerSetting = Setting::integer("cluster-announce-tls-port", "0", 0, 65535);

    /// File in which a node of a cluster keeps its state.
    CLUSTER_CONFIG_FILE: TextSetting = Setting::text("cluster-config-file", "nodes.conf").at_start();

    /// Whether the server is a node of a cluster.
    CLUSTER_ENABLED: BooleanSetting = Setting::boolean("cluster-enabled", "no").at_start()
        .default_only("Millstream cannot be a node of a cluster yet");

    /// Bytes of unsent messages at which a link of the cluster bus is closed; 0 never.
    CLUSTER_LINK_SENDBUF_LIMIT: MemorySetting = Setting::memory("cluster-link-sendbuf-limit", "0", 0, u64::MAX);

    /// Replicas that a master keeps before one may move to another master.
    CLUSTER_MIGRATION_BARRIER: IntegerSetting = Setting::integer("cluster-migration-barrier", "1", 0, INT_MAX);

    /// Milliseconds without an answer after which a node counts as failing.
    CLUSTER_NODE_TIMEOUT: IntegerSetting = Setting::integer("cluster-node-timeout", "15000", 0, LONG_MAX);

    /// Port of the cluster bus; 0 for the port plus 10000.
    CLUSTER_PORT: IntegerSetting = Setting::integer("cluster-port", "0", 0, 65535).at_start();

    /// What clients are told to connect to when they are redirected.
    CLUSTER_PREFERRED_ENDPOINT_TYPE: WordSetting =
        Setting::word("cluster-preferred-endpoint-type", "ip", &["ip", "hostname", "unknown-endpoint"]);

    /// Whether this replica never takes over from its master.
    CLUSTER_REPLICA_NO_FAILOVER: BooleanSetting =
        Setting::boolean("cluster-replica-no-failover", "no").aliases(&["cluster-slave-no-failover"]);

    /// How many node timeouts a replica's data may be behind for it to take over; 0 any.
    CLUSTER_REPLICA_VALIDITY_FACTOR: IntegerSetting =
        Setting::integer("cluster-replica-validity-factor", "10", 0, INT_MAX)
            .aliases(&["cluster-slave-validity-factor"]);

    /// Whether the cluster stops when a slot has no node.
    CLUSTER_REQUIRE_FULL_COVERAGE: BooleanSetting = Setting::boolean("cluster-require-full-coverage", "yes");

    /// Whether a report is logged on a crash.
    CRASH_LOG_ENABLED: BooleanSetting = Setting::boolean("crash-log-enabled", "yes");

    /// Whether memory is checked after a crash.
    CRASH_MEMCHECK_ENABLED: BooleanSetting = Setting::boolean("crash-memcheck-enabled", "yes");

    /// Whether the server goes to the background. Millstream stays in the foreground: leave this to the service
    /// manager.
    DAEMONIZE: BooleanSetting = Setting::boolean("daemonize", "no").at_start();

    /// Number of databases, at least 1.
    DATABASES: IntegerSetting = Setting::integer("databases", "16", 1, INT_MAX).at_start().active();

    /// Name of the RDB file inside `dir`. Not a path.
    DBFILENAME: TextSetting =
        Setting::checked_text("dbfilename", "dump.rdb", text::read_dbfilename).protected();

    /// Directory for the data. It must exist; it is answered as an absolute path.
    DIR: TextSetting = Setting::checked_text("dir", ".", text::read_dir).protected().active();

    /// Whether transparent huge pages are turned off for the process.
    DISABLE_THP: BooleanSetting = Setting::boolean("disable-thp", "yes").at_start();

    /// Whether background work runs more often with many clients.
    DYNAMIC_HZ: BooleanSetting = Setting::boolean("dynamic-hz", "yes");

    /// Which connections may use DEBUG.
    ENABLE_DEBUG_COMMAND: ChoiceSetting<ConnectionScope> =
        Setting::choice::<ConnectionScope>("enable-debug-command", "no").at_start().active();

    /// Which connections may use MODULE. There are no modules in Millstream.
    ENABLE_MODULE_COMMAND: ChoiceSetting<ConnectionScope> =
        Setting::choice::<ConnectionScope>("enable-module-command", "no").at_start();

    /// Which connections may change protected settings by CONFIG SET.
    ENABLE_PROTECTED_CONFIGS: ChoiceSetting<ConnectionScope> =
        Setting::choice::<ConnectionScope>("enable-protected-configs", "no").at_start().active();

    /// Fields up to which a hash is kept compactly.
    HASH_MAX_LISTPACK_ENTRIES: IntegerSetting =
        Setting::integer("hash-max-listpack-entries", "512", 0, LONG_MAX)
            .aliases(&["hash-max-ziplist-entries"]);

    /// Bytes of a value up to which a hash is kept compactly.
    HASH_MAX_LISTPACK_VALUE: MemorySetting =
        Setting::memory("hash-max-listpack-value", "64", 0, BYTES_MAX).aliases(&["hash-max-ziplist-value"]);

    /// Bytes up to which a HyperLogLog is kept sparsely.
    HLL_SPARSE_MAX_BYTES: MemorySetting = Setting::memory("hll-sparse-max-bytes", "3000", 0, BYTES_MAX);

    /// How often background work runs, in times a second.
    HZ: IntegerSetting = Setting::integer("hz", "10", 0, INT_MAX);

    /// Names of warnings at start that do not keep the server from starting.
    IGNORE_WARNINGS: TextSetting = Setting::text("ignore-warnings", "");

    /// Threads that read and write for the one that executes, 1 to 128. Millstream executes on all of `worker-
    /// threads` instead.
    IO_THREADS: IntegerSetting = Setting::integer("io-threads", "1", 1, 128).at_start();

    /// Whether the I/O threads read, too.
    IO_THREADS_DO_READS: BooleanSetting = Setting::boolean("io-threads-do-reads", "no").at_start();

    /// Whether the allocator frees memory in the background.
    JEMALLOC_BG_THREAD: BooleanSetting = Setting::boolean("jemalloc-bg-thread", "yes");

    /// Microseconds to wait after each key that is loaded, for tests; a negative number is keys a microsecond.
    KEY_LOAD_DELAY: IntegerSetting = Setting::integer("key-load-delay", "0", INT_MIN, INT_MAX).hidden();

    /// Milliseconds from which an event is kept for LATENCY; 0 keeps none.
    LATENCY_MONITOR_THRESHOLD: IntegerSetting = Setting::integer("latency-monitor-threshold", "0", 0, LONG_MAX).active();

    /// Whether it is kept how long the executions of each command took, as a distribution: for INFO, LATENCY HISTOGRAM and the metrics.
    LATENCY_TRACKING: BooleanSetting = Setting::boolean("latency-tracking", "yes").active();

    /// The percentiles of latencies that INFO shows, each 0 to 100.
    LATENCY_TRACKING_INFO_PERCENTILES: TextSetting =
        Setting::list("latency-tracking-info-percentiles", "50 99 99.9", list::read_percentiles).active();

    /// Whether evicted values are freed in the background.
    LAZYFREE_LAZY_EVICTION: BooleanSetting = Setting::boolean("lazyfree-lazy-eviction", "no");

    /// Whether expired values are freed in the background.
    LAZYFREE_LAZY_EXPIRE: BooleanSetting = Setting::boolean("lazyfree-lazy-expire", "no");

    /// Whether values that a command replaces are freed in the background.
    LAZYFREE_LAZY_SERVER_DEL: BooleanSetting = Setting::boolean("lazyfree-lazy-server-del", "no");

    /// Whether DEL frees in the background as UNLINK does.
    LAZYFREE_LAZY_USER_DEL: BooleanSetting = Setting::boolean("lazyfree-lazy-user-del", "no");

    /// Whether FLUSHALL and FLUSHDB free in the background where they do not say.
    LAZYFREE_LAZY_USER_FLUSH: BooleanSetting = Setting::boolean("lazyfree-lazy-user-flush", "no");

    /// Minutes after which a key's frequency counts one less; 0 never.
    LFU_DECAY_TIME: IntegerSetting = Setting::integer("lfu-decay-time", "1", 0, INT_MAX);

    /// How slowly a key's frequency counter grows.
    LFU_LOG_FACTOR: IntegerSetting = Setting::integer("lfu-log-factor", "10", 0, INT_MAX);

    /// Nodes at either end of a list that are not compressed; 0 compresses none.
    LIST_COMPRESS_DEPTH: IntegerSetting = Setting::integer("list-compress-depth", "0", 0, INT_MAX);

    /// Elements of a list's node, or, where negative, a class of size in bytes.
    LIST_MAX_LISTPACK_SIZE: IntegerSetting =
        Setting::integer("list-max-listpack-size", "-2", INT_MIN, INT_MAX).aliases(&["list-max-ziplist-size"]);

    /// Bytes loaded between two looks at clients.
    LOADING_PROCESS_EVENTS_INTERVAL_BYTES: IntegerSetting =
        Setting::integer("loading-process-events-interval-bytes", "2097152", 1024, INT_MAX).hidden();

    /// Locale by which strings are compared. Empty for that of the environment.
    LOCALE_COLLATE: TextSetting = Setting::text("locale-collate", "");

    /// How log lines are written: as text or as JSON objects. Millstream's own.
    LOG_FORMAT: ChoiceSetting<LogFormat> =
        Setting::choice::<LogFormat>("log-format", "text").at_start().active();

    /// File to log to. Empty for the standard output.
    LOGFILE: TextSetting = Setting::text("logfile", "").at_start().active();

    /// The least severe messages that are logged.
    LOGLEVEL: ChoiceSetting<LogLevel> = Setting::choice::<LogLevel>("loglevel", "notice").active();

    /// Whether scripts may use deprecated functions.
    LUA_ENABLE_DEPRECATED_API: BooleanSetting =
        Setting::boolean("lua-enable-deprecated-api", "no").at_start().hidden();

    /// Password given to the master.
    MASTERAUTH: TextSetting = Setting::text("masterauth", "");

    /// ACL user given to the master.
    MASTERUSER: TextSetting = Setting::text("masteruser", "");

    /// Connections at once, at least 1.
    MAXCLIENTS: IntegerSetting = Setting::integer("maxclients", "10000", 1, UINT_MAX).active();

    /// Bytes of memory beyond which commands that may grow memory are refused; 0 is no limit.
    MAXMEMORY: MemorySetting = Setting::memory("maxmemory", "0", 0, u64::MAX).active();

    /// Bytes, or percent of `maxmemory`, that all clients' buffers may take before the greatest are closed; 0 is
    /// no limit.
    MAXMEMORY_CLIENTS: MemorySetting = Setting::memory_or_percent("maxmemory-clients", "0").active();

    /// How long a client may wait for evictions, 0 to 100.
    MAXMEMORY_EVICTION_TENACITY: IntegerSetting = Setting::integer("maxmemory-eviction-tenacity", "10", 0, 100);

    /// Which keys are evicted when `maxmemory` is reached. Millstream evicts none: every policy is taken, with a
    /// warning in the log where it is not noeviction, and all mean the same.
    MAXMEMORY_POLICY: ChoiceSetting<MaxmemoryPolicy> =
        Setting::choice::<MaxmemoryPolicy>("maxmemory-policy", "noeviction").active();

    /// Keys looked at to find one to evict, at least 1.
    MAXMEMORY_SAMPLES: IntegerSetting = Setting::integer("maxmemory-samples", "5", 1, INT_MAX);

    /// Addresses on which `metrics-port` listens, up to 16; `*` is every IPv4 address and `::*` every IPv6 address. Whoever can connect can
    /// read the names of streams, groups and consumers. Millstream's own.
    METRICS_BIND: TextSetting = Setting::list("metrics-bind", "127.0.0.1", list::read_bind).at_start().active();

    /// TCP port for HTTP with metrics for Prometheus (/metrics), and whether the server runs (/healthz) and is ready (/readyz); 0 listens on
    /// none. Millstream's own.
    METRICS_PORT: IntegerSetting = Setting::integer("metrics-port", "0", 0, 65535).at_start().active();

    /// Streams of which metrics tell, those with the most entries, 0 to 100000; of their groups and consumers, ten times as many each.
    /// Millstream's own.
    METRICS_STREAMS_MAX: IntegerSetting = Setting::integer("metrics-streams-max", "1000", 0, 100_000).active();

    /// Seconds a replica may lag and count for `min-replicas-to-write`.
    MIN_REPLICAS_MAX_LAG: IntegerSetting =
        Setting::integer("min-replicas-max-lag", "10", 0, INT_MAX).aliases(&["min-slaves-max-lag"]);

    /// Replicas that must be connected for a write to be taken.
    MIN_REPLICAS_TO_WRITE: IntegerSetting =
        Setting::integer("min-replicas-to-write", "0", 0, INT_MAX).aliases(&["min-slaves-to-write"]);

    /// Whether the log is not synced while it is rewritten. Millstream's rewrite needs no such concession.
    NO_APPENDFSYNC_ON_REWRITE: BooleanSetting = Setting::boolean("no-appendfsync-on-rewrite", "no");

    /// Classes of events that are published: K or E or both, and letters of g$lshzxetdmn or A. Empty publishes
    /// none.
    NOTIFY_KEYSPACE_EVENTS: TextSetting =
        Setting::checked_text("notify-keyspace-events", "", text::read_event_classes).active();

    /// Whether the process tells the operating system how readily to kill it when memory is short.
    OOM_SCORE_ADJ: WordSetting = Setting::word("oom-score-adj", "no", &["no", "yes", "relative", "absolute"]);

    /// How readily a master, a replica and a background process are killed, each -2000 to 2000.
    OOM_SCORE_ADJ_VALUES: TextSetting =
        Setting::list("oom-score-adj-values", "0 200 800", list::read_oom_values);

    /// File that holds the process's number while the server runs. Empty for none.
    PIDFILE: TextSetting = Setting::text("pidfile", "").at_start().active();

    /// TCP port to listen on, up to 65535; 0 listens on none.
    PORT: IntegerSetting = Setting::integer("port", "6379", 0, 65535).active();

    /// The process's title, with variables in braces.
    PROC_TITLE_TEMPLATE: TextSetting =
        Setting::checked_text("proc-title-template", "{title} {listen-addr} {server-mode}", text::read_title_template);

    /// What a replica does with a command that it cannot apply.
    PROPAGATION_ERROR_BEHAVIOR: WordSetting =
        Setting::word("propagation-error-behavior", "ignore", &["ignore", "panic", "panic-on-replicas"]);

    /// Whether only connections from this machine are served as long as no password is set and no address is
    /// chosen by `bind`.
    PROTECTED_MODE: BooleanSetting = Setting::boolean("protected-mode", "yes").active();

    /// Bytes of one argument of a request, at least 1 MiB.
    PROTO_MAX_BULK_LEN: MemorySetting =
        Setting::memory("proto-max-bulk-len", "536870912", MIB, BYTES_MAX).active();

    /// Whether RDB files of replication are deleted when nothing else needs them.
    RDB_DEL_SYNC_FILES: BooleanSetting = Setting::boolean("rdb-del-sync-files", "no");

    /// Microseconds to wait after each key that is saved, for tests.
    RDB_KEY_SAVE_DELAY: IntegerSetting = Setting::integer("rdb-key-save-delay", "0", INT_MIN, INT_MAX).hidden();

    /// Whether saving an RDB file syncs as it goes.
    RDB_SAVE_INCREMENTAL_FSYNC: BooleanSetting = Setting::boolean("rdb-save-incremental-fsync", "yes");

    /// Whether RDB files end with a checksum.
    RDBCHECKSUM: BooleanSetting = Setting::boolean("rdbchecksum", "yes").at_start();

    /// Whether strings in RDB files are compressed.
    RDBCOMPRESSION: BooleanSetting = Setting::boolean("rdbcompression", "yes");

    /// Bytes of writes kept for replicas that come back, at least 1.
    REPL_BACKLOG_SIZE: MemorySetting = Setting::memory("repl-backlog-size", "1048576", 1, BYTES_MAX);

    /// Seconds without replicas after which the backlog is freed; 0 never.
    REPL_BACKLOG_TTL: IntegerSetting = Setting::integer("repl-backlog-ttl", "3600", 0, LONG_MAX);

    /// Whether small packets to replicas are held back to be sent together.
    REPL_DISABLE_TCP_NODELAY: BooleanSetting = Setting::boolean("repl-disable-tcp-nodelay", "no");

    /// Whether a replica loads its master's data from the connection.
    REPL_DISKLESS_LOAD: WordSetting =
        Setting::word("repl-diskless-load", "disabled", &["disabled", "on-empty-db", "swapdb"]);

    /// Whether a master sends its data to replicas without a file.
    REPL_DISKLESS_SYNC: BooleanSetting = Setting::boolean("repl-diskless-sync", "yes");

    /// Seconds to wait for more replicas before a transfer without a file.
    REPL_DISKLESS_SYNC_DELAY: IntegerSetting = Setting::integer("repl-diskless-sync-delay", "5", 0, INT_MAX);

    /// Replicas at which a transfer without a file waits no longer; 0 always waits.
    REPL_DISKLESS_SYNC_MAX_REPLICAS: IntegerSetting =
        Setting::integer("repl-diskless-sync-max-replicas", "0", 0, INT_MAX);

    /// Seconds between pings to replicas, at least 1.
    REPL_PING_REPLICA_PERIOD: IntegerSetting =
        Setting::integer("repl-ping-replica-period", "10", 1, INT_MAX).aliases(&["repl-ping-slave-period"]);

    /// Seconds without traffic after which a replication link counts as lost, at least 1.
    REPL_TIMEOUT: IntegerSetting = Setting::integer("repl-timeout", "60", 1, INT_MAX);

    /// Address that a replica announces to its master.
    REPLICA_ANNOUNCE_IP: TextSetting = Setting::text("replica-announce-ip", "").aliases(&["slave-announce-ip"]);

    /// Port that a replica announces to its master; 0 for the real one.
    REPLICA_ANNOUNCE_PORT: IntegerSetting =
        Setting::integer("replica-announce-port", "0", 0, 65535).aliases(&["slave-announce-port"]);

    /// Whether a replica is shown to Sentinel.
    REPLICA_ANNOUNCED: BooleanSetting = Setting::boolean("replica-announced", "yes");

    /// Whether a replica goes on when it cannot write its log.
    REPLICA_IGNORE_DISK_WRITE_ERRORS: BooleanSetting =
        Setting::boolean("replica-ignore-disk-write-errors", "no");

    /// Whether a replica leaves eviction to its master.
    REPLICA_IGNORE_MAXMEMORY: BooleanSetting =
        Setting::boolean("replica-ignore-maxmemory", "yes").aliases(&["slave-ignore-maxmemory"]);

    /// Whether a replica empties itself in the background before a full transfer.
    REPLICA_LAZY_FLUSH: BooleanSetting =
        Setting::boolean("replica-lazy-flush", "no").aliases(&["slave-lazy-flush"]);

    /// Order in which Sentinel promotes replicas, the lowest first; 0 never.
    REPLICA_PRIORITY: IntegerSetting =
        Setting::integer("replica-priority", "100", 0, INT_MAX).aliases(&["slave-priority"]);

    /// Whether a replica refuses writes.
    REPLICA_READ_ONLY: BooleanSetting =
        Setting::boolean("replica-read-only", "yes").aliases(&["slave-read-only"]);

    /// Whether a replica answers while it has no link to its master.
    REPLICA_SERVE_STALE_DATA: BooleanSetting =
        Setting::boolean("replica-serve-stale-data", "yes").aliases(&["slave-serve-stale-data"]);

    /// Host and port of the master that this server is a replica of.
    REPLICAOF: TextSetting =
        Setting::list("replicaof", "", list::read_replicaof)
            .aliases(&["slaveof"])
            .at_start()
        .default_only("Millstream cannot be a replica yet");

    /// Password of the default user. Empty for none.
    REQUIREPASS: TextSetting = Setting::text("requirepass", "").active();

    /// Whether payloads of RESTORE and of replication are checked in depth. Millstream always checks what it
    /// loads.
    SANITIZE_DUMP_PAYLOAD: WordSetting =
        Setting::word("sanitize-dump-payload", "no", &["no", "yes", "clients"]);

    /// Pairs of seconds and changes after which an RDB snapshot is saved. Millstream keeps its data in the
    /// append-only log.
    SAVE: TextSetting = Setting::list("save", "3600 1 300 100 60 10000", list::read_save);

    /// Cores for the threads that execute commands.
    SERVER_CPULIST: TextSetting = Setting::text("server-cpulist", "").aliases(&["server_cpulist"]).at_start();

    /// Members up to which a set of integers is kept compactly.
    SET_MAX_INTSET_ENTRIES: IntegerSetting = Setting::integer("set-max-intset-entries", "512", 0, LONG_MAX);

    /// Members up to which a set is kept compactly.
    SET_MAX_LISTPACK_ENTRIES: IntegerSetting = Setting::integer("set-max-listpack-entries", "128", 0, LONG_MAX);

    /// Bytes of a member up to which a set is kept compactly.
    SET_MAX_LISTPACK_VALUE: MemorySetting = Setting::memory("set-max-listpack-value", "64", 0, BYTES_MAX);

    /// Whether the process's title shows what it does.
    SET_PROC_TITLE: BooleanSetting = Setting::boolean("set-proc-title", "yes").at_start();

    /// How SIGINT ends the server.
    SHUTDOWN_ON_SIGINT: FlagsSetting = Setting::flags("shutdown-on-sigint", "default");

    /// How SIGTERM ends the server.
    SHUTDOWN_ON_SIGTERM: FlagsSetting = Setting::flags("shutdown-on-sigterm", "default");

    /// Seconds that a shutdown waits for replicas that lag behind; 0 does not wait.
    SHUTDOWN_TIMEOUT: IntegerSetting = Setting::integer("shutdown-timeout", "10", 0, INT_MAX);

    /// Microseconds of execution from which a command goes to the slow log; 0 logs all, -1 none.
    SLOWLOG_LOG_SLOWER_THAN: IntegerSetting =
        Setting::integer("slowlog-log-slower-than", "10000", -1, LONG_MAX).active();

    /// Entries kept in the slow log.
    SLOWLOG_MAX_LEN: IntegerSetting = Setting::integer("slowlog-max-len", "128", 0, LONG_MAX).active();

    /// Mark set on the listening sockets; 0 for none.
    SOCKET_MARK_ID: IntegerSetting = Setting::integer("socket-mark-id", "0", 0, UINT_MAX).at_start();

    /// Whether writes are refused after a failed background save.
    STOP_WRITES_ON_BGSAVE_ERROR: BooleanSetting = Setting::boolean("stop-writes-on-bgsave-error", "yes");

    /// Blocks of a stream, the newest ones that are full, that are not compressed; those behind them are. 0 compresses none. Millstream's own.
    STREAM_COMPRESS_AFTER: IntegerSetting =
        Setting::integer("stream-compress-after", "0", 0, LONG_MAX).active();

    /// Seconds for which a new stream remembers what it got from idempotent producers; XCFGSET sets it for a stream that is there.
    STREAM_IDMP_DURATION: IntegerSetting = Setting::integer("stream-idmp-duration", "100", 1, 86_400).active();

    /// Entries of each idempotent producer that a new stream remembers; XCFGSET sets it for a stream that is there.
    STREAM_IDMP_MAXSIZE: IntegerSetting = Setting::integer("stream-idmp-maxsize", "100", 1, 10_000).active();

    /// Bytes of entries up to which one block of a stream is filled; 0 is no limit.
    STREAM_NODE_MAX_BYTES: MemorySetting =
        Setting::memory("stream-node-max-bytes", "4096", 0, BYTES_MAX).active();

    /// Entries up to which one block of a stream is filled; 0 is no limit.
    STREAM_NODE_MAX_ENTRIES: IntegerSetting =
        Setting::integer("stream-node-max-entries", "100", 0, LONG_MAX).active();

    /// Which service manager is told when the server is ready.
    SUPERVISED: WordSetting =
        Setting::word("supervised", "no", &["upstart", "systemd", "auto", "no"]).at_start();

    /// Whether the log goes to syslog.
    SYSLOG_ENABLED: BooleanSetting = Setting::boolean("syslog-enabled", "no").at_start();

    /// Facility of messages to syslog.
    SYSLOG_FACILITY: WordSetting =
        Setting::word("syslog-facility", "local0", &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"])
            .at_start();

    /// Name of messages to syslog.
    SYSLOG_IDENT: TextSetting = Setting::text("syslog-ident", "redis").at_start();

    /// Connections that may wait to be accepted on a listening socket; the operating system has a limit of its
    /// own.
    TCP_BACKLOG: IntegerSetting = Setting::integer("tcp-backlog", "511", 0, INT_MAX).at_start().active();

    /// Seconds of silence after which a connection is probed; 0 never.
    TCP_KEEPALIVE: IntegerSetting = Setting::integer("tcp-keepalive", "300", 0, INT_MAX).active();

    /// Seconds of silence after which a client is closed; 0 never.
    TIMEOUT: IntegerSetting = Setting::integer("timeout", "0", 0, INT_MAX).active();

    /// Whether TLS clients must show a certificate that one of the authorities in `tls-ca-cert-file` or `tls-ca-cert-dir` has signed:
    /// all, those that have one, or none.
    TLS_AUTH_CLIENTS: WordSetting =
        Setting::word("tls-auth-clients", "yes", &["no", "yes", "optional"]).active();

    /// Directory with the certificates of trusted authorities, in files of PEM.
    TLS_CA_CERT_DIR: TextSetting = Setting::text("tls-ca-cert-dir", "").names_files().active();

    /// File with the certificates of trusted authorities, in PEM.
    TLS_CA_CERT_FILE: TextSetting = Setting::text("tls-ca-cert-file", "").names_files().active();

    /// File with the server's certificate, and those between it and one that clients know, in PEM. CONFIG SET of this or any other name
    /// of a file, also to the same one, reads all of them anew.
    TLS_CERT_FILE: TextSetting = Setting::text("tls-cert-file", "").names_files().active();

    /// Ciphers for TLS 1.2, by OpenSSL's names; there are only those with ephemeral keys and authenticated encryption. Empty for all.
    TLS_CIPHERS: TextSetting = Setting::text("tls-ciphers", "").active();

    /// Ciphers for TLS 1.3, separated by colons. Empty for all.
    TLS_CIPHERSUITES: TextSetting = Setting::text("tls-ciphersuites", "").active();

    /// File with the certificate shown to other servers.
    TLS_CLIENT_CERT_FILE: TextSetting = Setting::text("tls-client-cert-file", "");

    /// File with the key of the certificate shown to other servers.
    TLS_CLIENT_KEY_FILE: TextSetting = Setting::text("tls-client-key-file", "");

    /// Password of the key in `tls-client-key-file`.
    TLS_CLIENT_KEY_FILE_PASS: TextSetting = Setting::text("tls-client-key-file-pass", "");

    /// Whether the cluster bus uses TLS.
    TLS_CLUSTER: BooleanSetting = Setting::boolean("tls-cluster", "no");

    /// File with Diffie-Hellman parameters. Keys are agreed on over elliptic curves, which need none.
    TLS_DH_PARAMS_FILE: TextSetting = Setting::text("tls-dh-params-file", "");

    /// File with the key of the server's certificate, in PEM.
    TLS_KEY_FILE: TextSetting = Setting::text("tls-key-file", "").names_files().active();

    /// Password of the key in `tls-key-file`, if that is encrypted (PKCS #8).
    TLS_KEY_FILE_PASS: TextSetting = Setting::text("tls-key-file-pass", "").active();

    /// TCP port to listen on for TLS, beside or instead of `port`; 0 listens on none.
    TLS_PORT: IntegerSetting = Setting::integer("tls-port", "0", 0, 65535).active();

    /// Whether the server's order of ciphers counts, rather than the client's.
    TLS_PREFER_SERVER_CIPHERS: BooleanSetting = Setting::boolean("tls-prefer-server-ciphers", "no").active();

    /// Versions of TLS that are allowed, separated by spaces; of these, TLSv1.2 and TLSv1.3 are spoken. Empty for both.
    TLS_PROTOCOLS: TextSetting = Setting::text("tls-protocols", "").active();

    /// Whether the link to a master uses TLS.
    TLS_REPLICATION: BooleanSetting = Setting::boolean("tls-replication", "no");

    /// TLS sessions kept for resumption. It is the clients that keep them.
    TLS_SESSION_CACHE_SIZE: IntegerSetting = Setting::integer("tls-session-cache-size", "20480", 0, INT_MAX);

    /// Seconds that a TLS session is kept for resumption. Tickets hold for half a day at most.
    TLS_SESSION_CACHE_TIMEOUT: IntegerSetting =
        Setting::integer("tls-session-cache-timeout", "300", 0, INT_MAX);

    /// Whether clients get tickets to resume TLS sessions with.
    TLS_SESSION_CACHING: BooleanSetting = Setting::boolean("tls-session-caching", "yes").active();

    /// Keys remembered for client-side caching; 0 is no limit.
    TRACKING_TABLE_MAX_KEYS: IntegerSetting =
        Setting::integer("tracking-table-max-keys", "1000000", 0, LONG_MAX).active();

    /// Path of a Unix socket to listen on. Empty for none.
    UNIXSOCKET: TextSetting = Setting::text("unixsocket", "").at_start().active();

    /// Permissions of the Unix socket, in octal up to 777; 0 leaves them as they are created.
    UNIXSOCKETPERM: IntegerSetting = Setting::octal("unixsocketperm", "0", 0o777).at_start().active();

    /// Whether a crash ends the process without a core dump, for tests.
    USE_EXIT_ON_PANIC: BooleanSetting = Setting::boolean("use-exit-on-panic", "no").hidden();

    /// Milliseconds after which a command that still runs is logged; 0 never.
    WATCHDOG_PERIOD: IntegerSetting = Setting::integer("watchdog-period", "0", 0, INT_MAX).hidden();

    /// Threads that serve clients and execute commands, up to 1024; 0 is one for each core. Millstream's own.
    WORKER_THREADS: IntegerSetting = Setting::integer("worker-threads", "0", 0, 1024).at_start().active();

    /// Members up to which a sorted set is kept compactly.
    ZSET_MAX_LISTPACK_ENTRIES: IntegerSetting =
        Setting::integer("zset-max-listpack-entries", "128", 0, LONG_MAX).aliases(&["zset-max-ziplist-entries"]);

    /// Bytes of a member up to which a sorted set is kept compactly.
    ZSET_MAX_LISTPACK_VALUE: MemorySetting =
        Setting::memory("zset-max-listpack-value", "64", 0, BYTES_MAX).aliases(&["zset-max-ziplist-value"]);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::Config;

    #[test]
    fn every_handle_fits_its_kind() {
        assert_eq!(handles_that_do_not_fit(), Vec::<&str>::new());
    }

    #[test]
    fn names_are_sorted_unique_and_in_lower_case() {
        let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        let mut seen = HashSet::new();
        for name in SETTINGS.iter().flat_map(Setting::names) {
            assert!(seen.insert(name), "{name} is declared twice");
            assert_eq!(name, name.to_ascii_lowercase());
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_setting() {
        let config = Config::new();
        for id in SettingId::all() {
            let setting = id.setting();
            assert_eq!(config.read(id, &[setting.default], false), Ok(config.value(id)), "{}", setting.name);
            if setting.name != "dir" {
                assert_eq!(config.render(id), setting.default, "{}", setting.name);
            }
        }
    }
}
