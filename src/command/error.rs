//! What a client can be refused, and the text it gets: every refusal's words stand here.

use std::fmt::Write as _;

use super::table::Command;
use crate::acl::Denied;
use crate::script::{KillRefusal, Kind};
use crate::state::WrongType;

/// A refusal. The text is the interface: clients compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// `ERR syntax error`.
    Syntax,
    /// An argument is no integer, or none that fits.
    NotAnInteger,
    /// An argument is no floating point number.
    NotAFloat,
    /// The key holds another type.
    WrongType,
    /// An expiry time that is not positive where it must be, or too far away; the command's name.
    InvalidExpireTime(&'static str),
    /// A database that is not there.
    DbOutOfRange,
    /// A copy or move of a key onto itself.
    SameObject,
    /// A string longer than `proto-max-bulk-len` allows.
    StringTooLong,
    /// The key is not there, for a command that needs it.
    NoSuchKey,
    /// An entry's ID cannot be read.
    InvalidStreamId,
    /// An ID that is not above the stream's last one.
    StreamIdTooSmall,
    /// `0-0` as an entry's ID.
    StreamIdZero,
    /// No greater ID is left.
    StreamIdsExhausted,
    /// An entry's fields are longer than a block can hold.
    StreamEntryTooLarge,
    /// A group of this name is there already.
    BusyGroup,
    /// No such group: the stream's key and the group's name.
    NoGroup {
        /// The stream.
        key: Vec<u8>,
        /// The group.
        group: Vec<u8>,
    },
    /// No such stream or group, in the words of XREADGROUP.
    NoGroupToRead {
        /// The stream.
        key: Vec<u8>,
        /// The group.
        group: Vec<u8>,
    },
    /// No such stream or group, in the words of XPENDING, XCLAIM, XAUTOCLAIM.
    NoKeyOrGroup {
        /// The stream.
        key: Vec<u8>,
        /// The group.
        group: Vec<u8>,
    },
    /// A wrong number of arguments; the command's full name.
    Arity(String),
    /// No such command; its name and its arguments.
    UnknownCommand(Vec<u8>),
    /// No such subcommand: the container's name, and what was asked for.
    UnknownSubcommand {
        /// The container, in lower case.
        command: &'static str,
        /// The subcommand as it was sent.
        subcommand: Vec<u8>,
    },
    /// A subcommand's arguments are not of its form: the container's name, and the subcommand as it was sent.
    SubcommandSyntax {
        /// The container, in lower case.
        command: &'static str,
        /// The subcommand.
        subcommand: Vec<u8>,
    },
    /// A subscriber that speaks RESP2 may not send this; the command's full name.
    Subscribed(String),
    /// The connection has to authenticate first.
    NoAuth,
    /// No such user, or not its password.
    WrongPassword,
    /// The user may not execute the command of this full name.
    NotPermitted(String),
    /// The user may not do this with one of the keys.
    NotPermittedKey,
    /// The user may not use one of the channels.
    NotPermittedChannel,
    /// What was queued in a transaction, and is refused now.
    NotPermittedAnyMore(Denied),
    /// What a script's user may not do.
    NotPermittedInScript(Denied),
    /// A transaction is discarded because of an error before.
    ExecAbort,
    /// A transaction is discarded since EXEC itself is refused.
    ExecRefused(Box<CommandError>),
    /// More memory is used than `maxmemory` allows.
    OutOfMemory,
    /// A blocked command was ended by CLIENT UNBLOCK.
    Unblocked,
    /// A blocked command was ended because the server ends.
    ShuttingDown,
    /// The log cannot be written: its failure.
    MisConf(String),
    /// The log is still being read.
    Loading,
    /// A script, or a function, runs for too long.
    Busy(Kind),
    /// Any other refusal, in words that stand where it is made: code and text.
    Other(&'static str),
    /// The same, with something in it that the client sent.
    Text(String),
    /// The same, with something in it that the client sent and that may be no text.
    Bytes(Vec<u8>),
}

impl From<KillRefusal> for CommandError {
    fn from(refusal: KillRefusal) -> Self {
        match refusal {
            KillRefusal::NotBusy => Self::Other("NOTBUSY No scripts in execution right now."),
            KillRefusal::Other(kind) => Self::Busy(kind),
            KillRefusal::HasWritten => Self::Other(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either \
                 wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ),
        }
    }
}

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> Self {
        Self::WrongType
    }
}

impl CommandError {
    /// The error line without its `-`.
    pub fn message(&self) -> Vec<u8> {
        let text: &str = match self {
            Self::Syntax => "ERR syntax error",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::InvalidExpireTime(command) => {
                return format!("ERR invalid expire time in '{command}' command").into_bytes();
            }
            Self::DbOutOfRange => "ERR DB index is out of range",
            Self::SameObject => "ERR source and destination objects are the same",
            Self::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::NoSuchKey => "ERR no such key",
            Self::InvalidStreamId => "ERR Invalid stream ID specified as stream command argument",
            Self::StreamIdTooSmall => {
                "ERR The ID specified in XADD is equal or smaller than the target stream top item"
            }
            Self::StreamIdZero => "ERR The ID specified in XADD must be greater than 0-0",
            Self::StreamIdsExhausted => {
                "ERR The stream has exhausted the last possible ID, unable to add more items"
            }
            Self::StreamEntryTooLarge => "ERR Elements are too large to be stored",
            Self::BusyGroup => "BUSYGROUP Consumer Group name already exists",
            Self::NoGroup { key, group } => {
                return concat(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"]);
            }
            Self::NoGroupToRead { key, group } => {
                return concat(&[
                    b"NOGROUP No such key '",
                    key,
                    b"' or consumer group '",
                    group,
                    b"' in XREADGROUP with GROUP option",
                ]);
            }
            Self::NoKeyOrGroup { key, group } => {
                return concat(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"]);
            }
            Self::Arity(name) => {
                return format!("ERR wrong number of arguments for '{name}' command").into_bytes();
            }
            Self::Subscribed(name) => {
                return format!(
                    "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                     allowed in this context"
                )
                .into_bytes();
            }
            Self::UnknownCommand(text) | Self::Bytes(text) => return text.clone(),
            Self::UnknownSubcommand { command, subcommand } => {
                return concat(&[
                    b"ERR unknown subcommand '",
                    &subcommand[..subcommand.len().min(128)],
                    b"'. Try ",
                    command.to_ascii_uppercase().as_bytes(),
                    b" HELP.",
                ]);
            }
            Self::SubcommandSyntax { command, subcommand } => {
                return concat(&[
                    b"ERR unknown subcommand or wrong number of arguments for '",
                    &subcommand[..subcommand.len().min(128)],
                    b"'. Try ",
                    command.to_ascii_uppercase().as_bytes(),
                    b" HELP.",
                ]);
            }
            Self::NoAuth => "NOAUTH Authentication required.",
            Self::WrongPassword => "WRONGPASS invalid username-password pair or user is disabled.",
            Self::NotPermitted(name) => {
                return format!("NOPERM this user has no permissions to run the '{name}' command")
                    .into_bytes();
            }
            Self::NotPermittedKey => {
                "NOPERM this user has no permissions to access one of the keys used as arguments"
            }
            Self::NotPermittedChannel => {
                "NOPERM this user has no permissions to access one of the channels used as arguments"
            }
            Self::NotPermittedAnyMore(denied) => {
                let reason = match denied {
                    Denied::Command => "no permission to execute the command or subcommand",
                    Denied::Key(_) => "no permission to touch the specified keys",
                    Denied::Channel(_) => {
                        "no permission to access one of the channels used as arguments to the command"
                    }
                };
                return format!(
                    "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC \
                     call. This command is no longer allowed for the following reason: {reason}"
                )
                .into_bytes();
            }
            Self::NotPermittedInScript(denied) => match denied {
                Denied::Command => "ERR The user executing the script can't run this command or subcommand",
                Denied::Key(_) => {
                    "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"
                }
                Denied::Channel(_) => {
                    "ERR The user executing the script can't publish to the channel mentioned in the command"
                }
            },
            Self::ExecAbort => "EXECABORT Transaction discarded because of previous errors.",
            Self::ExecRefused(reason) => {
                return concat(&[b"EXECABORT Transaction discarded because of: ", &reason.message()]);
            }
            Self::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Self::Unblocked => "UNBLOCKED client unblocked via CLIENT UNBLOCK",
            Self::ShuttingDown => "UNBLOCKED the server is shutting down",
            Self::MisConf(cause) => {
                let mut text = String::from("MISCONF Errors writing to the AOF file: ");
                let _ = write!(text, "{cause}");
                return text.into_bytes();
            }
            Self::Busy(Kind::Script) => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Self::Busy(Kind::Function) => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
            Self::Loading => "LOADING Redis is loading the dataset in memory",
            Self::Other(text) => text,
            Self::Text(text) => text,
        };
        text.as_bytes().to_vec()
    }

    /// A refusal with something that the client sent between its words; ends of lines at the end are left out, as in Redis.
    pub fn quoting(before: &str, sent: &[u8], after: &str) -> Self {
        let mut text = concat(&[before.as_bytes(), sent, after.as_bytes()]);
        let len = text.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        text.truncate(len);
        Self::Bytes(text)
    }

    /// What a user is told who may not do this.
    pub fn not_permitted(denied: Denied, command: &Command) -> Self {
        match denied {
            Denied::Command => Self::NotPermitted(command.full_name.clone()),
            Denied::Key(_) => Self::NotPermittedKey,
            Denied::Channel(_) => Self::NotPermittedChannel,
        }
    }

    /// The refusal of a command that is not in the table.
    pub fn unknown_command<'a>(name: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut text = b"ERR unknown command '".to_vec();
        let name = until_zero(name);
        text.extend_from_slice(&name[..name.len().min(128)]);
        text.extend_from_slice(b"', with args beginning with: ");
        let start = text.len();
        for arg in args {
            let room = 128_usize.saturating_sub(text.len() - start);
            if room == 0 {
                break;
            }
            text.push(b'\'');
            let arg = until_zero(arg);
            text.extend_from_slice(&arg[..arg.len().min(room)]);
            text.extend_from_slice(b"' ");
        }
        Self::UnknownCommand(text)
    }
}

/// Puts words and a client's arguments together.
fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| until_zero(part)).copied().collect()
}

/// As much of an argument as an error shows: what is before its first zero byte.
fn until_zero(arg: &[u8]) -> &[u8] {
    arg.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_something_in_them() {
        let (key, group) = (b"k".to_vec(), b"g".to_vec());
        for (error, expected) in [
            (
                CommandError::NoGroup { key: key.clone(), group: group.clone() },
                "NOGROUP No such consumer group 'g' for key name 'k'",
            ),
            (
                CommandError::NoGroupToRead { key: key.clone(), group: group.clone() },
                "NOGROUP No such key 'k' or consumer group 'g' in XREADGROUP with GROUP option",
            ),
            (CommandError::NoKeyOrGroup { key, group }, "NOGROUP No such key 'k' or consumer group 'g'"),
            (CommandError::Arity("xadd".into()), "ERR wrong number of arguments for 'xadd' command"),
            (
                CommandError::unknown_command(b"foo", [&b"a"[..], b"b"].into_iter()),
                "ERR unknown command 'foo', with args beginning with: 'a' 'b' ",
            ),
            (
                CommandError::UnknownSubcommand { command: "xgroup", subcommand: b"foo".to_vec() },
                "ERR unknown subcommand 'foo'. Try XGROUP HELP.",
            ),
            (CommandError::quoting("ERR no '", b"a\0b", "'"), "ERR no 'a'"),
            (CommandError::quoting("ERR no ", b"a\nb\r\n", ""), "ERR no a\nb"),
        ] {
            assert_eq!(String::from_utf8_lossy(&error.message()), expected);
        }
    }
}
