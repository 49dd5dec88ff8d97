//! MEMORY PURGE

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{Group, Spec};
use crate::process;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "purge",
    arity: 2,
    since: "4.0.0",
    group: Group::Server,
    summary: "Gives memory back to the system that the allocator keeps.",
    complexity: "Grows with the memory that is given back",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    help: &["PURGE", "    Gives memory back to the system that the allocator keeps."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    if !process::purge() {
        return Err(CommandError::Other("ERR Error purging dirty pages"));
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
