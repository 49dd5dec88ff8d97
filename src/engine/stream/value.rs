//! How a field's value is packed into a block, and what it would take in Redis's listpack.
//!
//! A packed value begins with one byte:
//!
//! | byte | what follows |
//! |---|---|
//! | `0x00..=0x7f` | that many bytes of text |
//! | `0x80..=0xbf` | one more byte of length (14 bits in all), then the text |
//! | `0xc1..=0xc8` | an integer, zigzag, in 1 to 8 bytes, the lowest first |
//! | `0xd0..=0xd9` | nothing: the digit itself |
//! | `0xe0` | four bytes of length, the lowest first, then the text |
//!
//! Only integers in the form that [`parse_i64`] takes are packed as such, so that their text comes
//! back as it was.

use crate::number::parse_i64;

const LONG_TEXT: u8 = 0xe0;

/// A value as it stands in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// Text, or any bytes.
    Text(&'a [u8]),
    /// An integer's text, packed.
    Integer(i64),
}

impl FieldValue<'_> {
    /// Calls `with` with the value's bytes.
    #[inline]
    pub fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        match *self {
            Self::Text(text) => with(text),
            Self::Integer(value) => with(itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    /// The value's bytes, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }
}

/// The integer that `text` is the canonical form of.
#[inline]
fn find_integer(text: &[u8]) -> Option<i64> {
    match text.first() {
        Some(b'0'..=b'9' | b'-') if text.len() <= 20 => parse_i64(text),
        _ => None,
    }
}

/// Packs `text` and returns the bytes that Redis's listpack would need for it.
#[inline]
pub(super) fn encode_value(text: &[u8], out: &mut Vec<u8>) -> usize {
    if let Some(value) = find_integer(text) {
        if (0..=9).contains(&value) {
            out.push(0xd0 + value as u8);
        } else {
            encode_integer(value, out);
        }
        return listpack_integer_len(value);
    }
    encode_text(text, out);
    listpack_text_len(text.len())
}

/// Packs an integer that is not a digit; 0 becomes the one byte `0xc0`.
#[inline]
pub(super) fn encode_integer(value: i64, out: &mut Vec<u8>) {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    let len = 8 - zigzag.leading_zeros() as usize / 8;
    out.push(0xc0 + len as u8);
    out.extend_from_slice(&zigzag.to_le_bytes()[..len]);
}

/// Packs `text` as text, whatever it says.
#[inline]
pub(super) fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    match text.len() {
        len @ 0..=0x7f => out.push(len as u8),
        len @ 0x80..=0x3fff => out.extend_from_slice(&[0x80 | (len >> 8) as u8, len as u8]),
        len => {
            // An argument is at most 4 GiB: `proto-max-bulk-len` is bounded so.
            out.push(LONG_TEXT);
            out.extend_from_slice(&(len as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(text);
}

/// Unpacks the value at `*position` and moves on behind it.
#[inline]
pub(super) fn decode_value<'a>(data: &'a [u8], position: &mut usize) -> FieldValue<'a> {
    let start = *position;
    let head = data[start];
    let (text_start, len) = match head {
        0..=0x7f => (start + 1, usize::from(head)),
        0x80..=0xbf => (start + 2, usize::from(head & 0x3f) << 8 | usize::from(data[start + 1])),
        0xc1..=0xc8 => {
            let len = usize::from(head - 0xc0);
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&data[start + 1..start + 1 + len]);
            *position = start + 1 + len;
            let zigzag = u64::from_le_bytes(bytes);
            return FieldValue::Integer((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
        0xd0..=0xd9 => {
            *position = start + 1;
            return FieldValue::Integer(i64::from(head - 0xd0));
        }
        _ => {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&data[start + 1..start + 5]);
            (start + 5, u32::from_le_bytes(bytes) as usize)
        }
    };
    *position = text_start + len;
    FieldValue::Text(&data[text_start..text_start + len])
}

/// Moves behind the value at `*position`.
#[inline]
pub(super) fn skip_value(data: &[u8], position: &mut usize) {
    let start = *position;
    let head = data[start];
    *position = match head {
        0..=0x7f => start + 1 + usize::from(head),
        0xc1..=0xc8 => start + 1 + usize::from(head - 0xc0),
        0xd0..=0xd9 => start + 1,
        _ => {
            decode_value(data, position);
            return;
        }
    };
}

/// Packs an unsigned number, seven bits a byte, the lowest first.
#[inline]
pub(super) fn encode_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Unpacks an unsigned number and moves behind it.
#[inline]
pub(super) fn decode_varint(data: &[u8], position: &mut usize) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = data[*position];
        *position += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

/// The bytes of an integer element in Redis's listpack, its back length included.
#[inline]
pub(super) fn listpack_integer_len(value: i64) -> usize {
    match value {
        0..=127 => 2,
        -4096..=4095 => 3,
        -32_768..=32_767 => 4,
        -8_388_608..=8_388_607 => 5,
        -2_147_483_648..=2_147_483_647 => 6,
        _ => 10,
    }
}

/// The bytes of a text element in Redis's listpack, its back length included.
#[inline]
fn listpack_text_len(len: usize) -> usize {
    let encoded = len
        + match len {
            0..=63 => 1,
            64..=4095 => 2,
            _ => 5,
        };
    encoded
        + match encoded {
            0..=127 => 1,
            128..=16_382 => 2,
            16_383..=2_097_150 => 3,
            2_097_151..=268_435_454 => 4,
            _ => 5,
        }
}

/// The bytes of an element in Redis's listpack, its back length included: an integer's text is kept
/// as an integer there.
#[inline]
pub(super) fn listpack_len(text: &[u8]) -> usize {
    match find_integer(text) {
        Some(value) => listpack_integer_len(value),
        None => listpack_text_len(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs, checks the packed and the listpack's length, unpacks and skips.
    #[track_caller]
    fn check(text: &[u8], packed_len: usize, listpack: usize) {
        let mut data = vec![0xff];
        assert_eq!(encode_value(text, &mut data), listpack);
        assert_eq!(data.len() - 1, packed_len);
        let (mut decoded_end, mut skipped_end) = (1, 1);
        assert_eq!(decode_value(&data, &mut decoded_end).to_vec(), text);
        skip_value(&data, &mut skipped_end);
        assert_eq!((decoded_end, skipped_end), (data.len(), data.len()));
    }

    #[test]
    fn values_come_back() {
        check(b"", 1, 2);
        check(b"7", 1, 2);
        check(b"42", 2, 2);
        check(b"-1", 2, 3);
        check(b"1234", 3, 3);
        check(b"123456", 4, 5);
        check(b"9223372036854775807", 9, 10);
        check(b"-9223372036854775808", 9, 10);
        check(b"9223372036854775808", 20, 21);
        check(b"007", 4, 5);
        check(b"hello", 6, 7);
        check(&[b'x'; 127], 128, 131);
        check(&[b'x'; 128], 130, 132);
        check(&[b'x'; 20_000], 20_005, 20_008);
    }

    #[test]
    fn varints_come_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::MAX] {
            let mut data = Vec::new();
            encode_varint(value, &mut data);
            let mut position = 0;
            assert_eq!(decode_varint(&data, &mut position), value);
            assert_eq!(position, data.len());
        }
    }
}
