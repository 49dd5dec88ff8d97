//! CONFIG GET

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "get",
    arity: -3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.0.0",
    group: Group::Server,
    summary: "Returns settings.",
    complexity: "O(N) for N settings",
    history: &[("7.0.0", "Several patterns may be given.")],
    arguments: &[Argument::new("parameter", ArgKind::String).multiple()],
    help: &[
        "GET <pattern> [<pattern> ...]",
        "    The settings whose names match a pattern, and their values.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let found = context.shared.config.get(request.args_from(2));
    context.reply.map(found.len());
    for (name, value) in &found {
        context.reply.text(name);
        context.reply.text(value);
    }
    Ok(Outcome::Done)
}
