//! [`EntryFinder`]: finds entries whose IDs ascend without beginning anew for each.

use super::block::{Entry, Walk};
use super::block_ref::Reading;
use super::blocks::Blocks;
use super::id::StreamId;

/// Finds entries of a stream by their IDs. Whoever asks in ascending order reads each block once; else each question reads a block from
/// its beginning.
#[derive(Debug)]
pub struct EntryFinder<'a> {
    blocks: &'a Blocks,
    /// The block that was looked into last, and how far it was read.
    open: Option<(Reading<'a>, Walk)>,
}

impl<'a> EntryFinder<'a> {
    pub(super) fn new(blocks: &'a Blocks) -> Self {
        Self { blocks, open: None }
    }

    /// The entry of this ID; `None` when there is none.
    pub fn find(&mut self, id: StreamId) -> Option<Entry<'_>> {
        if !self.open.as_ref().is_some_and(|(reading, walk)| walk.leads_to(&reading.packed(), id)) {
            let block = self.blocks.block_of(id);
            if block.is_empty() || id < block.first() || id > block.last() {
                return None;
            }
            let reading = block.read();
            let walk = Walk::new(&reading.packed());
            self.open = Some((reading, walk));
        }
        let (reading, walk) = self.open.as_mut()?;
        walk.find(reading.packed(), id)
    }
}
