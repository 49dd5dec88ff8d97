//! AUTH, and the check of passwords that HELLO shares.
//!
//! There is one user, `default`; its password is the setting `requirepass`.

use subtle::ConstantTimeEq;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use crate::config::settings;
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

/// The one user's name.
pub(super) const DEFAULT_USER: &[u8] = b"default";

/// Whether connections need no password.
pub(super) fn is_open(shared: &Shared) -> bool {
    shared.config.text(settings::REQUIREPASS).is_empty()
}

/// Lets the connection in if the user's password is right.
///
/// # Errors
/// [`CommandError::WrongPassword`].
pub(super) fn authenticate(
    shared: &Shared,
    session: &mut Session,
    user: &[u8],
    password: &[u8],
) -> Result<(), CommandError> {
    let required = shared.config.text(settings::REQUIREPASS);
    // How long it takes tells of the password's length at most, not of how much of a guess was right.
    let matches = required.is_empty() || bool::from(required.as_bytes().ct_eq(password));
    if user != DEFAULT_USER || !matches {
        return Err(CommandError::WrongPassword);
    }
    session.authenticated = true;
    session.handle.names.lock().user = user.to_vec();
    Ok(())
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (user, password) = match request.len() {
        2 if is_open(context.shared) => {
            return Err(CommandError::Other(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (DEFAULT_USER, request.arg(1)),
        3 => (request.arg(1), request.arg(2)),
        _ => return Err(CommandError::Syntax),
    };
    authenticate(context.shared, context.session, user, password)?;
    context.reply.ok();
    Ok(Outcome::Done)
}
