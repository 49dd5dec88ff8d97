//! RENAME and RENAMENX

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const RENAME: Spec = Spec {
    name: "rename",
    arity: 3,
    flags: Flags::WRITE,
    keys: &[
        KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
    ],
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Gives a key another name; what held that name is gone.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("newkey", ArgKind::Key(1))],
    handler: execute_rename,
    ..Spec::DEFAULT
};

pub(super) const RENAMENX: Spec = Spec {
    name: "renamenx",
    arity: 3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::INSERT)),
    ],
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Gives a key another name if no key has that name.",
    complexity: "O(1)",
    history: &[("3.2.0", "The same name twice is no error any more.")],
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("newkey", ArgKind::Key(1))],
    handler: execute_renamenx,
    ..Spec::DEFAULT
};

fn execute_rename(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    rename(context, request, true)?;
    context.reply.ok();
    Ok(Outcome::Done)
}

fn execute_renamenx(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let renamed = rename(context, request, false)?;
    context.reply.integer(i64::from(renamed));
    Ok(Outcome::Done)
}

/// Renames; whether the key has another name now. A stream moves with its groups.
fn rename(context: &mut Context<'_, '_>, request: Request<'_>, replace: bool) -> Result<bool, CommandError> {
    let keys = &mut *context.keys;
    let (from, to) = (Key::new(request.arg(1)), Key::new(request.arg(2)));
    if keys.find_for_write(&from).is_none() {
        return Err(CommandError::NoSuchKey);
    }
    if from.bytes == to.bytes || (keys.find_for_write(&to).is_some() && !replace) {
        return Ok(false);
    }
    if let Some(entry) = keys.remove(&from) {
        let expires_at_ms = entry.expires_at_ms();
        keys.insert_anew(&to, entry.value, expires_at_ms);
    }
    keys.effect(&[b"RENAME", from.bytes, to.bytes]);
    keys.notify(EventClass::GENERIC, "rename_from", &from);
    keys.notify(EventClass::GENERIC, "rename_to", &to);
    keys.signal(&from, Change::Lost);
    keys.changed(&to, Change::Updated);
    Ok(true)
}
