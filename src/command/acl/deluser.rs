//! ACL DELUSER

use super::ADMIN;
use crate::acl::DEFAULT_USER;
use crate::command::access::close_connections;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "deluser",
    arity: -3,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Removes users, and closes their connections.",
    complexity: "O(1) for each user, and O(N) for N connections.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new("username", ArgKind::String).multiple()],
    help: &["DELUSER <username> [<username> ...]", "    Removes users, and closes their connections."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut removed: Vec<&[u8]> = Vec::new();
    let mut refusal = None;
    for name in request.args_from(2) {
        if name == DEFAULT_USER {
            refusal = Some(CommandError::Other("ERR The 'default' user cannot be removed"));
            break;
        }
        if context.shared.users.remove(name) {
            removed.push(name);
        }
    }
    close_connections(context.shared, context.session, |user| removed.contains(&user));
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    context.reply.count(removed.len() as u64);
    Ok(Outcome::Done)
}
