//! ACL: users, and what they may do.

mod cat;
mod deluser;
mod dryrun;
mod genpass;
mod getuser;
mod list;
mod load;
mod log;
mod save;
mod setuser;
mod users;
mod whoami;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "acl",
    arity: -2,
    since: "6.0.0",
    group: Group::Server,
    summary: "Commands about users and what they may do.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &cat::SPEC,
        &deluser::SPEC,
        &dryrun::SPEC,
        &genpass::SPEC,
        &getuser::SPEC,
        &HELP,
        &list::SPEC,
        &load::SPEC,
        &log::SPEC,
        &save::SPEC,
        &setuser::SPEC,
        &users::SPEC,
        &whoami::SPEC,
    ],
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "6.0.0",
    group: Group::Server,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

/// The flags of the subcommands that are for administrators.
const ADMIN: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE);

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

/// The refusal of a subcommand's arguments.
fn wrong_form(request: Request<'_>) -> CommandError {
    CommandError::SubcommandSyntax { command: "acl", subcommand: request.arg(1).to_vec() }
}

/// What LOAD and SAVE say where there is no file.
const NO_FILE: CommandError = CommandError::Other(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
     command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users \
     in the Redis configuration.",
);
