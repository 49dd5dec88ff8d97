//! CLIENT SETNAME

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "setname",
    arity: 3,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.6.9",
    group: Group::Connection,
    summary: "Sets the connection's name.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new("connection-name", ArgKind::String)],
    help: &["SETNAME <name>", "    Gives this connection a name."],
    handler: execute,
    ..Spec::DEFAULT
};

/// Whether a text can stand in a line of CLIENT LIST: no spaces, nothing that is not printed.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// Checks a connection's name.
///
/// # Errors
/// That it has something else in it than printable characters.
pub(in crate::command) fn check_name(name: &[u8]) -> Result<(), CommandError> {
    if is_plain(name) {
        return Ok(());
    }
    Err(CommandError::Other("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let name = request.arg(2);
    check_name(name)?;
    context.session.handle.names.lock().name = name.to_vec();
    context.reply.ok();
    Ok(Outcome::Done)
}
