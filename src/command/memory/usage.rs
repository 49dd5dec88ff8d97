//! MEMORY USAGE

use super::super::argument::parse_integer;
use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "usage",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    since: "4.0.0",
    group: Group::Server,
    summary: "Estimates the memory that a key and its value take, in bytes.",
    complexity: "O(1) for a string, O(N) for a stream of N blocks and pending entries",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("count", ArgKind::Integer).token("SAMPLES").optional(),
    ],
    help: &[
        "USAGE <key> [SAMPLES <count>]",
        "    Return the bytes of memory that the key and its value take. All is counted,",
        "    whatever the number of samples.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn parse(request: Request<'_>) -> Result<(), CommandError> {
    let mut at = 3;
    while let Some(word) = request.get(at) {
        let samples = request.get(at + 1).filter(|_| word.eq_ignore_ascii_case(b"samples"));
        // Nothing is estimated from samples: the number has but to be one.
        if parse_integer(samples.ok_or(CommandError::Syntax)?)? < 0 {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    Ok(())
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    parse(request)?;
    let key = Key::new(request.arg(2));
    // No lookup, as in Redis: neither statistics nor the access time change.
    let now_ms = context.keys.now_ms;
    match context.keys.db_of(&key).find(&key).filter(|entry| !entry.is_expired(now_ms)) {
        Some(entry) => context.reply.count(entry.memory_bytes() as u64),
        None => context.reply.null(),
    }
    Ok(Outcome::Done)
}
