//! Trimming: dropping a stream's oldest entries.

use std::ops::ControlFlow;

use super::block::BlockLimits;
use super::block_ref::BlockRef;
use super::blocks::Sweep;
use super::id::StreamId;
use super::references::{RefPolicy, Released};
use super::stream::Stream;
use crate::engine::group::Groups;

/// What is to be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimStrategy {
    /// At most so many entries (MAXLEN).
    MaxLen(u64),
    /// No entry below this ID (MINID).
    MinId(StreamId),
}

/// How a stream is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// What is to be left.
    pub strategy: TrimStrategy,
    /// `~`: only whole blocks are dropped, so that more may be left, unless the policy has entries looked at
    /// one by one.
    pub approximate: bool,
    /// The number of entries that `~` drops at most; `None` for no bound.
    pub limit: Option<u64>,
    /// What is done about groups that refer to an entry.
    pub policy: RefPolicy,
}

impl Trim {
    /// The bound that `~` has when no LIMIT was given, by Redis's rule: a hundred blocks' worth,
    /// 10,000 when blocks are not bounded by entries, and never more than a million.
    pub fn default_limit(limits: &BlockLimits) -> u64 {
        match (limits.entries_max as u64).saturating_mul(100) {
            0 => 10_000,
            limit => limit.min(1_000_000),
        }
    }
}

/// What a trim did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// The number of entries dropped.
    pub dropped: u64,
    /// The last ID dropped, if entries before it were passed over because groups refer to them
    /// ([`RefPolicy::Acked`]): all entries up to it to which no group refers are gone.
    pub last_behind_spared: Option<StreamId>,
    /// What was taken off groups' pending entries ([`RefPolicy::Remove`]).
    pub released: Released,
}

impl Stream {
    /// Drops the oldest entries.
    ///
    /// With another policy than [`RefPolicy::Keep`] `~` leaves no more than `=` does, but for its limit.
    /// As in Redis, trimming to a length ends with the first block that could not go whole by the
    /// number of its entries, whatever is behind it.
    pub fn trim(&mut self, trim: &Trim) -> Trimmed {
        // What XADD MAXLEN ~ finds nearly always: the first block has to stay.
        if let Trim {
            strategy: TrimStrategy::MaxLen(max), approximate: true, policy: RefPolicy::Keep, ..
        } = *trim
            && self.len < max.saturating_add(self.blocks.first_live())
        {
            return Trimmed::default();
        }
        let mut sweeper = Sweeper {
            trim,
            len: self.len,
            groups: &mut self.groups,
            trimmed: Trimmed::default(),
            last_dropped: StreamId::MIN,
            has_spared: false,
        };
        if !sweeper.is_short_enough() {
            self.blocks.sweep(|block| sweeper.visit(block));
        }
        let Sweeper { trimmed, last_dropped, .. } = sweeper;
        if trimmed.dropped > 0 {
            self.len -= trimmed.dropped;
            self.refresh_first_id();
            if last_dropped >= self.last_entry_id {
                self.refresh_last_entry_id();
            }
        }
        trimmed
    }
}

/// A trim on its way through the blocks.
struct Sweeper<'a> {
    trim: &'a Trim,
    groups: &'a mut Groups,
    /// Entries that are left.
    len: u64,
    trimmed: Trimmed,
    last_dropped: StreamId,
    /// An entry was passed over because a group refers to it.
    has_spared: bool,
}

impl Sweeper<'_> {
    fn is_short_enough(&self) -> bool {
        matches!(self.trim.strategy, TrimStrategy::MaxLen(max) if self.len <= max)
    }

    fn visit(&mut self, block: BlockRef<'_>) -> Sweep {
        let live = block.live();
        let is_over_limit = |limit| self.trimmed.dropped + live > limit;
        if self.is_short_enough() || (self.trim.approximate && self.trim.limit.is_some_and(is_over_limit)) {
            return Sweep::Stop;
        }
        let is_whole = match self.trim.strategy {
            TrimStrategy::MaxLen(max) => self.len - live >= max,
            TrimStrategy::MinId(min) => block.last() < min,
        };
        if is_whole && !self.has_to_heed(block) {
            self.note_dropped(block.last(), live);
            return Sweep::Drop;
        }
        if self.trim.approximate && self.trim.policy == RefPolicy::Keep {
            return Sweep::Stop;
        }
        // What a group has not read here, it has not read behind it either.
        if self.trim.policy == RefPolicy::Acked && block.first() > self.groups.read_until() {
            return Sweep::Stop;
        }
        Sweep::Delete { chosen: block.choose(|id| self.judge(id)), is_last: !is_whole }
    }

    /// Whether the policy has something to do about groups that refer to the block's entries.
    fn has_to_heed(&self, block: BlockRef<'_>) -> bool {
        let is_pending =
            || self.groups.iter().any(|(_, group)| group.pending().has_any_in(block.first(), block.last()));
        match self.trim.policy {
            RefPolicy::Keep => false,
            RefPolicy::Remove => is_pending(),
            RefPolicy::Acked => block.last() > self.groups.read_until() || is_pending(),
        }
    }

    /// Whether an entry is to go; breaks when no further one is.
    fn judge(&mut self, id: StreamId) -> ControlFlow<(), bool> {
        let is_enough = match self.trim.strategy {
            TrimStrategy::MaxLen(_) => self.is_short_enough(),
            TrimStrategy::MinId(min) => id >= min,
        };
        if is_enough {
            return ControlFlow::Break(());
        }
        match self.trim.policy {
            RefPolicy::Keep => {}
            RefPolicy::Remove => self.groups.release(id, &mut self.trimmed.released),
            RefPolicy::Acked => {
                if self.groups.refer_to(id) {
                    self.has_spared = true;
                    return ControlFlow::Continue(false);
                }
            }
        }
        self.note_dropped(id, 1);
        ControlFlow::Continue(true)
    }

    fn note_dropped(&mut self, last: StreamId, count: u64) {
        self.len -= count;
        self.trimmed.dropped += count;
        self.last_dropped = last;
        if self.has_spared {
            self.trimmed.last_behind_spared = Some(last);
        }
    }
}
