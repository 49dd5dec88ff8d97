//! FUNCTION. There is no scripting, and so there are no functions: what asks for them finds none.

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "function",
    arity: -2,
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Commands about functions.",
    complexity: "Depends on subcommand.",
    subcommands: &[&FLUSH, &HELP, &KILL, &LIST, &STATS],
    ..Spec::DEFAULT
};

const FLUSH: Spec = Spec {
    name: "flush",
    arity: -2,
    flags: Flags::WRITE.union(Flags::NOSCRIPT),
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Removes all functions: there are none.",
    complexity: "O(N) for N functions removed",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "flush-type",
        ArgKind::OneOf(&[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")]),
    )
    .optional()],
    help: &["FLUSH [ASYNC|SYNC]", "    Removes all functions. There are none."],
    handler: flush,
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::SCRIPTING,
    since: "7.0.0",
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
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Ends the function that runs: none does.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    help: &["KILL", "    Ends the function that runs. None does."],
    handler: kill,
    ..Spec::DEFAULT
};

const LIST: Spec = Spec {
    name: "list",
    arity: -2,
    flags: Flags::NOSCRIPT,
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Lists the libraries of functions: there are none.",
    complexity: "O(N) for N functions",
    tips: &["nondeterministic_output_order"],
    arguments: &[
        Argument::new("library-name-pattern", ArgKind::String).token("LIBRARYNAME").optional(),
        Argument::word("withcode", "WITHCODE").optional(),
    ],
    help: &["LIST [LIBRARYNAME <pattern>] [WITHCODE]", "    The libraries of functions. There are none."],
    handler: list,
    ..Spec::DEFAULT
};

const STATS: Spec = Spec {
    name: "stats",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Tells of functions that run, and of engines for them: there are none.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    help: &["STATS", "    What runs, and what could: nothing."],
    handler: stats,
    ..Spec::DEFAULT
};

fn flush(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let is_mode = |mode: &[u8]| mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async");
    if request.len() > 3 || request.get(2).is_some_and(|mode| !is_mode(mode)) {
        return Err(CommandError::Other("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
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

fn list(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut at = 2;
    while let Some(option) = request.get(at) {
        if option.eq_ignore_ascii_case(b"withcode") {
            at += 1;
        } else if option.eq_ignore_ascii_case(b"libraryname") {
            if request.get(at + 1).is_none() {
                return Err(CommandError::Other("ERR library name argument was not given"));
            }
            at += 2;
        } else {
            return Err(CommandError::quoting("ERR Unknown argument ", option, ""));
        }
    }
    context.reply.array(0);
    Ok(Outcome::Done)
}

fn stats(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    reply.map(2);
    reply.text("running_script");
    reply.null();
    reply.text("engines");
    reply.map(0);
    Ok(Outcome::Done)
}
