//! [`Snapshot`]: all data as it was at one moment.

use std::time::{Duration, Instant};

use super::store::{ShardSet, Store};
use crate::engine::{Db, KeyEntry};

/// So many slots are looked at before the time is.
const SLOTS: usize = 64;
/// A shard stays locked for so long, unless a single key takes longer.
const LOCKED_MAX: Duration = Duration::from_micros(50);

/// All data as it was at one moment: an iterator over the entries with their databases' numbers, in no order. They are copied little by
/// little as it goes on, one that is about to change before it does (see [`Db::start_capture`]), so that at no time all data is locked or
/// there twice. Sealed blocks of streams are shared with the keyspace; all else of a key is copied. There is one at a time.
#[derive(Debug)]
pub struct Snapshot<'a> {
    store: &'a Store,
    /// The shard that is being copied; those before are.
    shard: usize,
    /// The database that the next entries are of.
    db: usize,
    copies: std::vec::IntoIter<KeyEntry>,
    /// The number of keys.
    keys: usize,
    /// The longest time for which a shard was locked so far.
    locked_max: Duration,
}

impl<'a> Snapshot<'a> {
    /// Begins a snapshot, and calls `at_the_moment` under the locks of all shards: what was executed before is in the snapshot and in the
    /// log, what is executed later is in neither. The caller holds no shard.
    ///
    /// # Errors
    /// What `at_the_moment` answers.
    pub fn take<E>(store: &'a Store, at_the_moment: impl FnOnce() -> Result<(), E>) -> Result<Self, E> {
        let mut shards = store.lock(&ShardSet::All);
        let started = Instant::now();
        at_the_moment()?;
        let mut keys = 0;
        for (_, shard) in shards.iter_mut() {
            for (number, db) in shard.dbs.iter_mut().enumerate() {
                keys += db.len();
                db.start_capture(number);
            }
        }
        drop(shards);
        let copies = Vec::new().into_iter();
        Ok(Self { store, shard: 0, db: 0, copies, keys, locked_max: started.elapsed() })
    }

    /// The number of keys at the moment.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The longest time for which a shard was locked so far.
    pub fn locked_max(&self) -> Duration {
        self.locked_max
    }

    /// Copies some more of one database; whether there was anything left to be copied.
    fn proceed(&mut self) -> bool {
        while self.shard < self.store.shard_count() {
            let mut shards = self.store.lock(&ShardSet::One(self.shard));
            let started = Instant::now();
            let mut copies = Vec::new();
            // SWAPDB takes what is left to be copied along: any database may have any number.
            for db in &mut shards.get(self.shard).dbs {
                while let Some(number) = db.capture_some(SLOTS, &mut copies) {
                    self.db = number;
                    if started.elapsed() >= LOCKED_MAX {
                        break;
                    }
                }
                if !copies.is_empty() || started.elapsed() >= LOCKED_MAX {
                    break;
                }
            }
            drop(shards);
            let locked = started.elapsed();
            self.locked_max = self.locked_max.max(locked);
            if !copies.is_empty() {
                self.copies = copies.into_iter();
                return true;
            }
            if locked < LOCKED_MAX {
                self.shard += 1;
            }
        }
        false
    }
}

impl Iterator for Snapshot<'_> {
    type Item = (usize, KeyEntry);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.copies.next() {
                return Some((self.db, entry));
            }
            if !self.proceed() {
                return None;
            }
        }
    }
}

impl Drop for Snapshot<'_> {
    /// What is left is not copied any more.
    fn drop(&mut self) {
        for shard in self.shard..self.store.shard_count() {
            self.store.lock(&ShardSet::One(shard)).get(shard).dbs.iter_mut().for_each(Db::stop_capture);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::{Key, StringValue, Value};

    fn insert(store: &Store, db: usize, name: &str) {
        let key = Key::new(name.as_bytes());
        let shard = store.shard_of(&key);
        let mut shards = store.lock(&ShardSet::One(shard));
        let value = Value::String(StringValue::new(b"v"));
        shards.get(shard).dbs[db].insert(&key, value, None, 0);
    }

    fn for_all(store: &Store, mut change: impl FnMut(&mut [Db])) {
        store.lock(&ShardSet::All).iter_mut().for_each(|(_, shard)| change(&mut shard.dbs));
    }

    #[test]
    fn databases_may_be_swapped_and_flushed_meanwhile() {
        let store = Store::new(4, 3);
        let mut expected = BTreeSet::new();
        for db in 0..3 {
            for n in 0..5000 {
                let name = format!("{db} {n}");
                insert(&store, db, &name);
                expected.insert((db, name.into_bytes()));
            }
        }
        let mut snapshot = Snapshot::take(&store, || Ok::<_, ()>(())).unwrap();
        assert_eq!(snapshot.keys(), 15_000);
        let mut seen = BTreeSet::new();
        for n in 0.. {
            match n % 3000 {
                1000 => for_all(&store, |dbs| dbs.swap(0, 2)),
                1500 => for_all(&store, |dbs| drop(dbs[1].take())),
                _ => insert(&store, n % 3, &format!("later {n}")),
            }
            let Some((db, entry)) = snapshot.next() else { break };
            assert!(seen.insert((db, entry.key().to_vec())), "once");
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn one_that_is_given_up_leaves_room_for_the_next() {
        let store = Store::new(2, 1);
        (0..1000).for_each(|n| insert(&store, 0, &n.to_string()));
        let mut given_up = Snapshot::take(&store, || Ok::<_, ()>(())).unwrap();
        assert!(given_up.next().is_some());
        drop(given_up);
        assert_eq!(Snapshot::take(&store, || Err(7)).map(|_| ()), Err(7));
        assert_eq!(Snapshot::take(&store, || Ok::<_, ()>(())).unwrap().count(), 1000);
    }
}
