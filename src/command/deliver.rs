//! Effects of deliveries: what XREADGROUP, XCLAIM and XAUTOCLAIM write to the log.

use smallvec::SmallVec;

use super::dump::PENDING_FOR_NOBODY;
use crate::engine::{Key, PendingEntry, StreamId};
use crate::state::{EventClass, Keys};

/// The names that an effect on a group carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) key: &'a [u8],
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
}

/// Entries that were delivered, and how often each was by now.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    entries: SmallVec<[(StreamId, u64); 16]>,
}

impl Delivered {
    pub(super) fn push(&mut self, entry: &PendingEntry) {
        self.entries.push((entry.id, entry.delivery_count));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn last_id(&self) -> Option<StreamId> {
        self.entries.last().map(|(id, _)| *id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = StreamId> {
        self.entries.iter().map(|(id, _)| *id)
    }

    /// Writes the deliveries: one XCLAIM for each run of entries that were delivered equally often.
    pub(super) fn write_effects(&self, keys: &mut Keys<'_>, names: Names<'_>, delivered_ms: u64) {
        for run in self.entries.chunk_by(|a, b| a.1 == b.1) {
            let effect = keys.begin_effect(5 + run.len() + 6);
            effect.arg(b"XCLAIM");
            effect.arg(names.key);
            effect.arg(names.group);
            effect.arg(names.consumer);
            effect.arg(b"0");
            run.iter().for_each(|(id, _)| effect.arg_id(*id));
            effect.arg(b"TIME");
            effect.arg_unsigned(delivered_ms);
            effect.arg(b"RETRYCOUNT");
            effect.arg_unsigned(run[0].1);
            effect.arg(b"FORCE");
            effect.arg(b"JUSTID");
        }
    }
}

/// Writes that entries are pending no more, since they are gone from the stream.
pub(super) fn write_removed(keys: &mut Keys<'_>, names: Names<'_>, ids: &[StreamId]) {
    if ids.is_empty() {
        return;
    }
    let effect = keys.begin_effect(3 + ids.len());
    effect.arg(b"XACK");
    effect.arg(names.key);
    effect.arg(names.group);
    ids.iter().for_each(|id| effect.arg_id(*id));
}

/// Writes that entries were handed back, and are nobody's: one effect for each run of entries that were delivered equally often. It is hidden
/// from redis-server, where they stay with their consumers.
pub(super) fn write_released(keys: &mut Keys<'_>, key: &[u8], group: &[u8], entries: &[PendingEntry]) {
    let db = keys.db;
    for run in entries.chunk_by(|a, b| a.delivery_count == b.delivery_count) {
        let ids = run.iter().map(|entry| entry.id);
        let numbers = [run[0].delivered_ms, run[0].delivery_count].map(|number| number.to_string());
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        let mut args: Vec<&[u8]> = vec![PENDING_FOR_NOBODY, key, group];
        args.extend(numbers.iter().chain(&ids).map(String::as_bytes));
        keys.effects().hidden(db, &args);
    }
}

/// Writes and tells that a consumer was made.
pub(super) fn write_consumer_created(keys: &mut Keys<'_>, names: Names<'_>) {
    keys.effect(&[b"XGROUP", b"CREATECONSUMER", names.key, names.group, names.consumer]);
    keys.notify(EventClass::STREAM, "xgroup-createconsumer", &Key::new(names.key));
}

/// Writes how far a group has read.
pub(super) fn write_group_position(
    keys: &mut Keys<'_>,
    names: Names<'_>,
    last_delivered_id: StreamId,
    entries_read: Option<u64>,
) {
    let effect = keys.begin_effect(if entries_read.is_some() { 7 } else { 5 });
    effect.arg(b"XGROUP");
    effect.arg(b"SETID");
    effect.arg(names.key);
    effect.arg(names.group);
    effect.arg_id(last_delivered_id);
    if let Some(read) = entries_read {
        effect.arg(b"ENTRIESREAD");
        effect.arg_integer(read as i64);
    }
}
