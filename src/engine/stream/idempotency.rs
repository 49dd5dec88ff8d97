//! Idempotent producers: which entries a stream has got from whom, so that none is added twice.
//!
//! A producer names each of its entries by an ID of its own (the idempotent ID). The last ones are remembered, at most
//! so many of each producer and at most for so long; an entry that is sent again while its name is remembered is not
//! added again.
//!
//! A producer's names are kept in the order in which they were recorded. Names go from the front only: the oldest one when
//! there are too many, and those whose time is up until one comes whose time is not. So it makes no difference when time is
//! taken account of: what expired and is still there goes before all else. That lets a log be executed
//! without a clock.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use hashbrown::HashTable;
use slab::Slab;
use smallvec::SmallVec;
use twox_hash::xxhash3_128::Hasher as ContentHasher;

use super::id::StreamId;

/// How long a stream remembers what it got, and how much of each producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencySettings {
    /// Seconds for which an entry is remembered, at least.
    pub duration_s: u32,
    /// Entries of a producer that are remembered, at most.
    pub size_max: u32,
}

impl IdempotencySettings {
    /// The longest [`Self::duration_s`]: a day.
    pub const DURATION_S_MAX: u32 = 86_400;
    /// The greatest [`Self::size_max`].
    pub const SIZE_MAX_MAX: u32 = 10_000;

    /// When an entry of this ID is forgotten, in milliseconds since the Unix epoch.
    pub fn deadline_ms(&self, id: StreamId) -> u64 {
        id.ms.saturating_add(u64::from(self.duration_s) * 1000)
    }
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self { duration_s: 100, size_max: 100 }
    }
}

/// An idempotent ID: 16 bytes of it need no allocation.
type IdempotentId = SmallVec<[u8; 16]>;

/// An entry that is remembered.
#[derive(Debug, Clone)]
struct Record {
    iid: IdempotentId,
    id: StreamId,
    /// When it may be forgotten, in milliseconds since the Unix epoch.
    deadline_ms: u64,
}

/// An entry that is remembered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducedEntry<'a> {
    /// The producer.
    pub pid: &'a [u8],
    /// Its name for the entry.
    pub iid: &'a [u8],
    /// The entry, which need not be in the stream any more.
    pub id: StreamId,
    /// When it is forgotten, in milliseconds since the Unix epoch.
    pub deadline_ms: u64,
}

/// Invariants: it has records; `index` has the number of each, and no two records have one name.
#[derive(Debug, Clone)]
struct Producer {
    pid: Box<[u8]>,
    records: VecDeque<Record>,
    /// The number of the first record. Each record that is added gets the next number.
    first: u32,
    index: HashTable<u32>,
}

impl Producer {
    fn new(pid: &[u8]) -> Self {
        Self { pid: pid.into(), records: VecDeque::new(), first: 0, index: HashTable::new() }
    }

    fn find(&self, hasher: &RandomState, iid: &[u8]) -> Option<&Record> {
        let of_number = |number: u32| &self.records[number.wrapping_sub(self.first) as usize];
        let number = self.index.find(hash(hasher, iid), |&number| of_number(number).iid.as_slice() == iid)?;
        Some(of_number(*number))
    }

    /// Forgets the oldest record.
    fn pop(&mut self, hasher: &RandomState) {
        if let Some(record) = self.records.pop_front() {
            let first = self.first;
            if let Ok(entry) = self.index.find_entry(hash(hasher, &record.iid), |&number| number == first) {
                entry.remove();
            }
            self.first = first.wrapping_add(1);
        }
    }

    fn push(&mut self, hasher: &RandomState, record: Record) {
        let number = self.first.wrapping_add(self.records.len() as u32);
        let hash_of_new = hash(hasher, &record.iid);
        self.records.push_back(record);
        let (records, first) = (&self.records, self.first);
        self.index.insert_unique(hash_of_new, number, |&number| {
            hash(hasher, &records[number.wrapping_sub(first) as usize].iid)
        });
    }

    /// When the oldest record may be forgotten.
    fn deadline_ms(&self) -> Option<u64> {
        self.records.front().map(|record| record.deadline_ms)
    }

    fn heap_bytes(&self) -> usize {
        let names = self.records.iter().map(|record| &record.iid).filter(|iid| iid.spilled());
        self.pid.len()
            + self.records.capacity() * size_of::<Record>()
            + self.index.allocation_size()
            + names.map(SmallVec::capacity).sum::<usize>()
    }
}

fn hash(hasher: &RandomState, bytes: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// The producers of a stream that has any.
///
/// Invariants: each producer stands once in `by_pid` and, with its deadline, once in `due`; `len` counts their records.
#[derive(Debug, Clone, Default)]
struct Producers {
    hasher: RandomState,
    slots: Slab<Producer>,
    by_pid: HashTable<u32>,
    due: BTreeSet<(u64, u32)>,
    len: u64,
}

impl Producers {
    fn find_slot(&self, pid: &[u8]) -> Option<u32> {
        let found = self.by_pid.find(hash(&self.hasher, pid), |&slot| *self.slots[slot as usize].pid == *pid);
        found.copied()
    }

    fn find(&self, pid: &[u8], iid: &[u8]) -> Option<StreamId> {
        let slot = self.find_slot(pid)?;
        self.slots[slot as usize].find(&self.hasher, iid).map(|record| record.id)
    }

    fn record(&mut self, pid: &[u8], record: Record, size_max: u32) {
        let slot = match self.find_slot(pid) {
            Some(slot) => slot,
            None => {
                let slot = self.slots.insert(Producer::new(pid)) as u32;
                let Self { hasher, slots, by_pid, .. } = self;
                by_pid
                    .insert_unique(hash(hasher, pid), slot, |&slot| hash(hasher, &slots[slot as usize].pid));
                slot
            }
        };
        let Self { hasher, slots, due, len, .. } = self;
        let producer = &mut slots[slot as usize];
        let (deadline_before, len_before) = (producer.deadline_ms(), producer.records.len());
        while producer.records.len() >= size_max as usize || producer.find(hasher, &record.iid).is_some() {
            producer.pop(hasher);
        }
        producer.push(hasher, record);
        *len = *len - len_before as u64 + producer.records.len() as u64;
        if producer.deadline_ms() != deadline_before {
            if let Some(deadline_ms) = deadline_before {
                due.remove(&(deadline_ms, slot));
            }
            due.extend(producer.deadline_ms().map(|deadline_ms| (deadline_ms, slot)));
        }
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some(&(deadline_ms, slot)) = self.due.first()
            && deadline_ms <= now_ms
        {
            self.due.pop_first();
            let producer = &mut self.slots[slot as usize];
            while producer.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                producer.pop(&self.hasher);
                self.len -= 1;
            }
            match producer.deadline_ms() {
                Some(deadline_ms) => {
                    self.due.insert((deadline_ms, slot));
                }
                None => self.remove(slot),
            }
        }
    }

    fn remove(&mut self, slot: u32) {
        let producer = self.slots.remove(slot as usize);
        if let Ok(entry) = self.by_pid.find_entry(hash(&self.hasher, &producer.pid), |&other| other == slot) {
            entry.remove();
        }
    }

    fn heap_bytes(&self) -> usize {
        self.slots.capacity() * (size_of::<Producer>() + 8)
            + self.by_pid.allocation_size()
            + self.due.len() * size_of::<(u64, u32)>()
            + self.slots.iter().map(|(_, producer)| producer.heap_bytes()).sum::<usize>()
    }
}

/// What a stream remembers of its producers: at most [`IdempotencySettings::size_max`] entries of each. A producer that nothing
/// is remembered of takes no memory.
#[derive(Debug, Clone, Default)]
pub struct Idempotency {
    settings: IdempotencySettings,
    added: u64,
    duplicates: u64,
    producers: Option<Box<Producers>>,
}

impl Idempotency {
    /// Nothing remembered yet.
    pub fn new(settings: IdempotencySettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// For how long and how much is remembered.
    pub fn settings(&self) -> IdempotencySettings {
        self.settings
    }

    /// Changes the settings, and forgets all entries; `false`, and nothing done, when these are the settings already.
    pub fn set_settings(&mut self, settings: IdempotencySettings) -> bool {
        if settings == self.settings {
            return false;
        }
        self.settings = settings;
        self.producers = None;
        true
    }

    /// The number of entries that ever were recorded.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// How often an entry came that was remembered.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Sets both counters.
    pub fn set_counters(&mut self, added: u64, duplicates: u64) {
        (self.added, self.duplicates) = (added, duplicates);
    }

    /// Counts an entry that came though it is remembered.
    pub fn count_duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1);
    }

    /// The number of producers of which entries are remembered.
    pub fn producer_count(&self) -> usize {
        self.producers.as_ref().map_or(0, |producers| producers.slots.len())
    }

    /// The number of entries that are remembered.
    pub fn entry_count(&self) -> u64 {
        self.producers.as_ref().map_or(0, |producers| producers.len)
    }

    /// The entry that a producer has named so, if it is remembered.
    pub fn find(&self, pid: &[u8], iid: &[u8]) -> Option<StreamId> {
        self.producers.as_ref()?.find(pid, iid)
    }

    /// Remembers an entry until `deadline_ms`, in milliseconds since the Unix epoch. What the producer has recorded up to an
    /// entry of the same name is forgotten: it has expired.
    pub fn record(&mut self, entry: ProducedEntry<'_>) {
        self.added = self.added.saturating_add(1);
        let record =
            Record { iid: SmallVec::from_slice(entry.iid), id: entry.id, deadline_ms: entry.deadline_ms };
        self.producers.get_or_insert_default().record(entry.pid, record, self.settings.size_max);
    }

    /// Forgets what has expired at the time `now_ms`, in milliseconds since the Unix epoch.
    #[inline]
    pub fn expire(&mut self, now_ms: u64) {
        if let Some(producers) = &mut self.producers {
            producers.expire(now_ms);
            if producers.slots.is_empty() {
                self.producers = None;
            }
        }
    }

    /// All that is remembered; each producer's entries in the order in which they were recorded.
    pub fn iter(&self) -> impl Iterator<Item = ProducedEntry<'_>> {
        let producers = self.producers.iter().flat_map(|producers| producers.slots.iter());
        producers.flat_map(|(_, producer)| {
            producer.records.iter().map(|record| ProducedEntry {
                pid: &producer.pid,
                iid: &record.iid,
                id: record.id,
                deadline_ms: record.deadline_ms,
            })
        })
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.producers.as_ref().map_or(0, |producers| size_of::<Producers>() + producers.heap_bytes())
    }

    /// Asserts what always holds.
    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        let Some(producers) = &self.producers else {
            return;
        };
        let Producers { hasher, slots, by_pid, due, len } = &**producers;
        assert_eq!(slots.iter().map(|(_, producer)| producer.records.len() as u64).sum::<u64>(), *len);
        assert_eq!((by_pid.len(), due.len()), (slots.len(), slots.len()));
        for (slot, producer) in slots {
            assert_eq!(producers.find_slot(&producer.pid), Some(slot as u32));
            assert!(due.contains(&(producer.deadline_ms().unwrap(), slot as u32)));
            assert!(producer.records.len() <= self.settings.size_max as usize);
            assert_eq!(producer.index.len(), producer.records.len());
            for record in &producer.records {
                assert_eq!(producer.find(hasher, &record.iid).unwrap().id, record.id);
            }
        }
    }
}

/// The idempotent ID of an entry whose producer gives it none: a hash of its fields and their values, in whatever order they
/// stand. It is in logs: it must never come out otherwise.
pub fn content_iid<'f>(fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])>) -> [u8; 16] {
    let mut pairs: SmallVec<[[u8; 32]; 8]> = fields
        .map(|(name, value)| {
            let mut pair = [0; 32];
            pair[..16].copy_from_slice(&ContentHasher::oneshot(name).to_le_bytes());
            pair[16..].copy_from_slice(&ContentHasher::oneshot(value).to_le_bytes());
            pair
        })
        .collect();
    pairs.sort_unstable();
    ContentHasher::oneshot(pairs.as_flattened()).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(pid: &'a str, iid: &'a str, ms: u64, deadline_ms: u64) -> ProducedEntry<'a> {
        ProducedEntry { pid: pid.as_bytes(), iid: iid.as_bytes(), id: StreamId::new(ms, 0), deadline_ms }
    }

    fn names(idempotency: &Idempotency) -> Vec<String> {
        let name = |entry: ProducedEntry<'_>| String::from_utf8([entry.pid, entry.iid].concat()).unwrap();
        let mut names: Vec<_> = idempotency.iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_goes_for_the_newest() {
        let mut idempotency = Idempotency::new(IdempotencySettings { size_max: 2, duration_s: 1 });
        for (pid, iid) in [("p", "c"), ("p", "b"), ("q", "z"), ("p", "a"), ("p", "d")] {
            idempotency.record(entry(pid, iid, 1, 9));
            idempotency.check_invariants();
        }
        assert_eq!(names(&idempotency), ["pa", "pd", "qz"]);
        assert_eq!((idempotency.added(), idempotency.entry_count(), idempotency.producer_count()), (5, 3, 2));
    }

    #[test]
    fn time_takes_from_the_front_only() {
        let mut idempotency = Idempotency::default();
        idempotency.record(entry("p", "young", 5, 50));
        idempotency.record(entry("p", "old", 1, 10));
        idempotency.record(entry("q", "old", 1, 10));
        idempotency.expire(9);
        assert_eq!(names(&idempotency), ["pold", "pyoung", "qold"]);
        idempotency.expire(10);
        assert_eq!(names(&idempotency), ["pold", "pyoung"]);
        assert_eq!(idempotency.producer_count(), 1);
        idempotency.expire(50);
        idempotency.check_invariants();
        assert_eq!((idempotency.heap_bytes(), idempotency.added()), (0, 3));
    }

    #[test]
    fn other_settings_forget() {
        let mut idempotency = Idempotency::default();
        idempotency.record(entry("p", "i", 5, 50));
        assert!(!idempotency.set_settings(IdempotencySettings::default()));
        assert_eq!(idempotency.find(b"p", b"i"), Some(StreamId::new(5, 0)));
        assert!(idempotency.set_settings(IdempotencySettings { duration_s: 1, size_max: 1 }));
        assert_eq!((idempotency.find(b"p", b"i"), idempotency.added()), (None, 1));
    }

    /// One that takes account of time now and then, one that never does until it is looked at, and a plain list: all tell the same.
    #[test]
    fn time_taken_late_makes_no_difference() {
        for seed in 0..60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let settings = IdempotencySettings { duration_s: 1, size_max: random.u32(1..12) };
            let (mut eager, mut lazy) = (Idempotency::new(settings), Idempotency::new(settings));
            let mut model: Vec<(String, String, u64, u64)> = Vec::new();
            let mut now_ms = 0;
            for n in 0..500 {
                now_ms += random.u64(0..20);
                eager.expire(now_ms);
                for pid in ["p", "q", "r"] {
                    while let Some(at) = model.iter().position(|(p, ..)| p == pid)
                        && model[at].3 <= now_ms
                    {
                        model.remove(at);
                    }
                }
                let pid = ["p", "q", "r"][random.usize(0..3)].to_owned();
                let iid = random.u32(0..20).to_string();
                let known = model.iter().find(|(p, i, ..)| *p == pid && *i == iid).map(|found| found.2);
                assert_eq!(eager.find(pid.as_bytes(), iid.as_bytes()).map(|id| id.ms), known);
                if known.is_none() {
                    // Some are late.
                    let deadline_ms = now_ms + random.u64(0..200);
                    eager.record(entry(&pid, &iid, n, deadline_ms));
                    lazy.record(entry(&pid, &iid, n, deadline_ms));
                    if model.iter().filter(|(p, ..)| *p == pid).count() == settings.size_max as usize {
                        model.remove(model.iter().position(|(p, ..)| *p == pid).unwrap());
                    }
                    model.push((pid, iid, n, deadline_ms));
                }
                eager.check_invariants();
                lazy.check_invariants();
                let mut looked_at = lazy.clone();
                looked_at.expire(now_ms);
                eager.expire(now_ms);
                looked_at.check_invariants();
                assert_eq!(names(&looked_at), names(&eager));
                assert_eq!(looked_at.producer_count(), eager.producer_count());
                if n == 250 && random.bool() {
                    lazy = looked_at;
                }
            }
        }
    }

    fn content(fields: &[(&str, &str)]) -> [u8; 16] {
        content_iid(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn content_in_any_order() {
        let all = [
            content(&[("a", "1"), ("b", "2")]),
            content(&[("a", "1"), ("b", "2"), ("a", "1"), ("b", "2")]),
            content(&[("a", "1"), ("a", "1")]),
            content(&[("b", "2"), ("b", "2")]),
            content(&[("a", "1")]),
            content(&[("a", "2"), ("b", "1")]),
            content(&[("a", "1b"), ("2", "x")]),
            content(&[("a1", "b"), ("2", "x")]),
            content(&[("1", "a")]),
            content(&[("", "")]),
            content(&[("", ""), ("", "")]),
        ];
        assert_eq!(all[0], content(&[("b", "2"), ("a", "1")]));
        for (n, one) in all.iter().enumerate() {
            assert!(!all[..n].contains(one), "{n}");
        }
    }

    /// Logs hold entries that were told apart by these.
    #[test]
    fn content_hashes_stay_as_they_are() {
        let hex = |iid: [u8; 16]| iid.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(content(&[("a", "1"), ("b", "2")])), "eaace859df7dd6bb1f3f749b23e76f6f");
        let long = "v".repeat(1000);
        assert_eq!(hex(content(&[("field", &long)])), "357eafcf2b538713a96a8601317148fd");
    }
}
