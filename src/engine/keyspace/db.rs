//! A database's part in a shard: a map from keys to values, with expiry times.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use hashbrown::HashTable;
use slab::Slab;

use super::capture::Capture;
use super::key::Key;
use super::list::ListValue;
use super::set::SetValue;
use super::string::StringValue;
use crate::engine::stream::Stream;
use crate::equal::bytes_equal;

/// What a key holds.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string.
    String(StringValue),
    /// A stream.
    Stream(Box<Stream>),
    /// A list.
    List(Box<ListValue>),
    /// A set.
    Set(Box<SetValue>),
}

impl Value {
    /// The type's name as TYPE says it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Stream(_) => "stream",
            Self::List(_) => "list",
            Self::Set(_) => "set",
        }
    }

    /// The encoding's name as OBJECT ENCODING says it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::String(string) => string.encoding(),
            Self::Stream(_) => "stream",
            Self::List(list) => list.encoding(),
            Self::Set(set) => set.encoding(),
        }
    }

    /// Memory behind the value, in bytes.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::String(string) => string.heap_bytes(),
            Self::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(),
            Self::List(list) => size_of::<ListValue>() + list.heap_bytes(),
            Self::Set(set) => size_of::<SetValue>() + set.heap_bytes(),
        }
    }
}

/// A key and what belongs to it.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    key: Box<[u8]>,
    /// What it holds.
    pub value: Value,
    /// When it was last used, in seconds since the Unix epoch.
    pub accessed_s: u32,
    expires_at_ms: Option<u64>,
}

impl KeyEntry {
    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Memory that the key, its value and its place in the database take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let expiration = if self.expires_at_ms.is_some() { size_of::<(u64, u32)>() } else { 0 };
        SLOT_BYTES + size_of::<u32>() + expiration + self.key.len() + self.value.heap_bytes()
    }

    /// When the key is to expire, in milliseconds since the Unix epoch.
    #[inline]
    pub fn expires_at_ms(&self) -> Option<u64> {
        self.expires_at_ms
    }

    /// Whether the key's time is up.
    #[inline]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= now_ms)
    }
}

/// A slot's size: an entry, and what tells whether the slot is free.
const SLOT_BYTES: usize = size_of::<KeyEntry>() + 8;

/// A map from keys to values.
///
/// A key keeps its slot from its insertion to its removal, so that a scan by slots returns every
/// key that is there throughout, and none twice.
#[derive(Debug, Default)]
pub struct Db {
    index: HashTable<u32>,
    slots: Slab<KeyEntry>,
    /// Expiry time and slot of every key that has one.
    expirations: BTreeSet<(u64, u32)>,
    /// The sum of the expiry times.
    expiry_sum_ms: u128,
    /// A copy of what is here that is being made.
    capture: Option<Box<Capture>>,
}

impl Db {
    /// The number of keys, expired ones included that were not yet removed.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The number of keys that have an expiry time.
    pub fn expiring_len(&self) -> usize {
        self.expirations.len()
    }

    /// How many milliseconds keys with an expiry time have left, on the average; 0 when there are none.
    pub fn average_ttl_ms(&self, now_ms: u64) -> u64 {
        let Some(average_ms) = self.expiry_sum_ms.checked_div(self.expirations.len() as u128) else {
            return 0;
        };
        (average_ms as u64).saturating_sub(now_ms)
    }

    #[inline]
    fn find_slot(&self, key: &Key<'_>) -> Option<u32> {
        self.index.find(key.hash, |&slot| bytes_equal(&self.slots[slot as usize].key, key.bytes)).copied()
    }

    /// The key's entry.
    #[inline]
    pub fn find(&self, key: &Key<'_>) -> Option<&KeyEntry> {
        self.find_slot(key).map(|slot| &self.slots[slot as usize])
    }

    /// The key's entry.
    #[inline]
    pub fn find_mut(&mut self, key: &Key<'_>) -> Option<&mut KeyEntry> {
        let slot = self.find_slot(key)?;
        self.before_change(slot);
        Some(&mut self.slots[slot as usize])
    }

    /// To be called before what a slot holds may change.
    #[inline]
    fn before_change(&mut self, slot: u32) {
        if let Some(capture) = &mut self.capture {
            capture.keep(slot as usize, &self.slots);
        }
    }

    /// Sets what a key holds and when it expires, whatever it held before, and returns its entry.
    pub fn insert(
        &mut self,
        key: &Key<'_>,
        value: Value,
        expires_at_ms: Option<u64>,
        now_ms: u64,
    ) -> &mut KeyEntry {
        let accessed_s = (now_ms / 1000) as u32;
        let slot = match self.find_slot(key) {
            Some(slot) => {
                self.before_change(slot);
                let entry = &mut self.slots[slot as usize];
                entry.value = value;
                entry.accessed_s = accessed_s;
                slot
            }
            None => self.insert_slot(key, value, accessed_s),
        };
        self.set_slot_expiry(slot, expires_at_ms);
        &mut self.slots[slot as usize]
    }

    fn insert_slot(&mut self, key: &Key<'_>, value: Value, accessed_s: u32) -> u32 {
        let entry = KeyEntry { key: key.bytes.into(), value, accessed_s, expires_at_ms: None };
        let slot = self.slots.insert(entry) as u32;
        if let Some(capture) = &mut self.capture {
            capture.leave_out(slot as usize);
        }
        let slots = &self.slots;
        self.index.insert_unique(key.hash, slot, |&slot| Key::new(&slots[slot as usize].key).hash);
        slot
    }

    /// The key's entry, made to hold what `make` gives if the key is not there; whether it was made.
    #[inline]
    pub fn find_or_insert_with(
        &mut self,
        key: &Key<'_>,
        make: impl FnOnce() -> Value,
        now_ms: u64,
    ) -> (&mut KeyEntry, bool) {
        let (slot, created) = match self.find_slot(key) {
            Some(slot) => {
                self.before_change(slot);
                (slot, false)
            }
            None => (self.insert_slot(key, make(), (now_ms / 1000) as u32), true),
        };
        (&mut self.slots[slot as usize], created)
    }

    /// Removes a key and returns what belonged to it.
    pub fn remove(&mut self, key: &Key<'_>) -> Option<KeyEntry> {
        let occupied = self
            .index
            .find_entry(key.hash, |&slot| bytes_equal(&self.slots[slot as usize].key, key.bytes))
            .ok()?;
        let (slot, _) = occupied.remove();
        self.before_change(slot);
        let entry = self.slots.remove(slot as usize);
        if let Some(at) = entry.expires_at_ms {
            self.expirations.remove(&(at, slot));
            self.expiry_sum_ms -= u128::from(at);
        }
        Some(entry)
    }

    /// Sets or lifts a key's expiry time; `false` when there is no such key.
    pub fn set_expiry(&mut self, key: &Key<'_>, expires_at_ms: Option<u64>) -> bool {
        match self.find_slot(key) {
            Some(slot) => {
                self.before_change(slot);
                self.set_slot_expiry(slot, expires_at_ms);
                true
            }
            None => false,
        }
    }

    fn set_slot_expiry(&mut self, slot: u32, expires_at_ms: Option<u64>) {
        let entry = &mut self.slots[slot as usize];
        if entry.expires_at_ms == expires_at_ms {
            return;
        }
        if let Some(at) = entry.expires_at_ms {
            self.expirations.remove(&(at, slot));
            self.expiry_sum_ms -= u128::from(at);
        }
        if let Some(at) = expires_at_ms {
            self.expirations.insert((at, slot));
            self.expiry_sum_ms += u128::from(at);
        }
        entry.expires_at_ms = expires_at_ms;
    }

    /// The key whose time was up first, if any's is.
    pub fn find_expired(&self, now_ms: u64) -> Option<&[u8]> {
        let &(at, slot) = self.expirations.first()?;
        (at <= now_ms).then(|| &*self.slots[slot as usize].key)
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &KeyEntry> {
        self.slots.iter().map(|(_, entry)| entry)
    }

    /// The number of slots that [`Self::scan`] goes over.
    pub fn slot_count(&self) -> usize {
        self.slots.capacity()
    }

    /// Visits the keys in the slots from `start` on, `slots` of them at most, and returns the slot
    /// to go on with; `None` at the end.
    pub fn scan(&self, start: usize, slots: usize, mut visit: impl FnMut(&KeyEntry)) -> Option<usize> {
        let end = start.saturating_add(slots);
        for slot in start..end {
            if slot >= self.slots.capacity() {
                return None;
            }
            if let Some(entry) = self.slots.get(slot) {
                visit(entry);
            }
        }
        (end < self.slots.capacity()).then_some(end)
    }

    /// The key in a slot.
    pub fn find_at(&mut self, slot: usize) -> Option<&mut KeyEntry> {
        if let Some(capture) = &mut self.capture {
            capture.keep(slot, &self.slots);
        }
        self.slots.get_mut(slot)
    }

    /// Visits streams in the slots from `start` on, `slots` of them at most, until `visit` breaks: then at that stream
    /// it is to be gone on with. Returns the slot to go on with, `None` at the end.
    pub fn visit_streams(
        &mut self,
        start: usize,
        slots: usize,
        mut visit: impl FnMut(&mut Stream) -> ControlFlow<()>,
    ) -> Option<usize> {
        let capacity = self.slots.capacity();
        let end = start.saturating_add(slots).min(capacity);
        for slot in start..end {
            if let Some(capture) = &mut self.capture {
                capture.keep(slot, &self.slots);
            }
            if let Some(KeyEntry { value: Value::Stream(stream), .. }) = self.slots.get_mut(slot)
                && visit(stream).is_break()
            {
                return Some(slot);
            }
        }
        (end < capacity).then_some(end)
    }

    /// A random key's entry.
    pub fn find_random(&self, random: &mut fastrand::Rng) -> Option<&KeyEntry> {
        if self.slots.is_empty() {
            return None;
        }
        let capacity = self.slots.capacity();
        for _ in 0..100 {
            if let Some(entry) = self.slots.get(random.usize(..capacity)) {
                return Some(entry);
            }
        }
        // Nearly all keys were removed: the next one behind a random slot.
        let start = random.usize(..capacity);
        (start..capacity).chain(0..start).find_map(|slot| self.slots.get(slot))
    }

    /// Memory behind the struct for its index, without keys and values, in bytes.
    pub fn overhead_bytes(&self) -> usize {
        self.index.allocation_size()
            + self.slots.capacity() * SLOT_BYTES
            + self.expirations.len() * size_of::<(u64, u32)>()
    }

    /// Removes all keys and returns them.
    pub fn take(&mut self) -> Self {
        let mut capture = self.capture.take();
        if let Some(capture) = &mut capture {
            capture.keep_all(&self.slots);
        }
        std::mem::replace(self, Self { capture, ..Self::default() })
    }

    /// Begins to copy the keys as they are now; `number` is the database's. [`Self::capture_some`] is to be called until there is no more:
    /// until then a key that is about to change is copied first.
    pub fn start_capture(&mut self, number: usize) {
        debug_assert!(self.capture.is_none(), "there is one at a time");
        if !self.is_empty() {
            self.capture = Some(Box::new(Capture::new(number, &self.slots)));
        }
    }

    /// Moves copies of some keys, as they were when the capture began, to `copies`: those that have changed since, and those in the next so
    /// many slots. Answers the number that the database had then; `None` when there are no more.
    pub fn capture_some(&mut self, slots: usize, copies: &mut Vec<KeyEntry>) -> Option<usize> {
        let capture = self.capture.as_mut()?;
        let number = capture.db;
        if !capture.proceed(slots, &self.slots, copies) {
            self.capture = None;
        }
        Some(number)
    }

    /// Copies no more.
    pub fn stop_capture(&mut self) {
        self.capture = None;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::engine::{ProducedEntry, StreamId};

    fn string(text: &str) -> Value {
        Value::String(StringValue::new(text.as_bytes()))
    }

    #[test]
    fn behaves_as_a_plain_map() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut db, mut model) = (Db::default(), HashMap::<String, Option<u64>>::new());
        for _ in 0..20_000 {
            let name = format!("k{}", random.u32(0..500));
            let key = Key::new(name.as_bytes());
            match random.u32(0..4) {
                0 | 1 => {
                    let expiry = random.bool().then(|| random.u64(0..1000));
                    db.insert(&key, string("v"), expiry, 0);
                    model.insert(name.clone(), expiry);
                }
                2 => assert_eq!(db.remove(&key).is_some(), model.remove(&name).is_some()),
                _ => {
                    let expiry = random.bool().then(|| random.u64(0..1000));
                    let known = model.get_mut(&name).map(|at| *at = expiry).is_some();
                    assert_eq!(db.set_expiry(&key, expiry), known);
                }
            }
            assert_eq!(db.find(&key).map(KeyEntry::expires_at_ms), model.get(&name).copied());
            assert_eq!(db.len(), model.len());
            assert_eq!(db.expiring_len(), model.values().flatten().count());
            let first = model.values().flatten().min();
            assert_eq!(db.find_expired(2000).is_some(), first.is_some());
            assert!(db.find_random(&mut random).is_some() || model.is_empty());
        }
    }

    #[test]
    fn streams_forget_producers_though_nobody_asks() {
        let mut db = Db::default();
        for n in 0..100 {
            let mut stream = Box::<Stream>::default();
            let id = StreamId::new(n, 0);
            stream.idempotency_mut().record(ProducedEntry { pid: b"p", iid: b"i", id, deadline_ms: n });
            db.insert(&Key::new(format!("s{n}").as_bytes()), Value::Stream(stream), None, 0);
            db.insert(&Key::new(format!("t{n}").as_bytes()), string("v"), None, 0);
        }
        let mut at = Some(0);
        while let Some(start) = at {
            at = db.visit_streams(start, 7, |stream| {
                stream.expire_produced(59);
                ControlFlow::Continue(())
            });
        }
        let remembered = db.iter().filter(|entry| match &entry.value {
            Value::Stream(stream) => stream.idempotency().unwrap().producer_count() > 0,
            _ => false,
        });
        assert_eq!(remembered.count(), 40);
    }

    #[test]
    fn a_scan_returns_what_is_there_throughout_once() {
        let mut db = Db::default();
        for n in 0..1000 {
            db.insert(&Key::new(format!("stay{n}").as_bytes()), string("v"), None, 0);
        }
        let (mut seen, mut at, mut round) = (HashMap::<Vec<u8>, u32>::new(), Some(0), 0_i32);
        while let Some(start) = at {
            at = db.scan(start, 10, |entry| *seen.entry(entry.key().to_vec()).or_default() += 1);
            for n in 0..20 {
                db.insert(&Key::new(format!("new{round}-{n}").as_bytes()), string("v"), None, 0);
                db.remove(&Key::new(format!("new{}-{n}", round - 3).as_bytes()));
            }
            round += 1;
            assert!(round < 100_000);
        }
        assert!((0..1000).all(|n| seen.get(format!("stay{n}").as_bytes()) == Some(&1)));
    }
}
