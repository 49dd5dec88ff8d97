//! CONFIG REWRITE

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Flags, Group, Spec};
use std::sync::Arc;

use crate::acl::User;
use crate::command::access::catalog;
use crate::config::settings;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "rewrite",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.0",
    group: Group::Server,
    summary: "Writes the settings of now to the configuration file.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    help: &["REWRITE", "    Brings the configuration file up to date."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    rewrite(context, false)?;
    Ok(Outcome::Done)
}

/// Rewrites the file; with `all`, also what has its default.
pub(in crate::command) fn rewrite(context: &mut Context<'_, '_>, all: bool) -> Result<(), CommandError> {
    let shared = context.shared;
    // Users in a file of their own are not the configuration's.
    let users: Option<Vec<String>> = shared.config.text(settings::ACLFILE).is_empty().then(|| {
        let line = |user: &Arc<User>| String::from_utf8_lossy(&user.describe(catalog())).into_owned();
        shared.users.list().iter().map(line).collect()
    });
    let config = &shared.config;
    let result = if all { config.rewrite_all(users.as_deref()) } else { config.rewrite(users.as_deref()) };
    match result {
        Ok(()) => {
            tracing::info!("CONFIG REWRITE executed with success");
            context.reply.ok();
            Ok(())
        }
        Err(error) => {
            tracing::warn!("CONFIG REWRITE failed: {error}");
            Err(CommandError::Text(format!("ERR {error}")))
        }
    }
}
