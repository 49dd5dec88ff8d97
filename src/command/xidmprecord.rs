//! XIDMPRECORD

use super::argument::parse_stream_id_strict;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::idempotency::{is_told_by_command, write_record};
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, ProducedEntry};
use crate::protocol::Request;
use crate::state::Change;

pub(super) const SPEC: Spec = Spec {
    name: "xidmprecord",
    arity: 5,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STREAM,
    since: "8.8.0",
    group: Group::Stream,
    summary: "Has a stream remember an entry as an idempotent producer's; meant for the server's own log.",
    complexity: "O(1)",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("pid", ArgKind::String),
        Argument::new("iid", ArgKind::String),
        Argument::new("stream-id", ArgKind::String),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// For how long, in milliseconds, an entry is remembered at least, though by its ID its time were up already: Redis forgets what is
/// due about once in a second.
const REMEMBERED_MS_MIN: u64 = 1000;

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (key, pid, iid) = (Key::new(request.arg(1)), request.arg(2), request.arg(3));
    let id = parse_stream_id_strict(request.arg(4), 0)?;
    if pid.is_empty() {
        return Err(CommandError::Other("ERR producer ID must be non-empty"));
    }
    if iid.is_empty() {
        return Err(CommandError::Other("ERR idempotent ID must be non-empty"));
    }
    let keys = &mut *context.keys;
    let (now_ms, replaying, db) = (keys.now_ms, keys.replaying, keys.db);
    let stream = keys.find_stream_for_write(&key)?.ok_or(CommandError::NoSuchKey)?;
    if !stream.contains(id) {
        return Err(CommandError::Other("ERR No such message in stream"));
    }
    let mut deadline_ms = stream.idempotency_settings().deadline_ms(id);
    // What the log records was not remembered any more, even if here, where time does not pass, it still is.
    if !replaying {
        stream.expire_produced(now_ms);
        match stream.idempotency().and_then(|idempotency| idempotency.find(pid, iid)) {
            None => {}
            Some(known) if known == id => {
                context.reply.ok();
                return Ok(Outcome::Done);
            }
            Some(_) => {
                return Err(CommandError::Other(
                    "ERR IID already exists for this producer with a different stream ID",
                ));
            }
        }
        deadline_ms = deadline_ms.max(now_ms + REMEMBERED_MS_MIN);
    }
    let entry = ProducedEntry { pid, iid, id, deadline_ms };
    stream.idempotency_mut().record(entry);
    let is_told_by_command = is_told_by_command(stream, &entry);
    write_record(keys.effects(), db, key.bytes, &entry, is_told_by_command);
    keys.changed(&key, Change::Metadata);
    context.reply.ok();
    Ok(Outcome::Done)
}
