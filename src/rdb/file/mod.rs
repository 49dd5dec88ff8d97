//! Whole RDB files, as redis-server writes them: on their own, as the base of an append-only file, or before its commands.
//!
//! A file is `REDIS` and four digits (the version), items each behind a byte that tells what follows, the byte 255 and a CRC64
//! of all before, which is 0 when the server that wrote it made none. [`FileReader`] reads it from its first byte to its last, in one pass,
//! and keeps no more of it in memory than the value that it is reading. Values of types that this server has not are passed
//! over and told.

mod foreign;
mod reader;
mod source;
#[cfg(test)]
mod tests;

pub(super) use reader::FUNCTION_OPCODE;
pub use reader::{Content, FileCause, FileError, FileItem, FileKey, FileReader};
