//! A connection's state, which only its own thread touches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::clients::ClientHandle;
use super::keys::Mark;
use super::pubsub::Subscriptions;
use super::tracking::{Tracker, Tracking};
use super::watch::WatchFlag;
use crate::acl::{Access, User};
use crate::engine::Key;
use crate::protocol::{OwnedRequest, Protocol};

/// What a client wants to hear (CLIENT REPLY).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyMode {
    /// Every reply.
    #[default]
    On,
    /// None.
    Off,
    /// The next one not, which is the reply to this very command first.
    SkipNext,
    /// This one not.
    Skip,
}

/// The commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The commands, in order.
    pub commands: Vec<OwnedRequest>,
    /// Their size in bytes.
    pub bytes: usize,
    /// One was refused: EXEC will be.
    pub aborted: bool,
    /// One of them runs a script.
    pub has_script: bool,
}

/// A key that the connection watches.
#[derive(Debug, Clone)]
pub struct WatchedKey {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
}

/// How a connection tracks keys.
#[derive(Debug)]
pub struct SessionTracking {
    /// What others see of it.
    pub tracker: Arc<Tracker>,
    /// What CLIENT CACHING said of the next command.
    pub caching: Option<bool>,
    /// The script that runs has read something.
    pub script_reads: bool,
}

/// A connection's state.
#[derive(Debug)]
pub struct Session {
    /// What others see of it.
    pub handle: Arc<ClientHandle>,
    /// The selected database.
    pub db: usize,
    /// The protocol it speaks.
    pub protocol: Protocol,
    /// Whether it may do more than authenticate.
    pub authenticated: bool,
    /// The user it acts as. Its own: what blocks refers to it, and all connections would count those references at one place if it were
    /// shared.
    pub access: Arc<Access>,
    /// The transaction it is in.
    pub transaction: Option<Transaction>,
    /// The commands being executed are a transaction's.
    pub in_exec: bool,
    /// The commands being executed are a script's.
    pub in_script: bool,
    /// Set when a watched key changed.
    pub watch_flag: WatchFlag,
    /// The keys it watches.
    pub watched: Vec<WatchedKey>,
    /// What it wants to hear.
    pub reply_mode: ReplyMode,
    /// It is to be closed once its replies are sent.
    pub closing: bool,
    /// How it tracks keys; most connections do not.
    pub tracking: Option<Box<SessionTracking>>,
    /// It is shown all commands (MONITOR), and may not touch keys itself.
    pub is_monitor: bool,
    /// What its replies depend on in the log.
    pub mark: Mark,
    /// What it is subscribed to; a connection that never was has none.
    pub subscriptions: Option<Box<Subscriptions>>,
}

impl Session {
    /// A new connection's state.
    pub fn new(handle: Arc<ClientHandle>, access: Arc<Access>, authenticated: bool) -> Self {
        Self {
            handle,
            db: 0,
            protocol: Protocol::default(),
            authenticated,
            access,
            transaction: None,
            in_exec: false,
            in_script: false,
            watch_flag: Arc::new(AtomicBool::new(false)),
            watched: Vec::new(),
            reply_mode: ReplyMode::default(),
            closing: false,
            tracking: None,
            is_monitor: false,
            mark: Mark::default(),
            subscriptions: None,
        }
    }

    /// What stands for the connection while this is lent to a script.
    pub fn stand_in(&self) -> Self {
        let mut session = Self::new(self.handle.clone(), self.access.clone(), self.authenticated);
        session.protocol = self.protocol;
        session.mark = self.mark;
        session
    }

    /// Selects a database.
    pub fn select(&mut self, db: usize) {
        self.db = db;
        self.handle.db.store(db, Relaxed);
    }

    /// Acts as a user from now on.
    pub fn become_user(&mut self, user: Arc<User>, authenticated: bool) {
        self.handle.names.lock().user = user.name().to_vec();
        Arc::make_mut(&mut self.access).become_user(user);
        self.authenticated = authenticated;
    }

    /// Takes over what has changed of its user. One whose user is gone is to be closed.
    #[inline]
    pub fn refresh_access(&mut self) {
        if !self.access.is_current() {
            self.take_over_access();
        }
    }

    #[cold]
    fn take_over_access(&mut self) {
        if !Arc::make_mut(&mut self.access).refresh() {
            self.closing = true;
        }
        // Where no password is needed any more, who has not given one need not.
        self.authenticated |= self.access.users().is_open();
    }

    /// Changes the protocol.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.handle.resp.store(if protocol == Protocol::Resp3 { 3 } else { 2 }, Relaxed);
    }

    /// Begins to track keys, or tracks them in another way.
    pub fn track(&mut self, tracker: Arc<Tracker>) {
        let handle = &self.handle;
        handle.tracking.store(true, Relaxed);
        handle.tracking_broken.store(false, Relaxed);
        handle.tracking_broadcast.store(tracker.options.broadcast, Relaxed);
        handle.tracking_redirect.store(tracker.options.redirect.unwrap_or(0), Relaxed);
        self.tracking = Some(Box::new(SessionTracking { tracker, caching: None, script_reads: false }));
    }

    /// Tracks no keys any more.
    pub fn untrack(&mut self, tracking: &Tracking) {
        if self.tracking.take().is_some() {
            tracking.remove(self.handle.id);
            let handle = &self.handle;
            [&handle.tracking, &handle.tracking_broken, &handle.tracking_broadcast]
                .iter()
                .for_each(|flag| flag.store(false, Relaxed));
            handle.tracking_redirect.store(0, Relaxed);
        }
    }

    /// Begins or ends a transaction.
    pub fn set_transaction(&mut self, transaction: Option<Transaction>) {
        self.handle.multi.store(transaction.as_ref().map_or(-1, |t| t.commands.len() as i32), Relaxed);
        self.handle.multi_bytes.store(transaction.as_ref().map_or(0, |t| t.bytes), Relaxed);
        self.transaction = transaction;
    }
}

impl Session {
    /// Watches a key; once, however often it is asked for. The shard of the key is locked; `expired`
    /// tells whether the key is there with its time up.
    pub fn watch(&mut self, shard: &mut super::Shard, key: &Key<'_>, expired: bool) {
        let db = self.db;
        if self.watched.iter().any(|watched| watched.db == db && *watched.key == *key.bytes) {
            return;
        }
        shard.watches.add(db, key, &self.watch_flag, expired);
        self.watched.push(WatchedKey { db, key: key.bytes.into() });
        self.handle.watching.store(self.watched.len() as u32, Relaxed);
    }

    /// Watches no key any more. The caller holds no shard.
    pub fn unwatch(&mut self, store: &super::Store) {
        for watched in std::mem::take(&mut self.watched) {
            let key = Key::new(&watched.key);
            let shard = store.shard_of(&key);
            let mut shards = store.lock(&super::ShardSet::One(shard));
            shards.get(shard).watches.remove(watched.db, &key, &self.watch_flag);
        }
        self.handle.watching.store(0, Relaxed);
        self.watch_flag.store(false, Relaxed);
    }

    /// Watches no key any more; the shards of the watched keys are locked.
    pub fn unwatch_locked(&mut self, keys: &mut super::Keys<'_>) {
        for watched in std::mem::take(&mut self.watched) {
            let key = Key::new(&watched.key);
            keys.shard(&key).watches.remove(watched.db, &key, &self.watch_flag);
        }
        self.handle.watching.store(0, Relaxed);
        self.watch_flag.store(false, Relaxed);
    }
}
