//! Trimming: dropping a stream's oldest entries.

use super::block::BlockLimits;
use super::id::StreamId;
use super::stream::Stream;

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
    /// `~`: only whole blocks are dropped, so that more may be left.
    pub approximate: bool,
    /// The number of entries that `~` drops at most; `None` for no bound.
    pub limit: Option<u64>,
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

impl Stream {
    /// Trims and returns the number of entries dropped.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let mut dropped = 0;
        while let Some((live, last)) = self.blocks.front() {
            if let TrimStrategy::MaxLen(max) = trim.strategy
                && self.len <= max
            {
                break;
            }
            if let (true, Some(limit)) = (trim.approximate, trim.limit)
                && dropped + live > limit
            {
                break;
            }
            let whole = match trim.strategy {
                TrimStrategy::MaxLen(max) => self.len - live >= max,
                TrimStrategy::MinId(min) => last < min,
            };
            if whole {
                self.blocks.drop_front();
                self.len -= live;
                dropped += live;
                continue;
            }
            if !trim.approximate {
                let mut len = self.len;
                let deleted = self.blocks.delete_in_front(|id| match trim.strategy {
                    TrimStrategy::MaxLen(max) => {
                        let wanted = len > max;
                        len -= u64::from(wanted);
                        wanted
                    }
                    TrimStrategy::MinId(min) => id < min,
                });
                self.len -= deleted;
                dropped += deleted;
            }
            break;
        }
        if dropped > 0 {
            self.refresh_first_id();
        }
        dropped
    }
}
