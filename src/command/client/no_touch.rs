//! CLIENT NO-TOUCH

use std::sync::atomic::Ordering::Relaxed;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use super::parse_switch;

pub(super) const SPEC: Spec = Spec {
    name: "no-touch",
    arity: 3,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "7.2.0",
    group: Group::Connection,
    summary: "Says whether the connection's commands count as a use of the keys they read.",
    complexity: "O(1)",
    arguments: &[Argument::new(
        "enabled",
        ArgKind::OneOf(&[Argument::word("on", "ON"), Argument::word("off", "OFF")]),
    )],
    help: &[
        "NO-TOUCH (ON|OFF)",
        "    While it is on, this connection's commands leave the time of a key's last use as it is.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    context.session.handle.no_touch.store(parse_switch(request.arg(2))?, Relaxed);
    context.reply.ok();
    Ok(Outcome::Done)
}
