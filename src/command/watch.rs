//! WATCH

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "watch",
    arity: -2,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::ALLOW_BUSY)
        .union(Flags::UNQUEUED),
    keys: &[KeySpec::to_end(1, 1, KeyFlags::RO)],
    categories: Categories::TRANSACTION,
    since: "2.2.0",
    group: Group::Transactions,
    summary: "Watches keys: EXEC answers null if one of them was changed meanwhile.",
    complexity: "O(1) for every key.",
    arguments: &[Argument::new("key", ArgKind::Key(0)).multiple()],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if context.session.transaction.is_some() {
        return Err(CommandError::Other("ERR WATCH inside MULTI is not allowed"));
    }
    let (db, now_ms) = (context.keys.db, context.keys.now_ms);
    for key in request.args_from(1) {
        let key = Key::new(key);
        let shard = context.keys.shard(&key);
        let expired = shard.dbs[db].find(&key).is_some_and(|entry| entry.is_expired(now_ms));
        context.session.watch(shard, &key, expired);
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
