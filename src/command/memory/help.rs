//! MEMORY HELP

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::help::write_help;
use super::super::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "4.0.0",
    group: Group::Server,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &super::SPEC);
    Ok(Outcome::Done)
}
