//! EVAL, EVALSHA and their forms that only read.

use super::context::{Context, Outcome, ScriptCall};
use super::error::CommandError;
use super::spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, Flags, Group, KeyFlags, KeySpec, Spec,
};
use crate::number::parse_i64;
use crate::protocol::Request;
use crate::script::Callable;

const FLAGS: Flags = Flags::NOSCRIPT
    .union(Flags::STALE)
    .union(Flags::SKIP_MONITOR)
    .union(Flags::MAY_REPLICATE)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::MOVABLEKEYS)
    .union(Flags::ALL_SHARDS)
    .union(Flags::SCRIPT);
const FLAGS_RO: Flags = FLAGS.difference(Flags::MAY_REPLICATE).union(Flags::READONLY);

/// What a command with keys that it only passes on does with them, as far as anybody can tell.
pub(super) const fn passed_on(may_write: bool) -> KeySpec {
    KeySpec {
        note: None,
        flags: if may_write {
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE)
        } else {
            KeyFlags::RO.union(KeyFlags::ACCESS)
        },
        begin: BeginSearch::Index(2),
        find: FindKeys::Count { count: 0, first: 1, step: 1 },
    }
}

pub(super) const UNKNOWN_RW: &str =
    "What is done with the keys is the script's matter: reading and writing is assumed.";
pub(super) const UNKNOWN_RO: &str = "What is done with the keys is the script's matter: reading is assumed.";

/// The arguments behind what is to be run.
const fn arguments(what: &'static str) -> [Argument; 4] {
    [
        Argument::new(what, ArgKind::String),
        Argument::new("numkeys", ArgKind::Integer),
        Argument::new("key", ArgKind::Key(0)).optional().multiple(),
        Argument::new("arg", ArgKind::String).optional().multiple(),
    ]
}
const SCRIPT_ARGUMENTS: &[Argument] = &arguments("script");
const SHA_ARGUMENTS: &[Argument] = &arguments("sha1");
pub(super) const FUNCTION_ARGUMENTS: &[Argument] = &arguments("function");

pub(super) const EVAL: Spec = Spec {
    name: "eval",
    arity: -3,
    flags: FLAGS,
    keys: &[passed_on(true).note(UNKNOWN_RW)],
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    group: Group::Scripting,
    summary: "Runs a script in Lua.",
    complexity: "The script's own.",
    arguments: SCRIPT_ARGUMENTS,
    handler: eval,
    ..Spec::DEFAULT
};

pub(super) const EVALSHA: Spec = Spec {
    name: "evalsha",
    keys: &[passed_on(true)],
    summary: "Runs a script that is known, by the hash of its text.",
    arguments: SHA_ARGUMENTS,
    handler: evalsha,
    ..EVAL
};

pub(super) const EVAL_RO: Spec = Spec {
    name: "eval_ro",
    flags: FLAGS_RO,
    keys: &[passed_on(false).note(UNKNOWN_RO)],
    since: "7.0.0",
    summary: "Runs a script that may only read.",
    ..EVAL
};

pub(super) const EVALSHA_RO: Spec = Spec {
    name: "evalsha_ro",
    keys: &[passed_on(false)],
    summary: "Runs a script that is known and may only read, by the hash of its text.",
    arguments: SHA_ARGUMENTS,
    handler: evalsha,
    ..EVAL_RO
};

/// How many of the arguments from the fourth on are keys.
pub(super) fn parse_key_count(
    request: Request<'_>,
    not_a_number: &'static str,
) -> Result<usize, CommandError> {
    let count = parse_i64(request.arg(2)).ok_or(CommandError::Other(not_a_number))?;
    if count > (request.len() - 3) as i64 {
        return Err(CommandError::Other("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(count).map_err(|_| CommandError::Other("ERR Number of keys can't be negative"))
}

/// Whether the command that runs a script is one of those that only read.
pub(super) fn is_read_only(request: Request<'_>) -> bool {
    request.arg(0).to_ascii_lowercase().ends_with(b"_ro")
}

fn eval(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let keys = parse_key_count(request, "ERR value is not an integer or out of range")?;
    let script = context.shared.scripting.find_or_compile(request.arg(1)).map_err(CommandError::Bytes)?;
    Ok(Outcome::Script(Box::new(ScriptCall {
        callable: Callable::Script(script),
        keys,
        is_read_only: is_read_only(request),
    })))
}

fn evalsha(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    const UNKNOWN: CommandError = CommandError::Other("NOSCRIPT No matching script. Please use EVAL.");
    if request.arg(1).len() != 40 {
        return Err(UNKNOWN);
    }
    let keys = parse_key_count(request, "ERR value is not an integer or out of range")?;
    let script = context.shared.scripting.find(request.arg(1)).ok_or(UNKNOWN)?;
    Ok(Outcome::Script(Box::new(ScriptCall {
        callable: Callable::Script(script),
        keys,
        is_read_only: is_read_only(request),
    })))
}
