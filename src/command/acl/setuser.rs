//! ACL SETUSER

use super::ADMIN;
use crate::acl::{User, merge_selectors};
use crate::command::access::{all_channels_by_default, catalog, check_name, close_subscribers};
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "setuser",
    arity: -3,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Makes a user, or changes its rules.",
    complexity: "O(N) for N rules.",
    history: &[
        ("6.2.0", "Rules on channels came."),
        ("7.0.0", "Selectors and rules on reading and writing keys came."),
    ],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[
        Argument::new("username", ArgKind::String),
        Argument::new("rule", ArgKind::String).optional().multiple(),
    ],
    help: &[
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Makes a user, or adds rules to those that it has.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let name = request.arg(2);
    check_name(name)?;
    let rules = merge_selectors(request.args_from(3)).map_err(|first| {
        CommandError::quoting("ERR Unmatched parenthesis in acl selector starting at '", &first, "'.")
    })?;
    let shared = context.shared;
    let all_channels = all_channels_by_default(shared);
    shared.users.change(name, |user| {
        let mut user = user.cloned().unwrap_or_else(|| User::new(name, all_channels));
        for rule in &rules {
            user.apply(catalog(), rule, all_channels).map_err(|error| {
                let reason = format!("': {error}");
                CommandError::quoting("ERR Error in ACL SETUSER modifier '", rule, &reason)
            })?;
        }
        Ok::<_, CommandError>(user)
    })?;
    close_subscribers(shared, context.session, |user| user == name);
    // What comes next on this connection is to be judged by the new rules already.
    context.session.refresh_access();
    context.reply.ok();
    Ok(Outcome::Done)
}
