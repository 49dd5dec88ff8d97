//! SCRIPT: the scripts that are known.

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;
use crate::script::Kind;

pub(super) const SPEC: Spec = Spec {
    name: "script",
    arity: -2,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Commands about scripts.",
    complexity: "Depends on subcommand.",
    subcommands: &[&DEBUG, &EXISTS, &FLUSH, &HELP, &KILL, &LOAD],
    ..Spec::DEFAULT
};

const DEBUG: Spec = Spec {
    name: "debug",
    arity: 3,
    flags: Flags::NOSCRIPT,
    categories: Categories::SCRIPTING,
    since: "3.2.0",
    group: Group::Scripting,
    summary: "Has the scripts that follow debugged.",
    complexity: "O(1)",
    arguments: &[Argument::new(
        "mode",
        ArgKind::OneOf(&[
            Argument::word("yes", "YES"),
            Argument::word("sync", "SYNC"),
            Argument::word("no", "NO"),
        ]),
    )],
    help: &["DEBUG (YES|SYNC|NO)", "    Has the scripts that follow debugged, which is not supported."],
    unsupported: &["YES", "SYNC"],
    handler: debug,
    ..Spec::DEFAULT
};

const EXISTS: Spec = Spec {
    name: "exists",
    arity: -3,
    flags: Flags::NOSCRIPT.union(Flags::ALL_SHARDS),
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Tells which scripts are known.",
    complexity: "O(N) for N scripts asked for",
    tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
    arguments: &[Argument::new("sha1", ArgKind::String).multiple()],
    help: &[
        "EXISTS <sha1> [<sha1> ...]",
        "    Which of the scripts are known, by the hashes of their texts.",
    ],
    handler: exists,
    ..Spec::DEFAULT
};

const FLUSH: Spec = Spec {
    name: "flush",
    arity: -2,
    flags: Flags::NOSCRIPT.union(Flags::ALL_SHARDS),
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Forgets all scripts.",
    complexity: "O(N) for N scripts kept",
    history: &[("6.2.0", "`ASYNC` and `SYNC` came.")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "flush-type",
        ArgKind::OneOf(&[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")]),
    )
    .optional()
    .since("6.2.0")],
    help: &[
        "FLUSH [ASYNC|SYNC]",
        "    Forgets all scripts. Their memory is given back at once, or with ASYNC elsewhere.",
    ],
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
    summary: "Ends the script that runs, unless it has written.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    help: &["KILL", "    Ends the script that runs for too long, unless it has written."],
    handler: kill,
    ..Spec::DEFAULT
};

const LOAD: Spec = Spec {
    name: "load",
    arity: 3,
    flags: Flags::NOSCRIPT.union(Flags::STALE).union(Flags::ALL_SHARDS),
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Makes a script known, and returns the hash of its text.",
    complexity: "O(N) for a text of N bytes",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new("script", ArgKind::String)],
    help: &["LOAD <script>", "    Makes a script known without running it. Returns the hash of its text."],
    handler: load,
    ..Spec::DEFAULT
};

fn debug(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mode = request.arg(2);
    if mode.eq_ignore_ascii_case(b"no") {
        context.reply.ok();
        return Ok(Outcome::Done);
    }
    if mode.eq_ignore_ascii_case(b"yes") || mode.eq_ignore_ascii_case(b"sync") {
        return Err(CommandError::Other("ERR SCRIPT DEBUG is not supported: scripts cannot be debugged"));
    }
    Err(CommandError::Other("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}

fn exists(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.array(request.len() - 2);
    for sha in request.args_from(2) {
        context.reply.integer(i64::from(context.shared.scripting.find(sha).is_some()));
    }
    Ok(Outcome::Done)
}

fn flush(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let is_mode = |mode: &[u8]| mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async");
    if request.len() > 3 || request.get(2).is_some_and(|mode| !is_mode(mode)) {
        return Err(CommandError::Other("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    let is_async = request.get(2).is_some_and(|mode| mode.eq_ignore_ascii_case(b"async"));
    drop_elsewhere(context.shared.scripting.flush_scripts(), is_async);
    context.reply.ok();
    Ok(Outcome::Done)
}

/// Gives memory back, in a thread of its own if it is wanted so.
pub(super) fn drop_elsewhere<T: Send + 'static>(value: T, is_async: bool) {
    if is_async {
        // Without a thread the value, which went into the closure, is dropped here.
        let _ = std::thread::Builder::new().name("free".into()).spawn(move || drop(value));
    }
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

fn kill(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.shared.scripting.running.kill(Kind::Script)?;
    context.reply.ok();
    Ok(Outcome::Done)
}

fn load(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let script = context.shared.scripting.find_or_compile(request.arg(2)).map_err(CommandError::Bytes)?;
    context.reply.bulk(&script.sha);
    Ok(Outcome::Done)
}
