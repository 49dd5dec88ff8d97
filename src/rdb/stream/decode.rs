//! Reading a stream.

use std::ops::Range;

use super::super::error::RdbError;
use super::super::listpack::{Element, ListpackReader};
use super::super::reader::{Reader, Source};
use super::encode::{ENTRIES_READ_UNKNOWN, ENTRY_DELETED, ENTRY_SAME_FIELDS, RAW_ID_BYTES};
use super::idempotency::{Deadlines, decode_idempotency};
use crate::engine::{Group, PendingEntry, Stream, StreamBuilder, StreamId};

/// Which release's form a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum StreamForm {
    /// Type 15: without the counters that came with Redis 7.
    Redis5,
    /// Type 19: without the times at which consumers were active.
    Redis70,
    /// Type 21: without what is remembered of producers.
    Redis72,
    /// Type 26.
    Redis86,
}

const ORDER: RdbError = RdbError::Format("a stream's IDs do not ascend");

/// Reads a stream.
pub(in super::super) fn decode_stream(
    reader: &mut Reader<impl Source>,
    form: StreamForm,
) -> Result<Stream, RdbError> {
    let mut nodes = NodeReader::default();
    for _ in 0..reader.count()? {
        let key = reader.string()?;
        if key.len() != RAW_ID_BYTES {
            return Err(RdbError::Format("a stream's node has a key that is no ID"));
        }
        let first = Reader::new(&key[..], 0).raw_id()?;
        nodes.read(first, &reader.string()?)?;
    }
    let builder = nodes.builder;
    let len = reader.length()?;
    if len != builder.len() {
        return Err(RdbError::Format("a stream's length is not that of its nodes"));
    }
    let last_id = reader.id()?;
    let (max_deleted_id, entries_added) = if form >= StreamForm::Redis70 {
        // The first entry's ID follows from the entries.
        reader.id()?;
        (reader.id()?, reader.length()?)
    } else {
        (StreamId::MIN, len)
    };
    if entries_added < len || i64::try_from(entries_added).is_err() {
        return Err(RdbError::Format("a stream's number of added entries cannot be"));
    }
    let mut stream = builder.finish(last_id, entries_added, max_deleted_id).ok_or(ORDER)?;
    for _ in 0..reader.count()? {
        let name = reader.string()?;
        let group = decode_group(reader, form, &stream)?;
        if !stream.groups_mut().create(&name, group) {
            return Err(RdbError::Format("a stream has a group twice"));
        }
    }
    if form >= StreamForm::Redis86 {
        decode_idempotency(reader, Deadlines::FromIds, &mut stream)?;
    }
    Ok(stream)
}

/// Reads nodes into blocks.
#[derive(Debug, Default)]
struct NodeReader {
    builder: StreamBuilder,
    /// The texts of a node's names, and behind them those of an entry.
    texts: Vec<u8>,
    names: Vec<Range<usize>>,
    own_names: Vec<Range<usize>>,
    values: Vec<Range<usize>>,
}

/// Keeps an element's text in `texts`; where it stands.
fn keep(texts: &mut Vec<u8>, element: Element<'_>) -> Range<usize> {
    let start = texts.len();
    element.with_bytes(|text| texts.extend_from_slice(text));
    start..texts.len()
}

impl NodeReader {
    fn read(&mut self, first: StreamId, listpack: &[u8]) -> Result<(), RdbError> {
        let mut listpack = ListpackReader::new(listpack)?;
        let (live, deleted) = (listpack.count()?, listpack.count()?);
        self.texts.clear();
        self.names.clear();
        for _ in 0..listpack.count()? {
            self.names.push(keep(&mut self.texts, listpack.expect()?));
        }
        if listpack.integer()? != 0 {
            return Err(RdbError::Format("a node's head does not end"));
        }
        let (texts, names) = (&self.texts, &self.names);
        if !self.builder.begin_block(first, names.iter().map(|name| &texts[name.clone()])) {
            return Err(ORDER);
        }
        let (mut live_seen, mut deleted_seen) = (0, 0);
        let texts_len = self.texts.len();
        while let Some(flags) = listpack.next()? {
            self.texts.truncate(texts_len);
            if self.read_entry(flags, first, &mut listpack)? {
                deleted_seen += 1;
            } else {
                live_seen += 1;
            }
        }
        if (live_seen, deleted_seen) != (live, deleted) {
            return Err(RdbError::Format("a node's counts are not those of its entries"));
        }
        Ok(())
    }

    /// Reads an entry behind its flags; whether it is deleted.
    fn read_entry(
        &mut self,
        flags: Element<'_>,
        first: StreamId,
        listpack: &mut ListpackReader<'_>,
    ) -> Result<bool, RdbError> {
        let Element::Integer(flags @ 0..=3) = flags else {
            return Err(RdbError::Format("an entry has flags that are not known"));
        };
        let is_deleted = flags & ENTRY_DELETED != 0;
        let ms = first.ms.wrapping_add(listpack.integer()?.cast_unsigned());
        let id = StreamId::new(ms, first.seq.wrapping_add(listpack.integer()?.cast_unsigned()));
        self.own_names.clear();
        self.values.clear();
        let (names, elements) = if flags & ENTRY_SAME_FIELDS != 0 {
            for _ in 0..self.names.len() {
                self.values.push(keep(&mut self.texts, listpack.expect()?));
            }
            (&self.names, self.names.len() as u64 + 3)
        } else {
            for _ in 0..listpack.count()? {
                self.own_names.push(keep(&mut self.texts, listpack.expect()?));
                self.values.push(keep(&mut self.texts, listpack.expect()?));
            }
            (&self.own_names, 2 * self.own_names.len() as u64 + 4)
        };
        if listpack.count()? != elements {
            return Err(RdbError::Format("an entry's number of elements is wrong"));
        }
        if names.is_empty() {
            return Err(RdbError::Format("an entry has no fields"));
        }
        let (texts, values) = (&self.texts, &self.values);
        let text = |range: &Range<usize>| &texts[range.clone()];
        let fields = (0..names.len()).map(|at| (text(&names[at]), text(&values[at])));
        if self.builder.append(id, fields, is_deleted) { Ok(is_deleted) } else { Err(ORDER) }
    }
}

/// Reads a group behind its name.
fn decode_group(
    reader: &mut Reader<impl Source>,
    form: StreamForm,
    stream: &Stream,
) -> Result<Group, RdbError> {
    let last_delivered_id = reader.id()?;
    let entries_read = if form >= StreamForm::Redis70 {
        match reader.length()?.cast_signed() {
            ENTRIES_READ_UNKNOWN => None,
            read @ 0.. => Some(read.cast_unsigned()),
            _ => return Err(RdbError::Format("a group has read a negative number of entries")),
        }
    } else {
        stream.find_entries_added_until(last_delivered_id)
    };
    let mut pending = decode_pending(reader)?;
    let mut group = Group::new(last_delivered_id, entries_read);
    for _ in 0..reader.count()? {
        decode_consumer(reader, form, &mut group, &mut pending)?;
    }
    if pending.iter().any(|entry| entry.consumer.is_none()) {
        return Err(RdbError::Format("an entry is pending in a group and for no consumer"));
    }
    pending.into_iter().for_each(|entry| group.assign(entry));
    Ok(group)
}

/// Reads what is pending in a group; whose it is comes with the consumers.
fn decode_pending(reader: &mut Reader<impl Source>) -> Result<Vec<PendingEntry>, RdbError> {
    let mut pending: Vec<PendingEntry> = Vec::new();
    for _ in 0..reader.count()? {
        let id = reader.raw_id()?;
        if pending.last().is_some_and(|last| last.id >= id) {
            return Err(ORDER);
        }
        let delivered_ms = reader.time_ms()?;
        let delivery_count = reader.length()?.min(i64::MAX as u64);
        pending.push(PendingEntry { id, delivered_ms, delivery_count, consumer: None });
    }
    Ok(pending)
}

fn decode_consumer(
    reader: &mut Reader<impl Source>,
    form: StreamForm,
    group: &mut Group,
    pending: &mut [PendingEntry],
) -> Result<(), RdbError> {
    let name = reader.string()?;
    let seen_ms = reader.time_ms()?;
    let active_ms = if form >= StreamForm::Redis72 {
        // Never, if negative.
        u64::try_from(reader.signed()?).ok()
    } else {
        Some(seen_ms)
    };
    let (slot, is_new) = group.consumers_mut().find_or_create(&name, seen_ms);
    if !is_new {
        return Err(RdbError::Format("a group has a consumer twice"));
    }
    group.consumers_mut().get_mut(slot).active_ms = active_ms;
    for _ in 0..reader.count()? {
        let id = reader.raw_id()?;
        let at = pending.binary_search_by_key(&id, |entry| entry.id);
        match at.ok().map(|at| &mut pending[at]) {
            Some(entry) if entry.consumer.is_none() => entry.consumer = Some(slot),
            Some(_) => return Err(RdbError::Format("an entry is pending for two consumers")),
            None => return Err(RdbError::Format("an entry is pending for a consumer and not in its group")),
        }
    }
    Ok(())
}
