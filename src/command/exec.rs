//! EXEC

use std::sync::atomic::Ordering::Relaxed;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "exec",
    arity: 1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::SKIP_SLOWLOG)
        .union(Flags::UNQUEUED),
    categories: Categories::TRANSACTION,
    since: "1.2.0",
    group: Group::Transactions,
    summary: "Executes the queued commands of a transaction, none of anybody else's between them.",
    complexity: "Depends on the commands in the transaction",
    handler: execute,
    ..Spec::DEFAULT
};

/// Finds out whether the transaction may be executed; the executor does it, under the locks that it
/// holds already.
fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let session = &mut *context.session;
    let Some(transaction) = &session.transaction else {
        return Err(CommandError::Other("ERR EXEC without MULTI"));
    };
    let aborted = transaction.aborted;
    let changed = session.watch_flag.load(Relaxed) || {
        let keys = &mut *context.keys;
        let now_ms = keys.now_ms;
        session.watched.iter().any(|watched| {
            let key = Key::new(&watched.key);
            let shard = keys.shard(&key);
            shard.dbs[watched.db].find(&key).is_some_and(|entry| entry.is_expired(now_ms))
                && !shard.watches.is_expired(watched.db, &key, &session.watch_flag)
        })
    };
    session.unwatch_locked(context.keys);
    if aborted {
        session.set_transaction(None);
        return Err(CommandError::ExecAbort);
    }
    if changed {
        session.set_transaction(None);
        context.reply.null_array();
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Exec)
}
