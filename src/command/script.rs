//! SCRIPT. There is no scripting, and so there are no scripts: what asks for them finds none.

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "script",
    arity: -2,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Commands about scripts.",
    complexity: "Depends on subcommand.",
    subcommands: &[&EXISTS, &FLUSH, &HELP, &KILL],
    ..Spec::DEFAULT
};

const EXISTS: Spec = Spec {
    name: "exists",
    arity: -3,
    flags: Flags::NOSCRIPT,
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Tells which scripts are known: none is.",
    complexity: "O(N) for N scripts asked for",
    tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
    arguments: &[Argument::new("sha1", ArgKind::String).multiple()],
    help: &["EXISTS <sha1> [<sha1> ...]", "    Which of the scripts are known. None is."],
    handler: exists,
    ..Spec::DEFAULT
};

const FLUSH: Spec = Spec {
    name: "flush",
    arity: -2,
    flags: Flags::NOSCRIPT,
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Forgets all scripts: there are none.",
    complexity: "O(N) for N scripts kept",
    history: &[("6.2.0", "`ASYNC` and `SYNC` came.")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "flush-type",
        ArgKind::OneOf(&[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")]),
    )
    .optional()
    .since("6.2.0")],
    help: &["FLUSH [ASYNC|SYNC]", "    Forgets all scripts. There are none."],
    handler: flush,
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::SCRIPTING,
    since: "5.0.0",
    group: Group::Scripting,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

const KILL: Spec = Spec {
    name: "kill",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Ends the script that runs: none does.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    help: &["KILL", "    Ends the script that runs. None does."],
    handler: kill,
    ..Spec::DEFAULT
};

fn exists(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.array(request.len() - 2);
    request.args_from(2).for_each(|_| context.reply.integer(0));
    Ok(Outcome::Done)
}

fn flush(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let is_mode = |mode: &[u8]| mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async");
    if request.len() > 3 || request.get(2).is_some_and(|mode| !is_mode(mode)) {
        return Err(CommandError::Other("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    context.reply.ok();
    Ok(Outcome::Done)
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

fn kill(_: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    Err(CommandError::Other("NOTBUSY No scripts in execution right now."))
}
