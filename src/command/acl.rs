//! ACL, as far as the one user `default` goes.

use super::auth::DEFAULT_USER;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use super::table::table;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "acl",
    arity: -2,
    since: "6.0.0",
    group: Group::Server,
    summary: "Commands about users and what they may do.",
    complexity: "Depends on subcommand.",
    subcommands: &[&CAT, &HELP, &USERS, &WHOAMI],
    ..Spec::DEFAULT
};

const CAT: Spec = Spec {
    name: "cat",
    arity: -2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    since: "6.0.0",
    group: Group::Server,
    summary: "Lists the categories of commands, or the commands of a category.",
    complexity: "O(1): what there is to list is fixed.",
    arguments: &[Argument::new("category", ArgKind::String).optional()],
    help: &["CAT [<category>]", "    The categories, or the commands of a category."],
    handler: cat,
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

const USERS: Spec = Spec {
    name: "users",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "6.0.0",
    group: Group::Server,
    summary: "Lists the users.",
    complexity: "O(N) for N users.",
    help: &["USERS", "    The users' names."],
    handler: users,
    ..Spec::DEFAULT
};

const WHOAMI: Spec = Spec {
    name: "whoami",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    since: "6.0.0",
    group: Group::Server,
    summary: "Returns the user that the connection is authenticated as.",
    complexity: "O(1)",
    help: &["WHOAMI", "    This connection's user."],
    handler: whoami,
    ..Spec::DEFAULT
};

fn cat(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    match request.get(2) {
        None => {
            let names = || Categories::all().iter_names().map(|(name, _)| name.to_ascii_lowercase());
            reply.array(names().count());
            names().for_each(|name| reply.text(&name));
        }
        Some(_) if request.len() > 3 => {
            let subcommand = request.arg(1).to_vec();
            return Err(CommandError::SubcommandSyntax { command: "acl", subcommand });
        }
        Some(name) => {
            let text = String::from_utf8_lossy(name);
            let Some(category) = Categories::from_name(&text.to_ascii_uppercase()) else {
                return Err(CommandError::quoting("ERR Unknown category '", name, "'"));
            };
            let commands =
                || table().iter().filter(|command| command.spec.all_categories().contains(category));
            reply.array(commands().count());
            commands().for_each(|command| reply.text(&command.full_name));
        }
    }
    Ok(Outcome::Done)
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

fn users(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.array(1);
    context.reply.bulk(DEFAULT_USER);
    Ok(Outcome::Done)
}

fn whoami(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let user = context.session.handle.names.lock().user.clone();
    context.reply.bulk(&user);
    Ok(Outcome::Done)
}
