//! XINFO

mod consumers;
mod groups;
mod help;
mod stream;

use super::error::CommandError;
use super::spec::{Group, Spec};
use crate::engine::{Key, Stream};
use crate::protocol::Reply;
use crate::state::Keys;

pub(super) const SPEC: Spec = Spec {
    name: "xinfo",
    arity: -2,
    since: "5.0.0",
    group: Group::Stream,
    summary: "A container for commands that tell of streams and groups.",
    complexity: "Depends on subcommand.",
    subcommands: &[&consumers::SPEC, &groups::SPEC, &help::SPEC, &stream::SPEC],
    ..Spec::DEFAULT
};

/// The stream, which has to be there.
fn find_stream<'a>(keys: &'a mut Keys<'_>, key: &[u8]) -> Result<&'a mut Stream, CommandError> {
    keys.find_stream(&Key::new(key))?.ok_or(CommandError::NoSuchKey)
}

/// A counter that may not be known.
fn write_known(reply: &mut Reply, value: Option<u64>) {
    match value {
        Some(value) => reply.count(value),
        None => reply.null(),
    }
}
