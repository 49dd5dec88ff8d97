//! Clients that are blocked on keys.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::{Notify, oneshot};

use super::key_map::KeyMap;
use super::keys::Keys;
use super::keys::Mark;
use crate::acl::Access;
use crate::engine::Key;
use crate::protocol::{OwnedRequest, Protocol, Reply, Request};

/// What came of an attempt to serve a blocked command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// There is nothing for it yet; nothing was written.
    NotYet,
    /// The same, but there will be at this time, in milliseconds since the Unix epoch, though no key changes.
    NotBefore(u64),
    /// It was answered.
    Replied,
    /// It was answered with an error.
    Failed,
}

/// Tries to answer a blocked command, with what lies under the locked shards; called while they are
/// locked, by whoever made a key ready.
pub type Serve = fn(&mut Keys<'_>, Request<'_>, &mut Reply) -> Served;

/// How a blocking command waits.
#[derive(Debug)]
pub struct Blocking {
    /// How to serve it.
    pub serve: Serve,
    /// Whether it is to be tried again when a key is deleted or gets another type.
    pub wakes_on_loss: bool,
    /// Whether serving it changes nothing, so that all who wait with the same request get the same reply.
    pub shares_replies: bool,
}

/// The answer to a blocked command.
#[derive(Debug, Clone)]
pub struct ServedReply {
    /// The reply's bytes; others may have been sent the same.
    pub bytes: Arc<[u8]>,
    /// Whether it is an error.
    pub failed: bool,
    /// What it depends on in the log.
    pub mark: Mark,
}

impl ServedReply {
    /// An error that depends on nothing in the log.
    pub fn error(message: &[u8], protocol: Protocol) -> Self {
        let mut reply = Reply::new(protocol);
        reply.error(message);
        Self { bytes: reply.as_bytes().into(), failed: true, mark: Mark::default() }
    }
}

/// A command that is blocked. It stands in the queue of each of its keys; whoever serves it first
/// takes the sender, and is the only one.
#[derive(Debug)]
pub struct Waiter {
    /// The client's ID.
    pub client_id: u64,
    /// The user it acts as.
    pub access: Arc<Access>,
    /// The database it had selected.
    pub db: usize,
    /// The protocol it speaks.
    pub protocol: Protocol,
    /// The command, with all resolved that depended on the time it came.
    pub request: OwnedRequest,
    /// The keys it waits for.
    pub keys: SmallVec<[Box<[u8]>; 1]>,
    /// How the command waits.
    pub blocking: &'static Blocking,
    /// Whether the command claims pending entries too: it is to be tried again when those change.
    pub claims: bool,
    /// When to try again though no key changes.
    pub retry: Retry,
    /// Where the reply goes; `None` once it was answered or given up.
    pub sender: Mutex<Option<oneshot::Sender<ServedReply>>>,
}

/// When a blocked command is to be tried again though no key changes. Its connection keeps the timer.
#[derive(Debug)]
pub struct Retry {
    /// In milliseconds since the Unix epoch; `u64::MAX` for never.
    at_ms: AtomicU64,
    /// The time came nearer.
    nearer: Notify,
}

impl Retry {
    /// At a time, or never.
    pub fn new(at_ms: Option<u64>) -> Self {
        Self { at_ms: AtomicU64::new(at_ms.unwrap_or(u64::MAX)), nearer: Notify::new() }
    }

    /// The time, in milliseconds since the Unix epoch.
    pub fn at_ms(&self) -> Option<u64> {
        Some(self.at_ms.load(Relaxed)).filter(|&at_ms| at_ms != u64::MAX)
    }

    /// Sets the time, after all that the command waits for was looked at.
    pub fn set(&self, at_ms: Option<u64>) {
        let at_ms = at_ms.unwrap_or(u64::MAX);
        if at_ms < self.at_ms.swap(at_ms, Relaxed) {
            self.nearer.notify_one();
        }
    }

    /// Brings the time nearer, after a part of what the command waits for was looked at.
    pub fn set_nearer(&self, at_ms: Option<u64>) {
        let at_ms = at_ms.unwrap_or(u64::MAX);
        if at_ms < self.at_ms.fetch_min(at_ms, Relaxed) {
            self.nearer.notify_one();
        }
    }

    /// Waits until the time came nearer.
    pub async fn nearer(&self) {
        self.nearer.notified().await;
    }
}

impl Waiter {
    /// Whether it gets the very reply that another got at the same instant.
    pub fn shares_reply_of(&self, other: &Self) -> bool {
        // With several keys it would depend on which of them are locked.
        self.blocking.shares_replies
            && std::ptr::eq(self.blocking, other.blocking)
            && (self.db, self.protocol) == (other.db, other.protocol)
            && self.keys.len() == 1
            && self.request == other.request
    }

    /// Whether it was answered or given up.
    pub fn is_done(&self) -> bool {
        self.sender.lock().is_none()
    }

    /// Gives up waiting; `false` when it was answered before.
    pub fn cancel(&self) -> bool {
        self.sender.lock().take().is_some()
    }
}

/// The waiters of a key, first come first.
type Queue = VecDeque<Arc<Waiter>>;

/// The blocked commands of a shard, by key, in the order they came.
#[derive(Debug, Default)]
pub struct Waiters {
    by_key: KeyMap<Queue>,
}

impl Waiters {
    /// Puts a waiter at the end of a key's queue.
    pub fn add(&mut self, key: &Key<'_>, waiter: &Arc<Waiter>) {
        self.by_key.find_or_default(waiter.db, key).push_back(waiter.clone());
    }

    /// Takes a waiter out of a key's queue.
    pub fn remove(&mut self, key: &Key<'_>, waiter: &Arc<Waiter>) {
        if let Some(queue) = self.by_key.find_mut(waiter.db, key) {
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            if queue.is_empty() {
                self.by_key.remove(waiter.db, key);
            }
        }
    }

    /// Whether anybody waits for the key.
    #[inline]
    pub fn contains(&self, db: usize, key: &Key<'_>) -> bool {
        !self.by_key.is_empty() && self.by_key.find(db, key).is_some()
    }

    /// Lends the waiters of a key, to be served and put back: until then the key counts as waited for.
    pub fn lend(&mut self, db: usize, key: &Key<'_>) -> VecDeque<Arc<Waiter>> {
        self.by_key.find_mut(db, key).map(std::mem::take).unwrap_or_default()
    }

    /// Puts back those who still wait for a key.
    pub fn put_back(&mut self, db: usize, key: &Key<'_>, queue: VecDeque<Arc<Waiter>>) {
        if queue.is_empty() {
            self.by_key.remove(db, key);
        } else {
            *self.by_key.find_or_default(db, key) = queue;
        }
    }

    /// The keys of a database that are waited for.
    pub fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.by_key.iter().filter(move |(other, ..)| *other == db).map(|(_, key, _)| key)
    }

    /// The number of keys that are waited for.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The number of keys for which somebody waits who is told of the key's loss.
    pub fn len_on_loss(&self) -> usize {
        let on_loss = |queue: &Queue| queue.iter().any(|waiter| waiter.blocking.wakes_on_loss);
        self.by_key.iter().filter(|(.., queue)| on_loss(queue)).count()
    }

    /// Whether no key is waited for.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
