//! UNWATCH

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "unwatch",
    arity: 1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::ALLOW_BUSY),
    categories: Categories::TRANSACTION,
    since: "2.2.0",
    group: Group::Transactions,
    summary: "Watches no key any more.",
    complexity: "O(1)",
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    // Within a transaction EXEC has taken the watches back already, under its locks.
    if !context.session.in_exec {
        context.session.unwatch(&context.shared.store);
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
