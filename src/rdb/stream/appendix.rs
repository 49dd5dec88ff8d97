//! What Redis 7.0's form of a stream cannot hold: see the layer's documentation.
//!
//! The appendix begins with a mark, then come parts, each behind its tag. Groups and consumers are told by their place among the
//! stream's: they are ordered by name.

use super::super::error::RdbError;
use super::super::reader::Reader;
use super::super::writer::{push_length, push_raw_id};
use super::idempotency::{Deadlines, decode_idempotency, encode_idempotency, is_told};
use crate::engine::{Consumer, Group, PendingEntry, Stream};

const MARK: [u8; 4] = *b"#MSX";
/// For each group, for each consumer: when it was last active, in milliseconds since the Unix epoch, and one more; 0 for never.
const ACTIVE_TIMES: u8 = 1;
/// For each group: the number of entries that are pending for nobody, and, in the order in which they were handed back, the ID of each
/// and how often it was delivered.
const PENDING_FOR_NOBODY: u8 = 2;
/// What is remembered of producers.
const IDEMPOTENCY: u8 = 3;

/// Writes the appendix, if the stream needs one.
pub(in super::super) fn encode_appendix(stream: &Stream, out: &mut Vec<u8>) {
    let groups = || stream.groups().iter().map(|(_, group)| group);
    let consumers = || groups().flat_map(|group| group.consumers().iter().map(|(_, consumer)| consumer));
    // A reader takes a consumer as active when it was seen.
    let needs_times = consumers().any(|consumer| consumer.active_ms != Some(consumer.seen_ms));
    let needs_nobodys = groups().any(|group| group.pending().released() > 0);
    let idempotency = stream.idempotency().filter(|_| is_told(stream));
    if !needs_times && !needs_nobodys && idempotency.is_none() {
        return;
    }
    out.extend_from_slice(&MARK);
    if needs_times {
        out.push(ACTIVE_TIMES);
        for Consumer { active_ms, .. } in consumers() {
            push_length(out, active_ms.map_or(0, |ms| ms.saturating_add(1)));
        }
    }
    if needs_nobodys {
        out.push(PENDING_FOR_NOBODY);
        for group in groups() {
            push_length(out, group.pending().released());
            for entry in group.pending().list_released() {
                push_raw_id(out, entry.id);
                push_length(out, entry.delivery_count);
            }
        }
    }
    if let Some(idempotency) = idempotency {
        out.push(IDEMPOTENCY);
        encode_idempotency(idempotency, out);
    }
}

/// Reads the appendix, if there is one, into the stream that stood before it.
pub(in super::super) fn decode_appendix(
    reader: &mut Reader<&[u8]>,
    stream: &mut Stream,
) -> Result<(), RdbError> {
    if reader.is_at_end() {
        return Ok(());
    }
    if reader.array()? != MARK {
        return Err(RdbError::Format("it goes on behind the stream"));
    }
    let mut tag_before = 0;
    loop {
        let tag = reader.byte()?;
        if tag <= tag_before {
            return Err(RdbError::Format("an appendix out of order"));
        }
        tag_before = tag;
        match tag {
            ACTIVE_TIMES => for_each_group(stream, |group| decode_active_times(reader, group))?,
            PENDING_FOR_NOBODY => for_each_group(stream, |group| decode_nobodys(reader, group))?,
            IDEMPOTENCY if !is_told(stream) => decode_idempotency(reader, Deadlines::Written, stream)?,
            _ => return Err(RdbError::Format("a part of an appendix that is not known")),
        }
        if reader.is_at_end() {
            return Ok(());
        }
    }
}

fn for_each_group(
    stream: &mut Stream,
    mut decode: impl FnMut(&mut Group) -> Result<(), RdbError>,
) -> Result<(), RdbError> {
    stream.groups_mut().iter_mut().try_for_each(|(_, group)| decode(group))
}

fn decode_active_times(reader: &mut Reader<&[u8]>, group: &mut Group) -> Result<(), RdbError> {
    let slots: Vec<_> = group.consumers().iter().map(|(slot, _)| slot).collect();
    for slot in slots {
        group.consumers_mut().get_mut(slot).active_ms = reader.length()?.checked_sub(1);
    }
    Ok(())
}

fn decode_nobodys(reader: &mut Reader<&[u8]>, group: &mut Group) -> Result<(), RdbError> {
    for _ in 0..reader.count()? {
        let id = reader.raw_id()?;
        if group.pending().find(id).is_some() {
            return Err(RdbError::Format("an entry is pending for nobody and for somebody"));
        }
        let delivery_count = reader.length()?.min(i64::MAX as u64);
        group.assign(PendingEntry { id, delivered_ms: 0, delivery_count, consumer: None });
    }
    Ok(())
}
