//! [`Position`]: a place in the log; [`EffectLog`]: what the rest of the server knows of a log.

use std::sync::Arc;

use super::effects::Effects;
use super::error::{LogError, LogFailure};

/// A place in the log: the number of bytes that were appended before it since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub(super) u64);

impl Position {
    /// Where the log of this process begins; always durable.
    pub const START: Self = Self(0);

    /// The bytes before this place.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// A log of effects: a local file today, and whatever else keeps effects durable.
///
/// Positions grow: what is appended later has a greater one, and what is durable up to a position is so before it, too.
pub trait EffectLog: Send + Sync {
    /// Takes the effects over and answers the position behind them. Does no I/O and never waits for any, so that it may be called
    /// with a shard's lock held. Effects of one call stay together.
    fn append(&self, effects: &Effects) -> Position;
    /// The position behind everything appended.
    fn appended(&self) -> Position;
    /// The position up to which everything is durable.
    fn durable(&self) -> Position;
    /// Waits until everything up to `position` is durable, and sees to it that it soon is.
    ///
    /// # Errors
    /// The failure because of which it cannot become durable any more; whether it will be there after a restart is then open.
    fn durable_at(&self, position: Position) -> impl Future<Output = Result<(), Arc<LogError>>> + Send;
    /// The failure because of which nothing can be made durable any more.
    fn latched(&self) -> Option<LogFailure>;
}
