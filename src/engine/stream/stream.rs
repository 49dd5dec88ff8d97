//! A stream: its entries, its counters, its groups.

use std::ops::ControlFlow;

use super::block::{BlockLimits, Entry};
use super::blocks::Blocks;
use super::cursor::Cursor;
use super::finder::EntryFinder;
use super::id::StreamId;
use super::idempotency::{Idempotency, IdempotencySettings};
use super::view::BlockView;
use crate::engine::group::{Group, Groups};

/// A stream. IDs of its entries only ever grow, over deletions and trimming too.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    pub(super) blocks: Blocks,
    pub(super) len: u64,
    first_id: StreamId,
    /// The last entry's ID; `0-0` when there is none.
    pub(super) last_entry_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    pub(super) groups: Groups,
    /// `None` as long as no producer was recorded and the settings are the default ones.
    idempotency: Option<Box<Idempotency>>,
}

impl Stream {
    /// The greatest number of entries added that is counted: what XSETID takes, so that the log can tell it.
    pub const ENTRIES_ADDED_MAX: u64 = i64::MAX as u64;

    /// The most bytes of names and values that an entry may have.
    pub const ENTRY_BYTES_MAX: usize = BlockLimits::BYTES_MAX;

    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of blocks that hold `len` entries; their first and last ID.
    pub(super) fn from_blocks(
        blocks: Blocks,
        len: u64,
        (first_id, last_entry_id): (StreamId, StreamId),
    ) -> Self {
        Self { blocks, len, first_id, last_entry_id, ..Self::default() }
    }

    /// The blocks that hold entries, in order.
    pub fn blocks(&self) -> impl Iterator<Item = BlockView<'_>> {
        self.blocks.iter().map(BlockView::new)
    }

    /// The number of entries.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "an empty stream is as good a key as any")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The first entry's ID; `0-0` when there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The greatest ID ever given (or set by XSETID), whether or not its entry is still there.
    #[inline]
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The greatest ID ever deleted by XDEL; `0-0` when none was.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// The number of entries ever added, deleted ones included.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The number of blocks that hold entries.
    pub fn block_count(&self) -> usize {
        self.blocks.count()
    }

    /// Each block's first ID, in order.
    pub fn block_first_ids(&self) -> impl Iterator<Item = StreamId> {
        self.blocks.first_ids()
    }

    /// The groups.
    #[inline]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The groups.
    #[inline]
    pub fn groups_mut(&mut self) -> &mut Groups {
        &mut self.groups
    }

    /// What is remembered of producers; `None` when nothing ever was and the settings are the default ones.
    pub fn idempotency(&self) -> Option<&Idempotency> {
        self.idempotency.as_deref()
    }

    /// What is remembered of producers, made if it is not there yet.
    pub fn idempotency_mut(&mut self) -> &mut Idempotency {
        self.idempotency.get_or_insert_default()
    }

    /// For how long and how much is remembered of producers.
    pub fn idempotency_settings(&self) -> IdempotencySettings {
        self.idempotency().map_or_else(IdempotencySettings::default, Idempotency::settings)
    }

    /// Forgets what producers sent too long before the time `now_ms`, in milliseconds since the Unix epoch.
    #[inline]
    pub fn expire_produced(&mut self, now_ms: u64) {
        if let Some(idempotency) = &mut self.idempotency {
            idempotency.expire(now_ms);
        }
    }

    /// The ID that the server gives the next entry at the time `now_ms`: never below what was
    /// given. `None` when IDs are used up.
    #[inline]
    pub fn next_id(&self, now_ms: u64) -> Option<StreamId> {
        if now_ms > self.last_id.ms { Some(StreamId::new(now_ms, 0)) } else { self.last_id.next() }
    }

    /// Appends an entry. `id` is greater than [`Self::last_id`], the fields are one at least and
    /// of at most [`Self::ENTRY_BYTES_MAX`].
    #[inline]
    pub fn append<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: &BlockLimits,
    ) {
        debug_assert!(id > self.last_id || (id > StreamId::MIN && self.last_id == StreamId::MIN));
        let text_len = fields.clone().map(|(name, value)| name.len() + value.len()).sum();
        self.blocks.append(id, fields, text_len, limits);
        if self.len == 0 {
            self.first_id = id;
        }
        self.len += 1;
        self.entries_added = self.entries_added.saturating_add(1).min(Self::ENTRIES_ADDED_MAX);
        self.last_id = id;
        self.last_entry_id = id;
    }

    /// Calls `visit` for each entry from `start` to `end`, both included, in order, until it
    /// breaks.
    #[inline]
    pub fn scan(&self, start: StreamId, end: StreamId, mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>) {
        self.blocks.scan(start, end, &mut visit);
    }

    /// Calls `visit` for each entry behind `after`, in order, until it does not take one, or has taken `count`. Returns the place behind the
    /// last one that it took, which is `cursor` the next time; `cursor` itself if it took none.
    #[inline]
    pub fn read_on(
        &self,
        after: StreamId,
        cursor: Cursor,
        count: u64,
        mut visit: impl FnMut(Entry<'_>) -> bool,
    ) -> Cursor {
        self.blocks.read_on(after, cursor, count, &mut visit)
    }

    /// Calls `visit` for each entry from `end` down to `start`, both included, until it breaks.
    pub fn scan_reverse(
        &self,
        start: StreamId,
        end: StreamId,
        mut visit: impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        self.blocks.scan_reverse(start, end, &mut visit);
    }

    /// Finds entries by their IDs, best in ascending order.
    pub fn finder(&self) -> EntryFinder<'_> {
        EntryFinder::new(&self.blocks)
    }

    /// Calls `read` with the entry of this ID; `None` when there is none.
    pub fn find_entry<R>(&self, id: StreamId, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        self.finder().find(id).map(read)
    }

    /// Whether an entry of this ID is there.
    pub fn contains(&self, id: StreamId) -> bool {
        self.len > 0 && self.blocks.contains(id)
    }

    /// The last entry's ID, which is below [`Self::last_id`] when that one was deleted.
    #[inline]
    pub fn last_entry_id(&self) -> Option<StreamId> {
        (self.len > 0).then_some(self.last_entry_id)
    }

    /// Deletes an entry; `false` when there is none of this ID.
    pub fn delete(&mut self, id: StreamId) -> bool {
        if self.len == 0 || !self.blocks.delete(id) {
            return false;
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.refresh_first_id();
        }
        if id == self.last_entry_id {
            self.refresh_last_entry_id();
        }
        true
    }

    pub(super) fn refresh_first_id(&mut self) {
        if let Some(first) = self.blocks.find_first_live() {
            self.first_id = first;
            return;
        }
        let mut first = StreamId::MIN;
        self.scan(StreamId::MIN, StreamId::MAX, |entry| {
            first = entry.id;
            ControlFlow::Break(())
        });
        self.first_id = first;
    }

    pub(super) fn refresh_last_entry_id(&mut self) {
        let mut last = StreamId::MIN;
        self.scan_reverse(StreamId::MIN, StreamId::MAX, |entry| {
            last = entry.id;
            ControlFlow::Break(())
        });
        self.last_entry_id = last;
    }

    /// Compresses up to `count` blocks that the limits want compressed and that are not, and takes them off `count`. Appending does it for what is
    /// appended: these are blocks from before the limits were so, and those that were made plain by a deletion. Whether there may be more.
    pub fn compress_some(&mut self, limits: &BlockLimits, count: &mut usize) -> bool {
        limits.plain_max != BlockLimits::ALL_PLAIN && self.blocks.compress_some(limits.plain_max, count)
    }

    /// Sets the counters (XSETID); `last_id` is not below the last entry's ID.
    pub fn set_counters(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        if last_id < self.last_id {
            self.blocks.forget_behind(last_id);
            // What comes next may lie elsewhere in a block that begins with the same ID.
            self.groups.forget_cursors();
        }
        self.last_id = last_id;
        if let Some(entries_added) = entries_added {
            self.entries_added = entries_added;
        }
        if let Some(max_deleted_id) = max_deleted_id {
            self.max_deleted_id = max_deleted_id;
        }
    }

    /// Whether an entry at or above `start` may have been deleted.
    #[inline]
    pub fn has_deleted_since(&self, start: StreamId) -> bool {
        self.len > 0 && self.max_deleted_id != StreamId::MIN && start <= self.max_deleted_id
    }

    /// How many entries were ever added up to `id`, that one included; `None` where the counters
    /// cannot tell.
    pub fn find_entries_added_until(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        if self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id {
            let before_first = self.entries_added.wrapping_sub(self.len);
            if id < self.first_id {
                return Some(before_first);
            }
            if id == self.first_id {
                return Some(before_first.wrapping_add(1));
            }
        }
        None
    }

    /// The number of entries above `id`. It takes logarithmic time and a look into one block.
    pub fn count_after(&self, id: StreamId) -> u64 {
        if self.len == 0 || id >= self.last_entry_id {
            return 0;
        }
        if id < self.first_id {
            return self.len;
        }
        self.len - self.blocks.count_until(id)
    }

    /// How many entries are still to be delivered to a group: those behind its position.
    pub fn lag(&self, group: &Group) -> u64 {
        self.count_after(group.last_delivered_id)
    }

    /// How many of the entries ever added a group has read, those included that were gone before it could read them; `None`
    /// when that is not known.
    ///
    /// It is the group's own counter, which follows Redis's rules, if there is one. Where Redis's counters cannot tell how far the group
    /// is, its lag tells, unless an entry behind its position may have been deleted: that one counts as added, and was not read.
    /// (A group that was delivered nothing since its position was set, where Redis can tell, has read nothing as in Redis.)
    pub fn find_entries_read(&self, group: &Group) -> Option<u64> {
        let position = group.last_delivered_id;
        if group.entries_read.is_some() || self.is_lag_known_to_redis(group) || self.max_deleted_id > position
        {
            return group.entries_read;
        }
        self.entries_added.checked_sub(self.lag(group))
    }

    /// Whether Redis, which has nothing but counters, can tell the lag of a group whose own counter it does not know.
    fn is_lag_known_to_redis(&self, group: &Group) -> bool {
        let position = group.last_delivered_id;
        self.len == 0
            || (position < self.first_id && self.max_deleted_id < self.first_id)
            || self.find_entries_added_until(position).is_some()
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let idempotency = self.idempotency.as_ref();
        self.blocks.heap_bytes()
            + self.groups.heap_bytes()
            + idempotency.map_or(0, |idempotency| size_of::<Idempotency>() + idempotency.heap_bytes())
    }

    /// The number of compressed blocks.
    #[cfg(test)]
    pub(super) fn compressed_blocks(&self) -> u64 {
        self.blocks.iter().filter(|block| block.is_compressed()).count() as u64
    }

    /// Asserts what always holds.
    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        self.blocks.check_invariants();
        let mut ids = Vec::new();
        self.scan(StreamId::MIN, StreamId::MAX, |entry| {
            ids.push(entry.id);
            ControlFlow::Continue(())
        });
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids.len() as u64, self.len);
        assert_eq!(ids.first().copied().unwrap_or_default(), self.first_id);
        assert_eq!(ids.last().copied(), self.last_entry_id());
        assert!(ids.last().is_none_or(|&last| last <= self.last_id));
        for (_, group) in self.groups.iter() {
            group.check_invariants();
        }
        if let Some(idempotency) = &self.idempotency {
            idempotency.check_invariants();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{RefPolicy, Trim, TrimStrategy};

    fn stream(len: u64) -> Stream {
        let mut stream = Stream::new();
        for n in 1..=len {
            let fields = [(&b"f"[..], &b"v"[..])];
            stream.append(
                StreamId::new(n, 0),
                fields.into_iter(),
                &BlockLimits { bytes_max: 4096, entries_max: 10, ..BlockLimits::default() },
            );
        }
        stream.check_invariants();
        stream
    }

    fn ids(stream: &Stream) -> Vec<u64> {
        let mut ids = Vec::new();
        stream.scan(StreamId::MIN, StreamId::MAX, |entry| {
            ids.push(entry.id.ms);
            ControlFlow::Continue(())
        });
        let mut reversed = Vec::new();
        stream.scan_reverse(StreamId::MIN, StreamId::MAX, |entry| {
            reversed.push(entry.id.ms);
            ControlFlow::Continue(())
        });
        reversed.reverse();
        assert_eq!(ids, reversed);
        ids
    }

    #[track_caller]
    fn check_trim(strategy: TrimStrategy, approximate: bool, limit: Option<u64>, first_left: u64) {
        let mut stream = stream(95);
        let trim = Trim { strategy, approximate, limit, policy: RefPolicy::Keep };
        let dropped = stream.trim(&trim).dropped;
        stream.check_invariants();
        assert_eq!(ids(&stream), (first_left..=95).collect::<Vec<_>>());
        assert_eq!(dropped, first_left - 1);
    }

    #[test]
    fn trimming() {
        use TrimStrategy::{MaxLen, MinId};
        check_trim(MaxLen(95), false, None, 1);
        check_trim(MaxLen(42), false, None, 54);
        check_trim(MaxLen(42), true, None, 51);
        check_trim(MaxLen(42), true, Some(25), 21);
        check_trim(MaxLen(0), false, None, 96);
        check_trim(MaxLen(0), true, None, 96);
        check_trim(MinId(StreamId::new(55, 0)), false, None, 55);
        check_trim(MinId(StreamId::new(55, 0)), true, None, 51);
        check_trim(MinId(StreamId::MAX), true, Some(9), 1);
    }

    /// Streams are many: another size is one to be decided on.
    #[test]
    fn size_of_a_stream() {
        assert!(size_of::<Stream>() <= 224, "{}", size_of::<Stream>());
    }

    /// Has a group read on, up to some number of entries, and compares with a plain list.
    fn read_on(stream: &mut Stream, model: &[u64], random: &mut fastrand::Rng) {
        let group = stream.groups().find(b"g").expect("it is there");
        let (after, cursor) = (group.last_delivered_id, group.cursor);
        let (count, taken_max) = (random.usize(1..12), random.usize(0..12));
        let mut read = Vec::new();
        let cursor = stream.read_on(after, cursor, count as u64, |entry| {
            let takes = read.len() < taken_max;
            if takes {
                read.push(entry.id.ms);
            }
            takes
        });
        let behind = model.iter().copied().filter(|id| *id > after.ms);
        assert_eq!(read, behind.take(count.min(taken_max)).collect::<Vec<_>>());
        let group = stream.groups_mut().find_mut(b"g").expect("it is there");
        group.cursor = cursor;
        group.last_delivered_id = read.last().map_or(after, |last| StreamId::new(*last, 0));
    }

    /// Random appends, deletions, trims and reads against a plain list, with clones held meanwhile.
    #[test]
    fn behaves_as_a_plain_list() {
        for seed in 0..40 {
            let mut random = fastrand::Rng::with_seed(seed);
            let limits = BlockLimits {
                bytes_max: random.usize(64..600),
                entries_max: random.usize(0..20),
                ..BlockLimits::default()
            };
            let (mut stream, mut model, mut clones) = (Stream::new(), Vec::<u64>::new(), Vec::new());
            stream.groups_mut().create(b"g", Group::default());
            let mut next = 1;
            for _ in 0..400 {
                match random.u32(0..12) {
                    0..6 => {
                        next += random.u64(1..3);
                        let value = "v".repeat(random.usize(0..30));
                        let fields = [(&b"f"[..], value.as_bytes()), (&b"g"[..], &b"12"[..])];
                        stream.append(StreamId::new(next, 0), fields.into_iter(), &limits);
                        model.push(next);
                    }
                    6..8 => {
                        let id = random.u64(0..next + 2);
                        let expected = model.binary_search(&id).map(|at| model.remove(at)).is_ok();
                        assert_eq!(stream.delete(StreamId::new(id, 0)), expected);
                        assert!(!stream.contains(StreamId::new(id, 0)));
                    }
                    8 => {
                        let max = random.usize(0..60);
                        let trim = Trim {
                            strategy: TrimStrategy::MaxLen(max as u64),
                            approximate: false,
                            limit: None,
                            policy: RefPolicy::Keep,
                        };
                        stream.trim(&trim);
                        model.drain(..model.len().saturating_sub(max));
                    }
                    9 if random.bool() => {
                        // What comes next may be below entries that are deleted.
                        let last = random.u64(model.last().copied().unwrap_or(0)..next + 1);
                        stream.set_counters(StreamId::new(last, 0), None, None);
                        next = last;
                    }
                    9 => clones.push((stream.clone(), model.clone())),
                    _ => read_on(&mut stream, &model, &mut random),
                }
                stream.check_invariants();
                // The number of entries behind any ID is that of a scan.
                let after = random.u64(0..next + 2);
                let expected = model.iter().filter(|id| **id > after).count() as u64;
                assert_eq!(stream.count_after(StreamId::new(after, 0)), expected);
            }
            assert_eq!(ids(&stream), model);
            for (mut clone, model) in clones {
                assert_eq!(ids(&clone), model, "a clone does not see later changes");
                read_on(&mut clone, &model, &mut random);
            }
        }
    }

    /// Random histories, long ones with many small blocks: the lag of groups anywhere is the number of entries that a scan
    /// finds, and what they have read is told only when it is certain.
    #[test]
    fn lag_is_that_of_a_scan() {
        for seed in 0..12 {
            let mut random = fastrand::Rng::with_seed(seed);
            let limits =
                BlockLimits { bytes_max: 4096, entries_max: random.usize(1..4), ..BlockLimits::default() };
            let (mut stream, mut next) = (Stream::new(), 0);
            // Every ID ever added, and whether it was deleted as one (and not trimmed away from the front).
            let mut added: Vec<(StreamId, bool)> = Vec::new();
            let growing = random.u32(30..90);
            for step in 0..4000 {
                let any = |random: &mut fastrand::Rng| StreamId::new(random.u64(0..next + 2), 0);
                match random.u32(0..100) {
                    roll if roll < growing => {
                        next += random.u64(1..3);
                        let id = StreamId::new(next, 0);
                        stream.append(id, [(&b"f"[..], &b"v"[..])].into_iter(), &limits);
                        added.push((id, false));
                    }
                    99 => {
                        let strategy = TrimStrategy::MinId(any(&mut random));
                        let approximate = random.bool();
                        stream.trim(&Trim { strategy, approximate, limit: None, policy: RefPolicy::Keep });
                    }
                    98 => {
                        let name = [random.u8(0..3)];
                        let position = any(&mut random);
                        stream.groups_mut().create(&name, Group::default());
                        let group = stream.groups_mut().find_mut(&name).expect("it is there");
                        group.last_delivered_id = position;
                    }
                    _ => {
                        let id = any(&mut random);
                        if stream.delete(id) {
                            let at = added.partition_point(|(added, _)| *added < id);
                            added[at].1 = true;
                        }
                    }
                }
                if step % 100 == 99 {
                    stream.check_invariants();
                }
                for (_, group) in stream.groups().iter() {
                    let mut lag = 0;
                    let start = group.last_delivered_id.next().expect("there are greater IDs");
                    stream.scan(start, StreamId::MAX, |_| {
                        lag += 1;
                        ControlFlow::Continue(())
                    });
                    assert_eq!(stream.lag(group), lag);
                    if let Some(read) = stream.find_entries_read(group) {
                        let is_unread = |(id, is_deleted): &&(StreamId, bool)| {
                            *is_deleted && *id > group.last_delivered_id
                        };
                        assert_eq!(added.iter().filter(is_unread).count(), 0, "one of them was not read");
                        assert_eq!(read, added.len() as u64 - lag);
                    }
                }
            }
        }
    }

    /// What counting takes: two bytes for a block beside its place in the list, in a stream that was trimmed for long too.
    #[test]
    fn counts_are_small() {
        let limits = BlockLimits { bytes_max: 4096, entries_max: 1, ..BlockLimits::default() };
        let mut stream = Stream::new();
        let mut bytes_max = 0;
        for n in 1..=50_000 {
            stream.append(StreamId::new(n, 0), [(&b"f"[..], &b"v"[..])].into_iter(), &limits);
            let strategy = TrimStrategy::MaxLen(10_000);
            stream.trim(&Trim { strategy, approximate: false, limit: None, policy: RefPolicy::Keep });
            if n % 1000 == 0 {
                bytes_max = bytes_max.max(stream.blocks.count_bytes());
            }
        }
        stream.check_invariants();
        assert!(bytes_max <= 2 * 2 * 10_000 + 128, "with the room that a list takes ahead: {bytes_max}");
        assert_eq!(stream.count_after(StreamId::new(45_000, 0)), 5_000);
    }
}
