//! Keys that connections watch for changes (WATCH).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Set when a watched key changed; shared by a connection and the shards of the keys it watches.
pub type WatchFlag = Arc<AtomicBool>;

/// The watched keys of a shard.
#[derive(Debug, Default)]
pub struct Watches {
    by_key: HashMap<(usize, Box<[u8]>), Vec<WatchFlag>, ahash::RandomState>,
}

impl Watches {
    /// Adds a watch; once for each connection and key.
    pub fn add(&mut self, db: usize, key: &[u8], flag: &WatchFlag) {
        self.by_key.entry((db, key.into())).or_default().push(flag.clone());
    }

    /// Takes a connection's watch back.
    pub fn remove(&mut self, db: usize, key: &[u8], flag: &WatchFlag) {
        let key = (db, Box::from(key));
        if let Some(flags) = self.by_key.get_mut(&key) {
            flags.retain(|other| !Arc::ptr_eq(other, flag));
            if flags.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }

    /// Tells all who watch the key that it changed.
    #[inline]
    pub fn touch(&self, db: usize, key: &[u8]) {
        if self.by_key.is_empty() {
            return;
        }
        if let Some(flags) = self.by_key.get(&(db, Box::from(key))) {
            flags.iter().for_each(|flag| flag.store(true, Relaxed));
        }
    }

    /// The watched keys of a database.
    pub fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.by_key.keys().filter(move |(other, _)| *other == db).map(|(_, key)| &**key)
    }
}
