//! LATENCY: how long commands took, and what took long.

mod doctor;
mod events;
mod graph;
mod histogram;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "latency",
    arity: -2,
    since: "2.8.13",
    group: Group::Server,
    summary: "Commands about what took long.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &doctor::SPEC,
        &graph::SPEC,
        &HELP,
        &histogram::SPEC,
        &events::HISTORY,
        &events::LATEST,
        &events::RESET,
    ],
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "2.8.13",
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
