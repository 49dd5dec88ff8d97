//! ACL DRYRUN

use super::ADMIN;
use crate::acl::Denied;
use crate::command::access::check_access;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Group, Spec};
use crate::command::table::table;
use crate::protocol::{OwnedRequest, Request};

pub(super) const SPEC: Spec = Spec {
    name: "dryrun",
    arity: -4,
    flags: ADMIN,
    since: "7.0.0",
    group: Group::Server,
    summary: "Tells whether a user may execute a command, without executing it.",
    complexity: "O(1)",
    arguments: &[
        Argument::new("username", ArgKind::String),
        Argument::new("command", ArgKind::String),
        Argument::new("arg", ArgKind::String).optional().multiple(),
    ],
    help: &[
        "DRYRUN <username> <command> [<arg> ...]",
        "    Whether the user may execute the command. It is not executed.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let name = request.arg(2);
    let user = context.shared.users.find(name);
    let user = user.ok_or_else(|| CommandError::quoting("ERR User '", name, "' not found"))?;
    let unknown = || CommandError::quoting("ERR Command '", request.arg(3), "' not found");
    let mut command = table().find(request.arg(3)).ok_or_else(unknown)?;
    if let Some(name) = request.get(4).filter(|_| !command.spec.subcommands.is_empty()) {
        command = table().find_subcommand(command, name).ok_or_else(unknown)?;
    }
    let owned = OwnedRequest::new(request.args_from(3));
    let request = owned.as_request();
    if !command.spec.accepts(request.len()) {
        return Err(CommandError::Arity(command.full_name.clone()));
    }
    let denied = match check_access(&user, command, request) {
        Ok(()) => {
            context.reply.ok();
            return Ok(Outcome::Done);
        }
        Err(denied) => denied,
    };
    let mut text = b"This user has no permissions to ".to_vec();
    let mut tell = |verb: &str, what: &[u8], kind: &str| {
        text.extend_from_slice(verb.as_bytes());
        text.extend_from_slice(what);
        text.extend_from_slice(kind.as_bytes());
    };
    match denied {
        Denied::Command => tell("run the '", command.full_name.as_bytes(), "' command"),
        Denied::Key(at) => tell("access the '", request.arg(at), "' key"),
        Denied::Channel(at) => tell("access the '", request.arg(at), "' channel"),
    }
    context.reply.bulk(&text);
    Ok(Outcome::Done)
}
