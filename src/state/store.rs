//! The keyspace, split into shards.

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::tracking::{TrackedKeys, Tracking};
use super::waiter::Waiters;
use super::watch::Watches;
use crate::engine::{Db, Key};
use crate::log::Position;
use crate::metrics::LockCounters;

/// A part of every database: the keys whose hash falls into it, and who waits for or watches them.
#[derive(Debug)]
pub struct Shard {
    /// By the database's number.
    pub dbs: Box<[Db]>,
    /// Blocked clients, by key.
    pub waiters: Waiters,
    /// Keys that connections watch (WATCH).
    pub watches: Watches,
    /// Keys that clients keep copies of (CLIENT TRACKING).
    pub tracked: TrackedKeys,
    /// Where in the log the last effect on this shard ends: what a read here depends on.
    pub position: Position,
}

impl Shard {
    /// Forgets keys that clients keep copies of, and tells them that those changed, while more than `keys_max` are remembered in all shards.
    pub fn give_up_tracked(&mut self, tracking: &Tracking, keys_max: u64) {
        while keys_max > 0
            && tracking.keys() > keys_max
            && let Some(key) = self.tracked.find_any().map(<[u8]>::to_vec)
        {
            let readers = self.tracked.take(&key, tracking).unwrap_or_default();
            tracking.invalidate(&key, &readers, 0);
        }
    }
}

/// All shards.
#[derive(Debug)]
pub struct Store {
    /// Each on cache lines of its own, lock and data together: who works in one does not slow down who works in the next.
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    databases: usize,
}

/// The shards that a command needs. Small enough for two registers: more would be copied through memory with every command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardSet {
    /// None: the command touches no key.
    None,
    /// One.
    One(usize),
    /// Several, in ascending order, each once.
    Several(Box<SmallVec<[usize; 8]>>),
    /// All.
    All,
}

impl ShardSet {
    /// The set that holds a shard too.
    pub fn with(self, shard: usize) -> Self {
        match self {
            Self::None => Self::One(shard),
            Self::One(one) if one == shard => self,
            Self::One(one) => {
                Self::Several(Box::new(SmallVec::from_slice(&[one.min(shard), one.max(shard)])))
            }
            Self::Several(mut several) => {
                if let Err(at) = several.binary_search(&shard) {
                    several.insert(at, shard);
                }
                Self::Several(several)
            }
            Self::All => Self::All,
        }
    }

    /// The set that holds all of both.
    pub fn union(self, other: Self) -> Self {
        match other {
            Self::None => self,
            Self::One(shard) => self.with(shard),
            Self::Several(several) => several.into_iter().fold(self, Self::with),
            Self::All => Self::All,
        }
    }
}

impl Store {
    /// An empty keyspace; `shards` is rounded up to a power of two.
    pub fn new(shards: usize, databases: usize) -> Self {
        let shard = || Shard {
            dbs: (0..databases).map(|_| Db::default()).collect(),
            waiters: Waiters::default(),
            watches: Watches::default(),
            tracked: TrackedKeys::default(),
            position: Position::default(),
        };
        let shards = (0..shards.next_power_of_two()).map(|_| CachePadded::new(Mutex::new(shard())));
        Self { shards: shards.collect(), databases }
    }

    /// The number of databases (SELECT).
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// The number of shards, a power of two.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// The shard that a key belongs to.
    #[inline]
    pub fn shard_of(&self, key: &Key<'_>) -> usize {
        // The map within the shard takes its bucket from the hash's low bits and its tag from the
        // highest seven: the shard is taken from between.
        (key.hash >> 32) as usize & (self.shards.len() - 1)
    }

    /// Locks the shards of a set, in ascending order. The caller holds no other.
    #[inline]
    pub fn lock(&self, set: &ShardSet) -> LockedShards<'_> {
        self.lock_by(set, |shard| shard.lock())
    }

    /// The same, and counts it: for a thread that executes commands.
    #[inline]
    pub fn lock_counted(&self, set: &ShardSet, counters: &LockCounters) -> LockedShards<'_> {
        self.lock_by(set, |shard| counters.lock(shard))
    }

    #[inline]
    fn lock_by<'a>(
        &'a self,
        set: &ShardSet,
        lock: impl Fn(&'a Mutex<Shard>) -> MutexGuard<'a, Shard>,
    ) -> LockedShards<'a> {
        let guards = match set {
            ShardSet::None => SmallVec::new(),
            ShardSet::One(shard) => SmallVec::from_buf([(*shard, lock(&self.shards[*shard]))]),
            ShardSet::Several(several) => {
                several.iter().map(|&shard| (shard, lock(&self.shards[shard]))).collect()
            }
            ShardSet::All => self.shards.iter().map(|shard| lock(shard)).enumerate().collect(),
        };
        LockedShards { guards }
    }
}

/// Shards that are locked, in ascending order.
#[derive(Debug)]
pub struct LockedShards<'a> {
    guards: SmallVec<[(usize, MutexGuard<'a, Shard>); 1]>,
}

impl LockedShards<'_> {
    /// A locked shard.
    ///
    /// # Panics
    /// When the shard is not locked: a command touches no keys but those it declares.
    #[inline]
    pub fn get(&mut self, shard: usize) -> &mut Shard {
        let at = if self.guards.len() == 1 && self.guards[0].0 == shard {
            0
        } else {
            self.guards
                .binary_search_by_key(&shard, |(index, _)| *index)
                .expect("a command touches no keys but those it declares")
        };
        &mut self.guards[at].1
    }

    /// Whether a shard is locked.
    pub fn holds(&self, shard: usize) -> bool {
        self.guards.binary_search_by_key(&shard, |(index, _)| *index).is_ok()
    }

    /// The locked shards with their numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Shard)> {
        self.guards.iter_mut().map(|(index, guard)| (*index, &mut **guard))
    }
}
