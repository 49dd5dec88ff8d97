//! Who keeps copies of which keys, and is told of their changes (CLIENT TRACKING).
//!
//! In the default mode the server remembers which clients read a key: in the key's shard ([`TrackedKeys`]), so that what is
//! remembered and what is changed come one after the other. In broadcasting mode a client names prefixes, and nothing is remembered
//! of what it reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use indexmap::IndexMap;
use parking_lot::RwLock;
use smallvec::SmallVec;

use super::clients::ClientHandle;
use super::outbox::Message;
use crate::config::BufferLimits;
use crate::protocol::Reply;

/// The channel that invalidations are sent to, where the client that they are redirected to speaks RESP2.
const CHANNEL: &str = "__redis__:invalidate";

/// How a client wants its keys to be tracked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackingOptions {
    /// All keys with its prefixes, whether it reads them or not.
    pub broadcast: bool,
    /// Only keys of commands that CLIENT CACHING YES goes before.
    pub opt_in: bool,
    /// No keys of commands that CLIENT CACHING NO goes before.
    pub opt_out: bool,
    /// It is not told of what it changes itself.
    pub no_loop: bool,
    /// The client that is told instead of it.
    pub redirect: Option<u64>,
}

/// A client that tracks keys.
#[derive(Debug)]
pub struct Tracker {
    /// How it wants that.
    pub options: TrackingOptions,
    /// Its prefixes in broadcasting mode; the empty one for all keys.
    pub prefixes: BTreeSet<Box<[u8]>>,
    client: Arc<ClientHandle>,
    /// Who is told: the client itself, or the one that it redirects to.
    target: Arc<ClientHandle>,
}

impl Tracker {
    /// A client's tracking; `target` is who is told.
    pub fn new(
        options: TrackingOptions,
        prefixes: BTreeSet<Box<[u8]>>,
        client: Arc<ClientHandle>,
        target: Arc<ClientHandle>,
    ) -> Self {
        Self { options, prefixes, client, target }
    }

    /// Whether the keys of a command are to be remembered, which CLIENT CACHING said this before.
    pub fn remembers(&self, caching: Option<bool>) -> bool {
        let TrackingOptions { broadcast, opt_in, opt_out, .. } = self.options;
        !broadcast && (!opt_in || caching == Some(true)) && (!opt_out || caching != Some(false))
    }

    /// Sends an invalidation.
    fn tell(&self, invalidation: &mut Invalidation<'_>, limits: &BufferLimits) {
        let target = &self.target;
        let limit = if target.is_subscriber() { limits.pubsub } else { limits.unasked() };
        if target.resp.load(Relaxed) == 3 {
            target.send(&mut invalidation.push, &limit);
        } else if self.options.redirect.is_some() && target.is_subscriber() {
            target.send(&mut invalidation.message, &limit);
        }
    }

    /// Tells the client that nobody hears its invalidations any more.
    fn tell_of_loss(&self, redirect: u64, limits: &BufferLimits) {
        self.client.tracking_broken.store(true, Relaxed);
        if self.client.resp.load(Relaxed) == 3 {
            let write = |reply: &mut Reply| {
                reply.push(2);
                reply.text("tracking-redir-broken");
                reply.count(redirect);
            };
            self.client.send(&mut Message::new(&write), &limits.unasked());
        }
    }

    /// Sends an invalidation, if there is anybody to send it to.
    fn invalidate(&self, invalidation: &mut Invalidation<'_>, limits: &BufferLimits) {
        match self.options.redirect {
            Some(redirect) if self.target.outbox.is_closed() || self.target.is_killed() => {
                self.tell_of_loss(redirect, limits);
            }
            _ => self.tell(invalidation, limits),
        }
    }
}

/// An invalidation in both its forms.
struct Invalidation<'a> {
    push: Message<'a>,
    message: Message<'a>,
}

/// Has `send` send an invalidation of keys, or of all.
fn with_invalidation(keys: Option<&[&[u8]]>, send: impl FnOnce(&mut Invalidation<'_>)) {
    let write_keys = |reply: &mut Reply| match keys {
        Some(keys) => {
            reply.array(keys.len());
            keys.iter().for_each(|key| reply.bulk(key));
        }
        None => reply.null_array(),
    };
    let push = |reply: &mut Reply| {
        reply.push(2);
        reply.text("invalidate");
        write_keys(reply);
    };
    let message = |reply: &mut Reply| {
        reply.push(3);
        reply.text("message");
        reply.text(CHANNEL);
        write_keys(reply);
    };
    send(&mut Invalidation { push: Message::new(&push), message: Message::new(&message) });
}

/// The clients that read a key, by their IDs in ascending order.
type Readers = SmallVec<[u64; 2]>;

/// The keys of a shard that clients keep copies of, in whichever database.
#[derive(Debug, Default)]
pub struct TrackedKeys {
    /// A map that any key can be taken from at once.
    by_key: IndexMap<Box<[u8]>, Readers, ahash::RandomState>,
}

impl TrackedKeys {
    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets a key, and answers who read it.
    pub fn take(&mut self, key: &[u8], tracking: &Tracking) -> Option<Readers> {
        let readers = self.by_key.swap_remove(key)?;
        tracking.keys.fetch_sub(1, Relaxed);
        tracking.items.fetch_sub(readers.len() as u64, Relaxed);
        self.give_back_room();
        Some(readers)
    }

    /// Remembers that a client read a key.
    pub fn add(&mut self, key: &[u8], client_id: u64, tracking: &Tracking) {
        let readers = match self.by_key.get_mut(key) {
            Some(readers) => readers,
            None => {
                tracking.keys.fetch_add(1, Relaxed);
                self.by_key.entry(key.into()).or_default()
            }
        };
        if let Err(at) = readers.binary_search(&client_id) {
            readers.insert(at, client_id);
            tracking.items.fetch_add(1, Relaxed);
        }
    }

    /// One of the keys, by chance.
    pub fn find_any(&self) -> Option<&[u8]> {
        let len = self.by_key.len();
        let (key, _) = self.by_key.get_index(if len == 0 { 0 } else { fastrand::usize(..len) })?;
        Some(key)
    }

    /// Forgets all keys.
    pub fn clear(&mut self, tracking: &Tracking) {
        if self.is_empty() {
            return;
        }
        let items: usize = self.by_key.values().map(|readers| readers.len()).sum();
        tracking.keys.fetch_sub(self.by_key.len() as u64, Relaxed);
        tracking.items.fetch_sub(items as u64, Relaxed);
        self.by_key = IndexMap::default();
    }

    fn give_back_room(&mut self) {
        if self.by_key.is_empty() {
            self.by_key = IndexMap::default();
        }
    }
}

#[derive(Debug, Default)]
struct Trackers {
    by_id: HashMap<u64, Arc<Tracker>, ahash::RandomState>,
    by_prefix: BTreeMap<Box<[u8]>, Vec<Arc<Tracker>>>,
}

/// Who tracks keys. Its lock comes behind the shards'.
#[derive(Debug)]
pub struct Tracking {
    /// Any client does: what every change asks.
    is_on: AtomicBool,
    /// Any client does in broadcasting mode.
    is_broadcasting: AtomicBool,
    trackers: RwLock<Trackers>,
    keys: AtomicU64,
    items: AtomicU64,
    /// What clients may leave unread.
    limits: RwLock<BufferLimits>,
}

impl Tracking {
    /// Nobody tracks anything, under the settings' limits.
    pub fn new(limits: BufferLimits) -> Self {
        Self {
            is_on: AtomicBool::new(false),
            is_broadcasting: AtomicBool::new(false),
            trackers: RwLock::default(),
            keys: AtomicU64::new(0),
            items: AtomicU64::new(0),
            limits: RwLock::new(limits),
        }
    }

    /// Follows settings that have changed.
    pub fn configure(&self, limits: &BufferLimits) {
        *self.limits.write() = *limits;
    }

    /// Whether any client tracks keys.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Whether any client does so in broadcasting mode.
    #[inline]
    pub fn is_broadcasting(&self) -> bool {
        self.is_broadcasting.load(Relaxed)
    }

    /// The number of clients that track keys.
    pub fn clients(&self) -> usize {
        self.trackers.read().by_id.len()
    }

    /// The number of keys that are remembered.
    pub fn keys(&self) -> u64 {
        self.keys.load(Relaxed)
    }

    /// The number of clients that they are remembered for, added up.
    pub fn items(&self) -> u64 {
        self.items.load(Relaxed)
    }

    /// The number of prefixes in broadcasting mode.
    pub fn prefixes(&self) -> usize {
        self.trackers.read().by_prefix.len()
    }

    /// Puts a client's tracking in the place of what there was of it.
    pub fn set(&self, tracker: &Arc<Tracker>) {
        let mut trackers = self.trackers.write();
        let id = tracker.client.id;
        remove(&mut trackers, id);
        trackers.by_id.insert(id, tracker.clone());
        if tracker.options.broadcast {
            for prefix in &tracker.prefixes {
                trackers.by_prefix.entry(prefix.clone()).or_default().push(tracker.clone());
            }
        }
        self.note(&trackers);
    }

    /// Ends a client's tracking. What is remembered of its reads goes when the keys change, and when nobody tracks keys any more.
    pub fn remove(&self, id: u64) {
        let mut trackers = self.trackers.write();
        remove(&mut trackers, id);
        self.note(&trackers);
    }

    fn note(&self, trackers: &Trackers) {
        self.is_on.store(!trackers.by_id.is_empty(), Relaxed);
        self.is_broadcasting.store(!trackers.by_prefix.is_empty(), Relaxed);
    }

    /// Tells those who read a key that it is no more what they read. `changed_by` is the client that changed it.
    #[cold]
    pub fn invalidate(&self, key: &[u8], readers: &[u64], changed_by: u64) {
        let (trackers, limits) = (self.trackers.read(), *self.limits.read());
        with_invalidation(Some(&[key]), |invalidation| {
            for tracker in readers.iter().filter_map(|id| trackers.by_id.get(id)) {
                let TrackingOptions { broadcast, no_loop, .. } = tracker.options;
                // It may have changed its mode since.
                let is_own = no_loop && tracker.client.id == changed_by;
                if !broadcast && !is_own {
                    tracker.invalidate(invalidation, &limits);
                }
            }
        });
    }

    /// Tells all who track keys that no key is what they read.
    #[cold]
    pub fn invalidate_all(&self) {
        let (trackers, limits) = (self.trackers.read(), *self.limits.read());
        with_invalidation(None, |invalidation| {
            trackers.by_id.values().for_each(|tracker| tracker.invalidate(invalidation, &limits));
        });
    }

    /// Tells those in broadcasting mode of keys that changed, each with the client that changed it last.
    #[cold]
    pub fn broadcast(&self, changes: &BTreeMap<Box<[u8]>, u64>) {
        let (trackers, limits) = (self.trackers.read(), *self.limits.read());
        for (prefix, concerned) in &trackers.by_prefix {
            let starting = || changes.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(prefix));
            let all: Vec<&[u8]> = starting().map(|(key, _)| &**key).collect();
            if all.is_empty() {
                continue;
            }
            with_invalidation(Some(&all), |invalidation| {
                let loud = concerned.iter().filter(|tracker| !tracker.options.no_loop);
                loud.for_each(|tracker| tracker.invalidate(invalidation, &limits));
            });
            for tracker in concerned.iter().filter(|tracker| tracker.options.no_loop) {
                let others = starting().filter(|(_, changed_by)| **changed_by != tracker.client.id);
                let others: Vec<&[u8]> = others.map(|(key, _)| &**key).collect();
                if !others.is_empty() {
                    with_invalidation(Some(&others), |invalidation| {
                        tracker.invalidate(invalidation, &limits)
                    });
                }
            }
        }
    }
}

fn remove(trackers: &mut Trackers, id: u64) {
    let Some(tracker) = trackers.by_id.remove(&id) else { return };
    for prefix in &tracker.prefixes {
        if let Some(others) = trackers.by_prefix.get_mut(prefix) {
            others.retain(|other| other.client.id != id);
            if others.is_empty() {
                trackers.by_prefix.remove(prefix);
            }
        }
    }
}
