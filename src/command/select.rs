//! SELECT

use super::argument::parse_db;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "select",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Categories::CONNECTION,
    since: "1.0.0",
    group: Group::Connection,
    summary: "Selects the database that the connection works on.",
    complexity: "O(1)",
    arguments: &[Argument::new("index", ArgKind::Integer)],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let index = parse_db(request.arg(1), context.shared.store.databases())?;
    context.session.select(index);
    context.reply.ok();
    Ok(Outcome::Done)
}
