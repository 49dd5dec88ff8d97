//! ROLE, REPLICAOF, SLAVEOF, WAIT, WAITAOF: replication, as a server answers that has no replicas and can be none.

use super::argument::{parse_integer, parse_timeout_ms};
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::number::parse_i64;
use crate::protocol::Request;

pub(super) const ROLE: Spec = Spec {
    name: "role",
    arity: 1,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE).union(Flags::FAST),
    categories: Categories::ADMIN.union(Categories::DANGEROUS),
    since: "2.8.12",
    group: Group::Server,
    summary: "Tells the server's role in replication.",
    complexity: "O(1)",
    handler: role,
    ..Spec::DEFAULT
};

pub(super) const REPLICAOF: Spec = Spec {
    name: "replicaof",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::STALE).union(Flags::NO_ASYNC_LOADING),
    since: "5.0.0",
    group: Group::Server,
    summary: "Makes the server a replica, or no replica.",
    complexity: "O(1)",
    arguments: &[Argument::new(
        "args",
        ArgKind::OneOf(&[
            Argument::new(
                "host-port",
                ArgKind::Block(&[
                    Argument::new("host", ArgKind::String),
                    Argument::new("port", ArgKind::Integer),
                ]),
            ),
            Argument::new(
                "no-one",
                ArgKind::Block(&[Argument::word("no", "NO"), Argument::word("one", "ONE")]),
            ),
        ]),
    )],
    unsupported: &["host port"],
    handler: replicaof,
    ..Spec::DEFAULT
};

pub(super) const SLAVEOF: Spec = Spec {
    name: "slaveof",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::STALE).union(Flags::NO_ASYNC_LOADING),
    since: "1.0.0",
    group: Group::Server,
    summary: "Makes the server a replica, or no replica.",
    complexity: "O(1)",
    deprecated: Some(("5.0.0", "`REPLICAOF`")),
    arguments: &[Argument::new(
        "args",
        ArgKind::OneOf(&[
            Argument::new(
                "host-port",
                ArgKind::Block(&[
                    Argument::new("host", ArgKind::String),
                    Argument::new("port", ArgKind::Integer),
                ]),
            ),
            Argument::new(
                "no-one",
                ArgKind::Block(&[Argument::word("no", "NO"), Argument::word("one", "ONE")]),
            ),
        ]),
    )],
    unsupported: &["host port"],
    handler: replicaof,
    ..Spec::DEFAULT
};

pub(super) const WAIT: Spec = Spec {
    name: "wait",
    arity: 3,
    flags: Flags::BLOCKING,
    categories: Categories::CONNECTION,
    since: "3.0.0",
    group: Group::Generic,
    summary: "Waits until replicas have the connection's writes, and tells how many do.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    arguments: &[Argument::new("numreplicas", ArgKind::Integer), Argument::new("timeout", ArgKind::Integer)],
    deviation: Some("There are no replicas: it answers 0 at once."),
    handler: wait,
    ..Spec::DEFAULT
};

pub(super) const WAITAOF: Spec = Spec {
    name: "waitaof",
    arity: 4,
    flags: Flags::BLOCKING,
    categories: Categories::CONNECTION,
    since: "7.2.0",
    group: Group::Generic,
    summary: "Waits until the connection's writes are durable, here and on replicas.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    arguments: &[
        Argument::new("numlocal", ArgKind::Integer),
        Argument::new("numreplicas", ArgKind::Integer),
        Argument::new("timeout", ArgKind::Integer),
    ],
    deviation: Some("There are no replicas: it syncs if asked to, and answers at once."),
    handler: waitaof,
    ..Spec::DEFAULT
};

fn role(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.array(3);
    context.reply.text("master");
    context.reply.integer(0);
    context.reply.array(0);
    Ok(Outcome::Done)
}

fn replicaof(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if request.arg(1).eq_ignore_ascii_case(b"no") && request.arg(2).eq_ignore_ascii_case(b"one") {
        context.reply.ok();
        return Ok(Outcome::Done);
    }
    Err(CommandError::Other("ERR Replication is not supported yet"))
}

/// Answers at once: no replica can come, so that waiting for one changes nothing.
fn wait(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let now_ms = context.keys.now_ms;
    parse_integer(request.arg(1))?;
    parse_timeout_ms(request.arg(2), now_ms)?;
    context.reply.integer(0);
    Ok(Outcome::Done)
}

/// Syncs the log itself where the client wants to wait for it; for replicas there is no waiting.
fn waitaof(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let now_ms = context.keys.now_ms;
    let wants_local = match parse_i64(request.arg(1)) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(CommandError::Other("ERR value is out of range, value must between 0 and 1")),
    };
    if parse_i64(request.arg(2)).is_none_or(|replicas| replicas < 0) {
        return Err(CommandError::Other("ERR value is out of range, must be positive"));
    }
    parse_timeout_ms(request.arg(3), now_ms)?;
    let log = context.shared.log();
    if wants_local && !log.is_enabled() {
        return Err(CommandError::Other(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    // In a transaction the writes before it are not in the log yet.
    let is_there = log.is_enabled() && !log.awaits_base() && !context.session.in_exec;
    let is_durable =
        is_there && if wants_local { log.sync_all().is_ok() } else { log.durable() >= log.appended() };
    context.reply.array(2);
    context.reply.integer(i64::from(is_durable));
    context.reply.integer(0);
    Ok(Outcome::Done)
}
