//! XPENDING

use super::argument::{Bound, parse_integer, parse_range_bound};
use super::context::{Context, Outcome};
use super::entry::{idle_ms_or_none, owner_name};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{self, Key, PendingEntry, StreamId};
use crate::protocol::{Reply, Request};

pub(super) const SPEC: Spec = Spec {
    name: "xpending",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Tells which entries were delivered to a group's consumers and not yet acknowledged.",
    complexity: "O(N) for N entries returned, with IDLE for N entries looked at; the summary O(N) for N consumers",
    history: &[("6.2.0", "`IDLE` came, and ranges that exclude their ends.")],
    tips: &["nondeterministic_output"],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        Argument::new(
            "filters",
            ArgKind::Block(&[
                Argument::new("min-idle-time", ArgKind::Integer).token("IDLE").optional().since("6.2.0"),
                Argument::new("start", ArgKind::String),
                Argument::new("end", ArgKind::String),
                Argument::new("count", ArgKind::Integer),
                Argument::new("consumer", ArgKind::String).optional(),
            ]),
        )
        .optional(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

struct Filters<'a> {
    idle_ms_min: u64,
    start: StreamId,
    end: StreamId,
    count: u64,
    consumer: Option<&'a [u8]>,
}

fn parse_filters(request: Request<'_>) -> Result<Option<Filters<'_>>, CommandError> {
    if request.len() == 3 {
        return Ok(None);
    }
    if request.len() < 6 || request.len() > 9 {
        return Err(CommandError::Syntax);
    }
    let (mut at, mut idle_ms_min) = (3, 0);
    if request.arg(3).eq_ignore_ascii_case(b"idle") {
        idle_ms_min = parse_integer(request.arg(4))?.max(0) as u64;
        if request.len() < 8 {
            return Err(CommandError::Syntax);
        }
        at = 5;
    }
    let count = parse_integer(request.arg(at + 2))?.max(0) as u64;
    let start = parse_range_bound(request.arg(at), Bound::Start)?;
    let end = parse_range_bound(request.arg(at + 1), Bound::End)?;
    Ok(Some(Filters { idle_ms_min, start, end, count, consumer: request.get(at + 3) }))
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let filters = parse_filters(request)?;
    let now_ms = context.keys.now_ms;
    let stream = context.keys.find_stream(&Key::new(request.arg(1)))?;
    let group = stream.and_then(|stream| stream.groups().find(request.arg(2))).ok_or_else(|| {
        CommandError::NoKeyOrGroup { key: request.arg(1).to_vec(), group: request.arg(2).to_vec() }
    })?;
    match filters {
        None => write_summary(context.reply, group),
        Some(filters) => write_entries(context.reply, group, &filters, now_ms),
    }
    Ok(Outcome::Done)
}

/// The number of pending entries, the first and the last, and who has how many.
fn write_summary(reply: &mut Reply, group: &engine::Group) {
    reply.array(4);
    reply.count(group.pending().len());
    let (Some(first), Some(last)) = (group.pending().first_id(), group.pending().last_id()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply.stream_id(first);
    reply.stream_id(last);
    let owners = group.consumers().iter().filter(|(_, consumer)| consumer.pending() > 0);
    reply.array(owners.clone().count());
    for (_, consumer) in owners {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending() as i64);
    }
}

fn write_entries(reply: &mut Reply, group: &engine::Group, filters: &Filters<'_>, now_ms: u64) {
    let pending = group.pending();
    let wanted = |entry: &PendingEntry| entry.is_idle(now_ms, filters.idle_ms_min);
    let in_range = |entry: &PendingEntry| entry.id <= filters.end;
    let count = usize::try_from(filters.count).unwrap_or(usize::MAX);
    reply.array_counted(|reply| {
        let mut written = 0;
        let mut write = |entry: PendingEntry| {
            reply.array(4);
            reply.stream_id(entry.id);
            reply.bulk(owner_name(group, &entry));
            reply.integer(idle_ms_or_none(&entry, now_ms));
            reply.count(entry.delivery_count);
            written += 1;
        };
        match filters.consumer.map(|name| group.consumers().find(name)) {
            None => pending
                .iter_from(filters.start)
                .take_while(in_range)
                .filter(wanted)
                .take(count)
                .for_each(&mut write),
            Some(Some(slot)) => pending
                .iter_consumer_from(slot, filters.start)
                .take_while(in_range)
                .filter(wanted)
                .take(count)
                .for_each(&mut write),
            Some(None) => {}
        }
        written
    });
}
