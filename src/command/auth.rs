//! AUTH, and the check of passwords that HELLO shares.

use super::access::note;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use crate::acl::{DEFAULT_USER, LogContext, LogReason};
use crate::state::{Session, Shared};

pub(super) const SPEC: Spec = Spec {
    name: "auth",
    arity: -2,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::NO_AUTH)
        .union(Flags::ALLOW_BUSY),
    categories: Categories::CONNECTION,
    since: "1.0.0",
    group: Group::Connection,
    summary: "Tells the server who connects, with a password.",
    complexity: "O(N) for a user with N passwords",
    history: &[("6.0.0", "A username may be given.")],
    arguments: &[
        Argument::new("username", ArgKind::String).optional().since("6.0.0"),
        Argument::new("password", ArgKind::String),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// Lets the connection in if the user's password is right; `command` is as the client wrote it.
///
/// # Errors
/// [`CommandError::WrongPassword`].
pub(super) fn authenticate(
    shared: &Shared,
    session: &mut Session,
    command: &[u8],
    user: &[u8],
    password: &[u8],
) -> Result<(), CommandError> {
    let found = shared.users.find(user).filter(|found| found.accepts(password));
    let Some(found) = found else {
        let is_multi = session.transaction.is_some() || session.in_exec;
        let context = if is_multi { LogContext::Multi } else { LogContext::TopLevel };
        note(shared, &session.handle, LogReason::Auth, context, command, user);
        return Err(CommandError::WrongPassword);
    };
    session.become_user(found, true);
    Ok(())
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (user, password) = match request.len() {
        2 if context.shared.users.default_user().needs_no_password() => {
            return Err(CommandError::Other(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (DEFAULT_USER, request.arg(1)),
        3 => (request.arg(1), request.arg(2)),
        _ => return Err(CommandError::Syntax),
    };
    authenticate(context.shared, context.session, request.arg(0), user, password)?;
    context.reply.ok();
    Ok(Outcome::Done)
}
