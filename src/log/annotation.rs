//! The `#` lines that Millstream adds to its append-only files. Redis's loader skips every line that begins with `#`.
//!
//! A file that Millstream made begins with a file line, which names the format's version and the file's tag, a number
//! drawn by chance. Each chunk, which is what one or more batches of commands left in the log's buffer, is preceded by
//! a chunk line, in the same write:
//!
//! ```text
//! #MS 89abcdef version=1 crc32c=42e17de8
//! #MS 89abcdef crc32c=1a2b3c4d len=000000001234 synced=0000000000000040
//! *2 ...
//! ```
//!
//! `len` is the size of the chunk's commands in bytes; `synced` is the offset in this file up to which everything was known to
//! be durable when the chunk was written; the checksum covers the rest of its line, from the blank before `len` on, and the
//! commands. The line comes before the commands, not after them, so that commands which redis-server appended to our file
//! are told from the remains of a chunk. The tag is in every line because a client knows it not: what looks like a chunk line
//! inside a value is never taken for one when recovery looks for the chunks behind a damaged place.

use std::ops::Range;

/// The number that marks the lines of one file, drawn by chance when the file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileTag(pub(super) u32);

/// The size of the line that begins a file.
pub(super) const FILE_LINE_BYTES: usize = 40;
/// The size of the line before a chunk.
pub(super) const CHUNK_LINE_BYTES: usize = 71;

const MARK: &[u8] = b"#MS ";
const TAG: Range<usize> = 4..12;
const VERSION: &[u8] = b" version=";
const FORMAT_VERSION: u8 = b'1';
const CRC_NAME: &[u8] = b" crc32c=";
const CRC: Range<usize> = 20..28;
const LEN_NAME: &[u8] = b" len=";
const LEN: Range<usize> = 33..45;
const SYNCED_NAME: &[u8] = b" synced=";
const SYNCED: Range<usize> = 53..69;
const LINE_END: &[u8] = b"\r\n";

/// The line that begins a file.
pub(super) fn encode_file_line(tag: FileTag) -> [u8; FILE_LINE_BYTES] {
    let mut line = [0; FILE_LINE_BYTES];
    line[..TAG.end].copy_from_slice(&line_start(tag));
    line[TAG.end..21].copy_from_slice(VERSION);
    line[21] = FORMAT_VERSION;
    line[22..30].copy_from_slice(CRC_NAME);
    let crc = crc32c::crc32c(&line[..22]);
    encode_hex(&mut line[30..38], crc);
    line[38..].copy_from_slice(LINE_END);
    line
}

/// What the beginning of a file says of who made it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileStart {
    /// Millstream, in the format that this program knows.
    Ours(FileTag),
    /// Millstream, in a format that this program does not know.
    OursUnknownVersion,
    /// Millstream, but the line is damaged. Read with a wrong tag the whole file would pass for a torn tail.
    OursDamaged,
    /// Somebody else: redis-server, or a hand.
    Foreign,
}

/// Reads the line that begins a file; `bytes` are the file's first [`FILE_LINE_BYTES`] bytes, or all of it.
pub(super) fn decode_file_line(bytes: &[u8]) -> FileStart {
    if !bytes.starts_with(MARK) {
        let was_ours = bytes.get(TAG.end..21) == Some(VERSION);
        return if was_ours { FileStart::OursDamaged } else { FileStart::Foreign };
    }
    let Some(tag) = bytes.get(TAG).and_then(decode_hex).map(FileTag) else { return FileStart::OursDamaged };
    if *bytes == encode_file_line(tag) {
        return FileStart::Ours(tag);
    }
    match bytes.get(TAG.end..22) {
        Some([version @ .., b'2'..=b'9']) if version == VERSION => FileStart::OursUnknownVersion,
        _ => FileStart::OursDamaged,
    }
}

/// What a chunk line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkLine {
    /// CRC32C over the rest of the line and the commands.
    pub(super) crc: u32,
    /// The size of the commands.
    pub(super) payload_bytes: u64,
    /// Up to here the file was known to be durable when the chunk was written.
    pub(super) synced_offset: u64,
}

/// The bytes with which every line of a file begins.
pub(super) fn line_start(tag: FileTag) -> [u8; 12] {
    let mut start = [0; 12];
    start[..4].copy_from_slice(MARK);
    encode_hex(&mut start[TAG], tag.0);
    start
}

/// Fills in the line before a chunk: `chunk` is [`CHUNK_LINE_BYTES`] bytes of room and the chunk's commands.
pub(super) fn seal_chunk(chunk: &mut [u8], tag: FileTag, synced_offset: u64) {
    let payload_bytes = (chunk.len() - CHUNK_LINE_BYTES) as u64;
    chunk[..TAG.end].copy_from_slice(&line_start(tag));
    chunk[TAG.end..CRC.start].copy_from_slice(CRC_NAME);
    chunk[CRC.end..LEN.start].copy_from_slice(LEN_NAME);
    encode_decimal(&mut chunk[LEN], payload_bytes);
    chunk[LEN.end..SYNCED.start].copy_from_slice(SYNCED_NAME);
    encode_decimal(&mut chunk[SYNCED], synced_offset);
    chunk[SYNCED.end..CHUNK_LINE_BYTES].copy_from_slice(LINE_END);
    let crc = crc32c::crc32c(&chunk[CRC.end..]);
    encode_hex(&mut chunk[CRC], crc);
}

/// Reads a chunk line of the file whose tag is `tag`; `line` are its [`CHUNK_LINE_BYTES`] bytes.
pub(super) fn decode_chunk_line(line: &[u8], tag: FileTag) -> Option<ChunkLine> {
    let fixed = line.len() == CHUNK_LINE_BYTES
        && line.starts_with(&line_start(tag))
        && line[TAG.end..CRC.start] == *CRC_NAME
        && line[CRC.end..LEN.start] == *LEN_NAME
        && line[LEN.end..SYNCED.start] == *SYNCED_NAME
        && line[SYNCED.end..] == *LINE_END;
    if !fixed {
        return None;
    }
    Some(ChunkLine {
        crc: decode_hex(&line[CRC])?,
        payload_bytes: decode_decimal(&line[LEN])?,
        synced_offset: decode_decimal(&line[SYNCED])?,
    })
}

/// The checksum of a chunk line alone, to be carried on over the commands with `crc32c_append`.
pub(super) fn crc_of_line(line: &[u8]) -> u32 {
    crc32c::crc32c(&line[CRC.end..CHUNK_LINE_BYTES])
}

fn encode_hex(out: &mut [u8], mut value: u32) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn decode_hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(digit))
    })
}

fn encode_decimal(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    debug_assert_eq!(value, 0, "the field is too narrow for the number");
}

fn decode_decimal(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0u64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_TAG: FileTag = FileTag(0x89ab_cdef);

    fn check(payload: &[u8], synced_offset: u64, expected_line: &str) {
        let mut chunk = vec![0; CHUNK_LINE_BYTES];
        chunk.extend_from_slice(payload);
        seal_chunk(&mut chunk, A_TAG, synced_offset);
        let (line, rest) = chunk.split_at(CHUNK_LINE_BYTES);
        assert_eq!(String::from_utf8_lossy(line), expected_line);
        assert_eq!(rest, payload);
        let decoded = decode_chunk_line(line, A_TAG).expect("a line that was just sealed");
        assert_eq!(decoded.payload_bytes, payload.len() as u64);
        assert_eq!(decoded.synced_offset, synced_offset);
        assert_eq!(crc32c::crc32c_append(crc_of_line(line), payload), decoded.crc);
        assert_eq!(decode_chunk_line(line, FileTag(1)), None);
        for at in 0..CHUNK_LINE_BYTES {
            let mut wrong = chunk.clone();
            wrong[at] ^= 1;
            let still_right = decode_chunk_line(&wrong[..CHUNK_LINE_BYTES], A_TAG)
                .is_some_and(|decoded| crc32c::crc32c_append(crc_of_line(&wrong), payload) == decoded.crc);
            assert!(!still_right, "a changed byte {at} goes unnoticed");
        }
    }

    #[test]
    fn chunk_lines() {
        check(b"", 24, "#MS 89abcdef crc32c=346a035e len=000000000000 synced=0000000000000024\r\n");
        check(
            b"*1\r\n$4\r\nPING\r\n",
            9_999_999_999_999_999,
            "#MS 89abcdef crc32c=e0520718 len=000000000014 synced=9999999999999999\r\n",
        );
    }

    #[test]
    fn file_lines() {
        let line = encode_file_line(A_TAG);
        assert_eq!(&line, b"#MS 89abcdef version=1 crc32c=42e17de8\r\n");
        assert_eq!(decode_file_line(&line), FileStart::Ours(A_TAG));
        for at in 0..line.len() {
            let mut wrong = line;
            wrong[at] ^= 1;
            assert_eq!(decode_file_line(&wrong), FileStart::OursDamaged, "with byte {at} changed");
            let expected = if at < 4 { FileStart::Foreign } else { FileStart::OursDamaged };
            assert_eq!(decode_file_line(&line[..at]), expected, "cut at {at}");
        }
        assert_eq!(
            decode_file_line(b"#MS 89abcdef version=2 crc32c=00000000\r\n"),
            FileStart::OursUnknownVersion
        );
        assert_eq!(decode_file_line(b"#TS:1700000000\r\n*1\r\n$4\r\nPING\r\n"), FileStart::Foreign);
        assert_eq!(decode_file_line(b"*1\r\n$4\r\nPING\r\n"), FileStart::Foreign);
        assert_eq!(decode_file_line(b""), FileStart::Foreign);
    }
}
