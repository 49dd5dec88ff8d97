//! COMMAND COUNT

use super::command_count;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "count",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns the number of commands.",
    complexity: "O(1)",
    help: &["COUNT", "    The number of commands."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.count(command_count() as u64);
    Ok(Outcome::Done)
}
