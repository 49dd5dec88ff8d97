//! The pending entries of a group: delivered, not yet acknowledged.
//!
//! One ordered structure serves the three ways they are looked for. Entries lie in leaves, sorted
//! by ID; a leaf's head says from which ID on it holds entries, which consumers may have entries in
//! it, and before which time none of them was delivered. A search by consumer or by delivery time
//! passes over leaves by their heads, 64 bytes for up to 128 entries; only leaves that can hold
//! something are opened. An entry is 32 bytes, and nothing else is kept for it.

use std::collections::VecDeque;

use super::consumer::ConsumerSlot;
use crate::engine::StreamId;

/// The most entries of a leaf.
const LEAF_MAX: usize = 128;
/// Below this a leaf looks for a neighbour to merge with.
const LEAF_MIN: usize = LEAF_MAX / 4;

/// A delivery that was not acknowledged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingEntry {
    /// The entry's ID; the entry itself may have been deleted.
    pub id: StreamId,
    /// When it was last delivered, in milliseconds since the Unix epoch.
    pub delivered_ms: u64,
    /// How often it was delivered. What does not fit into 48 bits is kept as `i64::MAX`, which stands for an entry that was
    /// given up.
    pub delivery_count: u64,
    /// Whom it was delivered to; `None` when it was handed back, and is nobody's.
    pub consumer: Option<ConsumerSlot>,
}

impl PendingEntry {
    /// Counts one more delivery.
    pub fn count_delivery(&mut self) {
        self.delivery_count = self.delivery_count.saturating_add(1).min(i64::MAX as u64);
    }
}

/// A pending entry as it is kept: two numbers of 48 bits and a slot, packed behind the ID.
#[derive(Debug, Clone, Copy)]
struct Packed {
    id: StreamId,
    /// From the lowest bit: 48 of the delivery time, 48 of the count, 32 of the slot.
    rest: u128,
}

const _: () = assert!(size_of::<Packed>() == 32);

const BITS_48: u128 = (1 << 48) - 1;
const NOBODY: u32 = u32::MAX;

impl From<PendingEntry> for Packed {
    #[inline]
    fn from(entry: PendingEntry) -> Self {
        let delivered_ms = u128::from(entry.delivered_ms).min(BITS_48);
        let count = u128::from(entry.delivery_count).min(BITS_48);
        let slot = u128::from(entry.consumer.map_or(NOBODY, ConsumerSlot::number));
        Self { id: entry.id, rest: delivered_ms | count << 48 | slot << 96 }
    }
}

impl Packed {
    #[inline]
    fn delivered_ms(&self) -> u64 {
        (self.rest & BITS_48) as u64
    }

    #[inline]
    fn consumer(&self) -> Option<ConsumerSlot> {
        ConsumerSlot::from_number((self.rest >> 96) as u32)
    }

    #[inline]
    fn summary_bit(&self) -> u64 {
        self.consumer().map_or(0, ConsumerSlot::summary_bit)
    }

    #[inline]
    fn unpack(&self) -> PendingEntry {
        let count = self.rest >> 48 & BITS_48;
        PendingEntry {
            id: self.id,
            delivered_ms: self.delivered_ms(),
            delivery_count: if count == BITS_48 { i64::MAX as u64 } else { count as u64 },
            consumer: self.consumer(),
        }
    }
}

#[derive(Debug, Clone)]
struct Leaf {
    /// Not above the first entry's ID, and above the last one's of the leaf before.
    from: StreamId,
    /// Not above any entry's delivery time.
    delivered_ms_min: u64,
    /// The bits of all consumers that have entries here, and maybe of others.
    consumers: u64,
    entries: VecDeque<Packed>,
}

impl Leaf {
    fn new(entry: Packed) -> Self {
        let mut leaf =
            Self { from: entry.id, delivered_ms_min: u64::MAX, consumers: 0, entries: VecDeque::new() };
        leaf.cover(&entry);
        leaf.entries.push_back(entry);
        leaf
    }

    /// Makes the summary cover an entry.
    #[inline]
    fn cover(&mut self, entry: &Packed) {
        self.delivered_ms_min = self.delivered_ms_min.min(entry.delivered_ms());
        self.consumers |= entry.summary_bit();
    }

    /// Makes the summary exact.
    fn summarize(&mut self) {
        self.delivered_ms_min = u64::MAX;
        self.consumers = 0;
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            self.cover(&entry);
        }
    }

    #[inline]
    fn search(&self, id: StreamId) -> Result<usize, usize> {
        // Acknowledgements come in the order of delivery more often than not.
        match self.entries.front() {
            Some(first) if first.id == id => Ok(0),
            _ => self.entries.binary_search_by(|entry| entry.id.cmp(&id)),
        }
    }
}

/// The pending entries of a group, ordered by ID.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    leaves: VecDeque<Leaf>,
    len: u64,
}

impl Pending {
    /// The number of pending entries.
    #[inline]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The leaf that holds `id`, or would.
    #[inline]
    fn leaf_of(&self, id: StreamId) -> usize {
        match self.leaves.front() {
            Some(first) if self.leaves.len() > 1 && id >= first.from => {
                self.leaves.partition_point(|leaf| leaf.from <= id) - 1
            }
            _ => 0,
        }
    }

    /// The pending entry of this ID.
    pub fn find(&self, id: StreamId) -> Option<PendingEntry> {
        let leaf = self.leaves.get(self.leaf_of(id))?;
        leaf.search(id).ok().map(|at| leaf.entries[at].unpack())
    }

    /// Whether an entry from `start` to `end`, both included, is pending.
    pub fn has_any_in(&self, start: StreamId, end: StreamId) -> bool {
        self.iter_from(start).next().is_some_and(|entry| entry.id <= end)
    }

    /// Puts an entry in; returns the one of the same ID that was there.
    pub(super) fn insert(&mut self, entry: PendingEntry) -> Option<PendingEntry> {
        let entry = Packed::from(entry);
        if let Some(last) = self.leaves.back_mut()
            && last.entries.back().is_none_or(|back| back.id < entry.id)
        {
            // The common case: entries are delivered in order.
            self.len += 1;
            if last.entries.len() < LEAF_MAX {
                last.cover(&entry);
                last.entries.push_back(entry);
            } else {
                self.leaves.push_back(Leaf::new(entry));
            }
            return None;
        }
        let index = self.leaf_of(entry.id);
        let Some(leaf) = self.leaves.get_mut(index) else {
            self.leaves.push_back(Leaf::new(entry));
            self.len += 1;
            return None;
        };
        let at = match leaf.search(entry.id) {
            Ok(at) => {
                leaf.cover(&entry);
                return Some(std::mem::replace(&mut leaf.entries[at], entry).unpack());
            }
            Err(at) => at,
        };
        self.len += 1;
        leaf.from = leaf.from.min(entry.id);
        leaf.cover(&entry);
        leaf.entries.insert(at, entry);
        if leaf.entries.len() > LEAF_MAX {
            let upper = leaf.entries.split_off(LEAF_MAX / 2);
            leaf.entries.shrink_to_fit();
            leaf.summarize();
            let mut new = Leaf { from: upper[0].id, delivered_ms_min: 0, consumers: 0, entries: upper };
            new.summarize();
            self.leaves.insert(index + 1, new);
        }
        None
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<PendingEntry> {
        let index = self.leaf_of(id);
        let leaf = self.leaves.get_mut(index)?;
        let entry = leaf.search(id).ok().and_then(|at| leaf.entries.remove(at))?;
        self.len -= 1;
        self.rebalance(index);
        Some(entry.unpack())
    }

    /// Gives memory back after a removal in the leaf at `index`.
    #[inline]
    fn rebalance(&mut self, index: usize) {
        let len = self.leaves[index].entries.len();
        if len == 0 {
            self.leaves.remove(index);
            return;
        }
        if len >= LEAF_MIN || len * 4 > self.leaves[index].entries.capacity() {
            return;
        }
        let room = |other: Option<&Leaf>| other.is_some_and(|o| o.entries.len() + len <= LEAF_MAX / 2);
        if room(self.leaves.get(index + 1)) {
            self.merge(index);
        } else if index > 0 && room(self.leaves.get(index - 1)) {
            self.merge(index - 1);
        } else {
            self.leaves[index].entries.shrink_to(len * 2);
        }
    }

    /// Moves all entries of the leaf behind `index` into the one at `index`.
    fn merge(&mut self, index: usize) {
        let Some(upper) = self.leaves.remove(index + 1) else { return };
        let leaf = &mut self.leaves[index];
        leaf.entries.extend(upper.entries);
        leaf.entries.shrink_to(LEAF_MAX / 2);
        leaf.summarize();
    }

    /// The entries from `start` on, in the order of their IDs.
    pub fn iter_from(&self, start: StreamId) -> impl Iterator<Item = PendingEntry> {
        let index = self.leaf_of(start);
        let at = self.leaves.get(index).map_or(0, |leaf| leaf.search(start).unwrap_or_else(|at| at));
        self.leaves
            .range(index.min(self.leaves.len())..)
            .enumerate()
            .flat_map(move |(n, leaf)| leaf.entries.range(if n == 0 { at } else { 0 }..))
            .map(Packed::unpack)
    }

    /// A consumer's entries from `start` on, in the order of their IDs; leaves without any of the
    /// consumer's are passed over.
    pub fn iter_consumer_from(
        &self,
        consumer: ConsumerSlot,
        start: StreamId,
    ) -> impl Iterator<Item = PendingEntry> {
        let index = self.leaf_of(start);
        let bit = consumer.summary_bit();
        self.leaves
            .range(index.min(self.leaves.len())..)
            .filter(move |leaf| leaf.consumers & bit != 0)
            .flat_map(|leaf| &leaf.entries)
            .filter(move |entry| entry.consumer() == Some(consumer) && entry.id >= start)
            .map(Packed::unpack)
    }

    /// The first entry's ID.
    pub fn first_id(&self) -> Option<StreamId> {
        self.leaves.front()?.entries.front().map(|entry| entry.id)
    }

    /// The last entry's ID.
    pub fn last_id(&self) -> Option<StreamId> {
        self.leaves.back()?.entries.back().map(|entry| entry.id)
    }

    /// Removes every entry of a consumer.
    pub(super) fn remove_consumer(&mut self, consumer: ConsumerSlot) {
        let mut removed = 0;
        for leaf in &mut self.leaves {
            if leaf.consumers & consumer.summary_bit() != 0 {
                let before = leaf.entries.len();
                leaf.entries.retain(|entry| entry.consumer() != Some(consumer));
                if leaf.entries.len() < before {
                    removed += (before - leaf.entries.len()) as u64;
                    leaf.entries.shrink_to_fit();
                    leaf.summarize();
                }
            }
        }
        self.leaves.retain(|leaf| !leaf.entries.is_empty());
        self.len -= removed;
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.leaves.capacity() * size_of::<Leaf>() + self.len as usize * size_of::<Packed>()
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut previous = None;
        let mut len = 0;
        for leaf in &self.leaves {
            assert!(!leaf.entries.is_empty() && leaf.entries.len() <= LEAF_MAX);
            assert!(previous < Some(leaf.from), "a leaf begins above the one before");
            for entry in &leaf.entries {
                assert!(entry.id >= leaf.from && previous < Some(entry.id), "entries are ordered");
                assert!(entry.delivered_ms() >= leaf.delivered_ms_min);
                assert_eq!(leaf.consumers & entry.summary_bit(), entry.summary_bit());
                previous = Some(entry.id);
                len += 1;
            }
        }
        assert_eq!(len, self.len);
    }
}
