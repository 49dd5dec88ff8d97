//! ACL LOAD

use super::{ADMIN, NO_FILE};
use crate::acl::DEFAULT_USER;
use crate::command::access::{close_connections, close_subscribers, load_users_file};
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Group, Spec};
use crate::config::settings;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "load",
    arity: 2,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Reads the file with users anew.",
    complexity: "O(N) for N users in the file.",
    help: &[
        "LOAD",
        "    Reads the file with users anew, and closes the connections of all but the default user.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let shared = context.shared;
    if shared.config.text(settings::ACLFILE).is_empty() {
        return Err(NO_FILE);
    }
    load_users_file(shared).map_err(|reason| CommandError::Text(format!("ERR {reason}")))?;
    // As Redis does it: the new users are others, though they may be called the same.
    close_connections(shared, context.session, |name| name != DEFAULT_USER);
    close_subscribers(shared, context.session, |name| name == DEFAULT_USER);
    context.session.refresh_access();
    context.reply.ok();
    Ok(Outcome::Done)
}
