//! DISCARD

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "discard",
    arity: 1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::ALLOW_BUSY)
        .union(Flags::UNQUEUED),
    categories: Categories::TRANSACTION,
    since: "2.0.0",
    group: Group::Transactions,
    summary: "Drops the queued commands of a transaction, and ends it.",
    complexity: "O(N) for N queued commands",
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    if context.session.transaction.is_none() {
        return Err(CommandError::Other("ERR DISCARD without MULTI"));
    }
    context.session.set_transaction(None);
    context.session.unwatch_locked(context.keys);
    context.reply.ok();
    Ok(Outcome::Done)
}
