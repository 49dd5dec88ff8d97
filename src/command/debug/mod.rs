//! DEBUG: for tests of the server. Redis has no table of its subcommands, and neither has this.

mod digest;
mod object;
mod populate;
mod reload;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Flags, Group, Spec};
use crate::config::{ConnectionScope, settings};
use crate::engine::Key;
use crate::number::parse_i64;
use crate::protocol::Request;
use crate::state::random_id;

pub(super) const SPEC: Spec = Spec {
    name: "debug",
    arity: -2,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::ALL_SHARDS)
        .union(Flags::SYSCMD),
    since: "1.0.0",
    group: Group::Server,
    summary: "Helps to test the server.",
    complexity: "Depends on subcommand.",
    help: &[
        "CHANGE-REPL-ID",
        "    Gives the data's history another name (INFO's master_replid).",
        "CONFIG-REWRITE-FORCE-ALL",
        "    CONFIG REWRITE with all settings, also those that have their default.",
        "DIGEST",
        "    A number that changes with the data, and is the same for the same data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    The same of each key's value.",
        "ERROR <string>",
        "    Answers with an error of this text.",
        "LOADAOF",
        "    Syncs the append-only file, drops all data, and reads the file.",
        "LOG <message>",
        "    Writes the message to the server's log.",
        "OBJECT <key>",
        "    Tells how a key's value is kept.",
        "PAUSE-CRON <0|1>",
        "    Stops the removal of expired keys by the clock, or goes on with it.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Creates <count> strings under keys <prefix>:<number>, those that are not there, of <size> bytes.",
        "PROTOCOL <type>",
        "    Answers with a value of the type: string, integer, double, bignum, null, array, set, map, attrib, push,",
        "    verbatim, true, false.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Has no effect: for test suites that call it.",
        "RELOAD",
        "    The same as LOADAOF: there is no RDB file.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Removes expired keys by the clock, or only when they are asked for.",
        "SLEEP <seconds>",
        "    Stops all work on data for so long.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    check_allowed(context)?;
    let name = request.arg(1).to_ascii_lowercase();
    match (name.as_slice(), request.len()) {
        (b"help", 2) => {
            super::help::write_help(context.reply, &SPEC);
            return Ok(Outcome::Done);
        }
        (b"change-repl-id", 2) => *context.shared.replication_id.lock() = random_id(),
        (b"config-rewrite-force-all", 2) => {
            super::config::rewrite(context, true)?;
            return Ok(Outcome::Done);
        }
        (b"digest", 2) => {
            digest::write_digest(context)?;
            return Ok(Outcome::Done);
        }
        (b"digest-value", 3..) => {
            digest::write_digests_of_values(context, request)?;
            return Ok(Outcome::Done);
        }
        (b"populate", 3..=5) => populate::populate(context, request)?,
        (b"error", 3) => return Err(CommandError::Bytes(request.arg(2).to_vec())),
        (b"loadaof", 2) => reload::reload(context)?,
        (b"reload", 2..) => {
            check_reload_options(request)?;
            reload::reload(context)?;
        }
        (b"log", 3) => tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(request.arg(2))),
        (b"object", 3) => {
            object::write_object(context, &Key::new(request.arg(2)))?;
            return Ok(Outcome::Done);
        }
        (b"protocol", 3) => return write_protocol(context, request.arg(2)),
        (b"set-active-expire", 3) => {
            context.shared.active_expire.store(parse_i64(request.arg(2)).is_some_and(|on| on != 0), Relaxed);
        }
        (b"pause-cron", 3) => {
            context.shared.active_expire.store(parse_i64(request.arg(2)).is_none_or(|on| on == 0), Relaxed);
        }
        (b"sleep", 3) => sleep(request.arg(2)),
        (b"quicklist-packed-threshold", 3) => {}
        (b"set-disable-deny-scripts", 3) => {
            let denies_nothing = request.arg(2) != b"0";
            context.shared.scripting.denies_nothing.store(denies_nothing, Relaxed);
        }
        _ => {
            let subcommand = request.arg(1).to_vec();
            return Err(CommandError::SubcommandSyntax { command: "debug", subcommand });
        }
    }
    context.reply.ok();
    Ok(Outcome::Done)
}

/// Whether the connection may use DEBUG.
fn check_allowed(context: &Context<'_, '_>) -> Result<(), CommandError> {
    let is_local = context.session.handle.peer.is_local();
    let allowed = match context.shared.config.choice(settings::ENABLE_DEBUG_COMMAND) {
        ConnectionScope::Everybody => true,
        ConnectionScope::Local => is_local,
        ConnectionScope::Nobody => false,
    };
    if allowed {
        return Ok(());
    }
    Err(CommandError::Other(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
         from a local connection, otherwise you need to set this option in the configuration file, and then \
         restart the server.",
    ))
}

fn check_reload_options(request: Request<'_>) -> Result<(), CommandError> {
    for option in request.args_from(2) {
        if option.eq_ignore_ascii_case(b"merge") || option.eq_ignore_ascii_case(b"noflush") {
            return Err(CommandError::Other("ERR DEBUG RELOAD of the append-only file cannot keep data"));
        }
        // The file is never behind the data, so that there is nothing to be saved.
        if !option.eq_ignore_ascii_case(b"nosave") {
            return Err(CommandError::Other(
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    Ok(())
}

/// Sleeps with all data locked. What is no number is no time.
fn sleep(seconds: &[u8]) {
    let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<f64>().ok());
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    std::thread::sleep(time.unwrap_or_default());
}

/// Answers with a value of a type, so that a client can be tested on it.
fn write_protocol(context: &mut Context<'_, '_>, kind: &[u8]) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.text("Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.is_resp3() {
                reply.attributes(1);
                reply.text("key-popularity");
                reply.array(2);
                reply.text("key:123");
                reply.integer(90);
            }
            reply.text("Some real reply following the attribute");
        }
        b"push" => {
            if !reply.is_resp3() {
                return Err(CommandError::Other("ERR RESP2 is not supported by this command"));
            }
            reply.push(2);
            reply.text("server-cpu-usage");
            reply.integer(42);
            // What comes between replies is no reply.
            reply.text("Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim(b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(CommandError::Other(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(Outcome::Done)
}
