//! XCLAIM

use smallvec::SmallVec;

use super::argument::parse_stream_id_strict;
use super::context::{Context, Outcome};
use super::deliver::{Delivered, Names, write_consumer_created, write_group_position, write_removed};
use super::entry::write_entry;
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{ConsumerSlot, Key, PendingEntry, Stream, StreamId};
use crate::number::parse_i64;
use crate::protocol::{Reply, Request};
use crate::state::Change;

pub(super) const SPEC: Spec = Spec {
    name: "xclaim",
    arity: -6,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Makes entries that are pending for others pending for a consumer, and returns them.",
    complexity: "O(log N) for N pending entries of the group",
    tips: &["nondeterministic_output"],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        Argument::new("consumer", ArgKind::String),
        Argument::new("min-idle-time", ArgKind::String),
        Argument::new("id", ArgKind::String).multiple(),
        Argument::new("ms", ArgKind::Integer).token("IDLE").optional(),
        Argument::new("unix-time-milliseconds", ArgKind::UnixTime).token("TIME").optional(),
        Argument::new("count", ArgKind::Integer).token("RETRYCOUNT").optional(),
        Argument::word("force", "FORCE").optional(),
        Argument::word("justid", "JUSTID").optional(),
        Argument::new("lastid", ArgKind::String).token("LASTID").optional(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

#[derive(Debug)]
struct Arguments {
    idle_ms_min: u64,
    ids: SmallVec<[StreamId; 16]>,
    delivered_ms: u64,
    retry_count: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: Option<StreamId>,
}

fn parse(request: Request<'_>, now_ms: u64, time_ms_max: u64) -> Result<Arguments, CommandError> {
    let idle_ms_min = parse_i64(request.arg(4))
        .ok_or(CommandError::Other("ERR Invalid min-idle-time argument for XCLAIM"))?
        .max(0) as u64;
    let ids: SmallVec<[StreamId; 16]> =
        request.args_from(5).map_while(|id| parse_stream_id_strict(id, 0).ok()).collect();
    let mut at = 5 + ids.len();
    let mut arguments = Arguments {
        idle_ms_min,
        ids,
        delivered_ms: now_ms,
        retry_count: None,
        force: false,
        just_id: false,
        last_id: None,
    };
    // A time that lies ahead, or before the epoch, is the present one.
    let clamp = |ms: i64| u64::try_from(ms).ok().filter(|&ms| ms <= time_ms_max).unwrap_or(now_ms);
    while let Some(option) = request.get(at) {
        let value = request.get(at + 1);
        match value {
            _ if option.eq_ignore_ascii_case(b"force") => arguments.force = true,
            _ if option.eq_ignore_ascii_case(b"justid") => arguments.just_id = true,
            Some(value) if option.eq_ignore_ascii_case(b"idle") => {
                let idle_ms = parse_i64(value)
                    .ok_or(CommandError::Other("ERR Invalid IDLE option argument for XCLAIM"))?;
                arguments.delivered_ms = clamp((now_ms as i64).saturating_sub(idle_ms));
                at += 1;
            }
            Some(value) if option.eq_ignore_ascii_case(b"time") => {
                let time_ms = parse_i64(value)
                    .ok_or(CommandError::Other("ERR Invalid TIME option argument for XCLAIM"))?;
                arguments.delivered_ms = clamp(time_ms);
                at += 1;
            }
            Some(value) if option.eq_ignore_ascii_case(b"retrycount") => {
                let count = parse_i64(value)
                    .ok_or(CommandError::Other("ERR Invalid RETRYCOUNT option argument for XCLAIM"))?;
                // A negative one counts as none given.
                arguments.retry_count = u64::try_from(count).ok();
                at += 1;
            }
            Some(value) if option.eq_ignore_ascii_case(b"lastid") => {
                arguments.last_id = Some(parse_stream_id_strict(value, 0)?);
                at += 1;
            }
            _ => {
                return Err(CommandError::quoting("ERR Unrecognized XCLAIM option '", option, "'"));
            }
        }
        at += 1;
    }
    Ok(arguments)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    let names = Names { key: key.bytes, group: request.arg(2), consumer: request.arg(3) };
    let keys = &mut *context.keys;
    let (now_ms, keys_replaying) = (keys.now_ms, keys.replaying);
    let no_group = || CommandError::NoKeyOrGroup { key: names.key.to_vec(), group: names.group.to_vec() };
    let Some(stream) = keys.find_stream(&key)? else { return Err(no_group()) };
    if stream.groups().find(names.group).is_none() {
        return Err(no_group());
    }
    // In the log no time lies ahead, whatever the clock says that it is read by.
    let time_ms_max = if keys_replaying { u64::MAX } else { now_ms };
    let arguments = parse(request, now_ms, time_ms_max)?;
    let Some(group) = stream.groups_mut().find_mut(names.group) else { return Err(no_group()) };
    let moved = arguments.last_id.filter(|&id| id > group.last_delivered_id);
    if let Some(id) = moved {
        group.last_delivered_id = id;
    }
    let entries_read = group.entries_read;
    // Read from the log, the consumer was there when the entries were delivered.
    let seen_ms = if keys_replaying { arguments.delivered_ms } else { now_ms };
    let (slot, created) = group.consumers_mut().find_or_create(names.consumer, seen_ms);
    group.consumers_mut().get_mut(slot).seen_ms = seen_ms;
    let Claimed { delivered, removed } = claim(stream, names.group, slot, &arguments, seen_ms, context.reply);
    if created {
        write_consumer_created(keys, names);
    }
    delivered.write_effects(keys, names, arguments.delivered_ms);
    write_removed(keys, names, &removed);
    if let Some(id) = moved {
        write_group_position(keys, names, id, entries_read);
    }
    if created || !delivered.is_empty() || !removed.is_empty() || moved.is_some() {
        keys.changed(&key, Change::Pending);
    }
    Ok(Outcome::Done)
}

struct Claimed {
    delivered: Delivered,
    /// Pending entries that are gone from the stream.
    removed: Vec<StreamId>,
}

/// Claims what may be claimed, and writes the reply.
fn claim(
    stream: &mut Stream,
    group: &[u8],
    slot: ConsumerSlot,
    arguments: &Arguments,
    now_ms: u64,
    reply: &mut Reply,
) -> Claimed {
    let mut claimed = Claimed { delivered: Delivered::default(), removed: Vec::new() };
    reply.array_counted(|reply| {
        let mut written = 0;
        for &id in &arguments.ids {
            let exists = stream.contains(id);
            let Some(group) = stream.groups_mut().find_mut(group) else { break };
            let pending = group.pending().find(id);
            if !exists {
                if pending.is_some() {
                    group.acknowledge(id);
                    claimed.removed.push(id);
                }
                continue;
            }
            let Some(mut entry) = pending.or_else(|| {
                let new = PendingEntry { id, delivered_ms: now_ms, delivery_count: 1, consumer: Some(slot) };
                arguments.force.then_some(new)
            }) else {
                continue;
            };
            if pending.is_some() && !entry.is_idle(now_ms, arguments.idle_ms_min) {
                continue;
            }
            entry.consumer = Some(slot);
            entry.delivered_ms = arguments.delivered_ms;
            match arguments.retry_count {
                Some(count) => entry.delivery_count = count,
                None if !arguments.just_id => entry.count_delivery(),
                None => {}
            }
            group.assign(entry);
            group.consumers_mut().get_mut(slot).active_ms = Some(now_ms);
            claimed.delivered.push(&entry);
            if arguments.just_id {
                reply.stream_id(id);
            } else {
                stream.find_entry(id, |found| write_entry(reply, found));
            }
            written += 1;
        }
        written
    });
    claimed
}
