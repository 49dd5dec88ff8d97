//! XREADGROUP

use smallvec::SmallVec;

use super::budget::Budget;
use super::context::{Context, Outcome};
use super::deliver::{Delivered, Names, write_consumer_created, write_group_position};
use super::entry::{since_delivery_ms, write_entry, write_entry_with_delivery};
use super::error::CommandError;
use super::read::{ReadArguments, ReadStream, Reader, Start, find_streams, parse};
use super::spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, Flags, Group, KeyFlags, KeySpec, Spec,
};
use super::xread::{write_stream_head, write_streams_head};
use crate::engine::{self, ConsumerSlot, Key, PendingEntry, Stream, StreamId};
use crate::protocol::{Reply, Request};
use crate::state::{Blocking, Change, Keys, Served};

pub(super) const SPEC: Spec = Spec {
    name: "xreadgroup",
    arity: -7,
    flags: Flags::WRITE.union(Flags::BLOCKING).union(Flags::MOVABLEKEYS),
    keys: &[KeySpec {
        note: None,
        flags: KeyFlags::RO.union(KeyFlags::ACCESS),
        begin: BeginSearch::Keyword("STREAMS", 4),
        find: FindKeys::Range { last: -1, step: 1, limit: 2 },
    }],
    find_keys: Some(find_streams),
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Delivers new entries of streams to a consumer of a group, or what is pending for it again.",
    complexity: "O(N) for N entries returned; an XADD to a stream takes O(N) for N clients that wait for it",
    history: &[("8.4.0", "`CLAIM` came."), ("8.10.0", "`MAXCOUNT` and `MAXSIZE` came.")],
    arguments: &[
        Argument::new(
            "group-block",
            ArgKind::Block(&[
                Argument::new("group", ArgKind::String),
                Argument::new("consumer", ArgKind::String),
            ]),
        )
        .token("GROUP"),
        Argument::new("count", ArgKind::Integer).token("COUNT").optional(),
        Argument::new("maxcount", ArgKind::Integer).token("MAXCOUNT").optional().since("8.10.0"),
        Argument::new("maxsize", ArgKind::Integer).token("MAXSIZE").optional().since("8.10.0"),
        Argument::new("milliseconds", ArgKind::Integer).token("BLOCK").optional(),
        Argument::new("min-idle-time", ArgKind::Integer).token("CLAIM").optional().since("8.4.0"),
        Argument::word("noack", "NOACK").optional(),
        Argument::new(
            "streams",
            ArgKind::Block(&[
                Argument::new("key", ArgKind::Key(0)).multiple(),
                Argument::new("id", ArgKind::String).multiple(),
            ]),
        )
        .token("STREAMS"),
    ],
    deviation: Some(
        "Who blocks is served in the order of coming. In Redis a client that waits for several keys and was looked at in vain goes to the end.",
    ),
    handler: execute,
    ..Spec::DEFAULT
};

const BLOCKING: Blocking = Blocking { serve, wakes_on_loss: true, shares_replies: false };

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut arguments = parse(request, Reader::Consumer, context.keys.now_ms)?;
    check(context.keys, &mut arguments, request)?;
    let Read::Nothing { retry_at_ms } = read(context.keys, context.reply, &arguments, request)? else {
        return Ok(Outcome::Done);
    };
    match arguments.block {
        Some(timeout_ms) if !context.session.in_exec => {
            Ok(arguments.block(context, request, timeout_ms, retry_at_ms, &BLOCKING))
        }
        _ => {
            context.reply.null_array();
            Ok(Outcome::Done)
        }
    }
}

/// Serves a blocked XREADGROUP, or fails it when its stream or group is gone.
fn serve(keys: &mut Keys<'_>, request: Request<'_>, reply: &mut Reply) -> Served {
    let result = parse(request, Reader::Consumer, 0).and_then(|mut arguments| {
        check(keys, &mut arguments, request)?;
        arguments.streams.retain(|stream| keys.holds(&Key::new(request.arg(stream.key_at))));
        read(keys, reply, &arguments, request)
    });
    match result {
        Ok(Read::Replied) => Served::Replied,
        Ok(Read::Nothing { retry_at_ms }) => retry_at_ms.map_or(Served::NotYet, Served::NotBefore),
        Err(error) => {
            reply.error(&error.message());
            Served::Failed
        }
    }
}

/// Checks that each stream has the group, and reads the IDs. Streams whose shards are not locked
/// are passed over: a client that is being served waits for them already.
fn check(
    keys: &mut Keys<'_>,
    arguments: &mut ReadArguments<'_>,
    request: Request<'_>,
) -> Result<(), CommandError> {
    let Some((group, _)) = arguments.group else { return Ok(()) };
    for n in 0..arguments.streams.len() {
        let key = Key::new(request.arg(arguments.streams[n].key_at));
        if keys.holds(&key) {
            let stream = keys.find_stream(&key)?;
            if stream.is_none_or(|stream| stream.groups().find(group).is_none()) {
                return Err(CommandError::NoGroupToRead { key: key.bytes.to_vec(), group: group.to_vec() });
            }
        }
        arguments.parse_start(request, n, Reader::Consumer)?;
    }
    Ok(())
}

/// What came of an attempt to deliver.
enum Read {
    /// Something was delivered, and the reply is written.
    Replied,
    /// There is nothing to deliver yet.
    Nothing {
        /// When there will be something to claim, though no key changes, in milliseconds since the Unix epoch.
        retry_at_ms: Option<u64>,
    },
}

/// Delivers if there is anything to deliver, and writes the reply then.
fn read(
    keys: &mut Keys<'_>,
    reply: &mut Reply,
    arguments: &ReadArguments<'_>,
    request: Request<'_>,
) -> Result<Read, CommandError> {
    let mut retry_at_ms: Option<u64> = None;
    let Some((group, consumer)) = arguments.group else { return Ok(Read::Nothing { retry_at_ms }) };
    let mut ready = SmallVec::<[(ReadStream, ConsumerSlot); 4]>::new();
    for stream in &arguments.streams {
        let names = Names { key: request.arg(stream.key_at), group, consumer };
        let key = Key::new(names.key);
        let now_ms = keys.now_ms;
        let Some(found) = keys.find_stream(&key)? else { continue };
        let last_entry_id = found.last_entry_id();
        let Some(found_group) = found.groups_mut().find_mut(group) else { continue };
        let (slot, created) = found_group.consumers_mut().find_or_create(consumer, now_ms);
        found_group.consumers_mut().get_mut(slot).seen_ms = now_ms;
        let has_new = last_entry_id > Some(found_group.last_delivered_id);
        let has_data = match (stream.start, stream.claim_idle_ms_min) {
            (Start::New, Some(idle_ms_min)) if !has_new => {
                let claimable = found.find_claimable(group, now_ms, idle_ms_min, 1);
                retry_at_ms = retry_at_ms.into_iter().chain(claimable.next_ms).min();
                !claimable.entries.is_empty()
            }
            (Start::New, _) => has_new,
            _ => true,
        };
        if created {
            write_consumer_created(keys, names);
            keys.changed(&key, Change::Metadata);
        }
        if has_data {
            ready.push((*stream, slot));
        }
    }
    if ready.is_empty() {
        return Ok(Read::Nothing { retry_at_ms });
    }
    let mut budget = arguments.budget();
    let mut deliver = |reply: &mut Reply, (stream, slot): (ReadStream, ConsumerSlot)| {
        let names = Names { key: request.arg(stream.key_at), group, consumer };
        match stream.start {
            _ if budget.is_spent() => Ok(false),
            Start::After(after) => {
                deliver_again(keys, reply, names, slot, after, (arguments.count, &mut budget))
            }
            _ => {
                let idle_ms_min = stream.claim_idle_ms_min;
                deliver_new(keys, reply, names, slot, (arguments, idle_ms_min, &mut budget))
            }
        }
    };
    if let [only] = ready[..] {
        write_streams_head(reply, 1);
        deliver(reply, only)?;
        return Ok(Read::Replied);
    }
    // A stream that is named twice may have nothing left the second time, and MAXCOUNT and MAXSIZE may leave nothing.
    let mut parts = Reply::new(reply.protocol());
    let mut count = 0;
    for stream in ready {
        count += usize::from(deliver(&mut parts, stream)?);
    }
    write_streams_head(reply, count);
    reply.buffer_mut().extend_from_slice(parts.as_bytes());
    Ok(Read::Replied)
}

/// Delivers what can be claimed, if that is asked for, and then entries that the group has not read yet; whether there are any.
/// Without, nothing is written.
fn deliver_new(
    keys: &mut Keys<'_>,
    reply: &mut Reply,
    names: Names<'_>,
    slot: ConsumerSlot,
    (arguments, claim_idle_ms_min, budget): (&ReadArguments<'_>, Option<u64>, &mut Budget),
) -> Result<bool, CommandError> {
    let key = Key::new(names.key);
    let now_ms = keys.now_ms;
    let count = arguments.count.unwrap_or(u64::MAX);
    let Some(stream) = keys.find_stream_for_write(&key)? else { return Ok(false) };
    let mut claimed = match claim_idle_ms_min {
        Some(idle_ms_min) => {
            let count = count.min(budget.entries_left());
            stream.find_claimable(names.group, now_ms, idle_ms_min, count).entries
        }
        None => Vec::new(),
    };
    let Some(group) = stream.groups().find(names.group) else { return Ok(false) };
    let has_new = stream.last_entry_id() > Some(group.last_delivered_id);
    if claimed.is_empty() && !has_new {
        return Ok(false);
    }
    let part = reply.len();
    budget.write(reply, |reply| write_stream_head(reply, names.key));
    let mut delivered = Delivered::default();
    let mut cursor = group.cursor;
    let count_new = if has_new { count - claimed.len() as u64 } else { 0 };
    let mut finder = stream.finder();
    reply.array_counted(|reply| {
        let fitting = claimed.iter().take_while(|entry| {
            let idle_ms = since_delivery_ms(entry, now_ms);
            budget.write_entry(reply, |reply| {
                if let Some(found) = finder.find(entry.id) {
                    write_entry_with_delivery(reply, found, idle_ms, entry.delivery_count);
                }
            })
        });
        let fitting = fitting.count();
        claimed.truncate(fitting);
        if count_new > 0 {
            cursor = stream.read_on(group.last_delivered_id, cursor, count_new, |entry| {
                let id = entry.id;
                let fits = budget.write_entry(reply, |reply| match claim_idle_ms_min {
                    Some(_) => write_entry_with_delivery(reply, entry, 0, 0),
                    None => write_entry(reply, entry),
                });
                if fits {
                    let consumer = Some(slot);
                    delivered.push(&PendingEntry { id, delivered_ms: now_ms, delivery_count: 1, consumer });
                }
                fits
            });
        }
        claimed.len() + delivered.len() as usize
    });
    if claimed.is_empty() && delivered.is_empty() {
        reply.truncate(part);
        return Ok(false);
    }
    let last = delivered.last_id();
    let entries_read = plan_entries_read(stream, group, &delivered);
    let Some(group) = stream.groups_mut().find_mut(names.group) else { return Ok(false) };
    let claimed = claim(group, slot, claimed, now_ms);
    if last.is_some() && !arguments.no_ack {
        group.consumers_mut().get_mut(slot).active_ms = Some(now_ms);
        for id in delivered.ids() {
            group.assign(PendingEntry { id, delivered_ms: now_ms, delivery_count: 1, consumer: Some(slot) });
        }
    }
    if let Some(last) = last {
        group.last_delivered_id = last;
        group.cursor = cursor;
        group.entries_read = entries_read;
    }
    claimed.write_effects(keys, names, now_ms);
    if !arguments.no_ack {
        delivered.write_effects(keys, names, now_ms);
    }
    if let Some(last) = last {
        write_group_position(keys, names, last, entries_read);
    }
    keys.changed(&key, Change::Pending);
    Ok(true)
}

/// Makes entries that are pending for others, or for nobody, the consumer's.
fn claim(
    group: &mut engine::Group,
    slot: ConsumerSlot,
    entries: Vec<PendingEntry>,
    now_ms: u64,
) -> Delivered {
    let mut claimed = Delivered::default();
    for mut entry in entries {
        entry.consumer = Some(slot);
        entry.delivered_ms = now_ms;
        entry.count_delivery();
        claimed.push(&entry);
        group.assign(entry);
        group.consumers_mut().get_mut(slot).active_ms = Some(now_ms);
    }
    claimed
}

/// How many entries the group has read after this delivery, by Redis's rule: counted on while the group stands within the
/// stream and nothing was deleted ahead of it, else found anew where that can be told.
fn plan_entries_read(stream: &Stream, group: &engine::Group, delivered: &Delivered) -> Option<u64> {
    // A counter of the log's form: XGROUP SETID takes no more than an i64.
    let add = |read: u64, n: u64| read.saturating_add(n).min(i64::MAX as u64);
    let counts_on = |last_id: StreamId| last_id >= stream.first_id() && !stream.has_deleted_since(last_id);
    if stream.entries_added() == 0 {
        return group.entries_read;
    }
    let mut read = group.entries_read;
    if counts_on(group.last_delivered_id)
        && let Some(read) = read
    {
        return Some(add(read, delivered.len()));
    }
    let mut last_id = group.last_delivered_id;
    for id in delivered.ids() {
        read = match read {
            Some(read) if counts_on(last_id) => Some(add(read, 1)),
            _ => stream.find_entries_added_until(id),
        };
        last_id = id;
    }
    read
}

/// Delivers again what is pending for the consumer, behind an ID; whether there is such a group.
fn deliver_again(
    keys: &mut Keys<'_>,
    reply: &mut Reply,
    names: Names<'_>,
    slot: ConsumerSlot,
    after: StreamId,
    (count, budget): (Option<u64>, &mut Budget),
) -> Result<bool, CommandError> {
    let now_ms = keys.now_ms;
    let Some(stream) = keys.find_stream_for_write(&Key::new(names.key))? else { return Ok(false) };
    let Some(group) = stream.groups().find(names.group) else { return Ok(false) };
    let pending: Vec<PendingEntry> = match after.next() {
        Some(start) => group
            .pending()
            .iter_consumer_from(slot, start)
            .take(count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX)))
            .collect(),
        None => Vec::new(),
    };
    let mut delivered = Delivered::default();
    let mut again = Vec::new();
    let part = reply.len();
    budget.write(reply, |reply| write_stream_head(reply, names.key));
    let (is_empty, mut written) = (pending.is_empty(), 0);
    let mut finder = stream.finder();
    reply.array_counted(|reply| {
        for mut entry in pending {
            let mut found = false;
            let fits = budget.write_entry(reply, |reply| {
                found = finder.find(entry.id).map(|found| write_entry(reply, found)).is_some();
                if !found {
                    // The entry was deleted: the consumer is told so, for it has to acknowledge it.
                    reply.array(2);
                    reply.stream_id(entry.id);
                    reply.null_array();
                }
            });
            if !fits {
                break;
            }
            written += 1;
            if found {
                entry.delivered_ms = now_ms;
                entry.count_delivery();
                delivered.push(&entry);
                again.push(entry);
            }
        }
        written
    });
    if written == 0 && !is_empty {
        reply.truncate(part);
        return Ok(false);
    }
    if let Some(group) = stream.groups_mut().find_mut(names.group) {
        again.into_iter().for_each(|entry| group.assign(entry));
    }
    // It is logged, but does not count as a change of the key, as in Redis: nothing became pending that was not.
    delivered.write_effects(keys, names, now_ms);
    Ok(true)
}
