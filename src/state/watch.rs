//! Keys that connections watch for changes (WATCH).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::key_map::KeyMap;
use crate::engine::{Db, Key, KeyEntry};

/// Set when a watched key changed; shared by a connection and the shards of the keys it watches.
pub type WatchFlag = Arc<AtomicBool>;

/// A connection's watch of a key.
#[derive(Debug)]
struct Watch {
    flag: WatchFlag,
    /// The key is there, but its time was up already when the watch began: to the connection there
    /// is no such key, and its removal is no change.
    expired: bool,
}

/// The watched keys of a shard.
#[derive(Debug, Default)]
pub struct Watches {
    by_key: KeyMap<Vec<Watch>>,
}

impl Watches {
    /// Adds a watch; once for each connection and key. `expired` tells whether the key is there with
    /// its time up.
    pub fn add(&mut self, db: usize, key: &Key<'_>, flag: &WatchFlag, expired: bool) {
        self.by_key.find_or_default(db, key).push(Watch { flag: flag.clone(), expired });
    }

    /// Takes a connection's watch back.
    pub fn remove(&mut self, db: usize, key: &Key<'_>, flag: &WatchFlag) {
        if let Some(watches) = self.by_key.find_mut(db, key) {
            watches.retain(|watch| !Arc::ptr_eq(&watch.flag, flag));
            if watches.is_empty() {
                self.by_key.remove(db, key);
            }
        }
    }

    /// Whether the key's time was up already when the connection began to watch it.
    pub fn is_expired(&self, db: usize, key: &Key<'_>, flag: &WatchFlag) -> bool {
        self.by_key.find(db, key).is_some_and(|watches| {
            watches.iter().any(|watch| watch.expired && Arc::ptr_eq(&watch.flag, flag))
        })
    }

    /// Tells all who watch the key that it changed; `is_there` whether it is there now.
    #[inline]
    pub fn touch(&mut self, db: usize, key: &Key<'_>, is_there: impl FnOnce() -> bool) {
        if self.by_key.is_empty() {
            return;
        }
        if let Some(watches) = self.by_key.find_mut(db, key) {
            let is_there = is_there();
            for watch in watches {
                if !watch.expired || is_there {
                    watch.flag.store(true, Relaxed);
                }
                watch.expired = false;
            }
        }
    }

    /// Tells all who watch a key that changes when a database's keys give way to others, or to none.
    /// To be called before they do.
    pub fn touch_replaced(&mut self, db: usize, old: &Db, new: Option<&Db>, now_ms: u64) {
        let is_expired = |entry: &KeyEntry| entry.is_expired(now_ms);
        for (_, key, watches) in self.by_key.iter_mut().filter(|(other, ..)| *other == db) {
            let key = Key::new(key);
            let was_there = old.find(&key).is_some();
            let becomes = new.and_then(|new| new.find(&key));
            for watch in watches {
                match becomes {
                    None if !was_there => {}
                    None if watch.expired => watch.expired = false,
                    // It was not there for the connection, and is not now.
                    Some(entry) if is_expired(entry) && (watch.expired || !was_there) => watch.expired = true,
                    _ => watch.flag.store(true, Relaxed),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{StringValue, Value};

    const NOW_MS: u64 = 100;

    /// A database that holds `key` when `expires_at_ms` is given.
    fn db(expires_at_ms: Option<Option<u64>>) -> Db {
        let mut db = Db::default();
        if let Some(expires_at_ms) = expires_at_ms {
            db.insert(&Key::new(b"key"), Value::String(StringValue::new(b"v")), expires_at_ms, NOW_MS);
        }
        db
    }

    #[test]
    fn the_removal_of_an_expired_key_is_no_change() {
        let (gone, live, expired) = (None, Some(None), Some(Some(50)));
        for (old, new, touched) in [
            (gone, gone, false),
            (gone, live, true),
            (gone, expired, false),
            (live, gone, true),
            (live, live, true),
            (live, expired, true),
            (expired, gone, false),
            (expired, live, true),
            (expired, expired, false),
        ] {
            let (old_db, new_db) = (db(old), db(new));
            let (mut watches, flag) = (Watches::default(), WatchFlag::default());
            watches.add(3, &Key::new(b"key"), &flag, old == expired);
            watches.touch_replaced(2, &old_db, Some(&new_db), NOW_MS);
            assert!(!flag.load(Relaxed), "another database");
            watches.touch_replaced(3, &old_db, Some(&new_db), NOW_MS);
            assert_eq!(flag.load(Relaxed), touched, "{old:?} becomes {new:?}");
            if !touched {
                assert_eq!(watches.is_expired(3, &Key::new(b"key"), &flag), new == expired);
            }
            watches.remove(3, &Key::new(b"key"), &flag);
            assert!(watches.by_key.is_empty());
        }
        let (mut watches, flag) = (Watches::default(), WatchFlag::default());
        watches.add(0, &Key::new(b"key"), &flag, true);
        watches.touch(0, &Key::new(b"key"), || false);
        assert!(!flag.load(Relaxed));
        watches.touch(0, &Key::new(b"key"), || false);
        assert!(flag.load(Relaxed), "it came and went meanwhile");
    }
}
