//! A block of any kind, to be asked about.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use super::block::{BlockLimits, Chosen, Entry, Header, Packed};
use super::compression::unpack;
use super::id::StreamId;

/// A block of any kind. What its header tells costs nothing; a compressed block is unpacked when its entries are asked
/// for ([`Self::read`]).
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockRef<'a> {
    header: Header,
    stored: Stored<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Stored<'a> {
    Plain(&'a [u8]),
    /// The whole allocation, and where the compressed bytes begin in it.
    Compressed(&'a Arc<[u8]>, usize),
}

/// A block whose entries can be read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    header: Header,
    data: Data<'a>,
}

#[derive(Debug)]
enum Data<'a> {
    Borrowed(&'a [u8]),
    Unpacked(Rc<Vec<u8>>),
}

impl Reading<'_> {
    #[inline]
    pub(super) fn packed(&self) -> Packed<'_> {
        let data = match &self.data {
            Data::Borrowed(data) => data,
            Data::Unpacked(data) => &data[..],
        };
        Packed { header: self.header, data }
    }
}

impl<'a> BlockRef<'a> {
    #[inline]
    pub(super) fn plain(packed: Packed<'a>) -> Self {
        Self { header: packed.header, stored: Stored::Plain(packed.data) }
    }

    /// A block whose compressed bytes begin at `data_at`.
    #[inline]
    pub(super) fn compressed(header: Header, bytes: &'a Arc<[u8]>, data_at: usize) -> Self {
        Self { header, stored: Stored::Compressed(bytes, data_at) }
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.stored, Stored::Compressed(..))
    }

    /// The block, unpacked if need be.
    #[inline]
    pub(super) fn read(&self) -> Reading<'a> {
        let data = match self.stored {
            Stored::Plain(data) => Data::Borrowed(data),
            Stored::Compressed(bytes, data_at) => Data::Unpacked(unpack(bytes, data_at)),
        };
        Reading { header: self.header, data }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        match self.stored {
            Stored::Plain(data) => data.is_empty(),
            Stored::Compressed(..) => false,
        }
    }

    /// The first entry's ID, deleted or not, or one below it.
    #[inline]
    pub(super) fn first(&self) -> StreamId {
        self.header.first
    }

    /// The last entry's ID, deleted or not.
    #[inline]
    pub(super) fn last(&self) -> StreamId {
        self.header.last
    }

    /// The number of entries that are not deleted.
    pub(super) fn live(&self) -> u64 {
        u64::from(self.header.live)
    }

    /// The same in the form in which it is kept.
    pub(super) fn live_u32(&self) -> u32 {
        self.header.live
    }

    /// Entries that are deleted.
    pub(super) fn deleted(&self) -> u64 {
        u64::from(self.header.deleted)
    }

    /// What Redis's listpack would take, in bytes.
    pub(super) fn listpack_len(&self) -> usize {
        self.header.listpack_len as usize
    }

    /// See [`Header::is_full`].
    pub(super) fn is_full(&self, text_len: usize, limits: &BlockLimits) -> bool {
        self.header.is_full(text_len, limits)
    }

    /// The first entry that is not deleted, if its header tells.
    pub(super) fn find_first_live(&self) -> Option<StreamId> {
        // Only blocks that begin with their first entry's ID are compressed.
        (self.is_compressed() && self.header.deleted == 0).then_some(self.header.first)
    }

    /// The number of entries up to `id`, that one included, that are not deleted.
    pub(super) fn count_until(&self, id: StreamId) -> u64 {
        if id >= self.header.last {
            return self.live();
        }
        if id < self.header.first {
            return 0;
        }
        let mut count = 0;
        let _ = self.read().packed().scan(self.header.first, id, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        count
    }

    /// Whether an entry of this ID is there and not deleted.
    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.header.first <= id && id <= self.header.last && self.read().packed().find_place(id).is_some()
    }

    /// See [`Packed::choose`].
    pub(super) fn choose(&self, judge: impl FnMut(StreamId) -> ControlFlow<(), bool>) -> Chosen {
        self.read().packed().choose(judge)
    }

    /// See [`Packed::scan`].
    #[inline]
    pub(super) fn scan(
        &self,
        start: StreamId,
        end: StreamId,
        visit: &mut impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.header.last < start {
            return ControlFlow::Continue(());
        }
        self.read().packed().scan(start, end, visit)
    }

    /// See [`Packed::scan_reverse`].
    pub(super) fn scan_reverse(
        &self,
        start: StreamId,
        end: StreamId,
        visit: &mut impl FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.header.first > end {
            return ControlFlow::Continue(());
        }
        self.read().packed().scan_reverse(start, end, visit)
    }
}
