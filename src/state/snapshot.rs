//! [`Snapshot`]: all data as it was at one moment.

use std::time::{Duration, Instant};

use super::store::{ShardSet, Store};
use crate::engine::KeyEntry;

/// All data as it was at one moment. Sealed blocks of streams are shared with the keyspace; all else is copied.
#[derive(Debug)]
pub struct Snapshot {
    /// The entries of each database in each shard.
    dbs: Vec<Vec<Vec<KeyEntry>>>,
    /// For how long all shards were locked.
    pub locked: Duration,
}

impl Snapshot {
    /// Copies the data with all shards locked, and calls `at_the_moment` under the same locks: what was executed before
    /// is in the snapshot and in the log, what is executed later is in neither. The caller holds no shard.
    ///
    /// # Errors
    /// What `at_the_moment` answers.
    pub fn take<E>(store: &Store, at_the_moment: impl FnOnce() -> Result<(), E>) -> Result<Self, E> {
        let mut dbs: Vec<Vec<Vec<KeyEntry>>> =
            (0..store.databases()).map(|_| Vec::with_capacity(store.shard_count())).collect();
        let mut shards = store.lock(&ShardSet::All);
        let started = Instant::now();
        at_the_moment()?;
        for (_, shard) in shards.iter_mut() {
            for (number, db) in shard.dbs.iter().enumerate() {
                if !db.is_empty() {
                    dbs[number].push(db.iter().cloned().collect());
                }
            }
        }
        drop(shards);
        Ok(Self { dbs, locked: started.elapsed() })
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.dbs.iter().flatten().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries with their databases' numbers, database by database. Memory is given back on the way.
    pub fn into_entries(self) -> impl Iterator<Item = (usize, KeyEntry)> {
        self.dbs
            .into_iter()
            .enumerate()
            .flat_map(|(db, shards)| shards.into_iter().flatten().map(move |entry| (db, entry)))
    }
}
