//! What a command sees of the keyspace: its locked shards, under the rules that hold for every
//! access (expiry, statistics, who is told of a change).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokio::sync::oneshot;

use super::events::EventClass;
use super::shared::Shared;
use super::store::{LockedShards, Shard, ShardSet, Store};
use super::waiter::ServedReply;
use crate::engine::{Db, Key, KeyEntry, Stream, StringValue, Value};
use crate::log::{Effects, Log, Position};
use crate::metrics::WorkerMetrics;

/// The key holds another type than the command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType;

/// What a change did to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It holds more or other data than before.
    Updated,
    /// Entries are gone, or it expires at another time: nothing for who waits for it.
    Touched,
    /// Only groups, what is pending or counters changed: nothing for who waits for it, and to who watches it, it is as it was.
    Metadata,
    /// What is pending in a group changed, so that it may be claimed at another time: who waits to claim looks again; to who watches the
    /// key, it is as it was.
    Pending,
    /// A group is gone: who waits for it is told so; to who watches the key, it is as it was.
    GroupLost,
    /// It was removed, or holds a value of another type: who waits for it is told so.
    Lost,
}

/// What replies depend on in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// The position behind all that they tell of.
    pub seen: Position,
    /// The position behind what their commands changed themselves (that a key's time was up is nobody's doing).
    pub own: Position,
}

impl Mark {
    /// What two replies depend on together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { seen: self.seen.max(other.seen), own: self.own.max(other.own) }
    }
}

/// A key that changed while somebody waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyKey {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// What happened to it.
    pub change: Change,
}

/// The locked shards of the command that is being executed, and what its changes lead to.
///
/// Every lookup goes through here: a key whose time is up is removed on the way, and its removal
/// logged. Every change ends with [`Keys::changed`].
///
/// One of these serves a whole batch of commands: shards stay locked from one command to the next
/// as long as they are the same ([`Keys::acquire`]). What was changed under a lock is handed to the
/// log before the lock is released, so that the log has the changes of a key in their order.
#[derive(Debug)]
pub struct Keys<'a> {
    shared: &'a Shared,
    store: &'a Store,
    log: &'a Log,
    metrics: &'a WorkerMetrics,
    set: ShardSet,
    /// The set's shards are unlocked for a while.
    is_suspended: bool,
    shards: LockedShards<'a>,
    /// Since when they are locked, where that is timed.
    held_since: Option<Instant>,
    effects: Effects,
    /// Among the effects are more than removals of keys whose time was up.
    has_own_effects: bool,
    served: Vec<(oneshot::Sender<ServedReply>, ServedReply)>,
    mark: Mark,
    /// Keys that changed while clients track keys in broadcasting mode, each with the client that changed it last.
    broadcasts: Option<BTreeMap<Box<[u8]>, u64>>,
    /// The client whose command is executed; 0 for none.
    pub client_id: u64,
    /// The database that the connection has selected.
    pub db: usize,
    /// The time, in milliseconds since the Unix epoch: one for a whole command.
    pub now_ms: u64,
    /// The effects come from the log: nothing expires by the clock, and nothing is logged again.
    pub replaying: bool,
    /// The log is still being read by another: only what leaves the data alone is executed.
    pub loading: bool,
    /// Lookups leave the access time as it is (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// Keys that changed while somebody waits for them; served when the command is through.
    pub ready: Vec<ReadyKey>,
}

impl<'a> Keys<'a> {
    /// Access to the keyspace, with no shard locked yet. `effects` is an empty buffer.
    pub fn new(shared: &'a Shared, metrics: &'a WorkerMetrics, effects: Effects, now_ms: u64) -> Self {
        let (store, log) = (&shared.store, shared.log());
        debug_assert!(effects.is_empty(), "the effects of before are in the log");
        Self {
            shared,
            store,
            log,
            metrics,
            set: ShardSet::None,
            is_suspended: false,
            shards: store.lock(&ShardSet::None),
            held_since: None,
            effects,
            has_own_effects: false,
            served: Vec::new(),
            mark: Mark::default(),
            broadcasts: None,
            client_id: 0,
            db: 0,
            now_ms,
            replaying: false,
            loading: false,
            no_touch: false,
            ready: Vec::new(),
        }
    }

    /// Locks the shards of a set, unless just these are locked already; releases the others first.
    #[inline]
    pub fn acquire(&mut self, set: ShardSet) {
        if set == self.set {
            return;
        }
        self.release();
        self.shards = self.store.lock_counted(&set, &self.metrics.shard_locks);
        self.held_since = self.metrics.shard_locks.begin_hold();
        self.set = set;
        // Under the lock: a log that is switched on has a copy of all that was executed before.
        self.mute_effects();
        for (_, shard) in self.shards.iter_mut() {
            self.mark.seen = self.mark.seen.max(shard.position);
        }
    }

    /// Unlocks the shards for a while in which nobody may change the data (a script runs for too long), until
    /// [`Self::resume`]; the effects stay.
    pub fn suspend(&mut self) {
        self.unlock();
        self.is_suspended = true;
    }

    /// Locks the shards again that [`Self::suspend`] unlocked.
    pub fn resume(&mut self) {
        if self.is_suspended {
            self.shards = self.store.lock_counted(&self.set, &self.metrics.shard_locks);
            self.is_suspended = false;
        }
    }

    fn unlock(&mut self) {
        self.metrics.shard_locks.end_hold(self.held_since.take());
        self.shards = self.store.lock(&ShardSet::None);
    }

    /// Hands the effects to the log; the shards stay locked.
    pub fn hand_over(&mut self) {
        if !self.effects.is_empty() {
            if !self.replaying {
                let position = self.log.append_counted(&self.effects, &self.metrics.log_buffer_locks);
                self.mark.seen = position;
                if self.has_own_effects {
                    self.mark.own = position;
                }
                for (_, shard) in self.shards.iter_mut() {
                    shard.position = position;
                }
            }
            self.effects.clear();
            self.has_own_effects = false;
        }
    }

    /// Hands the effects to the log, releases all shards, and sends blocked clients their replies.
    pub fn release(&mut self) {
        self.hand_over();
        if let Some(broadcasts) = self.broadcasts.take() {
            self.shared.tracking.broadcast(&broadcasts);
        }
        if self.set != ShardSet::None {
            self.unlock();
            self.set = ShardSet::None;
        }
        for (sender, mut reply) in self.served.drain(..) {
            reply.mark = self.mark;
            // A client that is gone meanwhile has been served all the same, as one that is gone
            // before its reply arrives.
            let _ = sender.send(reply);
        }
    }

    /// Drops the effects of the command before: while the log is read they are in it already.
    pub fn forget_effects(&mut self) {
        self.effects.clear();
        self.ready.clear();
    }

    /// Releases all shards and returns the buffer for effects, empty, and what the batch's replies
    /// depend on in the log.
    pub fn finish(mut self) -> (Effects, Mark) {
        self.release();
        (self.effects, self.mark)
    }

    /// Has a blocked client's reply sent once the shards are released.
    pub fn send_served(&mut self, sender: oneshot::Sender<ServedReply>, reply: ServedReply) {
        self.served.push((sender, reply));
    }

    /// The keyspace that the shards are of.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// The locked shards.
    pub fn shards(&mut self) -> &mut LockedShards<'a> {
        &mut self.shards
    }

    /// Whether the key's shard is locked.
    pub fn holds(&self, key: &Key<'_>) -> bool {
        self.shards.holds(self.store.shard_of(key))
    }

    /// The key's shard.
    #[inline]
    pub fn shard(&mut self, key: &Key<'_>) -> &mut Shard {
        self.shards.get(self.store.shard_of(key))
    }

    /// The selected database's part in the key's shard, bare of any rule.
    #[inline]
    pub fn db_of(&mut self, key: &Key<'_>) -> &mut Db {
        let db = self.db;
        &mut self.shard(key).dbs[db]
    }

    /// Where the effects of the command are written. While [`Self::replaying`] they are dropped.
    #[inline]
    pub fn effects(&mut self) -> &mut Effects {
        self.has_own_effects = true;
        &mut self.effects
    }

    /// Writes the same effects as they are read from the log: none.
    pub fn start_replaying(&mut self) {
        self.replaying = true;
        self.effects.mute(true);
    }

    /// Writes effects again.
    pub fn stop_replaying(&mut self) {
        self.replaying = false;
        self.mute_effects();
    }

    #[inline]
    fn mute_effects(&mut self) {
        self.effects.mute(self.replaying || !self.log.is_recording());
    }

    /// Begins an effect on the selected database: `argc` arguments follow, the command's name
    /// included.
    #[inline]
    pub fn begin_effect(&mut self, argc: usize) -> &mut Effects {
        self.has_own_effects = true;
        self.effects.begin(self.db, argc);
        &mut self.effects
    }

    /// Writes a whole effect on the selected database.
    pub fn effect(&mut self, args: &[&[u8]]) {
        let effect = self.begin_effect(args.len());
        for arg in args {
            effect.arg(arg);
        }
    }

    /// Whether the key is there with its time up.
    #[inline]
    fn is_due(&mut self, key: &Key<'_>) -> bool {
        let now_ms = self.now_ms;
        !self.replaying && self.db_of(key).find(key).is_some_and(|entry| entry.is_expired(now_ms))
    }

    /// Removes the key if its time is up.
    #[inline]
    fn expire_if_due(&mut self, key: &Key<'_>) {
        if self.is_due(key) {
            self.expire(key);
        }
    }

    /// Removes a key whose time is up.
    pub fn expire(&mut self, key: &Key<'_>) {
        if self.db_of(key).remove(key).is_some() {
            self.metrics.expired_keys.add(1);
            let has_own_effects = self.has_own_effects;
            self.effect(&[b"DEL", key.bytes]);
            self.has_own_effects = has_own_effects;
            self.notify(EventClass::EXPIRED, "expired", key);
            self.changed(key, Change::Lost);
        }
    }

    /// The key's entry, for a command that reads.
    #[inline]
    pub fn find(&mut self, key: &Key<'_>) -> Option<&mut KeyEntry> {
        let (now_ms, touch, metrics, replaying) = (self.now_ms, !self.no_touch, self.metrics, self.replaying);
        let (shared, db) = (self.shared, self.db);
        let entry = self.find_for_write(key);
        match entry {
            Some(entry) => {
                metrics.keyspace_hits.add(1);
                if touch {
                    entry.accessed_s = (now_ms / 1000) as u32;
                }
                Some(entry)
            }
            None => {
                metrics.keyspace_misses.add(1);
                if shared.events.wants(EventClass::KEY_MISS) && !replaying {
                    shared.events.publish(&shared.pubsub, "keymiss", db, key.bytes);
                }
                None
            }
        }
    }

    /// How many lookups found their key, as this thread has counted.
    pub fn hits(&self) -> u64 {
        self.metrics.keyspace_hits.get()
    }

    /// Counts lookups that were spared, since their result was known.
    pub fn count_hits(&self, hits: u64) {
        self.metrics.keyspace_hits.add(hits);
    }

    /// The key's entry, for a command that writes: hits and misses are not counted.
    #[inline]
    pub fn find_for_write(&mut self, key: &Key<'_>) -> Option<&mut KeyEntry> {
        if self.db_of(key).expiring_len() > 0 && self.is_due(key) {
            // While writing is paused nothing is removed either.
            if !self.shared.paused.load(Relaxed) {
                self.expire(key);
            }
            return None;
        }
        self.db_of(key).find_mut(key)
    }

    /// The key's stream, for a command that reads.
    ///
    /// # Errors
    /// When it holds another type.
    #[inline]
    pub fn find_stream(&mut self, key: &Key<'_>) -> Result<Option<&mut Stream>, WrongType> {
        as_stream(self.find(key))
    }

    /// The key's stream, for a command that writes.
    ///
    /// # Errors
    /// When it holds another type.
    #[inline]
    pub fn find_stream_for_write(&mut self, key: &Key<'_>) -> Result<Option<&mut Stream>, WrongType> {
        as_stream(self.find_for_write(key))
    }

    /// The key's string, for a command that reads.
    ///
    /// # Errors
    /// When it holds another type.
    #[inline]
    pub fn find_string(&mut self, key: &Key<'_>) -> Result<Option<&mut StringValue>, WrongType> {
        as_string(self.find(key))
    }

    /// The key's string, for a command that writes.
    ///
    /// # Errors
    /// When it holds another type.
    #[inline]
    pub fn find_string_for_write(&mut self, key: &Key<'_>) -> Result<Option<&mut StringValue>, WrongType> {
        as_string(self.find_for_write(key))
    }

    /// Tells subscribers what happened to a key, if events of this class are published and the log is not being read.
    #[inline]
    pub fn notify(&self, class: EventClass, event: &'static str, key: &Key<'_>) {
        let events = &self.shared.events;
        if events.wants(class) && !self.replaying {
            events.publish(&self.shared.pubsub, event, self.db, key.bytes);
        }
    }

    /// The key's entry, for a command that asks how the key is kept: nothing is told of a key that is not there, and the
    /// access time stays as it is.
    pub fn find_quietly(&mut self, key: &Key<'_>) -> Option<&mut KeyEntry> {
        let metrics = self.metrics;
        let entry = self.find_for_write(key);
        let counter = if entry.is_some() { &metrics.keyspace_hits } else { &metrics.keyspace_misses };
        counter.add(1);
        entry
    }

    /// The key's entry, for a command that asks about the key and not for its data: the access time
    /// stays as it is.
    pub fn find_untouched(&mut self, key: &Key<'_>) -> Option<&mut KeyEntry> {
        let no_touch = std::mem::replace(&mut self.no_touch, true);
        let found = self.find(key).is_some();
        self.no_touch = no_touch;
        if found { self.db_of(key).find_mut(key) } else { None }
    }

    /// The key's stream, made if the key is not there; whether it was made.
    ///
    /// # Errors
    /// When it holds another type.
    #[inline]
    pub fn find_or_create_stream(&mut self, key: &Key<'_>) -> Result<(&mut Stream, bool), WrongType> {
        if self.db_of(key).expiring_len() > 0 {
            self.expire_if_due(key);
        }
        let (now_ms, shared, selected, replaying) = (self.now_ms, self.shared, self.db, self.replaying);
        let make = || Value::Stream(Box::default());
        let (entry, created) = self.db_of(key).find_or_insert_with(key, make, now_ms);
        if created && shared.events.wants(EventClass::NEW) && !replaying {
            shared.events.publish(&shared.pubsub, "new", selected, key.bytes);
        }
        match &mut entry.value {
            Value::Stream(stream) => Ok((stream, created)),
            _ => Err(WrongType),
        }
    }

    /// Sets what a key holds and when it expires, whatever it held before.
    pub fn insert(&mut self, key: &Key<'_>, value: Value, expires_at_ms: Option<u64>) -> &mut KeyEntry {
        self.notify_if_new(key);
        let now_ms = self.now_ms;
        self.db_of(key).insert(key, value, expires_at_ms, now_ms)
    }

    /// [`Self::insert`] for commands that remove what was there: the key is a new one in any case.
    pub fn insert_anew(&mut self, key: &Key<'_>, value: Value, expires_at_ms: Option<u64>) -> &mut KeyEntry {
        self.notify(EventClass::NEW, "new", key);
        let now_ms = self.now_ms;
        self.db_of(key).insert(key, value, expires_at_ms, now_ms)
    }

    /// Tells subscribers of a key that is about to come to be.
    #[inline]
    fn notify_if_new(&mut self, key: &Key<'_>) {
        if self.shared.events.wants(EventClass::NEW) && self.db_of(key).find(key).is_none() {
            self.notify(EventClass::NEW, "new", key);
        }
    }

    /// Removes a key; `None` when it is not there or its time is up.
    pub fn remove(&mut self, key: &Key<'_>) -> Option<KeyEntry> {
        self.find_for_write(key)?;
        self.db_of(key).remove(key)
    }

    /// To be called after every change of a key, once its effect is written: counts it, tells who
    /// watches the key, and has those served who wait for it.
    #[inline]
    pub fn changed(&mut self, key: &Key<'_>, change: Change) {
        self.metrics.changes.add(1);
        self.signal(key, change);
    }

    /// [`Self::changed`] without the count, for the other key of a command that counts as one change.
    #[inline]
    pub fn signal(&mut self, key: &Key<'_>, change: Change) {
        let db = self.db;
        let shard = self.shards.get(self.store.shard_of(key));
        let has_other_data = !matches!(change, Change::Metadata | Change::Pending | Change::GroupLost);
        if has_other_data {
            let Shard { dbs, watches, .. } = &mut *shard;
            watches.touch(db, key, || dbs[db].find(key).is_some());
        }
        if !matches!(change, Change::Metadata | Change::Touched) && shard.waiters.contains(db, key) {
            let ready = ReadyKey { db, key: key.bytes.into(), change };
            if self.ready.last() != Some(&ready) {
                self.ready.push(ready);
            }
        }
        if has_other_data && self.shared.tracking.is_on() {
            self.invalidate(key);
        }
    }

    /// Remembers that a client read a key. Of more than `keys_max` keys any are given up, and who read them is told that they changed.
    #[cold]
    pub fn track(&mut self, key: &Key<'_>, client_id: u64, keys_max: u64) {
        let tracking = &self.shared.tracking;
        let shard = self.shards.get(self.store.shard_of(key));
        shard.tracked.add(key.bytes, client_id, tracking);
        shard.give_up_tracked(tracking, keys_max);
    }

    /// Tells those who track the key that it changed, or remembers that they are to be told.
    #[cold]
    fn invalidate(&mut self, key: &Key<'_>) {
        let shard = self.shards.get(self.store.shard_of(key));
        if let Some(readers) = shard.tracked.take(key.bytes, &self.shared.tracking) {
            self.shared.tracking.invalidate(key.bytes, &readers, self.client_id);
        }
        if self.shared.tracking.is_broadcasting() && !self.replaying {
            self.broadcasts.get_or_insert_default().insert(key.bytes.into(), self.client_id);
        }
    }

    /// Removes all keys of databases; every shard is locked, and the effect is the caller's. Returns
    /// what was removed, so that the caller decides where its memory is given back.
    pub fn clear(&mut self, databases: Range<usize>) -> Vec<Db> {
        let tracking = &self.shared.tracking;
        self.shards.iter_mut().for_each(|(_, shard)| shard.tracked.clear(tracking));
        if tracking.is_on() && !self.replaying {
            tracking.invalidate_all();
        }
        let mut removed = Vec::new();
        for (_, shard) in self.shards.iter_mut() {
            for db in databases.clone() {
                let there = shard.dbs[db].take();
                if there.is_empty() {
                    continue;
                }
                self.metrics.changes.add(there.len() as u64);
                shard.watches.touch_replaced(db, &there, None, self.now_ms);
                for key in shard.waiters.keys(db).filter(|key| there.find(&Key::new(key)).is_some()) {
                    self.ready.push(ReadyKey { db, key: key.into(), change: Change::Lost });
                }
                removed.push(there);
            }
        }
        removed
    }

    /// Exchanges two databases; every shard is locked, and the effect is the caller's.
    pub fn swap(&mut self, first: usize, second: usize) {
        self.metrics.changes.add(1);
        for (_, shard) in self.shards.iter_mut() {
            let Shard { dbs, watches, waiters, .. } = &mut *shard;
            watches.touch_replaced(first, &dbs[first], Some(&dbs[second]), self.now_ms);
            watches.touch_replaced(second, &dbs[second], Some(&dbs[first]), self.now_ms);
            dbs.swap(first, second);
            for db in [first, second] {
                for key in waiters.keys(db) {
                    let is_there = dbs[db].find(&Key::new(key)).is_some();
                    let change = if is_there { Change::Updated } else { Change::Lost };
                    self.ready.push(ReadyKey { db, key: key.into(), change });
                }
            }
        }
    }

    /// Runs `with` on another database than the selected one.
    pub fn in_db<R>(&mut self, db: usize, with: impl FnOnce(&mut Self) -> R) -> R {
        let selected = std::mem::replace(&mut self.db, db);
        let result = with(self);
        self.db = selected;
        result
    }
}

#[inline]
fn as_string(entry: Option<&mut KeyEntry>) -> Result<Option<&mut StringValue>, WrongType> {
    match entry.map(|entry| &mut entry.value) {
        None => Ok(None),
        Some(Value::String(string)) => Ok(Some(string)),
        Some(_) => Err(WrongType),
    }
}

#[inline]
fn as_stream(entry: Option<&mut KeyEntry>) -> Result<Option<&mut Stream>, WrongType> {
    match entry.map(|entry| &mut entry.value) {
        None => Ok(None),
        Some(Value::Stream(stream)) => Ok(Some(stream)),
        Some(_) => Err(WrongType),
    }
}
