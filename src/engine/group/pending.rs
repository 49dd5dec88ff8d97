//! The pending entries of a group: delivered, not yet acknowledged.
//!
//! One ordered structure serves the three ways they are looked for. Entries lie in leaves, sorted
//! by ID, and leaves in branches; the head of each says from which ID on it holds entries, which
//! consumers may have entries in it, and a lower bound of the ranks in it. A search by consumer or
//! by delivery time passes over leaves and branches by their heads, 64 bytes each for up to 128 of
//! what is below; only what can hold something is opened. An entry is 28 bytes, and nothing else is
//! kept for it.
//!
//! The rank is the order in which entries are claimed: first those that were handed back, in the
//! order that happened, then the others, longest idle first, and among equals the one that was
//! delivered first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::ControlFlow;

use super::consumer::ConsumerSlot;
use crate::engine::StreamId;

/// The most entries of a leaf.
const LEAF_MAX: usize = 128;
/// Below this a leaf looks for a neighbour to merge with.
const LEAF_MIN: usize = LEAF_MAX / 4;
/// The most leaves of a branch.
const BRANCH_MAX: usize = 128;
/// Below this a branch looks for a neighbour to merge with.
const BRANCH_MIN: usize = BRANCH_MAX / 4;

/// A delivery that was not acknowledged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingEntry {
    /// The entry's ID; the entry itself may have been deleted.
    pub id: StreamId,
    /// When it was last delivered, in milliseconds since the Unix epoch; 0 when it is nobody's. It is kept in 43 bits, which
    /// last until the year 2248.
    pub delivered_ms: u64,
    /// How often it was delivered; `i64::MAX` for an entry that was given up.
    pub delivery_count: u64,
    /// Whom it was delivered to; `None` when it was handed back, and is nobody's.
    pub consumer: Option<ConsumerSlot>,
}

impl PendingEntry {
    /// Counts one more delivery.
    pub fn count_delivery(&mut self) {
        self.delivery_count = self.delivery_count.saturating_add(1).min(i64::MAX as u64);
    }

    /// How long ago it was delivered, in milliseconds; `None` when it is nobody's, which is longer than any time.
    pub fn find_idle_ms(&self, now_ms: u64) -> Option<u64> {
        self.consumer.map(|_| now_ms.saturating_sub(self.delivered_ms))
    }

    /// Whether it has not been delivered for so long.
    pub fn is_idle(&self, now_ms: u64, idle_ms_min: u64) -> bool {
        self.find_idle_ms(now_ms).is_none_or(|idle_ms| idle_ms >= idle_ms_min)
    }
}

/// A pending entry as it is kept. It is aligned to 4 bytes, so that an array of them has no gaps: fields are copied, never borrowed.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed(4))]
struct Packed {
    ms: u64,
    seq: u64,
    /// The rank (see [`Ranks`]) above, the count of deliveries in the lowest bits.
    rank_and_count: u64,
    slot: u32,
}

const _: () = assert!(size_of::<Packed>() == 28);

const NOBODY: u32 = u32::MAX;
const COUNT_BITS: u32 = 4;
/// Stands for `i64::MAX`: the entry was given up.
const COUNT_GIVEN_UP: u64 = (1 << COUNT_BITS) - 1;
/// The count does not fit: it is kept in [`Pending::counts`].
const COUNT_ELSEWHERE: u64 = COUNT_GIVEN_UP - 1;

impl Packed {
    #[inline]
    fn id(&self) -> StreamId {
        StreamId::new(self.ms, self.seq)
    }

    #[inline]
    fn rank(&self) -> u64 {
        self.rank_and_count >> COUNT_BITS
    }

    #[inline]
    fn count(&self) -> u64 {
        self.rank_and_count & COUNT_GIVEN_UP
    }

    #[inline]
    fn delivered_ms(&self) -> u64 {
        let rank = self.rank();
        if rank & OWNED == 0 { 0 } else { (rank & !OWNED) >> TIE_BITS }
    }

    #[inline]
    fn consumer(&self) -> Option<ConsumerSlot> {
        ConsumerSlot::from_number(self.slot)
    }

    #[inline]
    fn summary_bit(&self) -> u64 {
        self.consumer().map_or(0, ConsumerSlot::summary_bit)
    }
}

/// Set in the rank of an entry that is somebody's.
const OWNED: u64 = 1 << (63 - COUNT_BITS);
const TIE_BITS: u32 = 16;
/// Deliveries at the present time are told apart below this, deliveries that were given an earlier time above.
const TIE_EARLIER: u64 = 1 << (TIE_BITS - 1);
const DELIVERED_MS_MAX: u64 = (OWNED >> TIE_BITS) - 1;

/// Gives out ranks. That of an entry which is nobody's is a running number. That of others is the time of delivery, and behind it
/// a running number among those of equal time: up to 2^15 deliveries at the latest time, and as many that were given an
/// earlier one (XCLAIM's TIME and IDLE) since the group last had nothing pending. What is beyond goes by ID.
#[derive(Debug, Clone, Copy, Default)]
struct Ranks {
    released: u64,
    latest_ms: u64,
    latest: u64,
    earlier: u64,
}

impl Ranks {
    fn next(&mut self, entry: &PendingEntry) -> u64 {
        if entry.consumer.is_none() {
            self.released += 1;
            return self.released;
        }
        let ms = entry.delivered_ms.min(DELIVERED_MS_MAX);
        if ms > self.latest_ms {
            (self.latest_ms, self.latest) = (ms, 0);
        }
        let (tie, numbers) = match ms == self.latest_ms {
            true => (0, &mut self.latest),
            false => (TIE_EARLIER, &mut self.earlier),
        };
        let rank = OWNED | ms << TIE_BITS | tie | *numbers;
        *numbers = (*numbers + 1).min(TIE_EARLIER - 1);
        rank
    }
}

/// What the head of a leaf or a branch says of all entries below.
#[derive(Debug, Clone, Copy)]
struct Summary {
    /// Not above any entry's rank.
    rank_min: u64,
    /// The bits of all consumers that have entries here, and maybe of others.
    consumers: u64,
}

impl Summary {
    const EMPTY: Self = Self { rank_min: u64::MAX, consumers: 0 };

    #[inline]
    fn cover(&mut self, entry: &Packed) {
        self.rank_min = self.rank_min.min(entry.rank());
        self.consumers |= entry.summary_bit();
    }

    fn join(&mut self, other: Self) {
        self.rank_min = self.rank_min.min(other.rank_min);
        self.consumers |= other.consumers;
    }
}

#[derive(Debug, Clone)]
struct Leaf {
    /// Not above the first entry's ID, and above the last one's of the leaf before.
    from: StreamId,
    summary: Summary,
    entries: VecDeque<Packed>,
}

impl Leaf {
    fn new(entry: Packed) -> Self {
        Self::of(VecDeque::from([entry]))
    }

    /// A leaf of entries, of which there is at least one.
    fn of(entries: VecDeque<Packed>) -> Self {
        let mut leaf = Self { from: entries[0].id(), summary: Summary::EMPTY, entries };
        leaf.summarize();
        leaf
    }

    /// Makes the summary exact.
    fn summarize(&mut self) {
        self.summary = Summary::EMPTY;
        for entry in &self.entries {
            self.summary.cover(entry);
        }
    }

    #[inline]
    fn search(&self, id: StreamId) -> Result<usize, usize> {
        // Acknowledgements come in the order of delivery more often than not.
        match self.entries.front() {
            Some(first) if first.id() == id => Ok(0),
            _ => self.entries.binary_search_by(|entry| entry.id().cmp(&id)),
        }
    }
}

#[derive(Debug, Clone)]
struct Branch {
    /// Not above the first leaf's, and above the last entry's ID of the branch before.
    from: StreamId,
    summary: Summary,
    leaves: VecDeque<Leaf>,
}

impl Branch {
    fn new(leaf: Leaf) -> Self {
        Self::of(VecDeque::from([leaf]))
    }

    /// A branch of leaves, of which there is at least one.
    fn of(leaves: VecDeque<Leaf>) -> Self {
        let mut branch = Self { from: leaves[0].from, summary: Summary::EMPTY, leaves };
        branch.summarize();
        branch
    }

    /// Makes the summary as exact as those of the leaves are.
    fn summarize(&mut self) {
        self.summary = Summary::EMPTY;
        for leaf in &self.leaves {
            self.summary.join(leaf.summary);
        }
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

    /// Puts an entry in; returns the one of the same ID that was there.
    fn put(&mut self, entry: Packed) -> Option<Packed> {
        self.from = self.from.min(entry.id());
        self.summary.cover(&entry);
        let index = self.leaf_of(entry.id());
        let leaf = &mut self.leaves[index];
        leaf.summary.cover(&entry);
        let at = match leaf.search(entry.id()) {
            Ok(at) => return Some(std::mem::replace(&mut leaf.entries[at], entry)),
            Err(at) => at,
        };
        leaf.from = leaf.from.min(entry.id());
        leaf.entries.insert(at, entry);
        if leaf.entries.len() > LEAF_MAX {
            let upper = leaf.entries.split_off(LEAF_MAX / 2);
            leaf.entries.shrink_to_fit();
            leaf.summarize();
            self.leaves.insert(index + 1, Leaf::of(upper));
        }
        None
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
}

/// The pending entries of a group, ordered by ID.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    branches: VecDeque<Branch>,
    len: u64,
    /// How many are nobody's.
    released: u64,
    ranks: Ranks,
    /// How often entries were delivered of which that is more than fits beside them.
    counts: BTreeMap<StreamId, u64>,
    /// The branch and the leaf of the last removal: the next one is there more often than not. Only a hint.
    removed_at: (usize, usize),
}

/// A place in the tree, as [`Pending::visit_by_rank`] comes by it. What is above comes first, so that all of a rank is known before
/// an entry is visited; entries of equal rank come in the order of their IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Branch(usize),
    Leaf(usize, usize),
    Entry(usize, usize, usize),
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

    /// The number of those that were handed back, and are nobody's.
    pub fn released(&self) -> u64 {
        self.released
    }

    fn pack(&mut self, entry: &PendingEntry) -> Packed {
        const GIVEN_UP: u64 = i64::MAX as u64;
        let count = match entry.delivery_count {
            GIVEN_UP.. => COUNT_GIVEN_UP,
            count => count.min(COUNT_ELSEWHERE),
        };
        let rank_and_count = self.ranks.next(entry) << COUNT_BITS | count;
        let slot = entry.consumer.map_or(NOBODY, ConsumerSlot::number);
        Packed { ms: entry.id.ms, seq: entry.id.seq, rank_and_count, slot }
    }

    #[inline]
    fn unpack(&self, packed: &Packed) -> PendingEntry {
        PendingEntry {
            id: packed.id(),
            delivered_ms: packed.delivered_ms(),
            delivery_count: match packed.count() {
                COUNT_GIVEN_UP => i64::MAX as u64,
                COUNT_ELSEWHERE => self.counts.get(&packed.id()).copied().unwrap_or_default(),
                count => count,
            },
            consumer: packed.consumer(),
        }
    }

    /// The branch that holds `id`, or would.
    #[inline]
    fn branch_of(&self, id: StreamId) -> usize {
        match self.branches.front() {
            Some(first) if self.branches.len() > 1 && id >= first.from => {
                self.branches.partition_point(|branch| branch.from <= id) - 1
            }
            _ => 0,
        }
    }

    /// The pending entry of this ID.
    pub fn find(&self, id: StreamId) -> Option<PendingEntry> {
        let branch = self.branches.get(self.branch_of(id))?;
        let leaf = branch.leaves.get(branch.leaf_of(id))?;
        leaf.search(id).ok().map(|at| self.unpack(&leaf.entries[at]))
    }

    /// Whether an entry from `start` to `end`, both included, is pending.
    pub fn has_any_in(&self, start: StreamId, end: StreamId) -> bool {
        self.iter_from(start).next().is_some_and(|entry| entry.id <= end)
    }

    /// Puts an entry in; returns the one of the same ID that was there.
    pub(super) fn insert(&mut self, entry: PendingEntry) -> Option<PendingEntry> {
        let packed = self.pack(&entry);
        let before = self.put(packed);
        self.len += 1;
        self.released += u64::from(entry.consumer.is_none());
        let before = before.map(|before| self.forget(&before));
        if packed.count() == COUNT_ELSEWHERE {
            self.counts.insert(entry.id, entry.delivery_count);
        }
        before
    }

    fn put(&mut self, entry: Packed) -> Option<Packed> {
        if let Some(branch) = self.branches.back_mut()
            && let Some(leaf) = branch.leaves.back_mut()
            && leaf.entries.back().is_none_or(|back| back.id() < entry.id())
        {
            // The common case: entries are delivered in order.
            if leaf.entries.len() < LEAF_MAX {
                leaf.summary.cover(&entry);
                leaf.entries.push_back(entry);
                branch.summary.cover(&entry);
            } else if branch.leaves.len() < BRANCH_MAX {
                branch.leaves.push_back(Leaf::new(entry));
                branch.summary.cover(&entry);
            } else {
                self.branches.push_back(Branch::new(Leaf::new(entry)));
            }
            return None;
        }
        let index = self.branch_of(entry.id());
        let Some(branch) = self.branches.get_mut(index) else {
            self.branches.push_back(Branch::new(Leaf::new(entry)));
            return None;
        };
        let before = branch.put(entry);
        if branch.leaves.len() > BRANCH_MAX {
            let upper = branch.leaves.split_off(BRANCH_MAX / 2);
            branch.summarize();
            self.branches.insert(index + 1, Branch::of(upper));
        }
        before
    }

    /// Counts an entry no more that was taken out.
    #[inline]
    fn forget(&mut self, packed: &Packed) -> PendingEntry {
        let entry = self.unpack(packed);
        if packed.count() == COUNT_ELSEWHERE {
            self.counts.remove(&packed.id());
        }
        self.len -= 1;
        if entry.consumer.is_none() {
            self.released -= 1;
        }
        if self.len == 0 {
            self.ranks = Ranks::default();
        }
        entry
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<PendingEntry> {
        let (index, leaf_index) = self.place_of_removal(id);
        self.removed_at = (index, leaf_index);
        let branch = self.branches.get_mut(index)?;
        let leaf = branch.leaves.get_mut(leaf_index)?;
        let packed = leaf.search(id).ok().and_then(|at| leaf.entries.remove(at))?;
        branch.rebalance(leaf_index);
        self.rebalance(index);
        Some(self.forget(&packed))
    }

    /// The branch and the leaf that hold `id`, or would.
    #[inline]
    fn place_of_removal(&self, id: StreamId) -> (usize, usize) {
        let (index, leaf_index) = self.removed_at;
        let entries = self
            .branches
            .get(index)
            .and_then(|branch| branch.leaves.get(leaf_index))
            .map(|leaf| (leaf.entries.front(), leaf.entries.back()));
        match entries {
            Some((Some(first), Some(last))) if first.id() <= id && id <= last.id() => (index, leaf_index),
            _ => {
                let index = self.branch_of(id);
                (index, self.branches.get(index).map_or(0, |branch| branch.leaf_of(id)))
            }
        }
    }

    /// Keeps branches from becoming small after a removal in the one at `index`.
    #[inline]
    fn rebalance(&mut self, index: usize) {
        let len = self.branches[index].leaves.len();
        if len == 0 {
            self.branches.remove(index);
            return;
        }
        if len >= BRANCH_MIN {
            return;
        }
        let room = |other: Option<&Branch>| other.is_some_and(|o| o.leaves.len() + len <= BRANCH_MAX / 2);
        let lower = if room(self.branches.get(index + 1)) {
            index
        } else if index > 0 && room(self.branches.get(index - 1)) {
            index - 1
        } else {
            return;
        };
        if let Some(upper) = self.branches.remove(lower + 1) {
            self.branches[lower].summary.join(upper.summary);
            self.branches[lower].leaves.extend(upper.leaves);
        }
    }

    /// The entries from `start` on, in the order of their IDs.
    pub fn iter_from(&self, start: StreamId) -> impl Iterator<Item = PendingEntry> {
        let index = self.branch_of(start);
        let leaf_index = self.branches.get(index).map_or(0, |branch| branch.leaf_of(start));
        self.branches
            .range(index.min(self.branches.len())..)
            .enumerate()
            .flat_map(move |(n, branch)| branch.leaves.range(if n == 0 { leaf_index } else { 0 }..))
            .flat_map(|leaf| &leaf.entries)
            .skip_while(move |entry| entry.id() < start)
            .map(|entry| self.unpack(entry))
    }

    /// A consumer's entries from `start` on, in the order of their IDs; leaves without any of the
    /// consumer's are passed over.
    pub fn iter_consumer_from(
        &self,
        consumer: ConsumerSlot,
        start: StreamId,
    ) -> impl Iterator<Item = PendingEntry> {
        let index = self.branch_of(start);
        let leaf_index = self.branches.get(index).map_or(0, |branch| branch.leaf_of(start));
        let bit = consumer.summary_bit();
        self.branches
            .range(index.min(self.branches.len())..)
            .enumerate()
            .filter(move |(_, branch)| branch.summary.consumers & bit != 0)
            .flat_map(move |(n, branch)| branch.leaves.range(if n == 0 { leaf_index } else { 0 }..))
            .filter(move |leaf| leaf.summary.consumers & bit != 0)
            .flat_map(|leaf| &leaf.entries)
            .filter(move |entry| entry.consumer() == Some(consumer) && entry.id() >= start)
            .map(|entry| self.unpack(entry))
    }

    /// Visits the entries in the order in which they are claimed, until `visit` has enough. Returns how many places were looked at.
    ///
    /// Only what can hold the next entry is opened. The bounds that turn out to be too low are raised
    /// on the way, so that what was acknowledged or delivered again since costs one search, once.
    pub(in crate::engine) fn visit_by_rank(
        &mut self,
        mut visit: impl FnMut(PendingEntry) -> ControlFlow<()>,
    ) -> usize {
        let branches = self.branches.iter().enumerate();
        let mut places: BinaryHeap<Reverse<(u64, Place)>> =
            branches.map(|(b, branch)| Reverse((branch.summary.rank_min, Place::Branch(b)))).collect();
        let mut steps = places.len();
        while let Some(Reverse((rank, place))) = places.pop() {
            match place {
                Place::Branch(b) => {
                    let branch = &mut self.branches[b];
                    steps += branch.leaves.len();
                    let leaves = branch.leaves.iter().map(|leaf| leaf.summary.rank_min);
                    branch.summary.rank_min = leaves.clone().min().unwrap_or(u64::MAX);
                    if branch.summary.rank_min > rank {
                        places.push(Reverse((branch.summary.rank_min, place)));
                        continue;
                    }
                    places.extend(leaves.enumerate().map(|(l, rank)| Reverse((rank, Place::Leaf(b, l)))));
                }
                Place::Leaf(b, l) => {
                    let leaf = &mut self.branches[b].leaves[l];
                    steps += leaf.entries.len();
                    let entries = leaf.entries.iter().map(|entry| entry.rank());
                    leaf.summary.rank_min = entries.clone().min().unwrap_or(u64::MAX);
                    if leaf.summary.rank_min > rank {
                        places.push(Reverse((leaf.summary.rank_min, place)));
                        continue;
                    }
                    let entries = entries.enumerate();
                    places.extend(entries.map(|(e, rank)| Reverse((rank, Place::Entry(b, l, e)))));
                }
                Place::Entry(b, l, e) => {
                    let entry = self.unpack(&self.branches[b].leaves[l].entries[e]);
                    if visit(entry).is_break() {
                        break;
                    }
                }
            }
        }
        steps
    }

    /// The entries that were handed back, in the order that happened.
    pub fn list_released(&self) -> Vec<PendingEntry> {
        if self.released == 0 {
            return Vec::new();
        }
        let leaves = self.branches.iter().flat_map(|branch| &branch.leaves);
        let mut released: Vec<&Packed> = leaves
            .filter(|leaf| leaf.summary.rank_min & OWNED == 0)
            .flat_map(|leaf| &leaf.entries)
            .filter(|entry| entry.slot == NOBODY)
            .collect();
        released.sort_unstable_by_key(|entry| entry.rank());
        released.into_iter().map(|entry| self.unpack(entry)).collect()
    }

    /// The first entry's ID.
    pub fn first_id(&self) -> Option<StreamId> {
        self.branches.front()?.leaves.front()?.entries.front().map(|entry| entry.id())
    }

    /// The last entry's ID.
    pub fn last_id(&self) -> Option<StreamId> {
        self.branches.back()?.leaves.back()?.entries.back().map(|entry| entry.id())
    }

    /// Removes every entry of a consumer.
    pub(super) fn remove_consumer(&mut self, consumer: ConsumerSlot) {
        let bit = consumer.summary_bit();
        let mut removed = 0;
        for branch in self.branches.iter_mut().filter(|branch| branch.summary.consumers & bit != 0) {
            for leaf in branch.leaves.iter_mut().filter(|leaf| leaf.summary.consumers & bit != 0) {
                let before = leaf.entries.len();
                leaf.entries.retain(|entry| {
                    let stays = entry.consumer() != Some(consumer);
                    if !stays && entry.count() == COUNT_ELSEWHERE {
                        self.counts.remove(&entry.id());
                    }
                    stays
                });
                if leaf.entries.len() < before {
                    removed += (before - leaf.entries.len()) as u64;
                    leaf.entries.shrink_to_fit();
                    leaf.summarize();
                }
            }
            branch.leaves.retain(|leaf| !leaf.entries.is_empty());
            branch.summarize();
        }
        self.branches.retain(|branch| !branch.leaves.is_empty());
        self.len -= removed;
        if self.len == 0 {
            self.ranks = Ranks::default();
        }
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let leaves: usize = self.branches.iter().map(|branch| branch.leaves.capacity()).sum();
        self.branches.capacity() * size_of::<Branch>()
            + leaves * size_of::<Leaf>()
            + self.len as usize * size_of::<Packed>()
            + self.counts.len() * size_of::<(StreamId, u64)>()
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut previous = None;
        let (mut len, mut released, mut elsewhere) = (0, 0, 0);
        for branch in &self.branches {
            assert!(!branch.leaves.is_empty() && branch.leaves.len() <= BRANCH_MAX);
            assert!(previous < Some(branch.from), "a branch begins above the one before");
            for leaf in &branch.leaves {
                assert!(!leaf.entries.is_empty() && leaf.entries.len() <= LEAF_MAX);
                assert!(previous < Some(leaf.from), "a leaf begins above the one before");
                assert!(leaf.from >= branch.from);
                for entry in &leaf.entries {
                    assert!(entry.id() >= leaf.from && previous < Some(entry.id()), "entries are ordered");
                    for summary in [leaf.summary, branch.summary] {
                        assert!(entry.rank() >= summary.rank_min);
                        assert_eq!(summary.consumers & entry.summary_bit(), entry.summary_bit());
                    }
                    previous = Some(entry.id());
                    len += 1;
                    released += u64::from({ entry.slot } == NOBODY);
                    elsewhere += usize::from(entry.count() == COUNT_ELSEWHERE);
                    assert_eq!(entry.count() == COUNT_ELSEWHERE, self.counts.contains_key(&entry.id()));
                }
            }
        }
        assert_eq!((len, released, elsewhere), (self.len, self.released, self.counts.len()));
    }
}
