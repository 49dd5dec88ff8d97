//! XREAD

use std::ops::ControlFlow;

use super::budget::Budget;
use super::context::{Context, Outcome};
use super::entry::{Order, write_entry, write_range};
use super::error::CommandError;
use super::read::{ReadArguments, Reader, Start, find_streams, parse};
use super::spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, Flags, Group, KeyFlags, KeySpec, Spec,
};
use crate::engine::{Key, StreamId};
use crate::protocol::{Reply, Request};
use crate::state::{Blocking, Keys, Served};

pub(super) const SPEC: Spec = Spec {
    name: "xread",
    arity: -4,
    flags: Flags::READONLY.union(Flags::BLOCKING).union(Flags::MOVABLEKEYS),
    keys: &[KeySpec {
        note: None,
        flags: KeyFlags::RO.union(KeyFlags::ACCESS),
        begin: BeginSearch::Keyword("STREAMS", 1),
        find: FindKeys::Range { last: -1, step: 1, limit: 2 },
    }],
    find_keys: Some(find_streams),
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Returns the entries of streams behind given IDs, and waits for some if it is asked to.",
    history: &[("8.10.0", "`MAXCOUNT` and `MAXSIZE` came.")],
    arguments: &[
        Argument::new("count", ArgKind::Integer).token("COUNT").optional(),
        Argument::new("maxcount", ArgKind::Integer).token("MAXCOUNT").optional().since("8.10.0"),
        Argument::new("maxsize", ArgKind::Integer).token("MAXSIZE").optional().since("8.10.0"),
        Argument::new("milliseconds", ArgKind::Integer).token("BLOCK").optional(),
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
        "While it blocks, only the streams that have got something are looked at: another key that \
         has come to hold another type is no error.",
    ),
    handler: execute,
    ..Spec::DEFAULT
};

const BLOCKING: Blocking = Blocking { serve, wakes_on_loss: false, shares_replies: true };

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut arguments = parse(request, Reader::Anybody, context.keys.now_ms)?;
    for n in 0..arguments.streams.len() {
        // A key of another type comes before an ID that cannot be read.
        context.keys.find_stream(&Key::new(request.arg(arguments.streams[n].key_at)))?;
        arguments.parse_start(request, n, Reader::Anybody)?;
    }
    if read(context.keys, context.reply, &mut arguments, request)? {
        return Ok(Outcome::Done);
    }
    match arguments.block {
        Some(timeout_ms) if !context.session.in_exec => {
            Ok(arguments.block(context, request, timeout_ms, None, &BLOCKING))
        }
        _ => {
            context.reply.null_array();
            Ok(Outcome::Done)
        }
    }
}

/// Serves a blocked XREAD. A key that got another type is passed over: the client goes on waiting.
fn serve(keys: &mut Keys<'_>, request: Request<'_>, reply: &mut Reply) -> Served {
    let Ok(mut arguments) = parse(request, Reader::Anybody, 0) else { return Served::NotYet };
    for n in 0..arguments.streams.len() {
        if arguments.parse_start(request, n, Reader::Anybody).is_err() {
            return Served::NotYet;
        }
    }
    arguments.streams.retain(|stream| {
        let key = Key::new(request.arg(stream.key_at));
        keys.holds(&key) && keys.find_stream(&key).is_ok()
    });
    match read(keys, reply, &mut arguments, request) {
        Ok(true) => Served::Replied,
        _ => Served::NotYet,
    }
}

/// Writes the reply if there is anything to read; fixes what `$` and `+` mean.
fn read(
    keys: &mut Keys<'_>,
    reply: &mut Reply,
    arguments: &mut ReadArguments<'_>,
    request: Request<'_>,
) -> Result<bool, CommandError> {
    let mut ready = smallvec::SmallVec::<[(usize, StreamId, Option<u64>); 4]>::new();
    for stream in &mut arguments.streams {
        let found = keys.find_stream(&Key::new(request.arg(stream.key_at)))?;
        let (after, count) = match (stream.start, &found) {
            (Start::After(id), _) => (id, arguments.count),
            (Start::LastEntry, Some(found)) if found.len() > 0 => {
                let last = found.last_entry_id().unwrap_or_default();
                // An entry's ID is above 0-0.
                (last.previous().unwrap_or_default(), Some(1))
            }
            (_, found) => (found.as_ref().map_or(StreamId::MIN, |found| found.last_id()), arguments.count),
        };
        stream.start = Start::After(after);
        if let Some(found) = found
            && found.len() > 0
            && found.last_entry_id().is_some_and(|last| after < last)
            && let Some(start) = after.next()
        {
            ready.push((stream.key_at, start, count));
        }
    }
    if ready.is_empty() {
        return Ok(false);
    }
    if arguments.is_bounded() {
        write_within(keys, reply, &ready, arguments.budget(), request)?;
        return Ok(true);
    }
    write_streams_head(reply, ready.len());
    for (key_at, start, count) in ready {
        let key = request.arg(key_at);
        write_stream_head(reply, key);
        if let Some(stream) = keys.find_stream_for_write(&Key::new(key))? {
            write_range(reply, stream, (start, StreamId::MAX), Order::Ascending, count, |_| {});
        }
    }
    Ok(true)
}

/// Writes the reply as far as MAXCOUNT and MAXSIZE allow: stream after stream, those left out for which nothing is left.
fn write_within(
    keys: &mut Keys<'_>,
    reply: &mut Reply,
    ready: &[(usize, StreamId, Option<u64>)],
    mut budget: Budget,
    request: Request<'_>,
) -> Result<(), CommandError> {
    let mut parts = Reply::new(reply.protocol());
    let mut streams = 0;
    for &(key_at, start, count) in ready {
        let key = request.arg(key_at);
        let Some(stream) = keys.find_stream_for_write(&Key::new(key))? else { continue };
        let part = parts.len();
        budget.write(&mut parts, |reply| write_stream_head(reply, key));
        let count = count.unwrap_or(u64::MAX);
        let mut written = 0;
        parts.array_counted(|reply| {
            stream.scan(start, StreamId::MAX, |entry| {
                let fits = budget.write_entry(reply, |reply| write_entry(reply, entry));
                written += u64::from(fits);
                if fits && written < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            written as usize
        });
        if written == 0 {
            parts.truncate(part);
            break;
        }
        streams += 1;
    }
    write_streams_head(reply, streams);
    reply.buffer_mut().extend_from_slice(parts.as_bytes());
    Ok(())
}

/// Begins the reply for so many streams: a map in RESP3, an array of pairs in RESP2.
pub(super) fn write_streams_head(reply: &mut Reply, streams: usize) {
    if reply.is_resp3() { reply.map(streams) } else { reply.array(streams) }
}

/// Begins a stream's part of the reply; its entries follow.
pub(super) fn write_stream_head(reply: &mut Reply, key: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}
