//! Entries in replies.

use std::ops::ControlFlow;

use crate::engine::{Entry, FieldValue, Group, PendingEntry, Stream, StreamId};
use crate::protocol::Reply;

/// Writes an entry: its ID, and an array of its fields' names and values.
#[inline]
pub(super) fn write_entry(reply: &mut Reply, entry: Entry<'_>) {
    reply.array(2);
    write_id_and_fields(reply, entry);
}

/// Writes an entry as XREADGROUP with CLAIM does: with how long ago it was delivered before, and how often.
pub(super) fn write_entry_with_delivery(
    reply: &mut Reply,
    entry: Entry<'_>,
    idle_ms: i64,
    delivery_count: u64,
) {
    reply.array(4);
    write_id_and_fields(reply, entry);
    reply.integer(idle_ms);
    reply.count(delivery_count);
}

#[inline]
fn write_id_and_fields(reply: &mut Reply, entry: Entry<'_>) {
    reply.stream_id(entry.id);
    reply.array(2 * entry.field_count());
    for (name, value) in entry.fields() {
        write_field_value(reply, name);
        write_field_value(reply, value);
    }
}

#[inline]
fn write_field_value(reply: &mut Reply, value: FieldValue<'_>) {
    match value {
        FieldValue::Text(text) => reply.bulk(text),
        FieldValue::Integer(value) => reply.bulk_integer(value),
    }
}

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The oldest entry.
    Ascending,
    /// The newest entry.
    Descending,
}

/// Writes an array of a range's entries, at most `count` of them when that is given, and tells
/// `seen` of each.
#[inline]
pub(super) fn write_range(
    reply: &mut Reply,
    stream: &Stream,
    (start, end): (StreamId, StreamId),
    order: Order,
    count: Option<u64>,
    mut seen: impl FnMut(StreamId),
) {
    let count = count.unwrap_or(u64::MAX);
    reply.array_counted(|reply| {
        let mut written = 0;
        let visit = |entry: Entry<'_>| {
            write_entry(reply, entry);
            seen(entry.id);
            written += 1;
            if written == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if count > 0 {
            match order {
                Order::Ascending => stream.scan(start, end, visit),
                Order::Descending => stream.scan_reverse(start, end, visit),
            }
        }
        written as usize
    });
}

/// How long ago an entry was delivered, in milliseconds; -1 when it is nobody's.
pub(super) fn idle_ms_or_none(entry: &PendingEntry, now_ms: u64) -> i64 {
    entry.find_idle_ms(now_ms).map_or(-1, |idle_ms| i64::try_from(idle_ms).unwrap_or(i64::MAX))
}

/// The same as XREADGROUP's CLAIM tells it: to Redis an entry that is nobody's was delivered at time 0, and only XPENDING makes an exception of
/// that.
pub(super) fn since_delivery_ms(entry: &PendingEntry, now_ms: u64) -> i64 {
    i64::try_from(entry.find_idle_ms(now_ms).unwrap_or(now_ms)).unwrap_or(i64::MAX)
}

/// The name of the consumer that an entry is pending for; empty when it is nobody's.
pub(super) fn owner_name<'a>(group: &'a Group, entry: &PendingEntry) -> &'a [u8] {
    entry.consumer.map_or(b"", |owner| group.consumers().get(owner).name())
}
