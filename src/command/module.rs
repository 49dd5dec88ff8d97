//! MODULE. There are no modules.

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "module",
    arity: -2,
    since: "4.0.0",
    group: Group::Server,
    summary: "Commands about modules.",
    complexity: "Depends on subcommand.",
    subcommands: &[&HELP, &LIST],
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

const LIST: Spec = Spec {
    name: "list",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT),
    since: "4.0.0",
    group: Group::Server,
    summary: "Lists the loaded modules: there are none.",
    complexity: "O(N) for N modules",
    tips: &["nondeterministic_output_order"],
    help: &["LIST", "    The loaded modules. There are none."],
    handler: list,
    ..Spec::DEFAULT
};

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

fn list(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.array(0);
    Ok(Outcome::Done)
}
