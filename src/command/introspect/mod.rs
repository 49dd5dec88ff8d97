//! COMMAND: what is known of the commands. All of it is read off the command table.

mod count;
mod docs;
mod getkeys;
mod info;
mod list;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{Categories, Flags, Group, Spec};
use super::table::table;
use crate::protocol::{Reply, Request};

pub(super) const SPEC: Spec = Spec {
    name: "command",
    arity: -1,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.8.13",
    group: Group::Server,
    summary: "Describes the commands.",
    complexity: "O(N) for N commands that there are",
    tips: &["nondeterministic_output_order"],
    subcommands: &[
        &count::SPEC,
        &docs::SPEC,
        &getkeys::SPEC,
        &getkeys::WITH_FLAGS,
        &HELP,
        &info::SPEC,
        &list::SPEC,
    ],
    help: &["(no subcommand)", "    What COMMAND INFO tells of all commands."],
    handler: execute,
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "5.0.0",
    group: Group::Server,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    info::write_all(context.reply);
    Ok(Outcome::Done)
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

/// Writes a set of words: statuses, as Redis has it.
fn write_words(reply: &mut Reply, words: &[impl AsRef<str>]) {
    reply.set(words.len());
    words.iter().for_each(|word| reply.simple(word.as_ref()));
}

/// The number of commands, subcommands not counted.
fn command_count() -> usize {
    table().commands().count()
}
