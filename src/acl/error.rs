//! Why rules are refused, in the words that clients of Redis see.

use thiserror::Error;

/// Why a rule is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RuleError {
    /// It is of no form that rules have.
    #[error("Syntax error")]
    Syntax,
    /// A command or category that is not known.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// A subcommand's first argument.
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
    /// A key pattern beside all keys.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
         Try 'resetkeys' to start with an empty list of patterns"
    )]
    AllKeys,
    /// A channel pattern beside all channels.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
         Try 'resetchannels' to start with an empty list of channels"
    )]
    AllChannels,
    /// A password that the user does not have is to be removed.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// A password's hash is none.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    NotAHash,
}

/// Why lines that tell of users are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct LinesError(pub String);
