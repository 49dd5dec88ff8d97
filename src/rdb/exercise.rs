//! What is to hold of any bytes: the body of a fuzz target, which tests run too.

use std::io::{self, Read};

use super::file::FileReader;
use super::payload::{self, VERSION_MAX};
use crate::engine::Value;

/// Compressed strings may come to this, in bytes, so that broken data does not fill the memory.
const STRING_BYTES_MAX: usize = 1 << 20;

/// Seals bytes as a payload and reads it. What comes out must survive being written and read again.
///
/// # Panics
/// When it does not, or when reading panics.
pub fn exercise(body: &[u8]) -> Option<Value> {
    let mut payload = body.to_vec();
    payload::seal(0, VERSION_MAX, &mut payload);
    let value = payload::decode(&payload, STRING_BYTES_MAX).ok()?.value;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    payload::encode(&value, &mut first);
    let again = payload::decode(&first, STRING_BYTES_MAX).expect("what was written can be read");
    assert!(again.is_for_redis_7_0, "what is written is for Redis 7.0");
    payload::encode(&again.value, &mut second);
    assert_eq!(first, second, "what was written and read is written as before");
    Some(value)
}

/// Reads bytes as a file. Whatever they are, reading ends, with no more in memory than there is in the file, and the bytes do the same
/// however they come in pieces.
///
/// # Panics
/// When they do not, or when reading panics.
pub fn exercise_file(data: &[u8]) -> u64 {
    let whole = read_file(data);
    let pieces = read_file(Pieces(data));
    assert_eq!(whole, pieces, "the same whole and in pieces");
    whole.0
}

/// How many items there are, and how it ends.
fn read_file(input: impl Read) -> (u64, Result<u64, String>) {
    let mut reader = match FileReader::new(input, STRING_BYTES_MAX) {
        Ok(reader) => reader,
        Err(error) => return (0, Err(error.to_string())),
    };
    let mut items = 0;
    loop {
        match reader.read_item() {
            Ok(Some(_)) => items += 1,
            Ok(None) => return (items, Ok(reader.offset())),
            Err(error) => return (items, Err(format!("{error} at {}", error.offset))),
        }
    }
}

/// Gives one, two, three bytes, and so on, at a time.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.0.len().min(buffer.len()).min(self.0.len() % 3 + 1);
        let (bytes, rest) = self.0.split_at(len);
        buffer[..len].copy_from_slice(bytes);
        self.0 = rest;
        Ok(len)
    }
}
