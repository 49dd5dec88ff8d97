//! MULTI

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;
use crate::state::Transaction;

pub(super) const SPEC: Spec = Spec {
    name: "multi",
    arity: 1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::ALLOW_BUSY)
        .union(Flags::UNQUEUED),
    categories: Categories::TRANSACTION,
    since: "1.2.0",
    group: Group::Transactions,
    summary: "Begins a transaction: the commands that follow are queued until EXEC.",
    complexity: "O(1)",
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    if context.session.transaction.is_some() {
        return Err(CommandError::Other("ERR MULTI calls can not be nested"));
    }
    context.session.set_transaction(Some(Transaction::default()));
    context.reply.ok();
    Ok(Outcome::Done)
}
