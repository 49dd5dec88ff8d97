//! FLUSHALL and FLUSHDB

use std::ops::Range;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::engine::Db;
use crate::protocol::Request;

pub(super) const FLUSHALL: Spec = Spec {
    name: "flushall",
    arity: -1,
    flags: Flags::WRITE.union(Flags::ALL_SHARDS),
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    since: "1.0.0",
    group: Group::Server,
    summary: "Removes all keys of all databases.",
    complexity: "O(N) for N keys",
    history: &[("4.0.0", "`ASYNC` came."), ("6.2.0", "`SYNC` came.")],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "flush-type",
        ArgKind::OneOf(&[
            Argument::word("async", "ASYNC").since("4.0.0"),
            Argument::word("sync", "SYNC").since("6.2.0"),
        ]),
    )
    .optional()],
    handler: execute_flushall,
    ..Spec::DEFAULT
};

pub(super) const FLUSHDB: Spec = Spec {
    name: "flushdb",
    arity: -1,
    flags: Flags::WRITE.union(Flags::ALL_SHARDS),
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    since: "1.0.0",
    group: Group::Server,
    summary: "Removes all keys of the selected database.",
    complexity: "O(N) for N keys",
    history: &[("4.0.0", "`ASYNC` came."), ("6.2.0", "`SYNC` came.")],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "flush-type",
        ArgKind::OneOf(&[
            Argument::word("async", "ASYNC").since("4.0.0"),
            Argument::word("sync", "SYNC").since("6.2.0"),
        ]),
    )
    .optional()],
    handler: execute_flushdb,
    ..Spec::DEFAULT
};

/// Where the memory of what was removed is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    /// At once.
    Here,
    /// In another thread.
    Elsewhere,
}

/// Fewer keys than this are not worth a thread.
const ELSEWHERE_KEYS_MIN: usize = 1000;

fn parse(request: Request<'_>) -> Result<Release, CommandError> {
    match (request.len(), request.get(1)) {
        (1, _) => Ok(Release::Here),
        (2, Some(word)) if word.eq_ignore_ascii_case(b"sync") => Ok(Release::Here),
        (2, Some(word)) if word.eq_ignore_ascii_case(b"async") => Ok(Release::Elsewhere),
        _ => Err(CommandError::Syntax),
    }
}

fn execute_flushall(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let databases = 0..context.shared.store.databases();
    flush(context, request, databases, b"FLUSHALL")
}

fn execute_flushdb(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let db = context.keys.db;
    flush(context, request, db..db + 1, b"FLUSHDB")
}

fn flush(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    databases: Range<usize>,
    effect: &[u8],
) -> Result<Outcome, CommandError> {
    let release = parse(request)?;
    let removed = context.keys.clear(databases);
    if !removed.is_empty() {
        context.keys.effect(&[effect]);
    }
    if release == Release::Elsewhere && removed.iter().map(Db::len).sum::<usize>() >= ELSEWHERE_KEYS_MIN {
        let thread = std::thread::Builder::new().name("release".into()).spawn(move || drop(removed));
        // When there can be no thread, the closure was dropped here with what it holds.
        drop(thread);
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
