//! What was refused (ACL LOG).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// What a user may not do in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// Execute the command.
    Command,
    /// Use the key at this argument.
    Key(usize),
    /// Use the channel at this argument.
    Channel(usize),
}

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogReason {
    /// A wrong password, or a user that is not there.
    Auth,
    /// A command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
}

impl LogReason {
    /// Its name.
    pub fn name(self) -> &'static str {
        ["auth", "command", "key", "channel"][self as usize]
    }
}

/// Where it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogContext {
    /// A command by itself.
    TopLevel,
    /// In a transaction.
    Multi,
    /// In a script.
    Lua,
}

impl LogContext {
    /// Its name.
    pub fn name(self) -> &'static str {
        ["toplevel", "multi", "lua"][self as usize]
    }
}

/// Something that was refused, once or more often.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its number.
    pub id: u64,
    /// How often.
    pub count: u64,
    /// Why.
    pub reason: LogReason,
    /// Where.
    pub context: LogContext,
    /// The command, key or channel.
    pub object: Vec<u8>,
    /// The user, or who it wanted to be.
    pub username: Vec<u8>,
    /// The client at the last time.
    pub client: Vec<u8>,
    /// The first time, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// The last time.
    pub updated_ms: u64,
}

/// How long like entries count as one.
const GROUPING_MS: u64 = 60_000;

/// Among how many entries, the newest, one is looked for that is like a new one.
const GROUPING_ENTRIES: usize = 10;

/// What was refused, and how often.
#[derive(Debug, Default)]
pub struct AccessLog {
    entries: Mutex<VecDeque<LogEntry>>,
    next_id: AtomicU64,
    counts: [AtomicU64; 4],
}

impl AccessLog {
    /// Notes that something was refused, in a log of at most `len_max` entries. The number is given here.
    pub fn add(&self, mut entry: LogEntry, len_max: usize) {
        self.counts[entry.reason as usize].fetch_add(1, Relaxed);
        let mut entries = self.entries.lock();
        let is_like = |known: &LogEntry| {
            known.reason == entry.reason
                && known.context == entry.context
                && entry.updated_ms.saturating_sub(known.updated_ms) <= GROUPING_MS
                && known.object == entry.object
                && known.username == entry.username
        };
        let like = entries.iter().take(GROUPING_ENTRIES).position(is_like);
        if let Some(mut known) = like.and_then(|at| entries.remove(at)) {
            known.count += 1;
            known.client = entry.client;
            known.updated_ms = entry.updated_ms;
            entries.push_front(known);
        } else {
            entry.id = self.next_id.fetch_add(1, Relaxed);
            entries.push_front(entry);
        }
        entries.truncate(len_max);
    }

    /// The newest entries, the newest first.
    pub fn newest(&self, count: usize) -> Vec<LogEntry> {
        self.entries.lock().iter().take(count).cloned().collect()
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.entries.lock().clear();
    }

    /// How often something was refused for this reason.
    pub fn count(&self, reason: LogReason) -> u64 {
        self.counts[reason as usize].load(Relaxed)
    }

    /// Counts from nothing again.
    pub fn reset_counts(&self) {
        self.counts.iter().for_each(|count| count.store(0, Relaxed));
    }
}
