//! A block as it is kept, for who writes or builds a stream block by block.

use super::block::{Block, BlockLimits, Entry};
use super::block_ref::{BlockRef, Reading};
use super::blocks::Blocks;
use super::id::StreamId;
use super::stream::Stream;
use super::value::FieldValue;

/// A block of a stream with all that stands in it, deleted entries included.
#[derive(Debug)]
pub struct BlockView<'a> {
    block: BlockRef<'a>,
    reading: Reading<'a>,
}

impl<'a> BlockView<'a> {
    pub(super) fn new(block: BlockRef<'a>) -> Self {
        Self { block, reading: block.read() }
    }

    /// The ID that the block begins with: its first entry's, deleted or not, as a rule.
    pub fn first_id(&self) -> StreamId {
        self.block.first()
    }

    /// The number of entries that are not deleted.
    pub fn live(&self) -> u64 {
        self.block.live()
    }

    /// The number of entries that are deleted, but still take room.
    pub fn deleted(&self) -> u64 {
        self.block.deleted()
    }

    /// The bytes that Redis's listpack of these entries takes.
    pub fn listpack_bytes(&self) -> usize {
        self.block.listpack_len()
    }

    /// The field names that entries of the block may share.
    pub fn names(&self) -> impl ExactSizeIterator<Item = FieldValue<'_>> {
        self.reading.packed().names()
    }

    /// Calls `visit` for each entry, with whether it is deleted.
    pub fn visit(&self, visit: impl FnMut(Entry<'_>, bool)) {
        self.reading.packed().visit(visit);
    }
}

/// Builds a stream of blocks that were formed elsewhere.
#[derive(Debug, Default)]
pub struct StreamBuilder {
    blocks: Blocks,
    block: Block,
    /// The last entry's ID, deleted or not; `None` before the first one.
    last: Option<StreamId>,
    first_id: StreamId,
    last_entry_id: StreamId,
    len: u64,
}

impl StreamBuilder {
    /// Begins a block: its entries are at `first` or above. `false`, and nothing is to be built, when that is not above all
    /// before.
    #[must_use]
    pub fn begin_block<'f>(
        &mut self,
        first: StreamId,
        names: impl ExactSizeIterator<Item = &'f [u8]> + Clone,
    ) -> bool {
        if self.last.is_some_and(|last| first <= last) {
            return false;
        }
        self.blocks.push(std::mem::take(&mut self.block));
        self.block.begin(first, names);
        true
    }

    /// Appends an entry of one field at least to the block. `false`, and nothing is to be built, when its ID is not above all
    /// before, or its fields are longer than [`Stream::ENTRY_BYTES_MAX`].
    #[must_use]
    pub fn append<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        is_deleted: bool,
    ) -> bool {
        let text_len = fields.clone().map(|(name, value)| name.len().saturating_add(value.len()));
        let is_too_long = text_len.fold(0, usize::saturating_add) > BlockLimits::BYTES_MAX;
        let is_after = id >= self.block.first() && self.last.is_none_or(|last| id > last);
        if is_too_long || !is_after || id == StreamId::MIN {
            return false;
        }
        let flags_at = self.block.append(id, fields);
        self.last = Some(id);
        if is_deleted {
            self.block.mark_deleted(flags_at);
            return true;
        }
        if self.len == 0 {
            self.first_id = id;
        }
        self.last_entry_id = id;
        self.len += 1;
        true
    }

    /// The number of entries so far that are not deleted.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The stream; `None` when `last_id` is below an entry's.
    pub fn finish(
        mut self,
        last_id: StreamId,
        entries_added: u64,
        max_deleted_id: StreamId,
    ) -> Option<Stream> {
        if self.len > 0 && last_id < self.last_entry_id {
            return None;
        }
        self.blocks.push(self.block);
        let mut stream = Stream::from_blocks(self.blocks, self.len, (self.first_id, self.last_entry_id));
        stream.set_counters(last_id, Some(entries_added), Some(max_deleted_id));
        Some(stream)
    }
}
