//! XSETID

use super::argument::{parse_integer, parse_stream_id_strict};
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "xsetid",
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Sets a stream's last ID and its counters; meant for the server's own log.",
    complexity: "O(1)",
    history: &[("7.0.0", "`ENTRIESADDED` and `MAXDELETEDID` came.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("last-id", ArgKind::String),
        Argument::new("entries-added", ArgKind::Integer).token("ENTRIESADDED").optional().since("7.0.0"),
        Argument::new("max-deleted-id", ArgKind::String).token("MAXDELETEDID").optional().since("7.0.0"),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let last_id = parse_stream_id_strict(request.arg(2), 0)?;
    let (mut entries_added, mut max_deleted_id) = (None, None);
    let mut at = 3;
    while let Some(option) = request.get(at) {
        let Some(value) = request.get(at + 1) else { return Err(CommandError::Syntax) };
        if option.eq_ignore_ascii_case(b"entriesadded") {
            let added = u64::try_from(parse_integer(value)?)
                .map_err(|_| CommandError::Other("ERR entries_added must be positive"))?;
            entries_added = Some(added);
        } else if option.eq_ignore_ascii_case(b"maxdeletedid") {
            let id = parse_stream_id_strict(value, 0)?;
            if last_id < id {
                return Err(CommandError::Other(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted_id = Some(id);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let key = Key::new(request.arg(1));
    let stream = context.keys.find_stream_for_write(&key)?.ok_or(CommandError::NoSuchKey)?;
    // Redis compares with what was ever deleted too, since a smaller ID could be given anew.
    if last_id < stream.max_deleted_id() {
        return Err(CommandError::Other(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if stream.last_entry_id().is_some_and(|last| last_id < last) {
        return Err(CommandError::Other(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if entries_added.is_some_and(|added| added < stream.len()) {
        return Err(CommandError::Other(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    stream.set_counters(last_id, entries_added, max_deleted_id.filter(|id| *id != Default::default()));
    let args: Vec<&[u8]> = std::iter::once(&b"XSETID"[..]).chain(request.args_from(1)).collect();
    context.keys.effect(&args);
    context.keys.notify(EventClass::STREAM, "xsetid", &key);
    context.keys.changed(&key, Change::Metadata);
    context.reply.ok();
    Ok(Outcome::Done)
}
