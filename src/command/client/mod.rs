//! CLIENT: what connections tell of themselves and of each other, and do to each other.

mod caching;
mod getname;
mod getredir;
mod id;
mod info;
mod kill;
mod list;
mod maint_notifications;
mod no_evict;
mod no_touch;
mod pause;
mod reply;
mod setinfo;
mod setname;
mod tracking;
mod trackinginfo;
mod unblock;
mod unpause;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) use list::client_line;
pub(super) use setname::check_name;

pub(super) const SPEC: Spec = Spec {
    name: "client",
    arity: -2,
    since: "2.4.0",
    group: Group::Connection,
    summary: "Commands about connections.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &caching::SPEC,
        &getname::SPEC,
        &getredir::SPEC,
        &HELP,
        &id::SPEC,
        &info::SPEC,
        &kill::SPEC,
        &list::SPEC,
        &maint_notifications::SPEC,
        &no_evict::SPEC,
        &no_touch::SPEC,
        &pause::SPEC,
        &reply::SPEC,
        &setinfo::SPEC,
        &setname::SPEC,
        &tracking::SPEC,
        &trackinginfo::SPEC,
        &unblock::SPEC,
        &unpause::SPEC,
    ],
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "5.0.0",
    group: Group::Connection,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

/// Reads ON or OFF.
fn parse_switch(text: &[u8]) -> Result<bool, CommandError> {
    match text {
        _ if text.eq_ignore_ascii_case(b"on") => Ok(true),
        _ if text.eq_ignore_ascii_case(b"off") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}
