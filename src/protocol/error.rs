//! What a client can send that is not a request.

use thiserror::Error;

/// A violation of the protocol: the server answers with `-ERR Protocol error: <this>` and closes.
///
/// The texts are the interface: they are the ones that redis-server 7 answers with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// An inline request of more than 64 KiB without a line end.
    #[error("too big inline request")]
    InlineTooLong,
    /// The line that announces the number of arguments does not end within 64 KiB.
    #[error("too big mbulk count string")]
    CountTooLong,
    /// The line that announces an argument's length does not end within 64 KiB.
    #[error("too big bulk count string")]
    LengthTooLong,
    /// The number of arguments is no number, or above the bound.
    #[error("invalid multibulk length")]
    InvalidCount,
    /// More than ten arguments before authentication.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedCount,
    /// An argument's length is no number, negative, or above `proto-max-bulk-len`.
    #[error("invalid bulk length")]
    InvalidLength,
    /// An argument of more than 16 KiB before authentication.
    #[error("unauthenticated bulk length")]
    UnauthenticatedLength,
    /// An argument does not begin with `$`.
    #[error("expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    /// An inline request ends within quotes, or a closing quote is followed by text.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
}
