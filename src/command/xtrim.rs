//! XTRIM

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::trim::{TrimEffect, TrimOptions, XTRIM_ARGUMENT, block_limits};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "xtrim",
    arity: -4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Drops a stream's oldest entries, and returns how many.",
    complexity: "O(N) for N entries trimmed away, which go many at a time",
    history: &[("6.2.0", "`MINID` and `LIMIT` came."), ("8.2.0", "`KEEPREF`, `DELREF` and `ACKED` came.")],
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0)), XTRIM_ARGUMENT],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut options = TrimOptions::default();
    let mut at = 2;
    while at < request.len() {
        if !options.parse_option(request, &mut at)? {
            return Err(CommandError::Syntax);
        }
    }
    options.check()?;
    let limits = block_limits(&context.shared.config);
    let Some(trim) = options.trim(&limits) else {
        return Err(CommandError::Other("ERR syntax error, XTRIM must be called with MAXLEN or MINID"));
    };
    let key = Key::new(request.arg(1));
    let Some(stream) = context.keys.find_stream_for_write(&key)? else {
        context.reply.integer(0);
        return Ok(Outcome::Done);
    };
    let trimmed = stream.trim(&trim);
    let dropped = trimmed.dropped;
    if let Some(effect) = TrimEffect::new(stream, &trim, trimmed) {
        effect.write_xtrim(context.keys, key.bytes);
        context.keys.notify(EventClass::STREAM, "xtrim", &key);
        context.keys.changed(&key, Change::Touched);
    }
    context.reply.count(dropped);
    Ok(Outcome::Done)
}
