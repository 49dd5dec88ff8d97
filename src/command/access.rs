//! What a request needs its user to be allowed, and whether it is.

use std::sync::{Arc, LazyLock};

use super::client::client_line;
use super::error::CommandError;
use super::spec::{Flags, KeyFlags};
use super::table::{Command, table};
use crate::acl::{Catalog, Denied, KeyAccess, LogContext, LogEntry, LogReason, Selector, User, parse_users};
use crate::clock;
use crate::config::{AclPubsubDefault, Directive, settings};
use crate::protocol::Request;
use crate::state::{ClientHandle, Session, Shared};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::new(table().iter().map(|command| (command.full_name.clone(), command.spec.all_categories())))
});

/// The commands that rules can name. A command of the table has the number there that it has in the table.
pub(super) fn catalog() -> &'static Catalog {
    &CATALOG
}

/// Whether the user may have the request executed.
///
/// # Errors
/// What it may not, by the selector that comes furthest.
pub fn check_access(user: &User, command: &Command, request: Request<'_>) -> Result<(), Denied> {
    let mut denied = Denied::Command;
    for selector in user.selectors() {
        match check_selector(selector, command, request) {
            Ok(()) => return Ok(()),
            Err(this) => denied = denied.max(this),
        }
    }
    Err(denied)
}

fn check_selector(selector: &Selector, command: &Command, request: Request<'_>) -> Result<(), Denied> {
    if selector.is_unrestricted() {
        return Ok(());
    }
    if !command.spec.flags.contains(Flags::NO_AUTH) {
        let first_arg = request.get(if command.parent.is_some() { 2 } else { 1 });
        selector.check_command(command.index, first_arg)?;
    }
    for (at, flags) in command.keys_with_flags(request) {
        if !selector.allows_key(request.arg(at), access_of(flags)) {
            return Err(Denied::Key(at));
        }
    }
    let (first, end, is_pattern) = channels_of(command, request);
    for at in first..end {
        if !selector.allows_channel(request.arg(at), is_pattern) {
            return Err(Denied::Channel(at));
        }
    }
    Ok(())
}

/// What is done with a key's data.
fn access_of(flags: KeyFlags) -> KeyAccess {
    let mut access = KeyAccess::empty();
    if flags.contains(KeyFlags::ACCESS) {
        access |= KeyAccess::READ;
    }
    if flags.intersects(KeyFlags::INSERT | KeyFlags::DELETE | KeyFlags::UPDATE) {
        access |= KeyAccess::WRITE;
    }
    access
}

/// Which arguments are channels (the first and the end), and whether they are patterns.
fn channels_of(command: &Command, request: Request<'_>) -> (usize, usize, bool) {
    if !command.spec.flags.contains(Flags::PUBSUB) {
        return (0, 0, false);
    }
    match command.full_name.as_str() {
        "publish" | "spublish" => (1, request.len().min(2), false),
        "subscribe" | "ssubscribe" => (1, request.len(), false),
        "psubscribe" => (1, request.len(), true),
        _ => (0, 0, false),
    }
}

/// Refuses what the user may not do, and notes it in the log.
#[cold]
pub fn deny(
    shared: &Shared,
    session: &Session,
    command: &Command,
    request: Request<'_>,
    denied: Denied,
) -> CommandError {
    let (reason, object) = match denied {
        Denied::Command => (LogReason::Command, command.full_name.as_bytes()),
        Denied::Key(at) => (LogReason::Key, request.arg(at)),
        Denied::Channel(at) => (LogReason::Channel, request.arg(at)),
    };
    let is_multi = session.transaction.is_some() || session.in_exec;
    let context = match is_multi {
        _ if session.in_script => LogContext::Lua,
        true => LogContext::Multi,
        false => LogContext::TopLevel,
    };
    note(shared, &session.handle, reason, context, object, session.access.user().name());
    if session.in_script {
        return CommandError::NotPermittedInScript(denied);
    }
    if session.in_exec {
        return CommandError::NotPermittedAnyMore(denied);
    }
    CommandError::not_permitted(denied, command)
}

/// Puts a refusal into the log.
pub(super) fn note(
    shared: &Shared,
    client: &ClientHandle,
    reason: LogReason,
    context: LogContext,
    object: &[u8],
    username: &[u8],
) {
    let now_ms = clock::unix_ms();
    let entry = LogEntry {
        id: 0,
        count: 1,
        reason,
        context,
        object: object.to_vec(),
        username: username.to_vec(),
        client: client_line(client, now_ms),
        created_ms: now_ms,
        updated_ms: now_ms,
    };
    let len_max = usize::try_from(shared.config.integer(settings::ACLLOG_MAX_LEN)).unwrap_or(0);
    shared.users.log.add(entry, len_max);
}

/// Whether a new user may use all channels.
pub(super) fn all_channels_by_default(shared: &Shared) -> bool {
    shared.config.choice(settings::ACL_PUBSUB_DEFAULT) == AclPubsubDefault::AllChannels
}

/// Makes the users that the settings tell of: the default user's password, `user` lines, or the file with users.
///
/// # Errors
/// What is wrong with them, in a line.
pub fn load_users(shared: &Shared) -> Result<(), String> {
    match find_faulty_users(shared).into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

/// Makes the users that the settings tell of, and tells what is wrong with those that cannot be made.
pub fn find_faulty_users(shared: &Shared) -> Vec<String> {
    let config = &shared.config;
    let password = config.text(settings::REQUIREPASS);
    if !password.is_empty() {
        shared.users.set_default_password(password.as_bytes());
    }
    let file = config.text(settings::ACLFILE);
    if !file.is_empty() {
        if !config.users().is_empty() {
            return vec!["Configuring Redis with users defined in redis.conf and at the same setting an ACL file path \
                        is invalid. This setup is very likely to lead to configuration errors and security holes, \
                        please define either an ACL file or declare users directly in your redis.conf, but not both."
                .into()];
        }
        let loaded = load_users_file(shared);
        return loaded
            .err()
            .map(|reason| format!("Aborting startup because of ACL errors: {reason}"))
            .into_iter()
            .collect();
    }
    config.users().iter().filter_map(|line| load_user(shared, line).err()).collect()
}

/// Makes the user that a line tells of.
fn load_user(shared: &Shared, line: &Directive) -> Result<(), String> {
    let words = line.arguments[1..].iter().map(|word| word.as_bytes());
    let name = line.arguments[0].as_bytes();
    check_name(name).map_err(|_| "Spaces not allowed in ACL usernames".to_string())?;
    let rules = crate::acl::merge_selectors(words).map_err(|_| {
        line.error("Error in user declaration 'user': Unmatched parenthesis in selector definition")
            .to_string()
    })?;
    shared.users.change(name, |_| {
        let mut user = User::new(name, all_channels_by_default(shared));
        for rule in &rules {
            user.apply(catalog(), rule, all_channels_by_default(shared)).map_err(|error| {
                let (rule, name) = (String::from_utf8_lossy(rule), String::from_utf8_lossy(name));
                format!("Error loading ACL rule '{rule}' for the user named '{name}': {error}")
            })?;
        }
        Ok::<_, String>(user)
    })
}

/// Puts the users of the file in the place of all.
///
/// # Errors
/// What is wrong with the file; then nothing is changed.
pub(super) fn load_users_file(shared: &Shared) -> Result<(), String> {
    let file = shared.config.text(settings::ACLFILE);
    let text = std::fs::read(&*file).map_err(|error| {
        let reason = crate::config::describe_io(&error);
        format!("Error loading ACLs, opening file '{file}': {reason}")
    })?;
    let users =
        parse_users(catalog(), &file, &text, all_channels_by_default(shared)).map_err(|error| error.0)?;
    shared.users.replace_all(users);
    Ok(())
}

/// Whether a user can be called so.
pub(super) fn check_name(name: &[u8]) -> Result<(), CommandError> {
    match name.iter().any(|&byte| byte.is_ascii_whitespace() || byte == 0x0b || byte == 0) {
        true => Err(CommandError::Other("ERR Usernames can't contain spaces or null characters")),
        false => Ok(()),
    }
}

/// Closes the connections that listen to a channel which their user, one of those with a name that is asked for, may not use any more.
pub(super) fn close_subscribers(
    shared: &Shared,
    session: &mut Session,
    is_concerned: impl Fn(&[u8]) -> bool,
) {
    let clients = shared.pubsub.find_subscribers(|client, channel, is_pattern| {
        let name = client.names.lock().user.clone();
        is_concerned(&name)
            && shared.users.find(&name).is_some_and(|user| !user.may_use_channel(channel, is_pattern))
    });
    clients.iter().for_each(|client| close(session, client));
}

/// Closes a connection; this one behind the reply to the command that it executes.
fn close(session: &mut Session, client: &Arc<ClientHandle>) {
    if Arc::ptr_eq(client, &session.handle) {
        session.closing = true;
    } else {
        client.kill();
    }
}

/// Closes the connections whose user is gone.
pub(super) fn close_connections(
    shared: &Shared,
    session: &mut Session,
    is_concerned: impl Fn(&[u8]) -> bool,
) {
    for client in shared.clients.list() {
        let is_theirs = is_concerned(&client.names.lock().user);
        if is_theirs {
            close(session, &client);
        }
    }
}
