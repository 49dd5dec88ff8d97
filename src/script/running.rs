//! [`Running`]: the script that is running, as others see it.

use std::sync::atomic::{
    AtomicBool, AtomicU8,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Instant;

use parking_lot::Mutex;

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A script: EVAL and its like.
    Script,
    /// A function.
    Function,
}

/// What FUNCTION STATS tells of what runs for too long.
#[derive(Debug, Clone)]
pub struct RunningScript {
    /// The function's name, or the script's hash.
    pub name: Vec<u8>,
    /// The command that runs it, with its arguments.
    pub command: Vec<Vec<u8>>,
    /// When it began.
    pub since: Instant,
}

/// Why what runs is not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillRefusal {
    /// Nothing runs.
    NotBusy,
    /// What runs is of this kind, which another command ends.
    Other(Kind),
    /// It has written, and half of a script is not to stay.
    HasWritten,
}

const NOTHING: u8 = 0;
const SCRIPT: u8 = 1;
const FUNCTION: u8 = 2;

/// The script that is running, as others see it. There is one at most: a script holds all shards.
#[derive(Debug, Default)]
pub struct Running {
    kind: AtomicU8,
    busy: AtomicBool,
    killed: AtomicBool,
    has_written: AtomicBool,
    told: Mutex<Option<RunningScript>>,
}

impl Running {
    /// A script begins.
    pub fn begin(&self, kind: Kind) {
        self.killed.store(false, Relaxed);
        self.has_written.store(false, Relaxed);
        self.kind.store(if kind == Kind::Script { SCRIPT } else { FUNCTION }, Release);
    }

    /// It has ended.
    pub fn end(&self) {
        self.kind.store(NOTHING, Release);
        self.killed.store(false, Relaxed);
        if self.busy.swap(false, Release) {
            *self.told.lock() = None;
        }
    }

    /// What runs.
    pub fn kind(&self) -> Option<Kind> {
        match self.kind.load(Acquire) {
            SCRIPT => Some(Kind::Script),
            FUNCTION => Some(Kind::Function),
            _ => None,
        }
    }

    /// It runs for longer than it should: from now on others are refused, and the shards are theirs to look at.
    pub fn become_busy(&self, script: impl FnOnce() -> RunningScript) {
        if !self.is_busy() {
            *self.told.lock() = Some(script());
            self.busy.store(true, Release);
        }
    }

    /// Whether a script runs for longer than it should: the data are in the middle of it.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy.load(Acquire)
    }

    /// What is told of the script that runs for longer than it should.
    pub fn told(&self) -> Option<RunningScript> {
        self.told.lock().clone()
    }

    /// The script has written, and cannot be ended any more.
    pub fn note_write(&self) {
        self.has_written.store(true, Relaxed);
    }

    /// Whether it has written.
    pub fn has_written(&self) -> bool {
        self.has_written.load(Relaxed)
    }

    /// Has what runs ended, if it is of this kind.
    ///
    /// # Errors
    /// Why it goes on.
    pub fn kill(&self, kind: Kind) -> Result<(), KillRefusal> {
        match self.kind() {
            None => Err(KillRefusal::NotBusy),
            Some(running) if running != kind => Err(KillRefusal::Other(running)),
            Some(_) if self.has_written() => Err(KillRefusal::HasWritten),
            Some(_) => {
                self.killed.store(true, Relaxed);
                Ok(())
            }
        }
    }

    /// Whether it is to end.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }
}
