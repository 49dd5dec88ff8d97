//! CLIENT CACHING

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "caching",
    arity: 3,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.0.0",
    group: Group::Connection,
    summary: "Says whether the keys of the next command are tracked.",
    complexity: "O(1)",
    arguments: &[Argument::new(
        "mode",
        ArgKind::OneOf(&[Argument::word("yes", "YES"), Argument::word("no", "NO")]),
    )],
    help: &[
        "CACHING (YES|NO)",
        "    Tracks the keys of the next command, or does not, in OPTIN and OPTOUT mode.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// No connection is tracking.
fn execute(_: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    Err(CommandError::Other(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
         enabled",
    ))
}
