//! CLIENT TRACKING

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use super::parse_switch;

pub(super) const SPEC: Spec = Spec {
    name: "tracking",
    arity: -3,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.0.0",
    group: Group::Connection,
    summary: "Has the server tell of changes of keys that the client keeps copies of.",
    complexity: "O(1), and more with some options",
    arguments: &[
        Argument::new("status", ArgKind::OneOf(&[Argument::word("on", "ON"), Argument::word("off", "OFF")])),
        Argument::new("client-id", ArgKind::Integer).token("REDIRECT").optional(),
        Argument::new("prefix", ArgKind::String).token("PREFIX").optional().multiple().multiple_token(),
        Argument::word("bcast", "BCAST").optional(),
        Argument::word("optin", "OPTIN").optional(),
        Argument::word("optout", "OPTOUT").optional(),
        Argument::word("noloop", "NOLOOP").optional(),
    ],
    help: &[
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Help for caches in clients. ON is refused: it is not supported yet.",
    ],
    unsupported: &["ON"],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    for option in request.args_from(3) {
        let words = [&b"redirect"[..], b"bcast", b"prefix", b"optin", b"optout", b"noloop"];
        if !words.iter().any(|word| option.eq_ignore_ascii_case(word)) {
            return Err(CommandError::Syntax);
        }
    }
    if parse_switch(request.arg(2))? {
        return Err(CommandError::Other("ERR CLIENT TRACKING ON is not supported yet"));
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
