//! CONFIG: settings, read and changed while the server runs.

mod get;
mod resetstat;
mod rewrite;
mod set;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
pub(super) use rewrite::rewrite;

use super::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "config",
    arity: -2,
    since: "2.0.0",
    group: Group::Server,
    summary: "Commands about settings.",
    complexity: "Depends on subcommand.",
    subcommands: &[&get::SPEC, &HELP, &resetstat::SPEC, &rewrite::SPEC, &set::SPEC],
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "5.0.0",
    group: Group::Server,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}
