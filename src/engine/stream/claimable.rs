//! Which pending entries can be claimed, and when the next one can.

use std::ops::ControlFlow;

use super::{Stream, StreamId};
use crate::engine::PendingEntry;

/// What a search for entries that can be claimed came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimable {
    /// Those that can be claimed, in that order: first what is nobody's, then what is idle for the longest time.
    pub entries: Vec<PendingEntry>,
    /// When the next one can be, unless the group changes, in milliseconds since the Unix epoch; `None` when nothing else is pending, or
    /// when as many as were wanted were found.
    pub next_ms: Option<u64>,
}

impl Stream {
    /// Finds up to `count` entries that are pending in a group and were not delivered for so long. Those that are gone from the stream
    /// are passed over.
    pub fn find_claimable(&mut self, group: &[u8], now_ms: u64, idle_ms_min: u64, count: u64) -> Claimable {
        let mut found = Claimable::default();
        let (blocks, len) = (&self.blocks, self.len);
        let is_there = |id: StreamId| len > 0 && blocks.contains(id);
        let Some(group) = self.groups.find_mut(group) else { return found };
        if count == 0 || len == 0 {
            return found;
        }
        group.pending_mut().visit_by_rank(|entry| {
            if !is_there(entry.id) {
                return ControlFlow::Continue(());
            }
            if !entry.is_idle(now_ms, idle_ms_min) {
                found.next_ms = Some(entry.delivered_ms.saturating_add(idle_ms_min));
                return ControlFlow::Break(());
            }
            found.entries.push(entry);
            if found.entries.len() as u64 == count {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        found
    }
}
