//! A block that is appended to no more, plain or compressed.

use std::sync::Arc;

use super::block::{Block, Chosen, DELETED, Header, Packed};
use super::block_ref::BlockRef;
use super::compression::compress;
use super::id::StreamId;

/// A block that is appended to no more: its header and its bytes in one allocation, which clones share until one of them
/// deletes an entry. Its bytes may be compressed; the header stays as it is. A compressed block is plain again as soon as an
/// entry of it is deleted.
#[derive(Debug, Clone)]
pub(super) struct SealedBlock(Arc<[u8]>);

/// The header's place for the number of deleted entries. A block has far less than `2^31` entries: the highest bit says that
/// the bytes behind the header are compressed.
const DELETED_AT: usize = 36;
const COMPRESSED_AT: usize = DELETED_AT + 3;
const COMPRESSED: u8 = 0x80;

impl Header {
    /// Its size before a sealed block's bytes.
    const LEN: usize = 44;

    fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.first.ms.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.seq.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.last.ms.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.last.seq.to_le_bytes());
        bytes[32..DELETED_AT].copy_from_slice(&self.live.to_le_bytes());
        bytes[DELETED_AT..40].copy_from_slice(&self.deleted.to_le_bytes());
        bytes[40..].copy_from_slice(&self.listpack_len.to_le_bytes());
        bytes
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Self {
        let word =
            |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("a sealed block has a header"));
        let half =
            |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("a sealed block has a header"));
        Self {
            first: StreamId::new(word(0), word(8)),
            last: StreamId::new(word(16), word(24)),
            live: half(32),
            deleted: half(DELETED_AT) & (u32::MAX >> 1),
            listpack_len: half(40),
        }
    }
}

impl SealedBlock {
    pub(super) fn new(block: &Block) -> Self {
        Self::from_packed(block.packed())
    }

    fn from_packed(block: Packed<'_>) -> Self {
        let mut bytes = Vec::with_capacity(Header::LEN + block.data.len());
        bytes.extend_from_slice(&block.header.encode());
        bytes.extend_from_slice(block.data);
        Self(bytes.into())
    }

    /// The block, to be appended to again.
    pub(super) fn reopen(&self) -> Block {
        let reading = self.as_ref().read();
        let Packed { header, data } = reading.packed();
        Block { header, data: data.to_vec() }
    }

    #[inline]
    pub(super) fn is_compressed(&self) -> bool {
        self.0[COMPRESSED_AT] & COMPRESSED != 0
    }

    #[inline]
    pub(super) fn as_ref(&self) -> BlockRef<'_> {
        let header = Header::decode(&self.0);
        if self.is_compressed() {
            return BlockRef::compressed(header, &self.0, Header::LEN);
        }
        BlockRef::plain(Packed { header, data: &self.0[Header::LEN..] })
    }

    /// Compresses the block, unless that gains nothing.
    pub(super) fn compress(&mut self) {
        if self.is_compressed() {
            return;
        }
        let reading = self.as_ref().read();
        let packed = reading.packed();
        // What a compressed block's header says of its first entry holds: nobody has to unpack it for that.
        if !packed.begins_with_first() {
            return;
        }
        let mut header = packed.header.encode();
        header[COMPRESSED_AT] |= COMPRESSED;
        if let Some(bytes) = compress(&header, packed.data) {
            self.0 = bytes;
        }
    }

    /// Memory behind the struct, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.len() + 2 * size_of::<usize>()
    }

    /// Deletes the entry of this ID; `false`, and the block is not copied, when there is none.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let block = self.as_ref();
        if id < block.first() || id > block.last() {
            return false;
        }
        let Some(place) = block.read().packed().find_place(id) else { return false };
        self.delete_at(&[place.flags_at]);
        true
    }

    /// Deletes entries that were chosen in this block as it is.
    pub(super) fn delete_chosen(&mut self, chosen: &Chosen) {
        if !chosen.is_empty() {
            self.delete_at(&chosen.0);
        }
    }

    fn delete_at(&mut self, places: &[usize]) {
        if self.is_compressed() {
            *self = Self::from_packed(self.as_ref().read().packed());
        }
        let bytes = Arc::make_mut(&mut self.0);
        let mut header = Header::decode(bytes);
        for flags_at in places {
            bytes[Header::LEN + flags_at] |= DELETED;
            header.count_deleted();
        }
        bytes[..Header::LEN].copy_from_slice(&header.encode());
    }
}
