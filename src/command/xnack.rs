//! XNACK

use std::ops::Range;

use smallvec::SmallVec;

use super::argument::parse_stream_id_strict;
use super::context::{Context, Outcome};
use super::deliver::write_released;
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, PendingEntry, StreamId};
use crate::number::parse_i64;
use crate::protocol::Request;
use crate::state::Change;

pub(super) const SPEC: Spec = Spec {
    name: "xnack",
    arity: -7,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STREAM,
    since: "8.8.0",
    group: Group::Stream,
    summary: "Hands pending entries back to the group, for any consumer to claim them at once.",
    complexity: "O(1) for each ID",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        Argument::new(
            "mode",
            ArgKind::OneOf(&[
                Argument::word("silent", "SILENT"),
                Argument::word("fail", "FAIL"),
                Argument::word("fatal", "FATAL"),
            ]),
        ),
        Argument::new(
            "ids",
            ArgKind::Block(&[
                Argument::new("numids", ArgKind::Integer),
                Argument::new("id", ArgKind::String).multiple(),
            ]),
        )
        .token("IDS"),
        Argument::new("count", ArgKind::Integer).token("RETRYCOUNT").optional(),
        Argument::word("force", "FORCE").optional(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// Why an entry is handed back: what becomes of the number of its deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The delivery did not count.
    Silent,
    /// It counts.
    Fail,
    /// There is no use in another.
    Fatal,
}

#[derive(Debug)]
struct Arguments {
    mode: Mode,
    ids: SmallVec<[StreamId; 16]>,
    retry_count: Option<u64>,
    force: bool,
}

fn parse(request: Request<'_>) -> Result<Arguments, CommandError> {
    let mode = match request.arg(3) {
        mode if mode.eq_ignore_ascii_case(b"silent") => Mode::Silent,
        mode if mode.eq_ignore_ascii_case(b"fail") => Mode::Fail,
        mode if mode.eq_ignore_ascii_case(b"fatal") => Mode::Fatal,
        _ => return Err(CommandError::Other("ERR mode must be SILENT, FAIL, or FATAL")),
    };
    let (mut ids, mut retry_count, mut force) = (None, None, false);
    let mut at = 4;
    while let Some(option) = request.get(at) {
        match request.get(at + 1) {
            _ if option.eq_ignore_ascii_case(b"force") => {
                force = true;
                at += 1;
            }
            Some(count) if option.eq_ignore_ascii_case(b"retrycount") => {
                let count = parse_i64(count).and_then(|count| u64::try_from(count).ok());
                retry_count = Some(
                    count.ok_or(CommandError::Other("ERR Invalid RETRYCOUNT option argument for XNACK"))?,
                );
                at += 2;
            }
            Some(count) if option.eq_ignore_ascii_case(b"ids") => {
                let range = parse_id_range(count, at + 2, request.len())?;
                at = range.end;
                ids = Some(range);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    let ids = ids
        .ok_or(CommandError::Syntax)?
        .map(|at| parse_stream_id_strict(request.arg(at), 0))
        .collect::<Result<_, _>>()?;
    Ok(Arguments { mode, ids, retry_count, force })
}

/// Where the IDs stand, of which there are as many as `count` says, from `first` on in a request of `len` arguments.
fn parse_id_range(count: &[u8], first: usize, len: usize) -> Result<Range<usize>, CommandError> {
    let count = parse_i64(count)
        .and_then(|count| u64::try_from(count).ok())
        .filter(|&count| count > 0)
        .ok_or(CommandError::Other("ERR Number of IDs must be a positive integer"))?;
    usize::try_from(count)
        .ok()
        .and_then(|count| first.checked_add(count))
        .filter(|&end| end <= len)
        .map(|end| first..end)
        .ok_or(CommandError::Other("ERR The `numids` parameter must match the number of arguments"))
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let Arguments { mode, ids, retry_count, force } = parse(request)?;
    let key = Key::new(request.arg(1));
    let name = request.arg(2);
    let no_group = || CommandError::NoKeyOrGroup { key: key.bytes.to_vec(), group: name.to_vec() };
    let Some(stream) = context.keys.find_stream_for_write(&key)? else { return Err(no_group()) };
    if stream.groups().find(name).is_none() {
        return Err(no_group());
    }
    let mut released = Vec::with_capacity(ids.len());
    for id in ids {
        let is_there = force && stream.contains(id);
        let Some(group) = stream.groups_mut().find_mut(name) else { break };
        // What was never delivered was delivered no times.
        let Some(delivery_count) =
            group.pending().find(id).map(|entry| entry.delivery_count).or(is_there.then_some(0))
        else {
            continue;
        };
        let delivery_count = retry_count.unwrap_or(match mode {
            Mode::Silent => delivery_count.saturating_sub(1),
            Mode::Fail => delivery_count,
            Mode::Fatal => i64::MAX as u64,
        });
        let entry = PendingEntry { id, delivered_ms: 0, delivery_count, consumer: None };
        group.assign(entry);
        released.push(entry);
    }
    if !released.is_empty() {
        write_released(context.keys, key.bytes, name, &released);
        context.keys.changed(&key, Change::Pending);
    }
    context.reply.integer(released.len() as i64);
    Ok(Outcome::Done)
}
