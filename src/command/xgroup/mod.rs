//! XGROUP

mod consumer;
mod create;
mod destroy;
mod help;
mod setid;

use super::argument::parse_integer;
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::engine::{self, Key, Stream};
use crate::protocol::Request;
use crate::state::Keys;

pub(super) const SPEC: Spec = Spec {
    name: "xgroup",
    arity: -2,
    categories: Categories::empty(),
    since: "5.0.0",
    group: Group::Stream,
    summary: "A container for commands on consumer groups.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &create::SPEC,
        &consumer::CREATE,
        &consumer::DELETE,
        &destroy::SPEC,
        &help::SPEC,
        &setid::SPEC,
    ],
    flags: Flags::empty(),
    ..Spec::DEFAULT
};

/// The stream, which has to be there.
fn find_stream<'a>(keys: &'a mut Keys<'_>, key: &Key<'_>) -> Result<&'a mut Stream, CommandError> {
    keys.find_stream_for_write(key)?.ok_or(CommandError::Other(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
         MKSTREAM option to create an empty stream automatically.",
    ))
}

/// The group, which has to be there.
fn find_group<'a>(
    keys: &'a mut Keys<'_>,
    key: &Key<'_>,
    group: &[u8],
) -> Result<&'a mut engine::Group, CommandError> {
    find_stream(keys, key)?
        .groups_mut()
        .find_mut(group)
        .ok_or_else(|| CommandError::NoGroup { key: key.bytes.to_vec(), group: group.to_vec() })
}

/// The options of CREATE and SETID.
#[derive(Debug, Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

fn parse_options(request: Request<'_>, name: &'static str) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut at = 5;
    while let Some(option) = request.get(at) {
        match request.get(at + 1) {
            _ if name == "create" && option.eq_ignore_ascii_case(b"mkstream") => {
                options.make_stream = true;
                at += 1;
            }
            Some(value) if option.eq_ignore_ascii_case(b"entriesread") => {
                options.entries_read = match parse_integer(value)? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| {
                        CommandError::Other("ERR value for ENTRIESREAD must be positive or -1")
                    })?),
                };
                at += 2;
            }
            _ => return Err(wrong_subcommand(request)),
        }
    }
    Ok(options)
}

impl Options {
    /// What the group is to have read: since Redis 8.2.2 no more than was added. What the log says is taken as it is, since
    /// the stream's counter may have been lowered afterwards.
    fn limit_entries_read(&self, stream: &Stream, replaying: bool) -> Option<u64> {
        self.entries_read.map(|read| if replaying { read } else { read.min(stream.entries_added()) })
    }
}

/// Refuses options that are given twice: Redis has no place for them, and says so once it has found key and group.
fn check_len_max(request: Request<'_>, len_max: usize) -> Result<(), CommandError> {
    if request.len() > len_max { Err(wrong_subcommand(request)) } else { Ok(()) }
}

fn wrong_subcommand(request: Request<'_>) -> CommandError {
    CommandError::SubcommandSyntax { command: SPEC.name, subcommand: request.arg(1).to_vec() }
}
