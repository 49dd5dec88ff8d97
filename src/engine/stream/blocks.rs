//! The entries of a stream: blocks in the order of their IDs.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::block::{Block, BlockLimits, Chosen, Entry, Packed, SealedBlock};
use super::id::StreamId;

/// A block that is appended to no more. Its first ID stands beside the pointer, so that a search
/// touches no block but the one it is for.
#[derive(Debug, Clone)]
struct Sealed {
    first: StreamId,
    block: SealedBlock,
}

/// Blocks, ordered by ID. All but the last are sealed and shared: a clone of this copies pointers
/// and the tail, and a sealed block is copied only when an entry in it is deleted while a clone
/// holds it.
///
/// Invariants: no sealed block is without live entries; the tail is empty only when nothing was
/// appended since the last seal or clear.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    sealed: VecDeque<Sealed>,
    tail: Block,
    /// Memory behind the sealed blocks, in bytes.
    sealed_bytes: usize,
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
    fn goes_on(&self) -> bool {
        matches!(self, Self::Drop | Self::Delete { is_last: false, .. })
    }
}

impl Blocks {
    /// The number of blocks that hold entries.
    pub(super) fn count(&self) -> usize {
        self.sealed.len() + usize::from(!self.tail.is_empty())
    }

    /// The one way to a block; the tail is the last.
    #[inline]
    fn block(&self, index: usize) -> Packed<'_> {
        self.sealed.get(index).map_or_else(|| self.tail.packed(), |sealed| sealed.block.packed())
    }

    /// Each block's first ID, in order.
    pub(super) fn first_ids(&self) -> impl Iterator<Item = StreamId> {
        let tail = (!self.tail.is_empty()).then(|| self.tail.first());
        self.sealed.iter().map(|sealed| sealed.first).chain(tail)
    }

    /// The block that would hold `id`: the last one whose first ID is not above it, else the first.
    #[inline]
    fn index_of(&self, id: StreamId) -> usize {
        if !self.tail.is_empty() && id >= self.tail.first() {
            return self.sealed.len();
        }
        self.sealed.partition_point(|sealed| sealed.first <= id).saturating_sub(1)
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
        } else if self.tail.packed().is_full(text_len, limits) {
            self.seal();
        }
        self.tail.append(id, fields);
    }

    /// All blocks that hold entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = Packed<'_>> {
        let tail = (!self.tail.is_empty()).then(|| self.tail.packed());
        self.sealed.iter().map(|sealed| sealed.block.packed()).chain(tail)
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
        if let Some(last) = self.sealed.pop_back_if(|last| !last.block.packed().is_full(text_len, limits)) {
            self.sealed_bytes -= last.block.heap_bytes();
            self.tail = last.block.reopen();
        }
    }

    /// Drops the deleted entries behind `id`; there are no others. The next entry may be below them.
    pub(super) fn forget_behind(&mut self, id: StreamId) {
        let was_sealed = self.tail.is_empty();
        if was_sealed {
            let Some(last) = self.sealed.pop_back_if(|last| last.block.packed().last() > id) else { return };
            self.sealed_bytes -= last.block.heap_bytes();
            self.tail = last.block.reopen();
        }
        if self.tail.packed().last() > id {
            self.tail = self.tail.packed().copy_until(id);
        }
        if was_sealed {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if self.tail.live() > 0 {
            let block = SealedBlock::new(&self.tail);
            self.sealed_bytes += block.heap_bytes();
            self.sealed.push_back(Sealed { first: self.tail.first(), block });
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
        for index in self.index_of(start)..=self.sealed.len() {
            let block = self.block(index);
            if block.is_empty() || block.first() > end {
                return;
            }
            if block.scan(start, end, visit).is_break() {
                return;
            }
        }
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
        self.block(self.index_of(id)).contains(id)
    }

    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let index = self.index_of(id);
        let Some(sealed) = self.sealed.get_mut(index) else {
            let deleted = self.tail.delete(id);
            if deleted && self.tail.live() == 0 {
                self.tail = Block::default();
            }
            return deleted;
        };
        if !sealed.block.delete(id) {
            return false;
        }
        if sealed.block.packed().live() == 0 {
            self.sealed_bytes -= sealed.block.heap_bytes();
            self.sealed.remove(index);
        }
        true
    }

    /// Visits the blocks in order until `visit` says that it is enough, and does with each what it
    /// says. A block in which nothing is left goes.
    pub(super) fn sweep(&mut self, mut visit: impl FnMut(Packed<'_>) -> Sweep) {
        // Blocks that are kept move to the front over those that go, each once.
        let (mut kept, mut seen, mut goes_on) = (0, 0, true);
        while goes_on && seen < self.sealed.len() {
            let sweep = visit(self.sealed[seen].block.packed());
            goes_on = sweep.goes_on();
            let sealed = &mut self.sealed[seen];
            let bytes_before = sealed.block.heap_bytes();
            let goes = match &sweep {
                Sweep::Drop => true,
                Sweep::Delete { chosen, .. } if !chosen.is_empty() => {
                    sealed.block.delete_chosen(chosen);
                    sealed.block.packed().live() == 0
                }
                _ => false,
            };
            if goes {
                self.sealed_bytes -= bytes_before;
            } else {
                self.sealed_bytes = self.sealed_bytes - bytes_before + sealed.block.heap_bytes();
                if kept < seen {
                    self.sealed.swap(kept, seen);
                }
                kept += 1;
            }
            seen += 1;
        }
        self.sealed.drain(kept..seen);
        if goes_on && !self.tail.is_empty() {
            match visit(self.tail.packed()) {
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
        self.sealed_bytes + self.tail.heap_bytes() + self.sealed.capacity() * size_of::<Sealed>()
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut previous = None;
        for index in 0..=self.sealed.len() {
            let block = self.block(index);
            if block.is_empty() {
                assert_eq!(index, self.sealed.len(), "only the tail may be empty");
                continue;
            }
            assert!(block.live() > 0, "a block without live entries is dropped");
            assert!(previous < Some(block.first()), "blocks are ordered");
            assert!(block.first() <= block.last());
            previous = Some(block.last());
        }
        let bytes: usize = self.sealed.iter().map(|sealed| sealed.block.heap_bytes()).sum();
        assert_eq!(bytes, self.sealed_bytes);
    }
}
