//! ACL GETUSER

use super::ADMIN;
use crate::acl::Selector;
use crate::command::access::catalog;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Group, Spec};
use crate::protocol::{Reply, Request};

pub(super) const SPEC: Spec = Spec {
    name: "getuser",
    arity: 3,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Tells a user's rules.",
    complexity: "O(N) for N passwords, commands and patterns that the user has.",
    history: &[
        ("6.2.0", "Channels are told."),
        ("7.0.0", "Selectors are told, and keys and channels are rules rather than lists of patterns."),
    ],
    arguments: &[Argument::new("username", ArgKind::String)],
    help: &["GETUSER <username>", "    The user's flags, the hashes of its passwords, and its rules."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    let Some(user) = context.shared.users.find(request.arg(2)) else {
        reply.null();
        return Ok(Outcome::Done);
    };
    reply.map(6);
    reply.text("flags");
    reply.set(user.flags().count());
    user.flags().for_each(|flag| reply.text(flag));
    reply.text("passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|hash| reply.text(hash));
    let (root, others) = user.selectors().split_at(1);
    root.iter().for_each(|selector| write_selector(reply, selector));
    reply.text("selectors");
    reply.array(others.len());
    for selector in others {
        reply.map(3);
        write_selector(reply, selector);
    }
    Ok(Outcome::Done)
}

/// Writes three fields and their values.
fn write_selector(reply: &mut Reply, selector: &Selector) {
    reply.text("commands");
    reply.bulk(&selector.describe_commands(catalog()));
    reply.text("keys");
    reply.bulk(&selector.describe_keys());
    reply.text("channels");
    reply.bulk(&selector.describe_channels());
}
