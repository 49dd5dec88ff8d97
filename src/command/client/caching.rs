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

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let Some(tracking) = &mut context.session.tracking else { return Err(NOT_TRACKING) };
    let options = tracking.tracker.options;
    tracking.caching = Some(match request.arg(2) {
        word if word.eq_ignore_ascii_case(b"yes") => {
            if !options.opt_in {
                return Err(CommandError::Other(
                    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
                ));
            }
            true
        }
        word if word.eq_ignore_ascii_case(b"no") => {
            if !options.opt_out {
                return Err(CommandError::Other(
                    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
                ));
            }
            false
        }
        _ => return Err(CommandError::Syntax),
    });
    context.reply.ok();
    Ok(Outcome::Done)
}

const NOT_TRACKING: CommandError = CommandError::Other(
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
);
