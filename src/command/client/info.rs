//! CLIENT INFO

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

use super::list::{encoded_bytes, write_client};

pub(super) const SPEC: Spec = Spec {
    name: "info",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.2.0",
    group: Group::Connection,
    summary: "Returns the connection's line of CLIENT LIST.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    help: &["INFO", "    What CLIENT LIST says of this connection."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut text = Vec::new();
    write_client(&context.session.handle, Some(encoded_bytes(request)), context.keys.now_ms, &mut text);
    context.reply.verbatim(&text);
    Ok(Outcome::Done)
}
