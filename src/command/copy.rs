//! COPY and MOVE

use super::argument::parse_db;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const COPY: Spec = Spec {
    name: "copy",
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
    ],
    categories: Categories::KEYSPACE,
    since: "6.2.0",
    group: Group::Generic,
    summary: "Copies a key under another name, or into another database.",
    complexity: "O(1) for a string, O(N) for a stream of N blocks and pending entries",
    arguments: &[
        Argument::new("source", ArgKind::Key(0)),
        Argument::new("destination", ArgKind::Key(1)),
        Argument::new("destination-db", ArgKind::Integer).token("DB").optional(),
        Argument::word("replace", "REPLACE").optional(),
    ],
    handler: execute_copy,
    ..Spec::DEFAULT
};

pub(super) const MOVE: Spec = Spec {
    name: "move",
    arity: 3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Puts a key into another database, if that has none of its name.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("db", ArgKind::Integer)],
    handler: execute_move,
    ..Spec::DEFAULT
};

struct CopyOptions {
    db: usize,
    replace: bool,
}

fn parse_copy_options(context: &Context<'_, '_>, request: Request<'_>) -> Result<CopyOptions, CommandError> {
    let mut options = CopyOptions { db: context.keys.db, replace: false };
    let mut at = 3;
    while let Some(word) = request.get(at) {
        match (word.to_ascii_lowercase().as_slice(), request.get(at + 1)) {
            (b"replace", _) => options.replace = true,
            (b"db", Some(db)) => {
                options.db = parse_db(db, context.shared.store.databases())?;
                at += 1;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    Ok(options)
}

fn execute_copy(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let CopyOptions { db, replace } = parse_copy_options(context, request)?;
    let keys = &mut *context.keys;
    let (from, to) = (Key::new(request.arg(1)), Key::new(request.arg(2)));
    if from.bytes == to.bytes && db == keys.db {
        return Err(CommandError::SameObject);
    }
    let is_there = keys.find(&from).is_some();
    let is_free = replace || keys.in_db(db, |keys| keys.find_for_write(&to).is_none());
    let found = if is_there && is_free { keys.db_of(&from).find(&from) } else { None };
    let Some((value, expires_at_ms)) = found.map(|entry| (entry.value.clone(), entry.expires_at_ms())) else {
        context.reply.integer(0);
        return Ok(Outcome::Done);
    };
    keys.in_db(db, |keys| {
        context.shared.note_growth(keys.insert_anew(&to, value, expires_at_ms).memory_bytes() as u64);
    });
    let effect = keys.begin_effect(6);
    effect.arg(b"COPY");
    effect.arg(from.bytes);
    effect.arg(to.bytes);
    effect.arg(b"DB");
    effect.arg_unsigned(db as u64);
    effect.arg(b"REPLACE");
    keys.in_db(db, |keys| {
        keys.notify(EventClass::GENERIC, "copy_to", &to);
        keys.changed(&to, Change::Updated);
    });
    context.reply.integer(1);
    Ok(Outcome::Done)
}

fn execute_move(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let db = parse_db(request.arg(2), context.shared.store.databases())?;
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    if db == keys.db {
        return Err(CommandError::SameObject);
    }
    let is_free =
        keys.find_for_write(&key).is_some() && keys.in_db(db, |keys| keys.find_for_write(&key).is_none());
    let Some(entry) = is_free.then(|| keys.remove(&key)).flatten() else {
        context.reply.integer(0);
        return Ok(Outcome::Done);
    };
    let expires_at_ms = entry.expires_at_ms();
    keys.in_db(db, |keys| {
        keys.insert(&key, entry.value, expires_at_ms);
    });
    let effect = keys.begin_effect(3);
    effect.arg(b"MOVE");
    effect.arg(key.bytes);
    effect.arg_unsigned(db as u64);
    keys.notify(EventClass::GENERIC, "move_from", &key);
    keys.signal(&key, Change::Lost);
    keys.in_db(db, |keys| {
        keys.notify(EventClass::GENERIC, "move_to", &key);
        keys.changed(&key, Change::Updated);
    });
    context.reply.integer(1);
    Ok(Outcome::Done)
}
