//! ACL USERS

use super::ADMIN;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "users",
    arity: 2,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Lists the users.",
    complexity: "O(N) for N users.",
    help: &["USERS", "    The users' names."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let users = context.shared.users.list();
    context.reply.array(users.len());
    users.iter().for_each(|user| context.reply.bulk(user.name()));
    Ok(Outcome::Done)
}
