//! What a script's surroundings do for it.

use super::ScriptError;
use crate::protocol::{Protocol, Request};

/// What came of a command that a script called.
#[derive(Debug)]
pub enum HostCall {
    /// Its reply, in the protocol that the script asked for.
    Reply(Vec<u8>),
    /// It was refused before it was executed: the error line without its `-`.
    Refused(Vec<u8>),
}

/// What a script's surroundings do for it: they execute commands, and say whether it may go on.
pub trait Host {
    /// Executes a command.
    fn call(&mut self, request: Request<'_>, protocol: Protocol) -> HostCall;

    /// Whether the user may have a request executed.
    ///
    /// # Errors
    /// There is no such command.
    fn check_access(&mut self, request: Request<'_>) -> Result<bool, &'static str>;

    /// Called again and again while the script runs for longer than it should: lets others have their turn.
    fn pause(&mut self);
}

/// How a script ended whose reply is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its reply is no error.
    Well,
    /// Its reply is an error that it made itself.
    WithError,
    /// Its reply is an error that was counted already where it arose.
    WithCountedError,
}

/// What a run comes to.
pub(super) type RunResult = Result<Ended, ScriptError>;
