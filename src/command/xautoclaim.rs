//! XAUTOCLAIM

use super::argument::{Bound, parse_range_bound};
use super::context::{Context, Outcome};
use super::deliver::{Delivered, Names, write_consumer_created, write_removed};
use super::entry::write_entry;
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, PendingEntry, StreamId};
use crate::number::parse_i64;
use crate::protocol::Request;
use crate::state::Change;

pub(super) const SPEC: Spec = Spec {
    name: "xautoclaim",
    arity: -6,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    categories: Categories::STREAM,
    since: "6.2.0",
    group: Group::Stream,
    summary: "Claims for a consumer what has been pending for long enough, page by page.",
    complexity: "O(1) if COUNT is small.",
    history: &[(
        "7.0.0",
        "The reply's third element came: IDs that were pending though their entries are gone.",
    )],
    tips: &["nondeterministic_output"],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        Argument::new("consumer", ArgKind::String),
        Argument::new("min-idle-time", ArgKind::String),
        Argument::new("start", ArgKind::String),
        Argument::new("count", ArgKind::Integer).token("COUNT").optional(),
        Argument::word("justid", "JUSTID").optional(),
    ],
    deviation: Some(
        "A count that Redis refuses, since it takes memory for so many entries at once, is taken \
         here.",
    ),
    handler: execute,
    ..Spec::DEFAULT
};

/// So many pending entries are looked at for each that may be claimed.
const ATTEMPTS_FACTOR: u64 = 10;
/// The greatest COUNT: Redis's, which allocates for it.
const COUNT_MAX: i64 = i64::MAX / 16;

struct Arguments {
    idle_ms_min: u64,
    start: StreamId,
    count: u64,
    just_id: bool,
}

fn parse(request: Request<'_>) -> Result<Arguments, CommandError> {
    let idle_ms_min = parse_i64(request.arg(4))
        .ok_or(CommandError::Other("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?
        .max(0) as u64;
    let start = parse_range_bound(request.arg(5), Bound::Start)?;
    let mut arguments = Arguments { idle_ms_min, start, count: 100, just_id: false };
    let mut at = 6;
    while let Some(option) = request.get(at) {
        match request.get(at + 1) {
            Some(count) if option.eq_ignore_ascii_case(b"count") => {
                arguments.count = parse_i64(count)
                    .filter(|count| (1..=COUNT_MAX).contains(count))
                    .ok_or(CommandError::Other("ERR COUNT must be > 0"))?
                    as u64;
                at += 2;
            }
            _ if option.eq_ignore_ascii_case(b"justid") => {
                arguments.just_id = true;
                at += 1;
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(arguments)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    // The key is looked up in any case, as in Redis.
    let arguments = match parse(request) {
        Ok(arguments) => arguments,
        Err(error) => {
            context.keys.find(&key);
            return Err(error);
        }
    };
    let names = Names { key: key.bytes, group: request.arg(2), consumer: request.arg(3) };
    let (keys, reply) = (&mut *context.keys, &mut *context.reply);
    let now_ms = keys.now_ms;
    let no_group = || CommandError::NoKeyOrGroup { key: names.key.to_vec(), group: names.group.to_vec() };
    let Some(stream) = keys.find_stream(&key)? else { return Err(no_group()) };
    let Some(group) = stream.groups_mut().find_mut(names.group) else { return Err(no_group()) };
    let (slot, created) = group.consumers_mut().find_or_create(names.consumer, now_ms);
    group.consumers_mut().get_mut(slot).seen_ms = now_ms;

    // Found first, claimed then: what is claimed is not found again by its new time.
    let mut count = arguments.count;
    let mut attempts = arguments.count.saturating_mul(ATTEMPTS_FACTOR);
    let (mut found, mut removed) = (Vec::<PendingEntry>::new(), Vec::<StreamId>::new());
    let mut cursor = StreamId::MIN;
    let mut finder = stream.finder();
    for entry in stream
        .groups()
        .find(names.group)
        .into_iter()
        .flat_map(|group| group.pending().iter_from(arguments.start))
    {
        if attempts == 0 || count == 0 {
            cursor = entry.id;
            break;
        }
        attempts -= 1;
        if finder.find(entry.id).is_none() {
            removed.push(entry.id);
            count -= 1;
        } else if entry.is_idle(now_ms, arguments.idle_ms_min) {
            found.push(entry);
            count -= 1;
        }
    }

    let mut delivered = Delivered::default();
    reply.array(3);
    reply.stream_id(cursor);
    reply.array(found.len());
    let mut finder = stream.finder();
    for entry in &mut found {
        entry.consumer = Some(slot);
        entry.delivered_ms = now_ms;
        if arguments.just_id {
            reply.stream_id(entry.id);
        } else {
            entry.count_delivery();
            finder.find(entry.id).into_iter().for_each(|found| write_entry(reply, found));
        }
        delivered.push(entry);
    }
    if let Some(group) = stream.groups_mut().find_mut(names.group) {
        if !found.is_empty() {
            group.consumers_mut().get_mut(slot).active_ms = Some(now_ms);
        }
        found.into_iter().for_each(|entry| {
            group.assign(entry);
        });
        for &id in &removed {
            group.acknowledge(id);
        }
    }
    reply.array(removed.len());
    removed.iter().for_each(|&id| reply.stream_id(id));

    if created {
        write_consumer_created(keys, names);
    }
    delivered.write_effects(keys, names, now_ms);
    write_removed(keys, names, &removed);
    if created || !delivered.is_empty() || !removed.is_empty() {
        keys.changed(&key, Change::Metadata);
    }
    Ok(Outcome::Done)
}
