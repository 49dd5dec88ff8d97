//! ACL LIST

use super::ADMIN;
use crate::command::access::catalog;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "list",
    arity: 2,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Lists the users with their rules, as a file with users has them.",
    complexity: "O(N) for N users.",
    help: &["LIST", "    The users with their rules, one a line."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let users = context.shared.users.list();
    context.reply.array(users.len());
    for user in users {
        context.reply.bulk(&[b"user ", user.describe(catalog()).as_slice()].concat());
    }
    Ok(Outcome::Done)
}
