//! CLIENT UNBLOCK

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use crate::command::argument::parse_integer;
use crate::state::Unblock;

pub(super) const SPEC: Spec = Spec {
    name: "unblock",
    arity: -3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "5.0.0",
    group: Group::Connection,
    summary: "Ends the command in which a client is blocked.",
    complexity: "O(log N) for N connections",
    arguments: &[
        Argument::new("client-id", ArgKind::Integer),
        Argument::new(
            "unblock-type",
            ArgKind::OneOf(&[Argument::word("timeout", "TIMEOUT"), Argument::word("error", "ERROR")]),
        )
        .optional(),
    ],
    help: &[
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Ends what the client is blocked in, as if its time were up, or with an error.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let how = match request.get(3) {
        _ if request.len() > 4 => {
            let subcommand = request.arg(1).to_vec();
            return Err(CommandError::SubcommandSyntax { command: "client", subcommand });
        }
        None => Unblock::Timeout,
        Some(reason) if reason.eq_ignore_ascii_case(b"timeout") => Unblock::Timeout,
        Some(reason) if reason.eq_ignore_ascii_case(b"error") => Unblock::Error,
        Some(_) => return Err(CommandError::Other("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = parse_integer(request.arg(2))?;
    let client = u64::try_from(id).ok().and_then(|id| context.shared.clients.find(id));
    let was_blocked = client.is_some_and(|client| client.unblock(how));
    context.reply.integer(i64::from(was_blocked));
    Ok(Outcome::Done)
}
