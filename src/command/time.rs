//! TIME

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Flags, Group, Spec};
use crate::clock;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "time",
    arity: 1,
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    since: "2.6.0",
    group: Group::Server,
    summary: "Returns the server's time.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let now_us = clock::unix_us();
    context.reply.array(2);
    context.reply.text(&(now_us / 1_000_000).to_string());
    context.reply.text(&(now_us % 1_000_000).to_string());
    Ok(Outcome::Done)
}
