//! Values in the form of Redis's RDB files, as DUMP returns and RESTORE takes them, and whole files.
//!
//! A payload is the value's type (a byte), the value, and a footer: the RDB version (two bytes) and a CRC64 of all before (eight
//! bytes, the lowest first). Payloads of any version up to [`VERSION_MAX`], the one of Redis 8.6, are read:
//!
//! | type | value |
//! |---|---|
//! | 0 | a string: text, integer of 1, 2 or 4 bytes, or compressed by LZF |
//! | 1, 10, 14, 18 | a list: of strings; a ziplist; of nodes that are ziplists; of nodes that are plain or listpacks |
//! | 2, 11, 20 | a set: of strings; an intset; a listpack |
//! | 15, 19, 21, 26 | a stream, as Redis 5, 7.0, 7.2 and 8.6 write it |
//!
//! All other types are refused. A whole file is read by [`FileReader`], which passes over them.
//!
//! Written is what Redis 7.0 reads: version 10, type 0, 1, 2 or 19; nothing is compressed. A stream's blocks are written as Redis's
//! nodes, with deleted entries where they still stand, so that a restored stream is divided (and trimmed by `~`) as the original.
//!
//! # What type 19 cannot hold
//! It goes into an *appendix* (`stream/appendix.rs`) between the value and the footer, which Redis does not look at (7.0 and 8.6 were tried) and
//! this server reads: when consumers were last active (Redis 7.0 does not know it; Redis 7.2 and later read type 19 as if it were
//! the time at which they were last seen), and what is pending for nobody (elsewhere it is restored as not pending, and so is
//! delivered no more unless the group is set back), and what is remembered of idempotent producers. A payload has an appendix only when
//! there is something for it; so a stream that remembers nothing of producers, by the default settings, has on another server those that
//! new streams have there.
//!
//! # What is checked
//! All of it, before anything is made of it: lengths, back lengths and counts of listpacks, flags and counts of nodes, that IDs
//! ascend, that what is pending for a consumer is pending in its group and for no other, that the counters fit. A payload that is
//! not what its form says is an error; and nothing is allocated by a length that it claims.

mod collection;
mod error;
mod exercise;
mod file;
mod functions;
mod listpack;
mod lzf;
mod payload;
mod reader;
mod stream;
#[cfg(test)]
mod tests;
mod value;
mod writer;
mod ziplist;

pub use error::RdbError;
pub use exercise::{exercise, exercise_file};
pub use file::{Content, FileCause, FileError, FileItem, FileKey, FileReader};
pub use functions::{decode_functions, encode_functions};
pub use payload::{Decoded, VERSION_MAX, decode, encode};
