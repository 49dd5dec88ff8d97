//! The sealed blocks of a stream, in the order of their IDs.

use super::block::Block;
use super::block_ref::BlockRef;
use super::blocks::Sweep;
use super::id::StreamId;
use super::live_counts::LiveCounts;
use super::sealed_block::SealedBlock;
use super::shared_deque::SharedDeque;

/// So many blocks at most share a slot of the counts.
const SLOT_BLOCKS_MAX: usize = 16;

/// So many blocks are looked at, at a time, for some to compress.
const SEEN_MAX: usize = 64;

/// A block that is appended to no more. Its first ID stands beside the pointer, so that a search
/// touches no block but the one it is for; so does the number of its live entries.
#[derive(Debug, Clone)]
struct Sealed {
    first: StreamId,
    live: u32,
    /// Where its live entries are counted. Slots ascend from block to block.
    slot: u32,
    block: SealedBlock,
}

/// Blocks that are appended to no more, in order, each with live entries. A clone copies pointers.
///
/// Blocks that go leave holes in their slots. When there are many more slots than the blocks need, slots are dealt out anew:
/// the cost is spread over the blocks that came or went since.
#[derive(Debug, Clone, Default)]
pub(super) struct SealedBlocks {
    blocks: SharedDeque<Sealed>,
    counts: LiveCounts,
    /// Memory behind the blocks, in bytes.
    bytes: usize,
    /// So many blocks at the front need not be looked at to be compressed: they are, or stay plain.
    settled: usize,
}

impl SealedBlocks {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    #[inline]
    pub(super) fn find(&self, index: usize) -> Option<BlockRef<'_>> {
        self.blocks.get(index).map(|sealed| sealed.block.as_ref())
    }

    /// The number of live entries in the first block.
    #[inline]
    pub(super) fn first_live(&self) -> Option<u64> {
        self.blocks.get(0).map(|first| u64::from(first.live))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = BlockRef<'_>> {
        self.blocks.iter().map(|sealed| sealed.block.as_ref())
    }

    /// Each block's first ID.
    pub(super) fn first_ids(&self) -> impl Iterator<Item = StreamId> {
        self.blocks.iter().map(|sealed| sealed.first)
    }

    /// The block that would hold `id`: the last one whose first ID is not above it, else the first.
    #[inline]
    pub(super) fn index_of(&self, id: StreamId) -> usize {
        self.blocks.partition_point(|sealed| sealed.first <= id).saturating_sub(1)
    }

    /// The number of live entries in all blocks before the one at `index`, which may be behind the last.
    pub(super) fn count_before(&self, index: usize) -> u64 {
        let Some(last) = index.checked_sub(1) else { return 0 };
        let slot = self.blocks[last].slot;
        let before = (0..index).rev().map(|index| &self.blocks[index]);
        let in_slot = before.take_while(|sealed| sealed.slot == slot);
        self.counts.sum_before(slot as usize) + in_slot.map(|sealed| u64::from(sealed.live)).sum::<u64>()
    }

    /// Appends a copy of a block that has live entries; its IDs are above all before.
    #[inline(never)]
    pub(super) fn push(&mut self, block: &Block) {
        if self.counts.slots() > self.blocks.len() / (SLOT_BLOCKS_MAX / 4) + 8 {
            self.deal_slots();
        }
        let (first, live) = (block.first(), block.as_ref().live_u32());
        let block = SealedBlock::new(block);
        self.bytes += block.heap_bytes();
        let slot = self.slot_for_one_more();
        self.counts.add(slot, u64::from(live));
        self.blocks.push_back(Sealed { first, live, slot: slot as u32, block });
    }

    /// The last slot, or a new one when it is full. Slots are at most a quarter of the blocks, so that a `u32` is enough.
    fn slot_for_one_more(&mut self) -> usize {
        let newest = (0..self.blocks.len()).rev().map(|index| &self.blocks[index]);
        let used = |slot| newest.take_while(|sealed| sealed.slot as usize == slot).count();
        match self.counts.slots().checked_sub(1) {
            Some(slot) if used(slot) < SLOT_BLOCKS_MAX => slot,
            _ => {
                self.counts.push_slot();
                self.counts.slots() - 1
            }
        }
    }

    /// Compresses blocks behind the newest `plain_max`: the one that came to be behind them when a block was appended, and one of the
    /// older ones that are still plain, or plain again.
    pub(super) fn compress_behind(&mut self, plain_max: usize) {
        let end = self.blocks.len().saturating_sub(plain_max);
        let Some(last) = end.checked_sub(1) else { return };
        self.compress(last);
        if self.settled == last {
            self.settled = end;
        }
        self.compress_some(plain_max, &mut 1);
    }

    /// Compresses up to `count` blocks behind the newest `plain_max`, the oldest first, takes them off `count`, and looks at a bounded
    /// number of blocks. Whether there may be more to compress.
    pub(super) fn compress_some(&mut self, plain_max: usize, count: &mut usize) -> bool {
        let end = self.blocks.len().saturating_sub(plain_max);
        let seen_end = end.min(self.settled + SEEN_MAX);
        while self.settled < seen_end && *count > 0 {
            if !self.blocks[self.settled].block.is_compressed() {
                self.compress(self.settled);
                *count -= 1;
            }
            self.settled += 1;
        }
        self.settled < end
    }

    fn compress(&mut self, index: usize) {
        let block = &mut self.blocks[index].block;
        self.bytes -= block.heap_bytes();
        block.compress();
        self.bytes += block.heap_bytes();
    }

    /// An entry of the block at `index` was deleted, which made it plain. The first block stays so: who trims exactly deletes
    /// from it again.
    fn unsettle(settled: &mut usize, index: usize) {
        if index > 0 {
            *settled = index.min(*settled);
        }
    }

    fn deal_slots(&mut self) {
        self.counts.clear();
        for (index, sealed) in self.blocks.iter_mut().enumerate() {
            let slot = index / SLOT_BLOCKS_MAX;
            if index % SLOT_BLOCKS_MAX == 0 {
                self.counts.push_slot();
            }
            self.counts.add(slot, u64::from(sealed.live));
            sealed.slot = slot as u32;
        }
    }

    /// Takes the last block, to be appended to, if it is wanted.
    #[inline(never)]
    pub(super) fn reopen_last_if(&mut self, is_wanted: impl FnOnce(BlockRef<'_>) -> bool) -> Option<Block> {
        let last = self.blocks.pop_back_if(|last| is_wanted(last.block.as_ref()))?;
        self.counts.subtract(last.slot as usize, u64::from(last.live));
        self.bytes -= last.block.heap_bytes();
        self.settled = self.settled.min(self.blocks.len());
        Some(last.block.reopen())
    }

    /// Deletes an entry of the block at `index`; `false` when it has none of this ID.
    pub(super) fn delete(&mut self, index: usize, id: StreamId) -> bool {
        if index >= self.blocks.len() {
            return false;
        }
        let sealed = &mut self.blocks[index];
        let bytes_before = sealed.block.heap_bytes();
        if !sealed.block.delete(id) {
            return false;
        }
        self.bytes = self.bytes - bytes_before + sealed.block.heap_bytes();
        sealed.live -= 1;
        self.counts.subtract(sealed.slot as usize, 1);
        if sealed.live == 0 {
            self.bytes -= sealed.block.heap_bytes();
            self.blocks.remove(index);
            self.settled -= usize::from(index < self.settled);
        } else {
            Self::unsettle(&mut self.settled, index);
        }
        true
    }

    /// Visits the blocks in order until `visit` says that it is enough, and does with each what it
    /// says. A block in which nothing is left goes. Whether what is behind them is to be visited.
    pub(super) fn sweep(&mut self, visit: &mut impl FnMut(BlockRef<'_>) -> Sweep) -> bool {
        let (mut kept, mut seen, mut goes_on) = (0, 0, true);
        let (settled_before, mut settled) = (self.settled, self.settled);
        while goes_on && seen < self.blocks.len() {
            let sealed = &self.blocks[seen];
            let sweep = visit(sealed.block.as_ref());
            goes_on = sweep.goes_on();
            let (slot, bytes_before, live_before) = (sealed.slot, sealed.block.heap_bytes(), sealed.live);
            let live = match &sweep {
                Sweep::Drop => 0,
                Sweep::Delete { chosen, .. } if !chosen.is_empty() => {
                    let sealed = &mut self.blocks[seen];
                    sealed.block.delete_chosen(chosen);
                    self.bytes = self.bytes - bytes_before + sealed.block.heap_bytes();
                    sealed.block.as_ref().live_u32()
                }
                _ => live_before,
            };
            if live < live_before {
                self.blocks[seen].live = live;
                self.counts.subtract(slot as usize, u64::from(live_before - live));
            }
            if live == 0 {
                self.bytes -= self.blocks[seen].block.heap_bytes();
                settled -= usize::from(seen < settled_before && kept < settled);
            } else {
                if live < live_before {
                    Self::unsettle(&mut settled, kept);
                }
                kept += 1;
            }
            seen += 1;
        }
        self.drop_emptied(seen, seen - kept);
        self.settled = settled;
        goes_on
    }

    /// Drops those of the first `seen` blocks in which nothing is left, `count` of them.
    fn drop_emptied(&mut self, seen: usize, count: usize) {
        if count == 0 {
            return;
        }
        // Those that stay move behind those that go; mostly they are there.
        let (mut at, mut kept_at) = (seen, seen);
        while kept_at > count {
            at -= 1;
            if self.blocks[at].live > 0 {
                kept_at -= 1;
                if at < kept_at {
                    self.blocks.swap(at, kept_at);
                }
            }
        }
        self.blocks.drop_front(count);
    }

    /// Memory behind the struct, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes + self.blocks.heap_bytes() + self.counts.heap_bytes()
    }

    /// Memory that the counts of entries take, in bytes.
    #[cfg(test)]
    pub(super) fn count_bytes(&self) -> usize {
        self.counts.heap_bytes()
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let (mut before, mut slot_blocks) = (0, std::collections::BTreeMap::new());
        for (index, sealed) in self.blocks.iter().enumerate() {
            let block = sealed.block.as_ref();
            assert_eq!((sealed.first, sealed.live), (block.first(), block.live_u32()));
            assert_eq!(self.count_before(index), before);
            before += block.live();
            *slot_blocks.entry(sealed.slot).or_insert(0) += 1;
        }
        assert_eq!(self.count_before(self.blocks.len()), before);
        assert_eq!(self.counts.sum_before(self.counts.slots()), before);
        assert!(self.blocks.iter().is_sorted_by_key(|sealed| sealed.slot));
        assert!(slot_blocks.values().all(|blocks| *blocks <= SLOT_BLOCKS_MAX));
        assert!(self.settled <= self.blocks.len());
        let bytes: usize = self.blocks.iter().map(|sealed| sealed.block.heap_bytes()).sum();
        assert_eq!(bytes, self.bytes);
    }
}
