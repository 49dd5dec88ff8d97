//! CLIENT GETNAME

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "getname",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.6.9",
    group: Group::Connection,
    summary: "Returns the connection's name.",
    complexity: "O(1)",
    help: &["GETNAME", "    The name of this connection."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let names = context.session.handle.names.lock();
    match names.name.as_slice() {
        [] => context.reply.null(),
        name => context.reply.bulk(name),
    }
    Ok(Outcome::Done)
}
