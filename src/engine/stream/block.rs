//! A block: consecutive entries of a stream, packed into one allocation.
//!
//! A block holds the entries that Redis would keep in one node of its radix tree, so that `~`
//! trimming and XINFO answer alike. Its bytes:
//!
//! ```text
//! the number of the first entry's field names, the names      (once)
//! entry*:  flags, [ms delta], [seq], values                   (fields as in the head), or
//!          flags, [ms delta], [seq], count, (name, value)*    (fields of its own)
//! ```
//!
//! IDs are deltas against the entry before. An entry is deleted by a bit in its flags; its bytes go
//! when the block goes.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::block_ref::BlockRef;
use super::id::StreamId;
use super::value::{
    FieldValue, decode_value, decode_varint, encode_text, encode_value, encode_varint, listpack_integer_len,
    listpack_len, skip_value,
};
use crate::equal::bytes_equal;

pub(super) const DELETED: u8 = 1;
pub(super) const SAME_FIELDS: u8 = 2;
pub(super) const ID_CODE: u8 = 0b1100;
/// The ID's milliseconds are those of the entry before, its sequence number the next one.
pub(super) const ID_NEXT_SEQ: u8 = 0;
/// The ID's milliseconds are those of the entry before; a delta of the sequence number follows.
pub(super) const ID_SEQ_DELTA: u8 = 0b0100;
/// A delta of the milliseconds follows; the sequence number is 0.
pub(super) const ID_MS_DELTA: u8 = 0b1000;
/// A delta of the milliseconds follows, then the sequence number.
const ID_BOTH: u8 = 0b1100;

/// How large a block may grow (`stream-node-max-bytes`, `stream-node-max-entries`), and how many are kept as they are
/// (`stream-compress-after`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// The size in bytes, by the measure of Redis's listpack, from which on a new block is begun;
    /// 0 for 1 GiB.
    pub bytes_max: usize,
    /// The number of entries, deleted ones included; 0 for no bound.
    pub entries_max: usize,
    /// The number of blocks, the newest ones but for the one that is appended to, that are not compressed;
    /// [`Self::ALL_PLAIN`] for all.
    pub plain_max: usize,
}

impl BlockLimits {
    /// The size that no block may exceed, and no entry.
    pub const BYTES_MAX: usize = 1 << 30;

    /// No block is compressed.
    pub const ALL_PLAIN: usize = usize::MAX;
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self { bytes_max: 4096, entries_max: 100, plain_max: Self::ALL_PLAIN }
    }
}

/// What is known of a block beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Header {
    /// The first entry's ID, deleted or not.
    pub(super) first: StreamId,
    /// The last entry's ID, deleted or not.
    pub(super) last: StreamId,
    /// Entries that are not deleted.
    pub(super) live: u32,
    /// Entries that are.
    pub(super) deleted: u32,
    /// What Redis's listpack would take, in bytes; an entry is of at most 1 GiB, and so is a block before its last one.
    pub(super) listpack_len: u32,
}

impl Header {
    /// Whether an entry of `text_len` bytes of names and values goes into a block of its own, by Redis's rule.
    #[inline]
    pub(super) fn is_full(&self, text_len: usize, limits: &BlockLimits) -> bool {
        let bytes_max = match limits.bytes_max {
            0 => BlockLimits::BYTES_MAX,
            bytes => bytes.min(BlockLimits::BYTES_MAX),
        };
        self.listpack_len as usize + text_len >= bytes_max
            || (limits.entries_max != 0 && (self.live + self.deleted) as usize >= limits.entries_max)
    }

    /// Counts a deletion. Counts of entries are elements of the listpack too, and take a byte more from 128 on.
    pub(super) fn count_deleted(&mut self) {
        if self.live == 128 {
            self.listpack_len -= 1;
        }
        if self.deleted == 127 {
            self.listpack_len += 1;
        }
        self.live -= 1;
        self.deleted += 1;
    }
}

/// The block that entries are appended to.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) header: Header,
    pub(super) data: Vec<u8>,
}

/// A block's packed bytes, to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    pub(super) header: Header,
    pub(super) data: &'a [u8],
}

/// An entry's place in its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) id: StreamId,
    pub(super) flags_at: usize,
    body_at: usize,
}

impl Block {
    /// Whether no entry was ever appended.
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub(super) fn first(&self) -> StreamId {
        self.header.first
    }

    pub(super) fn live(&self) -> u64 {
        u64::from(self.header.live)
    }

    /// See [`Header::is_full`].
    #[inline]
    pub(super) fn is_full(&self, text_len: usize, limits: &BlockLimits) -> bool {
        self.header.is_full(text_len, limits)
    }

    #[inline]
    pub(super) fn packed(&self) -> Packed<'_> {
        Packed { header: self.header, data: &self.data }
    }

    #[inline]
    pub(super) fn as_ref(&self) -> BlockRef<'_> {
        BlockRef::plain(self.packed())
    }

    /// Memory behind the struct, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.data.capacity()
    }

    /// Empties the block; it keeps its memory for the next one.
    pub(super) fn clear(&mut self) {
        self.header = Header::default();
        self.data.clear();
    }

    /// Appends an entry, and returns the place of its flags; `id` is greater than all before.
    #[inline]
    pub(super) fn append<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
    ) -> usize {
        let count = fields.len();
        if self.data.is_empty() {
            self.begin(id, fields.clone().map(|(name, _)| name));
        }
        let same_fields = self.has_names(count, fields.clone().map(|(name, _)| name));
        let flags = self.append_id(id) | if same_fields { SAME_FIELDS } else { 0 };
        let flags_at = self.append_head(id, flags);
        debug_assert!(flags_at < self.data.len());
        // Redis's entry: flags, two differences to the node's first ID, fields, the element count.
        let mut listpack = listpack_integer_len(i64::from(same_fields) * 2)
            + listpack_integer_len(id.ms.wrapping_sub(self.header.first.ms) as i64)
            + listpack_integer_len(id.seq.wrapping_sub(self.header.first.seq) as i64);
        if same_fields {
            for (_, value) in fields {
                listpack += encode_value(value, &mut self.data);
            }
            listpack += listpack_integer_len(count as i64 + 3);
        } else {
            encode_varint(count as u64, &mut self.data);
            listpack += listpack_integer_len(count as i64);
            for (name, value) in fields {
                encode_text(name, &mut self.data);
                listpack += listpack_len(name) + encode_value(value, &mut self.data);
            }
            listpack += listpack_integer_len(count as i64 * 2 + 4);
        }
        self.header.listpack_len += listpack as u32;
        self.header.last = id;
        self.header.live += 1;
        // The node's count of entries is an element too, and grows by a byte at 128.
        if self.header.live == 128 {
            self.header.listpack_len += 1;
        }
        flags_at
    }

    /// Writes the head: the names of the first entry's fields.
    pub(super) fn begin<'f>(&mut self, id: StreamId, names: impl ExactSizeIterator<Item = &'f [u8]> + Clone) {
        self.header.first = id;
        self.header.last = id;
        // A listpack's own seven bytes, then count, deleted, number of fields, names, a zero.
        let mut listpack = 7 + 2 + 2 + listpack_integer_len(names.len() as i64) + 2;
        encode_varint(names.len() as u64, &mut self.data);
        for name in names {
            listpack += listpack_len(name);
            encode_text(name, &mut self.data);
        }
        self.header.listpack_len = listpack as u32;
    }

    #[inline]
    fn append_id(&self, id: StreamId) -> u8 {
        if id.ms == self.header.last.ms {
            if id.seq.wrapping_sub(self.header.last.seq) == 1 { ID_NEXT_SEQ } else { ID_SEQ_DELTA }
        } else if id.seq == 0 {
            ID_MS_DELTA
        } else {
            ID_BOTH
        }
    }

    #[inline]
    fn append_head(&mut self, id: StreamId, flags: u8) -> usize {
        let flags_at = self.data.len();
        self.data.push(flags);
        match flags & ID_CODE {
            ID_NEXT_SEQ => {}
            ID_SEQ_DELTA => encode_varint(id.seq - self.header.last.seq, &mut self.data),
            ID_MS_DELTA => encode_varint(id.ms - self.header.last.ms, &mut self.data),
            _ => {
                encode_varint(id.ms - self.header.last.ms, &mut self.data);
                encode_varint(id.seq, &mut self.data);
            }
        }
        flags_at
    }

    /// Whether the names are those of the head.
    #[inline]
    fn has_names<'f>(&self, count: usize, names: impl Iterator<Item = &'f [u8]>) -> bool {
        let mut position = 0;
        if decode_varint(&self.data, &mut position) != count as u64 {
            return false;
        }
        for name in names {
            match decode_value(&self.data, &mut position) {
                FieldValue::Text(text) if bytes_equal(text, name) => {}
                _ => return false,
            }
        }
        true
    }

    /// Deletes the entry of this ID; `false` when there is none.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(place) = self.packed().find_place(id) else { return false };
        self.mark_deleted(place.flags_at);
        true
    }

    /// Deletes the entry whose flags are there; see [`Self::append`].
    pub(super) fn mark_deleted(&mut self, flags_at: usize) {
        self.data[flags_at] |= DELETED;
        self.header.count_deleted();
    }

    /// Deletes entries that were chosen in this block as it is.
    pub(super) fn delete_chosen(&mut self, chosen: &Chosen) {
        chosen.0.iter().for_each(|&flags_at| self.mark_deleted(flags_at));
    }
}

impl<'a> Packed<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The head: the number of names, and where they begin and end.
    #[inline]
    fn head(&self) -> Head {
        if self.is_empty() {
            return Head { count: 0, names_at: 0, entries_at: 0 };
        }
        let mut position = 0;
        let count = decode_varint(self.data, &mut position) as usize;
        let names_at = position;
        for _ in 0..count {
            skip_value(self.data, &mut position);
        }
        Head { count, names_at, entries_at: position }
    }

    /// Reads the entry that begins at `position`, which moves behind it.
    #[inline]
    fn decode_place(&self, head: &Head, previous: StreamId, position: &mut usize) -> Place {
        let data = self.data;
        let flags_at = *position;
        let flags = data[flags_at];
        *position += 1;
        let id = match flags & ID_CODE {
            ID_NEXT_SEQ => StreamId::new(previous.ms, previous.seq.wrapping_add(1)),
            ID_SEQ_DELTA => {
                StreamId::new(previous.ms, previous.seq.wrapping_add(decode_varint(data, position)))
            }
            ID_MS_DELTA => StreamId::new(previous.ms + decode_varint(data, position), 0),
            _ => {
                let ms = previous.ms + decode_varint(data, position);
                StreamId::new(ms, decode_varint(data, position))
            }
        };
        let body_at = *position;
        let values =
            if flags & SAME_FIELDS != 0 { head.count } else { 2 * decode_varint(data, position) as usize };
        for _ in 0..values {
            skip_value(data, position);
        }
        Place { id, flags_at, body_at }
    }

    #[inline]
    pub(super) fn is_deleted(&self, place: Place) -> bool {
        self.data[place.flags_at] & DELETED != 0
    }

    #[inline]
    pub(super) fn entry_at(&self, head: &Head, place: Place) -> Entry<'a> {
        let same_fields = self.data[place.flags_at] & SAME_FIELDS != 0;
        let mut values_at = place.body_at;
        let (count, names_at) = if same_fields {
            (head.count, Some(head.names_at))
        } else {
            (decode_varint(self.data, &mut values_at) as usize, None)
        };
        Entry { id: place.id, data: self.data, count, names_at, values_at }
    }

    /// Whether the block's first ID is its first entry's: as a rule, but one that was formed elsewhere may begin below.
    pub(super) fn begins_with_first(&self) -> bool {
        Walk::new(self).next(self).is_some_and(|place| place.id == self.header.first)
    }

    /// The names of the head.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = FieldValue<'a>> + use<'a> {
        let data = self.data;
        let head = self.head();
        let mut position = head.names_at;
        (0..head.count).map(move |_| decode_value(data, &mut position))
    }

    /// A block of the entries up to `id`, deleted ones included.
    pub(super) fn copy_until(&self, id: StreamId) -> Block {
        let mut copy = Block::default();
        let names: Vec<Vec<u8>> = self.names().map(|name| name.to_vec()).collect();
        copy.begin(self.header.first, names.iter().map(Vec::as_slice));
        self.visit(|entry, is_deleted| {
            if entry.id <= id {
                let fields: Vec<_> =
                    entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                let flags_at =
                    copy.append(entry.id, fields.iter().map(|(name, value)| (&name[..], &value[..])));
                if is_deleted {
                    copy.mark_deleted(flags_at);
                }
            }
        });
        copy
    }

    /// Calls `visit` for each entry, with whether it is deleted.
    pub(super) fn visit(&self, mut visit: impl FnMut(Entry<'a>, bool)) {
        let mut walk = Walk::new(self);
        while let Some(place) = walk.next(self) {
            visit(self.entry_at(&walk.head, place), self.is_deleted(place));
        }
    }

    /// Calls `visit` for each entry from `start` to `end` that is not deleted, in order.
    #[inline]
    pub(super) fn scan(
        &self,
        start: StreamId,
        end: StreamId,
        visit: &mut impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut walk = Walk::new(self);
        while let Some(place) = walk.next(self) {
            if place.id < start || self.is_deleted(place) {
                continue;
            }
            if place.id > end {
                return ControlFlow::Break(());
            }
            visit(self.entry_at(&walk.head, place))?;
        }
        ControlFlow::Continue(())
    }

    /// Calls `visit` for each entry from `end` down to `start` that is not deleted.
    pub(super) fn scan_reverse(
        &self,
        start: StreamId,
        end: StreamId,
        visit: &mut impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut places = SmallVec::<[Place; 128]>::new();
        let mut walk = Walk::new(self);
        while let Some(place) = walk.next(self) {
            if place.id > end {
                break;
            }
            if place.id >= start && !self.is_deleted(place) {
                places.push(place);
            }
        }
        for place in places.into_iter().rev() {
            visit(self.entry_at(&walk.head, place))?;
        }
        ControlFlow::Continue(())
    }

    /// What the first entry's delta is against: itself, one sequence number before.
    #[inline]
    fn before_first(&self) -> StreamId {
        // `append` wrote the first entry's ID against `last`, which `begin` had set to the ID
        // itself: a sequence delta of 0.
        self.header.first
    }

    pub(super) fn find_place(&self, id: StreamId) -> Option<Place> {
        if self.is_empty() || id < self.header.first || id > self.header.last {
            return None;
        }
        let mut walk = Walk::new(self);
        let found = std::iter::from_fn(|| walk.next(self)).find(|place| place.id >= id)?;
        (found.id == id && !self.is_deleted(found)).then_some(found)
    }

    /// Chooses entries to delete: `judge` is asked about each that is not deleted, in order, until it
    /// breaks.
    pub(super) fn choose(&self, mut judge: impl FnMut(StreamId) -> ControlFlow<(), bool>) -> Chosen {
        let mut chosen = Chosen::default();
        let mut walk = Walk::new(self);
        while let Some(place) = walk.next(self) {
            if self.is_deleted(place) {
                continue;
            }
            match judge(place.id) {
                ControlFlow::Break(()) => break,
                ControlFlow::Continue(true) => chosen.0.push(place.flags_at),
                ControlFlow::Continue(false) => {}
            }
        }
        chosen
    }
}

/// How far a block was read.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) head: Head,
    position: usize,
    previous: StreamId,
}

impl Walk {
    /// At the beginning of a block.
    #[inline]
    pub(super) fn new(block: &Packed<'_>) -> Self {
        let head = block.head();
        Self { position: head.entries_at, previous: block.before_first(), head }
    }

    /// Behind the entry `previous`, which ends at `position`.
    #[inline]
    pub(super) fn behind(block: &Packed<'_>, previous: StreamId, position: usize) -> Self {
        Self { head: block.head(), position, previous }
    }

    /// Where the next entry begins.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next entry, deleted or not; `None` at the block's end.
    #[inline]
    pub(super) fn next(&mut self, block: &Packed<'_>) -> Option<Place> {
        if self.position >= block.data.len() {
            return None;
        }
        let place = block.decode_place(&self.head, self.previous, &mut self.position);
        self.previous = place.id;
        Some(place)
    }

    /// Whether `id` would be in the rest of the block.
    pub(super) fn leads_to(&self, block: &Packed<'_>, id: StreamId) -> bool {
        let is_at_start = self.position == self.head.entries_at && id == self.previous;
        (self.previous < id || is_at_start) && id <= block.header.last
    }

    /// The entry of this ID in the rest of the block, which is read up to it.
    pub(super) fn find<'a>(&mut self, block: Packed<'a>, id: StreamId) -> Option<Entry<'a>> {
        loop {
            let before = (self.position, self.previous);
            let place = self.next(&block)?;
            if place.id > id {
                (self.position, self.previous) = before;
                return None;
            }
            if place.id == id {
                return (!block.is_deleted(place)).then(|| block.entry_at(&self.head, place));
            }
        }
    }
}

/// Entries of a block that are to be deleted.
#[derive(Debug, Default)]
pub(super) struct Chosen(pub(super) SmallVec<[usize; 16]>);

impl Chosen {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where a block's names and entries begin.
#[derive(Debug)]
pub(super) struct Head {
    count: usize,
    names_at: usize,
    entries_at: usize,
}

/// An entry, borrowed from its block.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The entry's ID.
    pub id: StreamId,
    data: &'a [u8],
    count: usize,
    /// Where the names stand when they are the block's; `None` when each stands before its value.
    names_at: Option<usize>,
    values_at: usize,
}

impl<'a> Entry<'a> {
    /// The number of fields; at least one.
    #[inline]
    pub fn field_count(&self) -> usize {
        self.count
    }

    /// Whether its names are those that stand in its block once.
    pub fn has_block_names(&self) -> bool {
        self.names_at.is_some()
    }

    /// The fields in their order: names and values.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = (FieldValue<'a>, FieldValue<'a>)> + use<'a> {
        let data = self.data;
        let mut names_at = self.names_at;
        let mut values_at = self.values_at;
        (0..self.count).map(move |_| {
            let name = match &mut names_at {
                Some(position) => decode_value(data, position),
                None => decode_value(data, &mut values_at),
            };
            (name, decode_value(data, &mut values_at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn build(entries: &[(StreamId, Fields)]) -> Block {
        let mut block = Block::default();
        for (id, fields) in entries {
            block.append(*id, fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
        }
        block
    }

    fn read(block: &Block, start: StreamId, end: StreamId, reverse: bool) -> Vec<(StreamId, String)> {
        let mut seen = Vec::new();
        let mut visit = |entry: Entry<'_>| {
            let text = entry
                .fields()
                .map(|(n, v)| {
                    format!(
                        "{}={}",
                        String::from_utf8_lossy(&n.to_vec()),
                        String::from_utf8_lossy(&v.to_vec())
                    )
                })
                .collect::<Vec<_>>();
            seen.push((entry.id, text.join(" ")));
            ControlFlow::Continue(())
        };
        let _ = if reverse {
            block.packed().scan_reverse(start, end, &mut visit)
        } else {
            block.packed().scan(start, end, &mut visit)
        };
        seen
    }

    #[test]
    fn entries_come_back_in_both_directions() {
        let ids = [(5, 3), (5, 4), (5, 9), (6, 0), (8, 0), (9, 7), (u64::MAX, u64::MAX)];
        let entries: Vec<(StreamId, Fields)> = ids
            .iter()
            .enumerate()
            .map(|(i, &(ms, seq))| {
                let fields: Fields = if i % 3 == 2 { &[("other", "7"), ("b", "")] } else { &[("a", "x12")] };
                (StreamId::new(ms, seq), fields)
            })
            .collect();
        let mut block = build(&entries);
        let mut expected: Vec<_> = entries
            .iter()
            .map(|(id, fields)| {
                (*id, fields.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(read(&block, StreamId::MIN, StreamId::MAX, false), expected);
        assert!(block.delete(StreamId::new(6, 0)));
        assert!(!block.delete(StreamId::new(6, 0)));
        assert!(!block.as_ref().contains(StreamId::new(6, 0)));
        expected.remove(3);
        assert_eq!(read(&block, StreamId::MIN, StreamId::MAX, false), expected);
        expected.reverse();
        assert_eq!(read(&block, StreamId::MIN, StreamId::MAX, true), expected);
        assert_eq!(read(&block, StreamId::new(5, 4), StreamId::new(8, 0), true), expected[2..5]);
        assert_eq!((block.live(), block.as_ref().deleted()), (6, 1));
        let chosen = block.packed().choose(|id| match id {
            StreamId { ms: 8.., .. } => ControlFlow::Break(()),
            id => ControlFlow::Continue(id != StreamId::new(5, 4)),
        });
        block.delete_chosen(&chosen);
        assert_eq!(block.live(), 4);
        assert!(
            block.as_ref().contains(StreamId::new(5, 4)) && !block.as_ref().contains(StreamId::new(5, 9))
        );
        assert!(block.packed().choose(|_| ControlFlow::Break(())).is_empty());
    }

    #[test]
    fn an_entry_of_known_fields_costs_one_byte_beside_its_values() {
        let mut block = build(&[(StreamId::new(1, 0), &[("name", "value")])]);
        let before = block.data.len();
        block.append(StreamId::new(1, 1), [(&b"name"[..], &b"value"[..])].into_iter());
        assert_eq!(block.data.len() - before, 1 + 6);
    }
}
