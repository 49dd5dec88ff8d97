//! [`Buffer`]: the bytes that were appended and not yet written, cut into chunks.

use std::mem;

use super::annotation::{self, CHUNK_LINE_BYTES, FileTag};
use super::effects::{Effects, encode_select};
use super::position::Position;

/// The greatest size of a chunk that holds more than one append. Recovery checks a chunk as a whole before it applies
/// any of it; this keeps what it must hold in memory for that small. One append of more bytes is a chunk of its own.
pub(super) const CHUNK_BYTES_MAX: usize = 4 << 20;
/// A buffer that grew beyond this gives its memory back once it was written.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Chunks as they are written to the file: each is a chunk line (at first only the room for it) and whole commands.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    bytes: Vec<u8>,
    /// Where in `bytes` each chunk begins.
    starts: Vec<usize>,
    /// From where on the chunks are for the next file.
    switch: Option<Switch>,
}

/// The place in some chunks at which the log goes on in its next file.
#[derive(Debug, Clone, Copy)]
struct Switch {
    /// The size of the bytes before it.
    bytes: usize,
    /// The number of chunks before it.
    chunks: usize,
    position: Position,
}

impl Chunks {
    /// Fills in all chunk lines and answers the bytes to write.
    pub(super) fn seal(&mut self, tag: FileTag, synced_offset: u64) -> &[u8] {
        let mut end = self.bytes.len();
        for &start in self.starts.iter().rev() {
            annotation::seal_chunk(&mut self.bytes[start..end], tag, synced_offset);
            end = start;
        }
        &self.bytes
    }

    /// Empties it; memory of a usual size is kept.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.starts.clear();
        self.switch = None;
    }

    /// Splits off what is for the next file; the position is that of its beginning.
    pub(super) fn split_off_next(&mut self) -> Option<(Self, Position)> {
        let switch = self.switch.take()?;
        let bytes = self.bytes.split_off(switch.bytes);
        let starts = self.starts.drain(switch.chunks..).map(|start| start - switch.bytes).collect();
        Some((Self { bytes, starts, switch: None }, switch.position))
    }

    /// Undoes [`Self::split_off_next`].
    pub(super) fn rejoin(&mut self, next: Self, position: Position) {
        let (bytes, chunks) = (self.bytes.len(), self.starts.len());
        self.switch = Some(Switch { bytes, chunks, position });
        self.bytes.extend_from_slice(&next.bytes);
        self.starts.extend(next.starts.iter().map(|start| start + bytes));
    }

    /// Whether the next append begins a chunk: none fits it.
    fn wants_chunk(&self, append_bytes: usize) -> bool {
        let is_behind_switch = self.switch.is_none_or(|switch| self.starts.len() > switch.chunks);
        self.starts.last().is_none_or(|start| {
            !is_behind_switch || self.bytes.len() - start + append_bytes > CHUNK_BYTES_MAX
        })
    }

    fn begin_chunk(&mut self) {
        self.starts.push(self.bytes.len());
        self.bytes.resize(self.bytes.len() + CHUNK_LINE_BYTES, 0);
    }
}

/// What was appended and not yet taken for writing.
///
/// Every connection waits for its own bytes to be written before it goes on, so the buffer holds at most one batch of each.
///
/// Invariants: `end` is the sum of all bytes ever appended, chunk lines included; all effects of one append are in one chunk.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    chunks: Chunks,
    end: Position,
    /// The database that the log's reader is in at the end; `None` before the first effect.
    db: Option<usize>,
    intake: Intake,
}

/// What becomes of what is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Intake {
    /// It is kept until it is written.
    #[default]
    Open,
    /// There is no log: it is dropped, and positions stay where they are.
    Off,
    /// The log has failed for good, or was closed: it is dropped, and positions go on, so that they never become durable.
    Failed,
}

impl Buffer {
    /// Takes effects over. See [`super::Log::append`].
    pub(super) fn append(&mut self, effects: &Effects) -> Position {
        let Some((first_db, last_db)) = effects.dbs() else { return self.end };
        if self.intake != Intake::Open {
            if self.intake == Intake::Failed {
                self.end.0 += effects.len() as u64;
            }
            return self.end;
        }
        let before = self.chunks.bytes.len();
        if self.chunks.wants_chunk(effects.len()) {
            self.chunks.begin_chunk();
        }
        if self.db != Some(first_db) {
            encode_select(&mut self.chunks.bytes, first_db);
        }
        self.db = Some(last_db);
        self.chunks.bytes.extend_from_slice(effects.as_bytes());
        self.end.0 += (self.chunks.bytes.len() - before) as u64;
        self.end
    }

    /// Adds a chunk without commands, whose line tells how far the file is durable.
    pub(super) fn append_empty_chunk(&mut self) -> Position {
        if self.intake != Intake::Failed {
            self.chunks.begin_chunk();
            self.end.0 += CHUNK_LINE_BYTES as u64;
        }
        self.end
    }

    /// Has all that is appended from now on written to the next file, and answers the position at which that begins; `None` when the
    /// log takes nothing any more. What is there must be taken before the next switch.
    pub(super) fn switch(&mut self) -> Option<Position> {
        if self.intake != Intake::Open {
            return None;
        }
        debug_assert!(!self.has_switch(), "one switch at a time");
        let (bytes, chunks) = (self.chunks.bytes.len(), self.chunks.starts.len());
        self.chunks.switch = Some(Switch { bytes, chunks, position: self.end });
        // A file does not depend on the database that the one before ends in.
        self.db = None;
        Some(self.end)
    }

    /// Whether a part of the content is for the next file.
    pub(super) fn has_switch(&self) -> bool {
        self.chunks.switch.is_some()
    }

    /// The size of the content.
    pub(super) fn content_bytes(&self) -> usize {
        self.chunks.bytes.len()
    }

    /// Exchanges the content for empty `chunks` and answers the position behind it.
    pub(super) fn take(&mut self, chunks: &mut Chunks) -> Position {
        debug_assert!(chunks.bytes.is_empty());
        mem::swap(&mut self.chunks, chunks);
        self.end
    }

    /// Drops the content, and all that is appended from now on.
    pub(super) fn close(&mut self) {
        self.chunks = Chunks::default();
        self.intake = Intake::Failed;
    }

    /// A buffer that takes nothing, since there is no log.
    pub(super) fn off() -> Self {
        Self::off_at(Position::START)
    }

    /// A buffer that takes nothing, behind what was appended before.
    pub(super) fn off_at(end: Position) -> Self {
        Self { end, intake: Intake::Off, ..Self::default() }
    }

    /// Takes what is appended from now on, for a file that holds nothing yet.
    pub(super) fn open(&mut self) {
        debug_assert!(self.chunks.bytes.is_empty(), "what is there is for another file");
        self.db = None;
        self.intake = Intake::Open;
    }

    /// Takes nothing more; the content stays, to be written.
    pub(super) fn stop(&mut self) {
        self.intake = Intake::Off;
    }

    /// The position behind everything that was appended.
    pub(super) fn end(&self) -> Position {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects_of(db: usize, arg: &[u8]) -> Effects {
        let mut effects = Effects::new();
        effects.begin(db, 1);
        effects.arg(arg);
        effects
    }

    /// Appends, takes, and compares each chunk's commands.
    fn check(buffer: &mut Buffer, appends: &[Effects], expected: &[&[u8]]) {
        let start = buffer.end.bytes();
        for effects in appends {
            let before = buffer.end;
            assert!(buffer.append(effects) > before || effects.is_empty());
        }
        let mut chunks = Chunks::default();
        let end = buffer.take(&mut chunks).bytes();
        assert_eq!(end - start, chunks.bytes.len() as u64);
        let ends = chunks.starts.iter().skip(1).copied().chain([chunks.bytes.len()]);
        let payloads: Vec<&[u8]> = chunks
            .starts
            .iter()
            .zip(ends)
            .map(|(start, end)| &chunks.bytes[start + CHUNK_LINE_BYTES..end])
            .collect();
        assert!(payloads == expected);
    }

    #[test]
    fn select_is_written_when_the_database_changes() {
        let mut buffer = Buffer::default();
        let appends = [effects_of(0, b"A"), Effects::new(), effects_of(0, b"B")];
        check(
            &mut buffer,
            &appends,
            &[b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n"],
        );
        check(&mut buffer, &[effects_of(0, b"C")], &[b"*1\r\n$1\r\nC\r\n"]);
        check(
            &mut buffer,
            &[effects_of(12, b"D")],
            &[b"*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*1\r\n$1\r\nD\r\n"],
        );
        check(&mut buffer, &[Effects::new()], &[]);
    }

    #[test]
    fn chunks_are_bounded_and_appends_are_not_split() {
        let half = || effects_of(0, &vec![b'x'; CHUNK_BYTES_MAX / 2 - 100]);
        let large = || effects_of(0, &vec![b'x'; CHUNK_BYTES_MAX * 2]);
        let mut buffer = Buffer { db: Some(0), ..Buffer::default() };
        let appends = [half(), half(), half(), large(), half()];
        let two_halves = [half().as_bytes(), half().as_bytes()].concat();
        let (one_half, one_large) = (half(), large());
        check(
            &mut buffer,
            &appends,
            &[&two_halves, one_half.as_bytes(), one_large.as_bytes(), one_half.as_bytes()],
        );
    }

    #[test]
    fn a_switch_splits_what_was_appended() {
        let mut buffer = Buffer { db: Some(0), ..Buffer::default() };
        for before in [&[][..], &[effects_of(0, b"A")]] {
            for after in [&[][..], &[effects_of(0, b"B"), effects_of(0, b"C")]] {
                before.iter().for_each(|effects| _ = buffer.append(effects));
                let position = buffer.end;
                assert_eq!(buffer.switch(), Some(position));
                after.iter().for_each(|effects| _ = buffer.append(effects));
                let mut chunks = Chunks::default();
                let end = buffer.take(&mut chunks);
                let (next, at) = chunks.split_off_next().expect("there was a switch");
                assert_eq!((at, end.0), (position, position.0 + next.bytes.len() as u64));
                assert_eq!((chunks.starts.len(), next.starts.len()), (before.len(), after.len().min(1)));
                if let Some(payload) = next.bytes.get(CHUNK_LINE_BYTES..) {
                    assert_eq!(
                        payload,
                        b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$1\r\nB\r\n*1\r\n$1\r\nC\r\n"
                    );
                }
                assert!(!buffer.has_switch());
                buffer.db = Some(0);
            }
        }
        buffer.close();
        assert_eq!(buffer.switch(), None);
    }

    #[test]
    fn a_closed_buffer_counts_and_drops() {
        let mut buffer = Buffer::default();
        buffer.append(&effects_of(0, b"A"));
        buffer.close();
        let before = buffer.end;
        assert!(buffer.append(&effects_of(0, b"B")) > before);
        let mut chunks = Chunks::default();
        buffer.take(&mut chunks);
        assert!(chunks.bytes.is_empty());
    }

    #[test]
    fn a_buffer_that_is_off_stays_where_it_is() {
        let mut buffer = Buffer::default();
        let end = buffer.append(&effects_of(0, b"A"));
        buffer.stop();
        assert_eq!((buffer.append(&effects_of(0, b"B")), buffer.switch()), (end, None));
        let mut chunks = Chunks::default();
        assert_eq!(buffer.take(&mut chunks), end);
        assert!(chunks.bytes.ends_with(b"$1\r\nA\r\n"), "what came before is there");
        buffer.open();
        check(&mut buffer, &[effects_of(0, b"C")], &[b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$1\r\nC\r\n"]);
        let mut off = Buffer::off();
        assert_eq!(off.append(&effects_of(0, b"A")), Position::START);
    }
}
