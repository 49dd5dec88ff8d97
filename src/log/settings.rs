//! How the log is to work, and what it tells of its work.

use std::time::Duration;

/// When the log is synced (`appendfsync`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FsyncPolicy {
    /// Before the reply: callers wait with [`Log::durable_at`].
    Always,
    /// Once a second: callers see to it with [`Log::write_out`] that their effects survive the process.
    EverySecond,
    /// When the system likes; callers do as with `EverySecond`.
    No,
}

/// How a log is to work.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// When it syncs.
    pub policy: FsyncPolicy,
    /// The time between two syncs under [`FsyncPolicy::EverySecond`]: a second, unless a test is in a hurry.
    pub sync_interval: Duration,
}

impl LogSettings {
    /// Usual settings with this policy.
    pub fn new(policy: FsyncPolicy) -> Self {
        Self { policy, sync_interval: Duration::from_secs(1) }
    }
}

/// What INFO tells of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStatistics {
    /// Whether there is a log.
    pub is_enabled: bool,
    /// Whether its first rewrite has not come to its end: what is in the files is no whole until then, and of no use to a start.
    pub awaits_base: bool,
    /// The size of all its files.
    pub current_size_bytes: u64,
    /// That size when the log was opened, or when a rewrite ended last.
    pub base_size_bytes: u64,
    /// Bytes appended and not yet written.
    pub buffered_bytes: u64,
    /// Bytes written and not yet synced.
    pub unsynced_bytes: u64,
    /// Whether a write or a sync has failed, because of which writes are refused.
    pub has_failed: bool,
    /// How long the last sync took.
    pub last_sync_us: u64,
    /// How many syncs there were.
    pub sync_count: u64,
    /// How many syncs under [`FsyncPolicy::EverySecond`] took longer than the time between two.
    pub delayed_sync_count: u64,
    /// Its rewrites.
    pub rewrite: RewriteStatistics,
}

/// What INFO tells of the log's rewrites.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RewriteStatistics {
    /// For how long the present one has been going on; `None` when none is.
    pub current: Option<Duration>,
    /// How long the last one took, failed or not; `None` before the first.
    pub last: Option<Duration>,
    /// Whether the last one failed.
    pub has_failed: bool,
    /// How many were begun.
    pub count: u64,
    /// How many have failed since the last that did not.
    pub consecutive_failures: u64,
    /// How long ago the last one ended; `None` before the first.
    pub since_last: Option<Duration>,
}
