//! [`Dump`]: data as the commands that recreate it, exactly here and, as far as it can hold it, in redis-server 7.0.
//!
//! The commands are those that Redis's own rewrite uses, with two exceptions.
//!
//! An entry that is pending and gone from its stream cannot be made pending by XCLAIM, here as little as in Redis 7 (whose own
//! rewrite loses it). Such entries are added first, into a stream that is otherwise empty, made pending in their groups, and
//! trimmed away (which, other than XDEL, leaves no trace in the counters); XSETID takes the last ID back, and the
//! entries proper follow. XSETID at the end sets the counters.
//!
//! What is remembered of idempotent producers is told by Redis 8.6's XIDMPRECORD, or in hidden effects where that does not say
//! it all: their counters, and entries that are gone.
//!
//! When consumers were last seen and active is in no command of Redis, nor are entries that are pending for nobody: they go
//! into hidden effects.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::idempotency::{is_told_by_command, write_counters, write_record, write_settings};
use crate::engine::{
    Consumer, Entry, FieldValue, Group, IdempotencySettings, KeyEntry, PendingEntry, Stream, StreamId,
    StringValue, Value,
};
use crate::log::{Effects, LogError};

/// Effects are handed on when they have grown to this, in bytes.
const EFFECTS_BYTES: usize = 64 << 10;
/// The most IDs of one XCLAIM, and elements of one LPUSH or SADD.
const ELEMENTS_MAX: usize = 512;
/// The hidden effect that tells when a consumer was seen: key, group, consumer, and two times in milliseconds since the Unix
/// epoch, when it was last seen and when it was last active, `-` for never.
pub(super) const CONSUMER_TIMES: &[u8] = b"#CONSUMER";
/// The hidden effect that makes entries pending for nobody: key, group, delivery time in milliseconds since the Unix epoch, how
/// often they were delivered, IDs.
pub(super) const PENDING_FOR_NOBODY: &[u8] = b"#NOBODY";

/// Encodes data as commands.
pub struct Dump<'a> {
    effects: Effects,
    db: usize,
    /// Nothing but commands that redis-server 7.0 knows.
    is_plain: bool,
    /// Takes what was encoded.
    sink: &'a mut dyn FnMut(&Effects) -> Result<(), LogError>,
}

impl<'a> Dump<'a> {
    /// Encodes for the log: all that there is.
    pub fn new(sink: &'a mut dyn FnMut(&Effects) -> Result<(), LogError>) -> Self {
        Self { effects: Effects::new(), db: 0, is_plain: false, sink }
    }

    /// Encodes for redis-server 7.0: nothing but commands that it knows. What it has no place for is left out: when consumers were
    /// seen, what is pending for nobody, what is remembered of idempotent producers.
    pub fn plain(sink: &'a mut dyn FnMut(&Effects) -> Result<(), LogError>) -> Self {
        Self { is_plain: true, ..Self::new(sink) }
    }

    /// Encodes a key of the database `db`.
    ///
    /// # Errors
    /// The sink's.
    pub fn push(&mut self, db: usize, entry: &KeyEntry) -> Result<(), LogError> {
        self.push_value(db, entry.key(), &entry.value, entry.expires_at_ms())
    }

    /// Encodes a key of the database `db`, given by its parts; it expires at a time in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The sink's.
    pub fn push_value(
        &mut self,
        db: usize,
        key: &[u8],
        value: &Value,
        expires_at_ms: Option<u64>,
    ) -> Result<(), LogError> {
        self.db = db;
        match value {
            Value::String(value) => self.push_string(key, value, expires_at_ms),
            Value::Stream(stream) => self.push_stream(key, stream)?,
            Value::List(list) => {
                let elements: Vec<&[u8]> = list.iter().collect();
                self.push_elements(b"LPUSH", key, elements.into_iter().rev())?;
            }
            Value::Set(set) => self.push_elements(b"SADD", key, set.iter())?,
        }
        match (expires_at_ms, value) {
            (None, _) | (_, Value::String(_)) => {}
            (Some(at), _) => {
                let effects = self.command(b"PEXPIREAT", 3);
                effects.arg(key);
                effects.arg_unsigned(at);
            }
        }
        self.flush_if_large()
    }

    /// Encodes a library of functions.
    ///
    /// # Errors
    /// The sink's.
    pub fn push_library(&mut self, code: &[u8]) -> Result<(), LogError> {
        let effects = self.command(b"FUNCTION", 3);
        effects.arg(b"LOAD");
        effects.arg(code);
        self.flush_if_large()
    }

    /// Hands on what is left.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(mut self) -> Result<(), LogError> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), LogError> {
        if !self.effects.is_empty() {
            (self.sink)(&self.effects)?;
            self.effects.clear();
        }
        Ok(())
    }

    fn flush_if_large(&mut self) -> Result<(), LogError> {
        if self.effects.len() < EFFECTS_BYTES { Ok(()) } else { self.flush() }
    }

    /// Begins a command of `argc` arguments, its name included.
    fn command(&mut self, name: &[u8], argc: usize) -> &mut Effects {
        self.effects.begin(self.db, argc);
        self.effects.arg(name);
        &mut self.effects
    }

    fn push_string(&mut self, key: &[u8], value: &StringValue, expires_at_ms: Option<u64>) {
        let effects = self.command(b"SET", if expires_at_ms.is_some() { 5 } else { 3 });
        effects.arg(key);
        value.with_bytes(|bytes| effects.arg(bytes));
        if let Some(at) = expires_at_ms {
            effects.arg(b"PXAT");
            effects.arg_unsigned(at);
        }
    }

    /// A list or a set, by a command that takes several elements.
    fn push_elements<'e>(
        &mut self,
        command: &[u8],
        key: &[u8],
        elements: impl Iterator<Item = &'e [u8]>,
    ) -> Result<(), LogError> {
        let mut elements = elements.peekable();
        let mut some = Vec::new();
        while elements.peek().is_some() {
            some.extend(elements.by_ref().take(ELEMENTS_MAX));
            let effects = self.command(command, 2 + some.len());
            effects.arg(key);
            some.drain(..).for_each(|element| effects.arg(element));
            self.flush_if_large()?;
        }
        Ok(())
    }

    fn push_stream(&mut self, key: &[u8], stream: &Stream) -> Result<(), LogError> {
        let mut missing: Vec<StreamId> =
            stream.groups().iter().flat_map(|(_, group)| find_missing(stream, group)).collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            self.push_missing(key, stream, &missing)?;
        }
        let mut result = Ok(());
        stream.scan(StreamId::MIN, StreamId::MAX, |entry| {
            self.push_entry(key, entry);
            result = self.flush_if_large();
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result?;
        if stream.len() == 0 && missing.is_empty() {
            // Makes the key and leaves nothing in it.
            let effects = self.command(b"XADD", 7);
            for arg in [key, b"MAXLEN", b"0", b"0-1", b"x", b"y"] {
                effects.arg(arg);
            }
        }
        self.push_counters(key, stream);
        for (name, group) in stream.groups().iter() {
            if missing.is_empty() {
                self.push_group(key, name, group, b"CREATE");
            } else if group.entries_read.is_some() {
                // It was made when the stream had fewer entries, and Redis since 8.2.2 counts none as read that was not added.
                self.push_group(key, name, group, b"SETID");
            }
            self.push_pending(key, name, group, |id| missing.binary_search(&id).is_err())?;
            self.push_consumers(key, name, group)?;
        }
        self.push_idempotency(key, stream)
    }

    fn push_idempotency(&mut self, key: &[u8], stream: &Stream) -> Result<(), LogError> {
        let Some(idempotency) = stream.idempotency().filter(|_| !self.is_plain) else {
            return Ok(());
        };
        if idempotency.settings() != IdempotencySettings::default() {
            write_settings(&mut self.effects, self.db, key, idempotency.settings());
        }
        for entry in idempotency.iter() {
            let is_told_by_command = is_told_by_command(stream, &entry);
            write_record(&mut self.effects, self.db, key, &entry, is_told_by_command);
            self.flush_if_large()?;
        }
        if (idempotency.added(), idempotency.duplicates()) != (idempotency.entry_count(), 0) {
            let counters = (idempotency.added(), idempotency.duplicates());
            write_counters(&mut self.effects, self.db, key, counters);
        }
        Ok(())
    }

    /// Makes entries pending that are not in the stream: see above. The stream is empty afterwards, its groups are made.
    fn push_missing(&mut self, key: &[u8], stream: &Stream, missing: &[StreamId]) -> Result<(), LogError> {
        for id in missing {
            let effects = self.command(b"XADD", 5);
            effects.arg(key);
            effects.arg_id(*id);
            effects.arg(b"x");
            effects.arg(b"y");
            self.flush_if_large()?;
        }
        for (name, group) in stream.groups().iter() {
            self.push_group(key, name, group, b"CREATE");
            self.push_pending(key, name, group, |id| missing.binary_search(&id).is_ok())?;
        }
        let effects = self.command(b"XTRIM", 4);
        for arg in [key, b"MAXLEN", b"0"] {
            effects.arg(arg);
        }
        let effects = self.command(b"XSETID", 3);
        effects.arg(key);
        effects.arg_id(StreamId::MIN);
        Ok(())
    }

    fn push_entry(&mut self, key: &[u8], entry: Entry<'_>) {
        let effects = self.command(b"XADD", 3 + 2 * entry.field_count());
        effects.arg(key);
        effects.arg_id(entry.id);
        for (name, value) in entry.fields() {
            for text in [name, value] {
                match text {
                    FieldValue::Text(text) => effects.arg(text),
                    FieldValue::Integer(value) => effects.arg_integer(value),
                }
            }
        }
    }

    fn push_counters(&mut self, key: &[u8], stream: &Stream) {
        let effects = self.command(b"XSETID", 7);
        effects.arg(key);
        effects.arg_id(stream.last_id());
        effects.arg(b"ENTRIESADDED");
        effects.arg_unsigned(stream.entries_added());
        effects.arg(b"MAXDELETEDID");
        effects.arg_id(stream.max_deleted_id());
    }

    /// Makes a group, or sets one that was made.
    fn push_group(&mut self, key: &[u8], name: &[u8], group: &Group, subcommand: &[u8]) {
        let effects = self.command(b"XGROUP", if group.entries_read.is_some() { 7 } else { 5 });
        effects.arg(subcommand);
        effects.arg(key);
        effects.arg(name);
        effects.arg_id(group.last_delivered_id);
        if let Some(read) = group.entries_read {
            effects.arg(b"ENTRIESREAD");
            effects.arg_integer(read as i64);
        }
    }

    /// Makes entries pending: those that `wanted` tells, one XCLAIM for each run of what was delivered alike.
    fn push_pending(
        &mut self,
        key: &[u8],
        name: &[u8],
        group: &Group,
        mut wanted: impl FnMut(StreamId) -> bool,
    ) -> Result<(), LogError> {
        // What is nobody's comes in the order in which it was handed back.
        let owned = group.pending().iter_from(StreamId::MIN).filter(|entry| entry.consumer.is_some());
        let released = group.pending().list_released();
        let mut entries = owned.chain(released).filter(|entry| wanted(entry.id)).peekable();
        let mut ids: Vec<StreamId> = Vec::new();
        while let Some(entry) = entries.next() {
            ids.push(entry.id);
            let goes_on = entries.peek().is_some_and(|next| PendingEntry { id: entry.id, ..*next } == entry);
            if goes_on && ids.len() < ELEMENTS_MAX {
                continue;
            }
            match entry.consumer {
                Some(slot) => self.push_claim(key, name, group.consumers().get(slot).name(), &entry, &ids),
                None => self.push_nobodys(key, name, &entry, &ids),
            }
            ids.clear();
            self.flush_if_large()?;
        }
        Ok(())
    }

    fn push_claim(
        &mut self,
        key: &[u8],
        group: &[u8],
        consumer: &[u8],
        as_of: &PendingEntry,
        ids: &[StreamId],
    ) {
        let effects = self.command(b"XCLAIM", 5 + ids.len() + 6);
        for arg in [key, group, consumer, b"0"] {
            effects.arg(arg);
        }
        ids.iter().for_each(|id| effects.arg_id(*id));
        effects.arg(b"TIME");
        effects.arg_unsigned(as_of.delivered_ms);
        effects.arg(b"RETRYCOUNT");
        effects.arg_unsigned(as_of.delivery_count);
        effects.arg(b"JUSTID");
        effects.arg(b"FORCE");
    }

    fn push_nobodys(&mut self, key: &[u8], group: &[u8], as_of: &PendingEntry, ids: &[StreamId]) {
        let mut args: Vec<Cow<'_, [u8]>> = [PENDING_FOR_NOBODY, key, group].map(Cow::Borrowed).to_vec();
        let numbers = [as_of.delivered_ms, as_of.delivery_count];
        let texts = numbers.iter().map(u64::to_string).chain(ids.iter().map(StreamId::to_string));
        args.extend(texts.map(|text| Cow::Owned(text.into_bytes())));
        let args: Vec<&[u8]> = args.iter().map(|arg| &**arg).collect();
        self.hidden(&args);
    }

    /// Writes a hidden effect, where there may be any.
    fn hidden(&mut self, args: &[&[u8]]) {
        if !self.is_plain {
            self.effects.hidden(self.db, args);
        }
    }

    /// Makes the consumers that nothing is pending for, and tells the times of all.
    fn push_consumers(&mut self, key: &[u8], name: &[u8], group: &Group) -> Result<(), LogError> {
        for (_, consumer) in group.consumers().iter() {
            if consumer.pending() == 0 {
                let effects = self.command(b"XGROUP", 5);
                for arg in [b"CREATECONSUMER", key, name, consumer.name()] {
                    effects.arg(arg);
                }
            }
            let Consumer { seen_ms, active_ms, .. } = consumer;
            let (mut seen, mut active) = (itoa::Buffer::new(), itoa::Buffer::new());
            let active = active_ms.map_or("-", |ms| active.format(ms));
            let times = [seen.format(*seen_ms).as_bytes(), active.as_bytes()];
            self.hidden(&[CONSUMER_TIMES, key, name, consumer.name(), times[0], times[1]]);
            self.flush_if_large()?;
        }
        Ok(())
    }
}

/// The entries that are pending for somebody and are not in the stream.
fn find_missing(stream: &Stream, group: &Group) -> Vec<StreamId> {
    let pending = group.pending().iter_from(StreamId::MIN).filter(|entry| entry.consumer.is_some());
    let mut pending = pending.map(|entry| entry.id).peekable();
    let mut missing = Vec::new();
    // Both are ordered: they are walked side by side, unless there is little to look for.
    if group.pending().len() < stream.len() / 64 {
        missing.extend(pending.filter(|id| !stream.contains(*id)));
        return missing;
    }
    let (Some(first), Some(last)) = (group.pending().first_id(), group.pending().last_id()) else {
        return missing;
    };
    stream.scan(first, last, |entry| {
        while let Some(id) = pending.next_if(|id| *id <= entry.id) {
            if id < entry.id {
                missing.push(id);
            }
        }
        if pending.peek().is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    missing.extend(pending);
    missing
}
