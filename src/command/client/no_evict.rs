//! CLIENT NO-EVICT

use std::sync::atomic::Ordering::Relaxed;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use super::parse_switch;

pub(super) const SPEC: Spec = Spec {
    name: "no-evict",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "7.0.0",
    group: Group::Connection,
    summary: "Keeps the connection from being closed when clients take too much memory.",
    complexity: "O(1)",
    arguments: &[Argument::new(
        "enabled",
        ArgKind::OneOf(&[Argument::word("on", "ON"), Argument::word("off", "OFF")]),
    )],
    help: &[
        "NO-EVICT (ON|OFF)",
        "    Keeps this connection from being closed for the memory that clients take.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    context.session.handle.no_evict.store(parse_switch(request.arg(2))?, Relaxed);
    context.reply.ok();
    Ok(Outcome::Done)
}
