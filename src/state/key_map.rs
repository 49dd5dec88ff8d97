//! [`KeyMap`]: what is kept by key beside the data.

use hashbrown::HashTable;

use crate::engine::Key;
use crate::equal::bytes_equal;

/// Room for so many keys is kept however few there are.
const KEPT_SLOTS_MAX: usize = 1024;

/// A map from a database and a key, which need not be there, to something. A lookup computes no hash and allocates nothing.
#[derive(Debug)]
pub(super) struct KeyMap<V> {
    slots: HashTable<Slot<V>>,
}

#[derive(Debug)]
struct Slot<V> {
    db: usize,
    key: Box<[u8]>,
    hash: u64,
    value: V,
}

impl<V> Slot<V> {
    #[inline]
    fn is_of(&self, db: usize, key: &Key<'_>) -> bool {
        self.db == db && bytes_equal(&self.key, key.bytes)
    }
}

impl<V> Default for KeyMap<V> {
    fn default() -> Self {
        Self { slots: HashTable::new() }
    }
}

impl<V> KeyMap<V> {
    /// What is kept for a key.
    #[inline]
    pub(super) fn find(&self, db: usize, key: &Key<'_>) -> Option<&V> {
        self.slots.find(key.hash, |slot| slot.is_of(db, key)).map(|slot| &slot.value)
    }

    /// What is kept for a key.
    #[inline]
    pub(super) fn find_mut(&mut self, db: usize, key: &Key<'_>) -> Option<&mut V> {
        self.slots.find_mut(key.hash, |slot| slot.is_of(db, key)).map(|slot| &mut slot.value)
    }

    /// What is kept for a key; nothing was, if it is the default.
    pub(super) fn find_or_default(&mut self, db: usize, key: &Key<'_>) -> &mut V
    where
        V: Default,
    {
        let entry = self.slots.entry(key.hash, |slot| slot.is_of(db, key), |slot| slot.hash);
        let slot =
            entry.or_insert_with(|| Slot { db, key: key.bytes.into(), hash: key.hash, value: V::default() });
        &mut slot.into_mut().value
    }

    /// Keeps nothing for a key any more.
    pub(super) fn remove(&mut self, db: usize, key: &Key<'_>) {
        if let Ok(slot) = self.slots.find_entry(key.hash, |slot| slot.is_of(db, key)) {
            slot.remove();
        }
        if self.slots.capacity() > KEPT_SLOTS_MAX && self.slots.len() < self.slots.capacity() / 8 {
            self.slots.shrink_to(2 * self.slots.len(), |slot| slot.hash);
        }
    }

    /// All that is kept, with the databases and the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[u8], &V)> {
        self.slots.iter().map(|slot| (slot.db, &*slot.key, &slot.value))
    }

    /// All that is kept, with the databases and the keys.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &[u8], &mut V)> {
        self.slots.iter_mut().map(|slot| (slot.db, &*slot.key, &mut slot.value))
    }

    /// For how many keys something is kept.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is kept.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let mut map = KeyMap::default();
        let keys: Vec<Vec<u8>> = (0..10_000).map(|n: u32| n.to_le_bytes().to_vec()).collect();
        for db in 0..2 {
            for (n, key) in keys.iter().enumerate() {
                *map.find_or_default(db, &Key::new(key)) = n * 2 + db;
            }
        }
        assert_eq!((map.len(), map.iter().count()), (20_000, 20_000));
        for (n, key) in keys.iter().enumerate() {
            let key = Key::new(key);
            assert_eq!((map.find(0, &key), map.find(1, &key)), (Some(&(n * 2)), Some(&(n * 2 + 1))));
            map.remove(0, &key);
            assert_eq!(map.find(0, &key), None);
            assert_eq!(map.find_mut(1, &key), Some(&mut (n * 2 + 1)));
            map.remove(1, &key);
            map.remove(1, &key);
        }
        assert!(map.is_empty() && map.slots.capacity() <= 2 * KEPT_SLOTS_MAX);
    }
}
