//! [`FileReplay`]: reads one file of the log and has its commands executed.
//!
//! A file that redis-server wrote is commands and `#` lines, behind a snapshot in the RDB format if it begins with one. A file that Millstream made is chunks, each behind its line, and
//! possibly commands that a redis-server appended to it. A chunk is checked before any command of it is executed.

use std::io;
use std::mem;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::annotation::{self, CHUNK_LINE_BYTES, FILE_LINE_BYTES, FileStart, FileTag};
use super::error::{LogError, LogOperation};
use super::hidden;
use super::recovery::LoadProgress;
use super::storage::StorageFile;
use super::window::Window;
use crate::protocol::{Decoded, DecoderLimits, Request, RequestDecoder};
use crate::rdb::{FileCause, FileError, FileItem, FileReader};

/// What stands in the log, in the order in which it is to take effect.
#[derive(Debug)]
pub enum Recorded<'a> {
    /// A command.
    Command(&'a Request<'a>),
    /// A part of a snapshot that redis-server wrote in the RDB format.
    Item(FileItem),
}

/// Takes what stands in the log; its error is why that cannot take effect.
pub(super) type Apply<'a> = dyn FnMut(Recorded<'_>) -> Result<(), String> + 'a;

/// The longest `#` line.
const ANNOTATION_BYTES_MAX: usize = 64 << 10;
/// A chunk of at most this size is checked in the window; one that is larger is read twice.
const WINDOW_CHUNK_BYTES_MAX: u64 = super::buffer::CHUNK_BYTES_MAX as u64 + (64 << 10);
/// The pieces in which a larger one is read to be checked, and in which a file is searched.
const PIECE_BYTES: usize = 1 << 20;
/// How much of a command is looked at first.
const FIRST_LOOK_BYTES: usize = 4 << 10;

/// The longest string in a file: whatever the server once accepted.
const STRING_BYTES_MAX: usize = 1 << 40;
/// What a snapshot in the RDB format begins with.
const SNAPSHOT_START: &[u8] = b"REDIS";

/// The bounds of a command in a file.
const LIMITS: DecoderLimits = DecoderLimits {
    bulk_bytes_max: STRING_BYTES_MAX,
    arguments_max: i32::MAX as usize,
    unauthenticated: false,
};

/// How the reading of a file ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileEnd {
    /// The tag, if Millstream made the file.
    pub(super) tag: Option<FileTag>,
    /// The size of the file's sound part.
    pub(super) len: u64,
    /// What is wrong behind it, if the file is longer: its tail is torn.
    pub(super) torn: Option<String>,
}

/// Reads one file.
pub(super) struct FileReplay<'a> {
    path: &'a Path,
    file: &'a dyn StorageFile,
    window: Window<'a>,
    tag: Option<FileTag>,
    decoder: RequestDecoder,
    transaction: Option<Transaction>,
    /// The part of a hidden effect that was seen.
    hidden: Vec<u8>,
    /// Whether the element before was a command that stood outside of chunks.
    after_foreign_command: bool,
    apply: &'a mut Apply<'a>,
    progress: &'a LoadProgress,
    /// How many commands were executed.
    pub(super) commands: u64,
    /// How many keys were loaded from a snapshot in the RDB format.
    pub(super) keys: u64,
}

/// The commands of a transaction whose EXEC was not seen yet.
struct Transaction {
    /// Where its MULTI is.
    offset: u64,
    bytes: Vec<u8>,
    /// Where in the file each command was.
    offsets: Vec<u64>,
}

impl Transaction {
    fn keep(&mut self, offset: u64, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.offsets.push(offset);
    }
}

/// Why an element of a file could not be used.
enum Trouble {
    /// The file cannot be used, wherever it ends.
    Error(LogError),
    /// The element at `offset` is damaged or cut off.
    Damage { offset: u64, what: String, kind: Damage },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// The file ends within a command.
    CutCommand,
    /// A chunk is cut off or was not written as it was to be.
    Chunk,
    /// Something that is no command, annotation or chunk.
    Unknown,
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        Self::Error(error)
    }
}

/// What stands at an offset.
enum Found {
    /// A command of this many bytes.
    Command(usize),
    /// The bytes end within a command.
    Cut,
    /// No command.
    Malformed(String),
}

impl<'a> FileReplay<'a> {
    pub(super) fn new(
        path: &'a Path,
        file: &'a dyn StorageFile,
        progress: &'a LoadProgress,
        apply: &'a mut Apply<'a>,
    ) -> Result<Self, LogError> {
        let window = Window::new(file).map_err(|error| LogError::system(LogOperation::Read, path, error))?;
        Ok(Self {
            path,
            file,
            window,
            tag: None,
            decoder: RequestDecoder::new(),
            transaction: None,
            hidden: Vec::new(),
            after_foreign_command: false,
            apply,
            progress,
            commands: 0,
            keys: 0,
        })
    }

    /// Whether Millstream made the file, as far as it was read.
    pub(super) fn is_ours(&self) -> bool {
        self.tag.is_some()
    }

    /// Reads the file to its end.
    ///
    /// # Errors
    /// A file that cannot be read or that is corrupt in the middle, a command that cannot be executed. A torn tail
    /// is no error.
    pub(super) fn run(&mut self) -> Result<FileEnd, LogError> {
        let base = self.progress.loaded_bytes.load(Ordering::Relaxed);
        let mut offset = self.read_start(base)?;
        while offset < self.window.file_len() {
            match self.step(offset) {
                Ok(next) => offset = next,
                Err(Trouble::Error(error)) => return Err(error),
                Err(Trouble::Damage { offset, what, kind }) => return self.judge(offset, what, kind),
            }
            self.progress.loaded_bytes.store(base + offset, Ordering::Relaxed);
        }
        if let Some(Transaction { offset, .. }) = self.transaction {
            return self.judge(offset, "a transaction is not complete".into(), Damage::CutCommand);
        }
        Ok(FileEnd { tag: self.tag, len: offset, torn: None })
    }

    /// Finds out who made the file, loads the snapshot that it begins with, if so, and answers where its commands begin. `base` is the
    /// size of the files before this one.
    fn read_start(&mut self, base: u64) -> Result<u64, LogError> {
        let start = read(&mut self.window, self.path, 0, FILE_LINE_BYTES)?;
        let refuse = |what: &'static str, way_out: &'static str| {
            Err(LogError::content(LogOperation::Read, self.path, what).at(0).with_way_out(way_out))
        };
        match annotation::decode_file_line(&start[..start.len().min(FILE_LINE_BYTES)]) {
            FileStart::Ours(tag) => {
                self.tag = Some(tag);
                Ok(FILE_LINE_BYTES as u64)
            }
            FileStart::OursUnknownVersion => refuse(
                "it was written by a later version of Millstream",
                "start that version, or have it rewrite the log as `millstream export --format redis` does",
            ),
            FileStart::OursDamaged => refuse(
                "its first line is damaged",
                "put the file back from a backup: without the line nothing in it can be checked",
            ),
            FileStart::Foreign if start.starts_with(SNAPSHOT_START) => self.load_snapshot(base),
            FileStart::Foreign => Ok(0),
        }
    }

    /// Loads the snapshot at the file's beginning, and answers where it ends. One that is cut off is never a torn tail: redis-server
    /// gives it its name once it is whole.
    fn load_snapshot(&mut self, base: u64) -> Result<u64, LogError> {
        let input = FileInput { file: self.file, offset: 0, len: self.window.file_len() };
        let mut snapshot =
            FileReader::new(input, STRING_BYTES_MAX).map_err(|error| self.snapshot_error(error))?;
        while let Some(item) = snapshot.read_item().map_err(|error| self.snapshot_error(error))? {
            if matches!(item, FileItem::Key(_)) {
                self.keys += 1;
            }
            (self.apply)(Recorded::Item(item))
                .map_err(|what| replay_error(self.path, snapshot.item_offset(), what))?;
            self.progress.loaded_bytes.store(base + snapshot.offset(), Ordering::Relaxed);
        }
        Ok(snapshot.offset())
    }

    fn snapshot_error(&self, error: FileError) -> LogError {
        let what = error.to_string();
        let offset = error.offset;
        match error.cause {
            FileCause::System(error) => LogError::system(LogOperation::Read, self.path, error).at(offset),
            FileCause::Content(_) => self
                .corrupt(offset, &format!("the RDB snapshot is damaged: {what}"))
                .with_way_out("it cannot be repaired: put it back from a backup"),
        }
    }

    /// Deals with what stands at `offset` and answers what is behind it.
    fn step(&mut self, offset: u64) -> Result<u64, Trouble> {
        let bytes = read(&mut self.window, self.path, offset, CHUNK_LINE_BYTES)?;
        match bytes.first() {
            Some(b'#') if self.tag.is_some() && !bytes.starts_with(b"#TS:") => {
                let next = self.run_chunk(offset)?;
                self.after_foreign_command = false;
                Ok(next)
            }
            Some(b'#') => self.skip_annotation(offset, self.window.file_len()),
            _ => {
                let len = match self.find_command(offset, self.window.file_len())? {
                    Found::Command(len) => len,
                    Found::Cut => {
                        let what = "a command is not complete".into();
                        return Err(Trouble::Damage { offset, what, kind: Damage::CutCommand });
                    }
                    Found::Malformed(what) => {
                        return Err(Trouble::Damage { offset, what, kind: Damage::Unknown });
                    }
                };
                self.run_command(offset, len)?;
                self.after_foreign_command = true;
                Ok(offset + len as u64)
            }
        }
    }

    /// Checks the chunk at `offset`, executes its commands and answers what is behind it.
    fn run_chunk(&mut self, offset: u64) -> Result<u64, Trouble> {
        let damage = |what: &str| Trouble::Damage { offset, what: what.into(), kind: Damage::Chunk };
        if self.transaction.is_some() {
            return Err(self.corrupt(offset, "a chunk begins within a transaction").into());
        }
        let tag = self.tag.expect("only a file of ours has chunks");
        let bytes = read(&mut self.window, self.path, offset, CHUNK_LINE_BYTES)?;
        let Some(line) = bytes.get(..CHUNK_LINE_BYTES) else {
            return Err(damage("a chunk is not complete"));
        };
        let Some(chunk) = annotation::decode_chunk_line(line, tag) else {
            return Err(damage("a chunk line is expected here"));
        };
        let line_crc = annotation::crc_of_line(line);
        let start = offset + CHUNK_LINE_BYTES as u64;
        let Some(end) = start.checked_add(chunk.payload_bytes).filter(|end| *end <= self.window.file_len())
        else {
            return Err(damage("a chunk is not complete"));
        };
        if self.crc_of(start, chunk.payload_bytes, line_crc)? != chunk.crc {
            return Err(damage("a chunk's checksum is wrong"));
        }
        let mut at = start;
        while at < end {
            let first = read(&mut self.window, self.path, at, 1)?.first();
            if first == Some(&b'#') {
                at = self.run_annotation(at, end)?;
                continue;
            }
            match self.find_command(at, end)? {
                Found::Command(len) => {
                    self.run_command(at, len)?;
                    at += len as u64;
                }
                Found::Cut => return Err(self.corrupt(at, "a command does not end with its chunk").into()),
                Found::Malformed(what) => return Err(self.corrupt(at, &what).into()),
            }
        }
        if let Some(Transaction { offset, .. }) = self.transaction {
            return Err(self.corrupt(offset, "a transaction does not end with its chunk").into());
        }
        if !self.hidden.is_empty() {
            return Err(self.corrupt(end, "a hidden effect does not end with its chunk").into());
        }
        Ok(end)
    }

    /// Passes over the annotation at `offset`; if a hidden effect ends with it, that is executed.
    fn run_annotation(&mut self, offset: u64, end: u64) -> Result<u64, Trouble> {
        let next = self.skip_annotation(offset, end)?;
        let len = (next - offset) as usize;
        let line = &read(&mut self.window, self.path, offset, len)?[..len];
        let is_last = hidden::decode_line(line.trim_ascii_end(), &mut self.hidden);
        if is_last == Some(true) {
            let command = mem::take(&mut self.hidden);
            self.decoder.reset();
            match self.decoder.decode(&command, &LIMITS) {
                Ok(Decoded::Request { consumed }) if consumed == command.len() => {}
                _ => return Err(self.corrupt(offset, "a hidden effect is no command").into()),
            }
            self.run_decoded(offset, &command)?;
        }
        Ok(next)
    }

    fn skip_annotation(&mut self, offset: u64, end: u64) -> Result<u64, Trouble> {
        let limit = usize::try_from(end - offset).unwrap_or(usize::MAX).min(ANNOTATION_BYTES_MAX);
        let bytes = read(&mut self.window, self.path, offset, limit)?;
        let line = &bytes[..bytes.len().min(limit)];
        match line.iter().position(|byte| *byte == b'\n') {
            Some(len) => Ok(offset + len as u64 + 1),
            None if limit < ANNOTATION_BYTES_MAX => {
                let what = "an annotation is not complete".into();
                Err(Trouble::Damage { offset, what, kind: Damage::CutCommand })
            }
            None => {
                let what = "an annotation is too long".into();
                Err(Trouble::Damage { offset, what, kind: Damage::Unknown })
            }
        }
    }

    /// Looks for a command at `offset` that ends at `end` at the latest. It is left in the decoder.
    fn find_command(&mut self, offset: u64, end: u64) -> Result<Found, LogError> {
        let limit = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let mut want = FIRST_LOOK_BYTES.min(limit);
        self.decoder.reset();
        loop {
            let bytes = read(&mut self.window, self.path, offset, want)?;
            let bytes = &bytes[..bytes.len().min(limit)];
            if bytes.first().is_some_and(|byte| *byte != b'*') {
                return Ok(Found::Malformed(format!(
                    "a command is expected here, not {:?}",
                    char::from(bytes[0])
                )));
            }
            match self.decoder.decode(bytes, &LIMITS) {
                Ok(Decoded::Request { consumed }) => return Ok(Found::Command(consumed)),
                Ok(Decoded::Empty { .. }) => {
                    return Ok(Found::Malformed("a command has no arguments".into()));
                }
                Err(error) => return Ok(Found::Malformed(error.to_string())),
                Ok(Decoded::Incomplete) if bytes.len() < want || want == limit => return Ok(Found::Cut),
                Ok(Decoded::Incomplete) => {
                    let needed = self.decoder.needed_len().unwrap_or(0);
                    if needed > limit {
                        return Ok(Found::Cut);
                    }
                    want = bytes.len().saturating_mul(2).max(needed).min(limit);
                }
            }
        }
    }

    /// Executes the command of `len` bytes at `offset`, which is in the decoder, or keeps it until its transaction ends.
    fn run_command(&mut self, offset: u64, len: usize) -> Result<(), LogError> {
        let bytes = &read(&mut self.window, self.path, offset, len)?[..len];
        let request = self.decoder.request(bytes);
        let name = request.arg(0);
        if name.eq_ignore_ascii_case(b"MULTI") {
            if self.transaction.is_some() {
                return Err(self.corrupt(offset, "a transaction begins within a transaction"));
            }
            self.transaction = Some(Transaction { offset, bytes: Vec::new(), offsets: Vec::new() });
            return Ok(());
        }
        if name.eq_ignore_ascii_case(b"EXEC") {
            let Some(transaction) = self.transaction.take() else {
                return Err(self.corrupt(offset, "a transaction ends that did not begin"));
            };
            return self.run_transaction(&transaction);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.keep(offset, bytes);
            return Ok(());
        }
        self.commands += 1;
        (self.apply)(Recorded::Command(&request)).map_err(|what| replay_error(self.path, offset, what))
    }

    /// The same with a command that comes from elsewhere than the window.
    fn run_decoded(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LogError> {
        if let Some(transaction) = &mut self.transaction {
            transaction.keep(offset, bytes);
            return Ok(());
        }
        self.commands += 1;
        (self.apply)(Recorded::Command(&self.decoder.request(bytes)))
            .map_err(|what| replay_error(self.path, offset, what))
    }

    fn run_transaction(&mut self, transaction: &Transaction) -> Result<(), LogError> {
        let mut rest = &transaction.bytes[..];
        for &offset in &transaction.offsets {
            self.decoder.reset();
            let Ok(Decoded::Request { consumed }) = self.decoder.decode(rest, &LIMITS) else {
                unreachable!("the command was decoded from the same bytes before");
            };
            self.commands += 1;
            (self.apply)(Recorded::Command(&self.decoder.request(&rest[..consumed])))
                .map_err(|what| replay_error(self.path, offset, what))?;
            rest = &rest[consumed..];
        }
        Ok(())
    }

    /// The checksum over `len` bytes from `offset` on, carried on from `crc`.
    fn crc_of(&mut self, offset: u64, len: u64, crc: u32) -> Result<u32, LogError> {
        if len <= WINDOW_CHUNK_BYTES_MAX {
            let bytes = read(&mut self.window, self.path, offset, len as usize)?;
            return Ok(crc32c::crc32c_append(crc, &bytes[..bytes.len().min(len as usize)]));
        }
        self.crc_in_pieces(offset, len, crc)
    }

    /// The same without touching the window: for a chunk that is too large for it, and for the search.
    fn crc_in_pieces(&self, offset: u64, len: u64, mut crc: u32) -> Result<u32, LogError> {
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(len).unwrap_or(usize::MAX))];
        let mut done = 0;
        while done < len {
            let want = usize::try_from(len - done).unwrap_or(usize::MAX).min(piece.len());
            let count = super::storage::read_full(self.file, offset + done, &mut piece[..want])
                .map_err(|error| LogError::system(LogOperation::Read, self.path, error).at(offset + done))?;
            crc = crc32c::crc32c_append(crc, &piece[..count]);
            if count < want {
                break;
            }
            done += count as u64;
        }
        Ok(crc)
    }

    /// Decides whether damage at `offset` is a torn tail or corruption.
    ///
    /// In a file of ours a chunk that was not durable when the machine stopped may be missing or wrong while later ones, which
    /// were not durable either, are there. So damage is a torn tail unless a later chunk tells that the file was durable beyond the
    /// damaged place. Behind commands of redis-server, which no chunk tells about, and in its files, only a file that
    /// ends within a command is torn.
    fn judge(&mut self, offset: u64, what: String, kind: Damage) -> Result<FileEnd, LogError> {
        let is_chunks_damage = kind == Damage::Chunk || (self.tag.is_some() && !self.after_foreign_command);
        if is_chunks_damage {
            if let Some(synced_offset) = self.find_later_sync(offset)? {
                let what =
                    format!("{what}, and this is no torn tail: the file was durable up to {synced_offset}");
                return Err(self.corrupt(offset, &what));
            }
        } else if kind != Damage::CutCommand {
            return Err(self.corrupt(offset, &what));
        }
        // A transaction that was begun falls with its last command.
        let len = self.transaction.as_ref().map_or(offset, |transaction| transaction.offset.min(offset));
        Ok(FileEnd { tag: self.tag, len, torn: Some(what) })
    }

    /// Searches behind `offset` for a sound chunk that was written when the file was durable beyond `offset`, and
    /// answers how far it was.
    fn find_later_sync(&mut self, offset: u64) -> Result<Option<u64>, LogError> {
        let Some(tag) = self.tag else { return Ok(None) };
        let line_start = annotation::line_start(tag);
        let mut at = offset + 1;
        loop {
            let bytes = read(&mut self.window, self.path, at, PIECE_BYTES)?;
            let len = bytes.len();
            let windows = bytes.windows(line_start.len()).enumerate();
            let found: Vec<_> =
                windows.filter(|(_, window)| *window == line_start).map(|(index, _)| index).collect();
            for index in found {
                if let Some(synced_offset) = self.find_sync_at(at + index as u64, tag, offset)? {
                    return Ok(Some(synced_offset));
                }
            }
            if len < PIECE_BYTES {
                return Ok(None);
            }
            // A line may begin in this piece and go on in the next.
            at += (len - (line_start.len() - 1)) as u64;
        }
    }

    /// How far the file was durable by the chunk line at `at`, if that is beyond `offset` and its chunk is sound.
    fn find_sync_at(&mut self, at: u64, tag: FileTag, offset: u64) -> Result<Option<u64>, LogError> {
        let bytes = read(&mut self.window, self.path, at, CHUNK_LINE_BYTES)?;
        let Some(line) = bytes.get(..CHUNK_LINE_BYTES) else { return Ok(None) };
        // Most lines say nothing of the place, and need no look at their chunks.
        let Some(chunk) =
            annotation::decode_chunk_line(line, tag).filter(|chunk| chunk.synced_offset > offset)
        else {
            return Ok(None);
        };
        let crc = annotation::crc_of_line(line);
        let start = at + CHUNK_LINE_BYTES as u64;
        if chunk.payload_bytes > self.window.file_len().saturating_sub(start) {
            return Ok(None);
        }
        let is_sound = self.crc_in_pieces(start, chunk.payload_bytes, crc)? == chunk.crc;
        Ok(is_sound.then_some(chunk.synced_offset))
    }

    fn corrupt(&self, offset: u64, what: &str) -> LogError {
        LogError::content(LogOperation::Read, self.path, what.to_owned()).at(offset).with_check()
    }
}

/// A file's bytes up to the size that it had when it was opened.
struct FileInput<'a> {
    file: &'a dyn StorageFile,
    offset: u64,
    len: u64,
}

impl io::Read for FileInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.offset).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.file.read_at(self.offset, &mut buffer[..wanted])?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Reads through the window. Not a method, so that the rest of a [`FileReplay`] stays usable while the bytes are looked at.
fn read<'w>(window: &'w mut Window<'_>, path: &Path, offset: u64, want: usize) -> Result<&'w [u8], LogError> {
    window.read(offset, want).map_err(|error| LogError::system(LogOperation::Read, path, error).at(offset))
}

fn replay_error(path: &Path, offset: u64, what: String) -> LogError {
    LogError::content(LogOperation::Replay, path, what).at(offset)
}
