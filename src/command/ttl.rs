//! TTL, PTTL, EXPIRETIME and PEXPIRETIME

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const TTL: Spec = Spec {
    name: "ttl",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Tells how long a key has to live, in seconds.",
    complexity: "O(1)",
    history: &[("2.8.0", "A key that is not there is answered with -2.")],
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_ttl,
    ..Spec::DEFAULT
};

pub(super) const PTTL: Spec = Spec {
    name: "pttl",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::KEYSPACE,
    since: "2.6.0",
    group: Group::Generic,
    summary: "Tells how long a key has to live, in milliseconds.",
    complexity: "O(1)",
    history: &[("2.8.0", "A key that is not there is answered with -2.")],
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_pttl,
    ..Spec::DEFAULT
};

pub(super) const EXPIRETIME: Spec = Spec {
    name: "expiretime",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::KEYSPACE,
    since: "7.0.0",
    group: Group::Generic,
    summary: "Tells when a key expires, as a Unix time in seconds.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_expiretime,
    ..Spec::DEFAULT
};

pub(super) const PEXPIRETIME: Spec = Spec {
    name: "pexpiretime",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::KEYSPACE,
    since: "7.0.0",
    group: Group::Generic,
    summary: "Tells when a key expires, as a Unix time in milliseconds.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_pexpiretime,
    ..Spec::DEFAULT
};

fn execute_ttl(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    reply_time(context, request, |at_ms, now_ms| rounded_s(at_ms.saturating_sub(now_ms)))
}

fn execute_pttl(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    reply_time(context, request, u64::saturating_sub)
}

fn execute_expiretime(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    reply_time(context, request, |at_ms, _| rounded_s(at_ms))
}

fn execute_pexpiretime(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    reply_time(context, request, |at_ms, _| at_ms)
}

/// Seconds, rounded to the nearest.
fn rounded_s(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

/// Replies with what `time` makes of the expiry time and the present time, both in milliseconds; -1
/// for a key without an expiry time, -2 for none.
fn reply_time(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    time: impl FnOnce(u64, u64) -> u64,
) -> Result<Outcome, CommandError> {
    let now_ms = context.keys.now_ms;
    let reply =
        match context.keys.find_untouched(&Key::new(request.arg(1))).map(|entry| entry.expires_at_ms()) {
            None => -2,
            Some(None) => -1,
            Some(Some(at_ms)) => time(at_ms, now_ms).cast_signed(),
        };
    context.reply.integer(reply);
    Ok(Outcome::Done)
}
