//! ACL SAVE

use super::{ADMIN, NO_FILE};
use crate::command::access::catalog;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Group, Spec};
use crate::config::{replace_file, settings};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "save",
    arity: 2,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Writes the users to the file that they were read from.",
    complexity: "O(N) for N users.",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    help: &["SAVE", "    Writes the users to the file with users."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let shared = context.shared;
    let file = shared.config.text(settings::ACLFILE);
    if file.is_empty() {
        return Err(NO_FILE);
    }
    let mut text = Vec::new();
    for user in shared.users.list() {
        text.extend_from_slice(b"user ");
        text.extend_from_slice(&user.describe(catalog()));
        text.push(b'\n');
    }
    if let Err(error) = replace_file(std::path::Path::new(&*file), &text) {
        tracing::warn!("Saving the users to {file} failed: {error}");
        return Err(CommandError::Other(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
