//! Payloads: a value with its type before it and a footer behind.

use crc::{CRC_64_REDIS, Crc, Table};

use super::error::RdbError;
use super::reader::Reader;
use super::stream::{decode_appendix, encode_appendix, encode_stream};
use super::value::{decode_value, kind};
use super::{collection, writer};
use crate::engine::Value;

/// The latest RDB version that is read: Redis 8.6's.
pub const VERSION_MAX: u16 = 13;
/// The version that is written, and the latest that Redis 7.0 reads.
const VERSION: u16 = 10;
const FOOTER_BYTES: usize = 10;
const CHECKSUM_BYTES: usize = 8;

pub(super) static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// A value that was read from a payload.
#[derive(Debug)]
pub struct Decoded {
    /// The value.
    pub value: Value,
    /// Whether Redis 7.0 can read the payload too.
    pub is_for_redis_7_0: bool,
}

/// Appends the payload of a value to `out`.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    let start = out.len();
    match value {
        Value::String(string) => {
            out.push(kind::STRING);
            string.with_bytes(|text| writer::push_string(out, text));
        }
        Value::List(list) => {
            out.push(kind::LIST);
            collection::encode_list(list, out);
        }
        Value::Set(set) => {
            out.push(kind::SET);
            collection::encode_set(set, out);
        }
        Value::Stream(stream) => {
            out.push(kind::STREAM_LISTPACKS_2);
            encode_stream(stream, out);
            encode_appendix(stream, out);
        }
    }
    seal(start, VERSION, out);
}

/// Appends the footer of a payload that begins at `start`.
pub(super) fn seal(start: usize, version: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&version.to_le_bytes());
    let checksum = CRC64.checksum(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// What is before a payload's footer, and the footer's version.
///
/// # Errors
/// The footer is wrong, or of a version that is not known.
pub(super) fn unseal(payload: &[u8]) -> Result<(&[u8], u16), RdbError> {
    let (sealed, checksum) = payload.split_last_chunk::<CHECKSUM_BYTES>().ok_or(RdbError::Footer)?;
    let (body, version) =
        sealed.split_last_chunk::<{ FOOTER_BYTES - CHECKSUM_BYTES }>().ok_or(RdbError::Footer)?;
    let version = u16::from_le_bytes(*version);
    if version > VERSION_MAX || CRC64.checksum(sealed) != u64::from_le_bytes(*checksum) {
        return Err(RdbError::Footer);
    }
    Ok((body, version))
}

/// Reads a payload. What is compressed in it may come to strings of `string_bytes_max` bytes at most.
///
/// # Errors
/// That its footer is wrong, or that it is not of the form that its type has.
pub fn decode(payload: &[u8], string_bytes_max: usize) -> Result<Decoded, RdbError> {
    let (body, version) = unseal(payload)?;
    let mut reader = Reader::new(body, string_bytes_max);
    let kind = reader.byte()?;
    let mut value = decode_value(&mut reader, kind)?.ok_or(RdbError::Format("a value of no known type"))?;
    if let Value::Stream(stream) = &mut value {
        decode_appendix(&mut reader, stream)?;
    }
    if !reader.is_at_end() {
        return Err(RdbError::Format("it goes on behind the value"));
    }
    let is_for_redis_7_0 = version <= VERSION && kind::is_for_redis_7_0(kind);
    Ok(Decoded { value, is_for_redis_7_0 })
}
