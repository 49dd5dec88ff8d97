//! FUNCTION: libraries of functions.

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::restore::LOGGED_STRING_BYTES_MAX;
use super::script::drop_elsewhere;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::config::settings;
use crate::glob::{self, Case};
use crate::protocol::{Reply, Request};
use crate::rdb::{RdbError, decode_functions, encode_functions};
use crate::script::{FunctionInfo, Kind, LibraryInfo, RestorePolicy};

/// The one engine's name.
const ENGINE: &str = "LUA";

pub(super) const SPEC: Spec = Spec {
    name: "function",
    arity: -2,
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Commands about functions.",
    complexity: "Depends on subcommand.",
    subcommands: &[&DELETE, &DUMP, &FLUSH, &HELP, &KILL, &LIST, &LOAD, &RESTORE, &STATS],
    ..Spec::DEFAULT
};

/// What the subcommands that change libraries start from.
const CHANGING: Spec = Spec {
    flags: Flags::WRITE.union(Flags::NOSCRIPT).union(Flags::ALL_SHARDS),
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    group: Group::Scripting,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Spec::DEFAULT
};

const DELETE: Spec = Spec {
    name: "delete",
    arity: 3,
    summary: "Removes a library and its functions.",
    complexity: "O(1)",
    arguments: &[Argument::new("library-name", ArgKind::String)],
    help: &["DELETE <library-name>", "    Removes a library and its functions."],
    handler: delete,
    ..CHANGING
};

const DUMP: Spec = Spec {
    name: "dump",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::ALL_SHARDS),
    summary: "Returns all libraries as a payload that FUNCTION RESTORE takes.",
    complexity: "O(N) for N functions",
    tips: &[],
    help: &["DUMP", "    All libraries, as FUNCTION RESTORE takes them."],
    handler: dump,
    ..CHANGING
};

const FLUSH: Spec = Spec {
    name: "flush",
    arity: -2,
    summary: "Removes all libraries.",
    complexity: "O(N) for N functions removed",
    arguments: &[Argument::new(
        "flush-type",
        ArgKind::OneOf(&[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")]),
    )
    .optional()],
    help: &[
        "FLUSH [ASYNC|SYNC]",
        "    Removes all libraries. Their memory is given back at once, or with ASYNC elsewhere.",
    ],
    handler: flush,
    ..CHANGING
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
    summary: "Ends the function that runs, unless it has written.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    help: &["KILL", "    Ends the function that runs for too long, unless it has written."],
    handler: kill,
    ..Spec::DEFAULT
};

const LIST: Spec = Spec {
    name: "list",
    arity: -2,
    flags: Flags::NOSCRIPT.union(Flags::ALL_SHARDS),
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Lists the libraries and their functions.",
    complexity: "O(N) for N functions",
    tips: &["nondeterministic_output_order"],
    arguments: &[
        Argument::new("library-name-pattern", ArgKind::String).token("LIBRARYNAME").optional(),
        Argument::word("withcode", "WITHCODE").optional(),
    ],
    help: &[
        "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
        "    The libraries and their functions, with WITHCODE their texts too.",
    ],
    handler: list,
    ..Spec::DEFAULT
};

const LOAD: Spec = Spec {
    name: "load",
    arity: -3,
    flags: CHANGING.flags.union(Flags::DENYOOM),
    summary: "Loads a library, which registers its functions.",
    complexity: "O(1) but for the time to compile the library",
    arguments: &[
        Argument::word("replace", "REPLACE").optional(),
        Argument::new("function-code", ArgKind::String),
    ],
    help: &[
        "LOAD [REPLACE] <function-code>",
        "    Loads a library, in the place of one of its name with REPLACE. Returns its name.",
    ],
    handler: load,
    ..CHANGING
};

const RESTORE: Spec = Spec {
    name: "restore",
    arity: -3,
    flags: CHANGING.flags.union(Flags::DENYOOM),
    summary: "Loads the libraries of a payload that FUNCTION DUMP returned.",
    complexity: "O(N) for N functions of the payload",
    arguments: &[
        Argument::new("serialized-value", ArgKind::String),
        Argument::new(
            "policy",
            ArgKind::OneOf(&[
                Argument::word("flush", "FLUSH"),
                Argument::word("append", "APPEND"),
                Argument::word("replace", "REPLACE"),
            ]),
        )
        .optional(),
    ],
    help: &[
        "RESTORE <serialized-value> [FLUSH|APPEND|REPLACE]",
        "    Loads the libraries of a payload: in the place of all others (FLUSH), beside them (APPEND, as without",
        "    a word), in the place of those of the same names (REPLACE).",
    ],
    handler: restore,
    ..CHANGING
};

const STATS: Spec = Spec {
    name: "stats",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    group: Group::Scripting,
    summary: "Tells which function runs for too long, and how many there are.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    help: &[
        "STATS",
        "    The function that runs for too long, and how many libraries and functions there are.",
    ],
    handler: stats,
    ..Spec::DEFAULT
};

fn delete(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if !context.shared.scripting.delete_library(request.arg(2)) {
        return Err(CommandError::Other("ERR Library not found"));
    }
    context.keys.effect(&[b"FUNCTION", b"DELETE", request.arg(2)]);
    context.metrics.changes.add(1);
    context.reply.ok();
    Ok(Outcome::Done)
}

fn dump(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let codes = context.shared.scripting.library_codes();
    context.reply.bulk(&encode_functions(codes.iter().map(|code| &**code)));
    Ok(Outcome::Done)
}

fn flush(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let is_mode = |mode: &[u8]| mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async");
    if request.len() > 3 {
        let subcommand = request.arg(1).to_vec();
        return Err(CommandError::SubcommandSyntax { command: "function", subcommand });
    }
    if request.get(2).is_some_and(|mode| !is_mode(mode)) {
        return Err(CommandError::Other("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    let is_async = request.get(2).is_some_and(|mode| mode.eq_ignore_ascii_case(b"async"));
    drop_elsewhere(context.shared.scripting.flush_functions(), is_async);
    context.keys.effect(&[b"FUNCTION", b"FLUSH"]);
    context.metrics.changes.add(1);
    context.reply.ok();
    Ok(Outcome::Done)
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

fn kill(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.shared.scripting.running.kill(Kind::Function)?;
    context.reply.ok();
    Ok(Outcome::Done)
}

fn list(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (mut pattern, mut with_code) = (None, false);
    let mut at = 2;
    while let Some(option) = request.get(at) {
        if !with_code && option.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
            at += 1;
        } else if pattern.is_none() && option.eq_ignore_ascii_case(b"libraryname") {
            let given = request.get(at + 1);
            pattern = Some(given.ok_or(CommandError::Other("ERR library name argument was not given"))?);
            at += 2;
        } else {
            return Err(CommandError::quoting("ERR Unknown argument ", option, ""));
        }
    }
    let mut libraries = context.shared.scripting.libraries();
    libraries.retain(|library| {
        pattern.is_none_or(|pattern| glob::matches(pattern, &library.name, Case::Insensitive))
    });
    context.reply.array(libraries.len());
    for library in &libraries {
        write_library(context.reply, library, with_code);
    }
    Ok(Outcome::Done)
}

fn write_library(reply: &mut Reply, library: &LibraryInfo, with_code: bool) {
    reply.map(if with_code { 4 } else { 3 });
    reply.text("library_name");
    reply.bulk(&library.name);
    reply.text("engine");
    reply.text(ENGINE);
    reply.text("functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        write_function(reply, function);
    }
    if with_code {
        reply.text("library_code");
        reply.bulk(&library.code);
    }
}

fn write_function(reply: &mut Reply, function: &FunctionInfo) {
    reply.map(3);
    reply.text("name");
    reply.bulk(&function.name);
    reply.text("description");
    match &function.description {
        Some(description) => reply.bulk(description),
        None => reply.null(),
    }
    reply.text("flags");
    reply.set(function.flags.names().count());
    function.flags.names().for_each(|name| reply.simple(name));
}

fn load(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut replaces = false;
    let code_at = request.len() - 1;
    for option in request.args_from(2).take(code_at - 2) {
        if !option.eq_ignore_ascii_case(b"replace") {
            return Err(CommandError::quoting("ERR Unknown option given: ", option, ""));
        }
        replaces = true;
    }
    let code = request.arg(code_at);
    let name = context
        .shared
        .scripting
        .load_library(code, replaces, context.keys.replaying)
        .map_err(CommandError::Bytes)?;
    match replaces {
        true => context.keys.effect(&[b"FUNCTION", b"LOAD", b"REPLACE", code]),
        false => context.keys.effect(&[b"FUNCTION", b"LOAD", code]),
    }
    context.metrics.changes.add(1);
    context.reply.bulk(&name);
    Ok(Outcome::Done)
}

fn restore(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if request.len() > 4 {
        let subcommand = request.arg(1).to_vec();
        return Err(CommandError::SubcommandSyntax { command: "function", subcommand });
    }
    let (policy, word): (_, &[u8]) = match request.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"append") => (RestorePolicy::Append, b"APPEND"),
        Some(b"flush") => (RestorePolicy::Flush, b"FLUSH"),
        Some(b"replace") => (RestorePolicy::Replace, b"REPLACE"),
        Some(_) => {
            return Err(CommandError::Other(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let from_log = context.keys.replaying;
    let string_bytes_max = match from_log {
        true => LOGGED_STRING_BYTES_MAX,
        false => context.shared.config.memory(settings::PROTO_MAX_BULK_LEN) as usize,
    };
    let codes = decode_functions(request.arg(2), string_bytes_max).map_err(|error| match error {
        RdbError::Footer => CommandError::Other("ERR DUMP payload version or checksum are wrong"),
        RdbError::Format(what) => CommandError::Text(format!("ERR {what}")),
    })?;
    context.shared.scripting.restore_libraries(&codes, policy, from_log).map_err(CommandError::Bytes)?;
    context.keys.effect(&[b"FUNCTION", b"RESTORE", request.arg(2), word]);
    context.metrics.changes.add(1);
    context.reply.ok();
    Ok(Outcome::Done)
}

fn stats(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let scripting = &context.shared.scripting;
    if scripting.running.is_busy() && scripting.running.kind() == Some(Kind::Script) {
        return Err(CommandError::Busy(Kind::Script));
    }
    let reply = &mut *context.reply;
    reply.map(2);
    reply.text("running_script");
    match scripting.running.told() {
        None => reply.null(),
        Some(running) => {
            reply.map(3);
            reply.text("name");
            reply.bulk(&running.name);
            reply.text("command");
            reply.array(running.command.len());
            running.command.iter().for_each(|word| reply.bulk(word));
            reply.text("duration_ms");
            reply.count(running.since.elapsed().as_millis() as u64);
        }
    }
    let figures = &scripting.figures;
    reply.text("engines");
    reply.map(1);
    reply.text(ENGINE);
    reply.map(2);
    reply.text("libraries_count");
    reply.integer(figures.libraries.load(std::sync::atomic::Ordering::Relaxed) as i64);
    reply.text("functions_count");
    reply.integer(figures.functions.load(std::sync::atomic::Ordering::Relaxed) as i64);
    Ok(Outcome::Done)
}
