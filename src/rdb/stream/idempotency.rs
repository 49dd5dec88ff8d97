//! What a stream remembers of its producers, as Redis 8.6 writes it behind the groups.

use std::collections::BTreeMap;

use super::super::error::RdbError;
use super::super::reader::{Reader, Source};
use super::super::writer::{push_id, push_length, push_string};
use crate::engine::{Idempotency, IdempotencySettings, ProducedEntry, Stream};

/// Where the time stands at which an entry is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadlines {
    /// Nowhere: it follows from the entry's ID, as in Redis.
    FromIds,
    /// Behind the entry's ID, in milliseconds since the Unix epoch.
    Written,
}

/// Whether there is anything to be written of a stream's producers: the settings of a stream that never had any are the default ones.
pub(super) fn is_told(stream: &Stream) -> bool {
    stream.idempotency().is_some_and(|idempotency| {
        let counts = (idempotency.entry_count(), idempotency.added(), idempotency.duplicates());
        idempotency.settings() != IdempotencySettings::default() || counts != (0, 0, 0)
    })
}

/// Writes what is remembered, with deadlines: settings, producers in the order of their names, counters.
pub(super) fn encode_idempotency(idempotency: &Idempotency, out: &mut Vec<u8>) {
    let IdempotencySettings { duration_s, size_max } = idempotency.settings();
    push_length(out, duration_s.into());
    push_length(out, size_max.into());
    let mut producers = BTreeMap::<&[u8], Vec<ProducedEntry<'_>>>::new();
    for entry in idempotency.iter() {
        producers.entry(entry.pid).or_default().push(entry);
    }
    push_length(out, producers.len() as u64);
    for (pid, entries) in producers {
        push_string(out, pid);
        push_length(out, entries.len() as u64);
        for entry in entries {
            push_string(out, entry.iid);
            push_id(out, entry.id);
            push_length(out, entry.deadline_ms);
        }
    }
    push_length(out, idempotency.added());
    push_length(out, idempotency.duplicates());
}

/// Reads what is remembered into a stream that remembers nothing yet.
pub(super) fn decode_idempotency(
    reader: &mut Reader<impl Source>,
    deadlines: Deadlines,
    stream: &mut Stream,
) -> Result<(), RdbError> {
    let setting = |value: u64, max: u32| {
        let value = u32::try_from(value).ok().filter(|value| (1..=max).contains(value));
        value.ok_or(RdbError::Format("a setting of idempotent producers that cannot be"))
    };
    let settings = IdempotencySettings {
        duration_s: setting(reader.length()?, IdempotencySettings::DURATION_S_MAX)?,
        size_max: setting(reader.length()?, IdempotencySettings::SIZE_MAX_MAX)?,
    };
    let mut idempotency = Idempotency::new(settings);
    let (mut producers, mut entries) = (0, 0);
    for _ in 0..reader.count()? {
        let pid = reader.string()?;
        let count = reader.count()?;
        producers += usize::from(count > 0);
        for _ in 0..count {
            let iid = reader.string()?;
            let id = reader.id()?;
            let deadline_ms = match deadlines {
                Deadlines::FromIds => settings.deadline_ms(id),
                Deadlines::Written => reader.length()?,
            };
            if pid.is_empty() || iid.is_empty() {
                return Err(RdbError::Format("an idempotent producer, or what it sent, has no name"));
            }
            idempotency.record(ProducedEntry { pid: &pid, iid: &iid, id, deadline_ms });
            entries += 1;
            // What is there twice, or too much, takes the place of something.
            if (idempotency.producer_count(), idempotency.entry_count()) != (producers, entries) {
                return Err(RdbError::Format(
                    "an idempotent producer, or what it sent, is there twice or too often",
                ));
            }
        }
    }
    idempotency.set_counters(reader.length()?, reader.length()?);
    // Default settings too: a stream that has its own is not given those of new streams.
    *stream.idempotency_mut() = idempotency;
    Ok(())
}
