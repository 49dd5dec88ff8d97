//! Listpacks: Redis's packed lists of texts and integers.
//!
//! Six bytes of head (the size in bytes and the number of elements, the lowest first), the elements, `0xff`. Behind each
//! element stands its length, to be read backwards.

use super::error::RdbError;
use crate::number::parse_i64;

const HEAD_BYTES: usize = 6;
const END: u8 = 0xff;
/// The number of elements when it does not fit into the head.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// The longest text that is looked at for an integer.
const INTEGER_TEXT_BYTES_MAX: usize = 20;

const CUT: RdbError = RdbError::Format("a listpack's element goes beyond its end");

/// An element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element<'a> {
    Text(&'a [u8]),
    Integer(i64),
}

impl Element<'_> {
    /// Calls `with` with the element's text.
    pub(super) fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        match *self {
            Self::Text(text) => with(text),
            Self::Integer(value) => with(itoa::Buffer::new().format(value).as_bytes()),
        }
    }
}

/// Reads a listpack, and checks it on the way.
#[derive(Debug, Clone)]
pub(super) struct ListpackReader<'a> {
    /// What is left before the end byte.
    rest: &'a [u8],
    count: u16,
    seen: u64,
}

impl<'a> ListpackReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Result<Self, RdbError> {
        const HEAD: RdbError = RdbError::Format("a listpack's head does not fit it");
        let (head, rest) = data.split_first_chunk::<HEAD_BYTES>().ok_or(HEAD)?;
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        match rest.split_last() {
            Some((&END, elements)) if size as usize == data.len() => {
                Ok(Self { rest: elements, count: u16::from_le_bytes([head[4], head[5]]), seen: 0 })
            }
            _ => Err(HEAD),
        }
    }

    /// The next element; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, RdbError> {
        if self.rest.is_empty() {
            let is_right = self.count == COUNT_UNKNOWN || u64::from(self.count) == self.seen;
            return if is_right {
                Ok(None)
            } else {
                Err(RdbError::Format("a listpack's count is not that of its elements"))
            };
        }
        let data = self.rest;
        let (element, len) = decode_element(data)?;
        let (back_length, back_len) = encode_back_length(len);
        let back = data.get(len..len + back_len).ok_or(CUT)?;
        if *back != back_length[..back_len] {
            return Err(RdbError::Format("a listpack's back length is wrong"));
        }
        self.rest = &data[len + back_len..];
        self.seen += 1;
        Ok(Some(element))
    }

    /// The next element, which must be there.
    pub(super) fn expect(&mut self) -> Result<Element<'a>, RdbError> {
        self.next()?.ok_or(RdbError::Format("a listpack ends too early"))
    }

    /// The next element, which must be an integer.
    pub(super) fn integer(&mut self) -> Result<i64, RdbError> {
        match self.expect()? {
            Element::Integer(value) => Ok(value),
            Element::Text(_) => Err(RdbError::Format("text in an integer's place")),
        }
    }

    /// The next element, which must be a number of something.
    pub(super) fn count(&mut self) -> Result<u64, RdbError> {
        u64::try_from(self.integer()?).map_err(|_| RdbError::Format("a negative number of something"))
    }
}

/// Sign-extends the low `bits` of a number.
fn extend_sign(value: u32, bits: u32) -> i64 {
    i64::from((value << (32 - bits)).cast_signed() >> (32 - bits))
}

/// The element that data begins with, and its length without the back length.
fn decode_element(data: &[u8]) -> Result<(Element<'_>, usize), RdbError> {
    let byte = |at: usize| data.get(at).map(|&byte| u32::from(byte)).ok_or(CUT);
    let text = |start: usize, len: u32| {
        let end = start.checked_add(len as usize).ok_or(CUT)?;
        data.get(start..end).map(|text| (Element::Text(text), end)).ok_or(CUT)
    };
    let integer = |value: i64, len: usize| Ok((Element::Integer(value), len));
    let head = byte(0)?;
    match head {
        0..=0x7f => integer(i64::from(head), 1),
        0x80..=0xbf => text(1, head & 0x3f),
        0xc0..=0xdf => integer(extend_sign((head & 0x1f) << 8 | byte(1)?, 13), 2),
        0xe0..=0xef => text(2, (head & 0x0f) << 8 | byte(1)?),
        0xf0 => text(5, byte(1)? | byte(2)? << 8 | byte(3)? << 16 | byte(4)? << 24),
        0xf1 => integer(extend_sign(byte(1)? | byte(2)? << 8, 16), 3),
        0xf2 => integer(extend_sign(byte(1)? | byte(2)? << 8 | byte(3)? << 16, 24), 4),
        0xf3 => integer(extend_sign(byte(1)? | byte(2)? << 8 | byte(3)? << 16 | byte(4)? << 24, 32), 5),
        0xf4 => {
            let bytes = data.get(1..).and_then(|data| data.first_chunk()).ok_or(CUT)?;
            integer(i64::from_le_bytes(*bytes), 9)
        }
        _ => Err(RdbError::Format("a listpack's element of no known encoding")),
    }
}

/// The back length of an element: seven bits a byte, the highest first, all but the first byte marked. Its last bounds are
/// Redis's, which leave a value unused.
fn encode_back_length(len: usize) -> ([u8; 5], usize) {
    let size = match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    let mut out = [0; 5];
    for (at, byte) in out[..size].iter_mut().rev().enumerate() {
        *byte = (len >> (7 * at) & 0x7f) as u8 | if at + 1 == size { 0 } else { 0x80 };
    }
    (out, size)
}

/// Writes a listpack at the end of a buffer.
#[derive(Debug)]
pub(super) struct ListpackWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count: u64,
}

impl<'a> ListpackWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        Self { out, start, count: 0 }
    }

    fn end_element(&mut self, start: usize) {
        let (back_length, size) = encode_back_length(self.out.len() - start);
        self.out.extend_from_slice(&back_length[..size]);
        self.count += 1;
    }

    pub(super) fn push_integer(&mut self, value: i64) {
        let start = self.out.len();
        let bytes = value.to_le_bytes();
        match value {
            0..=0x7f => self.out.push(bytes[0]),
            -4096..=4095 => self.out.extend_from_slice(&[0xc0 | (bytes[1] & 0x1f), bytes[0]]),
            -0x8000..=0x7fff => self.out.extend_from_slice(&[0xf1, bytes[0], bytes[1]]),
            -0x80_0000..=0x7f_ffff => self.out.extend_from_slice(&[0xf2, bytes[0], bytes[1], bytes[2]]),
            -0x8000_0000..=0x7fff_ffff => {
                self.out.push(0xf3);
                self.out.extend_from_slice(&bytes[..4]);
            }
            _ => {
                self.out.push(0xf4);
                self.out.extend_from_slice(&bytes);
            }
        }
        self.end_element(start);
    }

    /// A text; an integer's as an integer.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        let integer = if text.len() <= INTEGER_TEXT_BYTES_MAX { parse_i64(text) } else { None };
        if let Some(value) = integer {
            return self.push_integer(value);
        }
        let start = self.out.len();
        match text.len() {
            len @ 0..=0x3f => self.out.push(0x80 | len as u8),
            len @ 0x40..=0xfff => self.out.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
            len => {
                self.out.push(0xf0);
                // A text is at most 4 GiB, as every argument of a command.
                self.out.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        self.out.extend_from_slice(text);
        self.end_element(start);
    }

    pub(super) fn finish(self) {
        let Self { out, start, count } = self;
        out.push(END);
        let size = ((out.len() - start) as u32).to_le_bytes();
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN).to_le_bytes();
        out[start..start + 4].copy_from_slice(&size);
        out[start + 4..start + HEAD_BYTES].copy_from_slice(&count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[u8]) -> Result<Vec<Element<'_>>, RdbError> {
        let (mut reader, mut elements) = (ListpackReader::new(data)?, Vec::new());
        while let Some(element) = reader.next()? {
            elements.push(element);
        }
        Ok(elements)
    }

    #[test]
    fn elements_come_back() {
        let mut integers = vec![i64::MIN, i64::MAX];
        for bits in [7, 12, 15, 23, 31] {
            let edge = 1_i64 << bits;
            integers.extend([edge - 1, edge, -edge, -edge - 1]);
        }
        let texts: Vec<Vec<u8>> =
            [0, 1, 63, 64, 125, 126, 127, 4095, 4096, 16_377, 16_378, 16_379, 2_097_145, 2_097_146]
                .into_iter()
                .map(|len| vec![b'x'; len])
                .collect();
        let mut data = Vec::new();
        let mut writer = ListpackWriter::new(&mut data);
        integers.iter().for_each(|value| writer.push_text(value.to_string().as_bytes()));
        texts.iter().for_each(|text| writer.push_text(text));
        writer.finish();
        let expected: Vec<_> = integers
            .iter()
            .map(|&value| Element::Integer(value))
            .chain(texts.iter().map(|text| Element::Text(text)))
            .collect();
        assert_eq!(read(&data).as_ref(), Ok(&expected));
    }

    #[test]
    fn many_elements() {
        let mut data = Vec::new();
        let mut writer = ListpackWriter::new(&mut data);
        (0..70_000).for_each(|_| writer.push_integer(1));
        writer.finish();
        assert_eq!(data[4..6], [0xff, 0xff]);
        assert_eq!(read(&data).map(|elements| elements.len()), Ok(70_000));
    }

    #[test]
    fn corrupt_ones() {
        // The list `a`, 1 as redis-server 7.0 dumps it.
        let good = b"\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff";
        assert_eq!(read(good), Ok(vec![Element::Text(b"a"), Element::Integer(1)]));
        for (at, byte) in [(0, 13), (4, 1), (4, 3), (6, 0x82), (6, 0xf5), (8, 1), (10, 2), (11, 0)] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert!(read(&bad).is_err(), "{byte} at {at}");
        }
        for len in 0..good.len() {
            assert!(read(&good[..len]).is_err(), "cut to {len}");
        }
    }
}
