//! [`Cursor`]: where in a stream a group goes on to read.

use super::block::Walk;
use super::block_ref::Reading;
use super::id::StreamId;

/// A place behind an entry that was read: who reads on from there need not pass over the entries before it in its block.
///
/// A block is known by its first ID, and what was packed into it stays where it is. Both hold as long as the IDs that are added ascend;
/// when a stream's last ID is set back (XSETID), its groups' cursors are forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    after: StreamId,
    block: StreamId,
    /// Where the entry ends in the block's bytes; 0 for no place at all. A block has at most 1 GiB, and one entry.
    position: u32,
}

impl Cursor {
    /// The place that a walk through a block has come to, behind the entry `after`.
    #[inline]
    pub(super) fn behind(after: StreamId, block: StreamId, walk: &Walk) -> Self {
        // Behind a place that does not fit a block is read from its beginning.
        Self { after, block, position: u32::try_from(walk.position()).unwrap_or(0) }
    }

    /// A walk through a block for who has read up to `after`: from here if this is the place, else from the block's beginning.
    #[inline]
    pub(super) fn walk(&self, reading: &Reading<'_>, after: StreamId) -> Walk {
        let block = reading.packed();
        if self.position > 0 && self.after == after && self.block == block.header.first {
            debug_assert!(self.position as usize <= block.data.len(), "what was packed stays where it is");
            Walk::behind(&block, after, self.position as usize)
        } else {
            Walk::new(&block)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{BlockLimits, Group, Stream};

    fn append(stream: &mut Stream, ms: u64, value: &str) {
        let fields = [(&b"f"[..], value.as_bytes())];
        stream.append(StreamId::new(ms, 0), fields.into_iter(), &BlockLimits::default());
    }

    /// Has the group read one entry; its value's length.
    fn read_one(stream: &mut Stream) -> Option<usize> {
        let group = stream.groups().find(b"g").expect("it is there");
        let (mut last, mut len) = (group.last_delivered_id, None);
        let cursor = stream.read_on(last, group.cursor, 1, |entry| {
            last = entry.id;
            len = entry.fields().next().map(|(_, value)| value.to_vec().len());
            true
        });
        let group = stream.groups_mut().find_mut(b"g").expect("it is there");
        (group.last_delivered_id, group.cursor) = (last, cursor);
        len
    }

    #[test]
    fn a_stream_that_is_set_back_may_have_another_block_of_the_same_name() {
        let mut stream = Stream::new();
        stream.groups_mut().create(b"g", Group::default());
        for ms in [40, 50] {
            append(&mut stream, ms, "v");
            assert_eq!(read_one(&mut stream), Some(1));
        }
        for ms in [40, 50] {
            assert!(stream.delete(StreamId::new(ms, 0)));
        }
        stream.set_counters(StreamId::new(30, 0), None, None);
        for (ms, len) in [(40, 1000), (50, 5), (60, 6)] {
            append(&mut stream, ms, &"v".repeat(len));
        }
        assert_eq!(read_one(&mut stream), Some(6), "behind what it has read before");
        assert_eq!(read_one(&mut stream), None);
    }

    #[test]
    fn a_place_is_used_where_it_was_read_only() {
        let mut stream = Stream::new();
        for ms in 1..=10 {
            append(&mut stream, ms, "v");
        }
        let read = |cursor: Cursor, after: u64| {
            let (mut visited, mut first) = (0, None);
            let cursor = stream.read_on(StreamId::new(after, 0), cursor, 2, |entry| {
                first = first.or(Some(entry.id.ms));
                visited += 1;
                true
            });
            assert_eq!((first, visited), (Some(after + 1), 2));
            cursor
        };
        let cursor = read(Cursor::default(), 3);
        assert_ne!(cursor, read(cursor, 5), "it goes on");
        // XGROUP SETID: read from elsewhere.
        assert_eq!(cursor, read(cursor, 3));
    }
}
