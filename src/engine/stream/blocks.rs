//! The entries of a stream: blocks in the order of their IDs.

use std::ops::ControlFlow;

use super::block::{Block, BlockLimits, Chosen, Entry};
use super::block_ref::BlockRef;
use super::cursor::Cursor;
use super::id::StreamId;
use super::sealed::SealedBlocks;

/// Blocks, ordered by ID. All but the last are sealed and shared: a clone of this copies pointers
/// and the tail, and a sealed block is copied only when an entry in it is deleted while a clone
/// holds it.
///
/// Invariants: no sealed block is without live entries; the tail is empty only when nothing was
/// appended since the last seal or clear.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    /// `None` as long as there never was any: most streams are short.
    sealed: Option<Box<SealedBlocks>>,
    tail: Block,
}

/// What becomes of a block that is swept ([`Blocks::sweep`]).
#[derive(Debug)]
pub(super) enum Sweep {
    /// It goes whole, and the next one is visited.
    Drop,
    /// Some of its entries go.
    Delete {
        /// Which.
        chosen: Chosen,
        /// No other block is visited.
        is_last: bool,
    },
    /// It stays as it is, and no other block is visited.
    Stop,
}

impl Sweep {
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::Drop | Self::Delete { is_last: false, .. })
    }
}

impl Blocks {
    /// The number of blocks that hold entries.
    pub(super) fn count(&self) -> usize {
        self.sealed_len() + usize::from(!self.tail.is_empty())
    }

    #[inline]
    fn sealed_len(&self) -> usize {
        self.sealed.as_ref().map_or(0, |sealed| sealed.len())
    }

    /// The one way to a block; the tail is the last.
    #[inline]
    fn block(&self, index: usize) -> BlockRef<'_> {
        let sealed = self.sealed.as_ref().and_then(|sealed| sealed.find(index));
        sealed.unwrap_or_else(|| self.tail.as_ref())
    }

    /// The block that would hold `id`: the last one whose first ID is not above it, else the first.
    pub(super) fn block_of(&self, id: StreamId) -> BlockRef<'_> {
        self.block(self.index_of(id))
    }

    /// Each block's first ID, in order.
    pub(super) fn first_ids(&self) -> impl Iterator<Item = StreamId> {
        let tail = (!self.tail.is_empty()).then(|| self.tail.first());
        self.sealed.iter().flat_map(|sealed| sealed.first_ids()).chain(tail)
    }

    /// The block that would hold `id`: the last one whose first ID is not above it, else the first.
    #[inline]
    fn index_of(&self, id: StreamId) -> usize {
        if !self.tail.is_empty() && id >= self.tail.first() {
            return self.sealed_len();
        }
        self.sealed.as_ref().map_or(0, |sealed| sealed.index_of(id))
    }

    #[inline]
    pub(super) fn append<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        text_len: usize,
        limits: &BlockLimits,
    ) {
        if self.tail.is_empty() {
            self.reopen(text_len, limits);
        } else if self.tail.is_full(text_len, limits) {
            self.seal();
            if limits.plain_max != BlockLimits::ALL_PLAIN {
                self.compress_behind(limits.plain_max);
            }
        }
        self.tail.append(id, fields);
    }

    #[cold]
    fn compress_behind(&mut self, plain_max: usize) {
        if let Some(sealed) = &mut self.sealed {
            sealed.compress_behind(plain_max);
        }
    }

    /// See [`SealedBlocks::compress_some`].
    pub(super) fn compress_some(&mut self, plain_max: usize, count: &mut usize) -> bool {
        self.sealed.as_mut().is_some_and(|sealed| sealed.compress_some(plain_max, count))
    }

    /// The first entry's ID, if a header tells.
    pub(super) fn find_first_live(&self) -> Option<StreamId> {
        self.block(0).find_first_live()
    }

    /// The number of live entries in the first block.
    #[inline]
    pub(super) fn first_live(&self) -> u64 {
        let sealed = self.sealed.as_ref().and_then(|sealed| sealed.first_live());
        sealed.unwrap_or_else(|| self.tail.live())
    }

    /// All blocks that hold entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = BlockRef<'_>> {
        let tail = (!self.tail.is_empty()).then(|| self.tail.as_ref());
        self.sealed.iter().flat_map(|sealed| sealed.iter()).chain(tail)
    }

    /// Appends a whole block, unless nothing in it is live; its IDs are above all before.
    pub(super) fn push(&mut self, block: Block) {
        if block.live() > 0 {
            if !self.tail.is_empty() {
                self.seal();
            }
            self.tail = block;
        }
    }

    /// Makes the last sealed block the tail again when the one behind it is gone and it has room: Redis adds to whatever
    /// block is the last.
    fn reopen(&mut self, text_len: usize, limits: &BlockLimits) {
        if let Some(last) = self.reopen_last_if(|last| !last.is_full(text_len, limits)) {
            self.tail = last;
        }
    }

    fn reopen_last_if(&mut self, is_wanted: impl FnOnce(BlockRef<'_>) -> bool) -> Option<Block> {
        self.sealed.as_mut()?.reopen_last_if(is_wanted)
    }

    /// Drops the deleted entries behind `id`; there are no others. The next entry may be below them.
    pub(super) fn forget_behind(&mut self, id: StreamId) {
        let was_sealed = self.tail.is_empty();
        if was_sealed {
            let Some(last) = self.reopen_last_if(|last| last.last() > id) else { return };
            self.tail = last;
        }
        if self.tail.as_ref().last() > id {
            self.tail = self.tail.packed().copy_until(id);
        }
        if was_sealed {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if self.tail.live() > 0 {
            self.sealed.get_or_insert_default().push(&self.tail);
        }
        self.tail.clear();
    }

    #[inline]
    pub(super) fn scan(
        &self,
        start: StreamId,
        end: StreamId,
        visit: &mut impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        if start > end {
            return;
        }
        for index in self.index_of(start)..=self.sealed_len() {
            let block = self.block(index);
            if block.is_empty() || block.first() > end {
                return;
            }
            if block.scan(start, end, visit).is_break() {
                return;
            }
        }
    }

    /// See [`super::Stream::read_on`].
    #[inline]
    pub(super) fn read_on(
        &self,
        after: StreamId,
        mut cursor: Cursor,
        mut count: u64,
        visit: &mut impl FnMut(Entry<'_>) -> bool,
    ) -> Cursor {
        let Some(start) = after.next() else { return cursor };
        for index in self.index_of(start)..=self.sealed_len() {
            let block = self.block(index);
            if block.is_empty() || block.last() < start {
                continue;
            }
            let reading = block.read();
            let packed = reading.packed();
            let mut walk = cursor.walk(&reading, after);
            while count > 0
                && let Some(place) = walk.next(&packed)
            {
                if place.id < start || packed.is_deleted(place) {
                    continue;
                }
                if !visit(packed.entry_at(&walk.head, place)) {
                    return cursor;
                }
                cursor = Cursor::behind(place.id, packed.header.first, &walk);
                count -= 1;
            }
            if count == 0 {
                return cursor;
            }
        }
        cursor
    }

    pub(super) fn scan_reverse(
        &self,
        start: StreamId,
        end: StreamId,
        visit: &mut impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) {
        if start > end {
            return;
        }
        for index in (0..=self.index_of(end)).rev() {
            let block = self.block(index);
            if !block.is_empty() && block.last() < start {
                return;
            }
            if block.scan_reverse(start, end, visit).is_break() {
                return;
            }
        }
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.block_of(id).contains(id)
    }

    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let index = self.index_of(id);
        if let Some(sealed) = &mut self.sealed
            && index < sealed.len()
        {
            return sealed.delete(index, id);
        }
        let deleted = self.tail.delete(id);
        if deleted && self.tail.live() == 0 {
            self.tail = Block::default();
        }
        deleted
    }

    /// The number of entries up to `id`, that one included. Besides the block that would hold `id`, none is looked into.
    pub(super) fn count_until(&self, id: StreamId) -> u64 {
        let index = self.index_of(id);
        let before = self.sealed.as_ref().map_or(0, |sealed| sealed.count_before(index));
        before + self.block(index).count_until(id)
    }

    /// Visits the blocks in order until `visit` says that it is enough, and does with each what it
    /// says. A block in which nothing is left goes.
    pub(super) fn sweep(&mut self, mut visit: impl FnMut(BlockRef<'_>) -> Sweep) {
        let goes_on = self.sealed.as_mut().is_none_or(|sealed| sealed.sweep(&mut visit));
        if goes_on && !self.tail.is_empty() {
            match visit(self.tail.as_ref()) {
                Sweep::Drop => self.tail = Block::default(),
                Sweep::Delete { chosen, .. } => {
                    self.tail.delete_chosen(&chosen);
                    if self.tail.live() == 0 {
                        self.tail = Block::default();
                    }
                }
                Sweep::Stop => {}
            }
        }
    }

    /// Memory behind the struct, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let sealed = self.sealed.as_ref().map_or(0, |sealed| size_of::<SealedBlocks>() + sealed.heap_bytes());
        sealed + self.tail.heap_bytes()
    }

    /// Memory that the counts of entries take, in bytes.
    #[cfg(test)]
    pub(super) fn count_bytes(&self) -> usize {
        self.sealed.as_ref().map_or(0, |sealed| sealed.count_bytes())
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut previous = None;
        for index in 0..=self.sealed_len() {
            let block = self.block(index);
            if block.is_empty() {
                assert_eq!(index, self.sealed_len(), "only the tail may be empty");
                continue;
            }
            assert!(block.live() > 0, "a block without live entries is dropped");
            assert!(previous < Some(block.first()), "blocks are ordered");
            assert!(block.first() <= block.last());
            previous = Some(block.last());
        }
        if let Some(sealed) = &self.sealed {
            sealed.check_invariants();
        }
    }
}
