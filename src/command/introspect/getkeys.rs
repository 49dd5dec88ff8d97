//! COMMAND GETKEYS, COMMAND GETKEYSANDFLAGS

use super::info::key_flag_names;
use super::write_words;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, Spec};
use crate::command::table::table;
use crate::protocol::{OwnedRequest, Request};

pub(super) const SPEC: Spec = Spec {
    name: "getkeys",
    arity: -3,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns the keys in a request.",
    complexity: "O(N) for N arguments",
    arguments: &[
        Argument::new("command", ArgKind::String),
        Argument::new("arg", ArgKind::String).optional().multiple(),
    ],
    help: &["GETKEYS <full-command>", "    The keys in the request."],
    handler: execute,
    ..Spec::DEFAULT
};

pub(super) const WITH_FLAGS: Spec = Spec {
    name: "getkeysandflags",
    arity: -3,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "7.0.0",
    group: Group::Server,
    summary: "Returns the keys in a request, and what is done with them.",
    complexity: "O(N) for N arguments",
    arguments: &[
        Argument::new("command", ArgKind::String),
        Argument::new("arg", ArgKind::String).optional().multiple(),
    ],
    help: &["GETKEYSANDFLAGS <full-command>", "    The keys in the request, and what is done with them."],
    handler: execute_with_flags,
    ..Spec::DEFAULT
};

/// The request that is asked about, and its keys.
fn find_keys(request: Request<'_>) -> Result<(OwnedRequest, Vec<(usize, KeyFlags)>), CommandError> {
    let asked = OwnedRequest::new(request.args_from(2));
    let command = table().find(request.arg(2));
    let command = command.and_then(|command| match request.get(3) {
        Some(name) if !command.spec.subcommands.is_empty() => table().find_subcommand(command, name),
        _ => Some(command),
    });
    let Some(command) = command else {
        return Err(CommandError::Other("ERR Invalid command specified"));
    };
    if command.spec.keys.is_empty() {
        return Err(CommandError::Other("ERR The command has no key arguments"));
    }
    if !command.spec.accepts(request.len() - 2) {
        return Err(CommandError::Other("ERR Invalid number of arguments specified for command"));
    }
    let keys = command.find_keys(asked.as_request());
    let keys = match keys {
        // Without keys it is of the right form too.
        None if command.spec.flags.contains(Flags::NO_MANDATORY_KEYS) => Vec::new(),
        keys => keys.ok_or(CommandError::Other("ERR Invalid arguments specified for command"))?,
    };
    Ok((asked, keys))
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (asked, keys) = find_keys(request)?;
    context.reply.array(keys.len());
    keys.iter().for_each(|(at, _)| context.reply.bulk(asked.as_request().arg(*at)));
    Ok(Outcome::Done)
}

fn execute_with_flags(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (asked, keys) = find_keys(request)?;
    context.reply.array(keys.len());
    for (at, flags) in keys {
        context.reply.array(2);
        context.reply.bulk(asked.as_request().arg(at));
        write_words(context.reply, &key_flag_names(flags));
    }
    Ok(Outcome::Done)
}
