//! Reading numbers and strings.

use std::borrow::Cow;
use std::ops::Deref;

use super::error::RdbError;
use super::lzf;
use crate::engine::StreamId;

pub(super) const CUT: RdbError = RdbError::Format("it ends too early");
const UNKNOWN_ENCODING: RdbError = RdbError::Format("a string of no known encoding");

/// A length, or what stands in a length's place: how a string is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Plain(u64),
    Encoding(u8),
}

/// Where a value's bytes come from.
pub(super) trait Source {
    /// Bytes that were read; copied only where they must be.
    type Bytes: Deref<Target = [u8]> + From<Vec<u8>>;

    /// The next `len` bytes. The length is a claim: memory grows as bytes come.
    fn bytes(&mut self, len: usize) -> Result<Self::Bytes, RdbError>;
    /// The next `N` bytes.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError>;
    /// Passes over `len` bytes.
    fn skip(&mut self, len: u64) -> Result<(), RdbError>;
}

impl<'a> Source for &'a [u8] {
    type Bytes = Cow<'a, [u8]>;

    fn bytes(&mut self, len: usize) -> Result<Self::Bytes, RdbError> {
        let (bytes, rest) = self.split_at_checked(len).ok_or(CUT)?;
        *self = rest;
        Ok(Cow::Borrowed(bytes))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let (bytes, rest) = self.split_first_chunk().ok_or(CUT)?;
        *self = rest;
        Ok(*bytes)
    }

    fn skip(&mut self, len: u64) -> Result<(), RdbError> {
        self.bytes(usize::try_from(len).map_err(|_| CUT)?).map(drop)
    }
}

/// Reads a value from its first byte to its last.
#[derive(Debug, Clone)]
pub(super) struct Reader<S> {
    source: S,
    /// The longest string, in bytes, that compressed data may come to.
    string_bytes_max: usize,
}

impl Reader<&[u8]> {
    /// Whether all was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.source.is_empty()
    }
}

impl<S: Source> Reader<S> {
    pub(super) fn new(source: S, string_bytes_max: usize) -> Self {
        Self { source, string_bytes_max }
    }

    /// Where the bytes come from.
    pub(super) fn source(&mut self) -> &mut S {
        &mut self.source
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        self.source.array()
    }

    pub(super) fn byte(&mut self) -> Result<u8, RdbError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn length_or_encoding(&mut self) -> Result<Length, RdbError> {
        let head = self.byte()?;
        let low = head & 0x3f;
        Ok(match head >> 6 {
            0 => Length::Plain(u64::from(low)),
            1 => Length::Plain(u64::from(low) << 8 | u64::from(self.byte()?)),
            2 if head == 0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            2 if head == 0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            3 => Length::Encoding(low),
            _ => return Err(RdbError::Format("a length of no known form")),
        })
    }

    /// A number in the form of a length.
    pub(super) fn length(&mut self) -> Result<u64, RdbError> {
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoding(_) => Err(RdbError::Format("an encoding in a length's place")),
        }
    }

    /// The number of elements that follow. It is not to be trusted: each is to be read.
    pub(super) fn count(&mut self) -> Result<u64, RdbError> {
        self.length()
    }

    fn size(&mut self) -> Result<usize, RdbError> {
        usize::try_from(self.length()?).map_err(|_| CUT)
    }

    pub(super) fn string(&mut self) -> Result<S::Bytes, RdbError> {
        let integer = |value: i32| S::Bytes::from(value.to_string().into_bytes());
        match self.length_or_encoding()? {
            Length::Plain(length) => self.source.bytes(usize::try_from(length).map_err(|_| CUT)?),
            Length::Encoding(0) => Ok(integer(i8::from_le_bytes(self.array()?).into())),
            Length::Encoding(1) => Ok(integer(i16::from_le_bytes(self.array()?).into())),
            Length::Encoding(2) => Ok(integer(i32::from_le_bytes(self.array()?))),
            Length::Encoding(3) => {
                let (compressed_len, len) = (self.size()?, self.size()?);
                let compressed = self.source.bytes(compressed_len)?;
                if len > self.string_bytes_max {
                    return Err(RdbError::Format("a compressed string is too long"));
                }
                lzf::decompress(&compressed, len).map(S::Bytes::from)
            }
            Length::Encoding(_) => Err(UNKNOWN_ENCODING),
        }
    }

    /// Passes over a string, as it stands there.
    pub(super) fn skip_string(&mut self) -> Result<(), RdbError> {
        let len = match self.length_or_encoding()? {
            Length::Plain(length) => length,
            Length::Encoding(kind @ 0..=2) => 1 << kind,
            Length::Encoding(3) => {
                let compressed_len = self.length()?;
                self.length()?;
                compressed_len
            }
            Length::Encoding(_) => return Err(UNKNOWN_ENCODING),
        };
        self.source.skip(len)
    }

    /// An ID as a radix tree's key: the highest byte first.
    pub(super) fn raw_id(&mut self) -> Result<StreamId, RdbError> {
        Ok(StreamId::new(u64::from_be_bytes(self.array()?), u64::from_be_bytes(self.array()?)))
    }

    /// An ID as two numbers.
    pub(super) fn id(&mut self) -> Result<StreamId, RdbError> {
        Ok(StreamId::new(self.length()?, self.length()?))
    }

    /// A time in milliseconds since the Unix epoch, signed; one before it is taken for the epoch itself.
    pub(super) fn time_ms(&mut self) -> Result<u64, RdbError> {
        Ok(self.signed()?.max(0).cast_unsigned())
    }

    /// A signed number of eight bytes.
    pub(super) fn signed(&mut self) -> Result<i64, RdbError> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::writer;

    #[test]
    fn lengths_and_strings_come_back() {
        let lengths = [0, 63, 64, 16_383, 16_384, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX];
        let texts =
            ["", "0", "127", "-128", "128", "-32768", "2147483647", "-2147483648", "2147483648", "-0", "x"];
        let mut out = Vec::new();
        lengths.iter().for_each(|&length| writer::push_length(&mut out, length));
        texts.iter().for_each(|text| writer::push_string(&mut out, text.as_bytes()));
        let mut reader = Reader::new(&out[..], 0);
        for length in lengths {
            assert_eq!(reader.length(), Ok(length));
        }
        for text in texts {
            assert_eq!(reader.string().as_deref(), Ok(text.as_bytes()));
        }
        assert!(reader.is_at_end());
        assert_eq!(reader.byte(), Err(CUT));
        let mut reader = Reader::new(&out[..], 0);
        lengths.iter().for_each(|&length| assert_eq!(reader.length(), Ok(length)));
        texts.iter().for_each(|_| assert_eq!(reader.skip_string(), Ok(())));
        assert!(reader.is_at_end());
    }

    #[test]
    fn what_is_no_length_or_string() {
        for data in [&b"\x82"[..], b"\xc0", b"\x40", b"\x80\0\0\0"] {
            assert!(Reader::new(data, 0).length().is_err(), "{data:?}");
        }
        for data in
            [&b"\x01"[..], b"\xc4a", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc3\x06\x15\x01xx\xe0\n\0"]
        {
            assert!(Reader::new(data, 20).string().is_err(), "{data:?}");
        }
        assert_eq!(
            Reader::new(&b"\xc3\x06\x15\x01xx\xe0\n\0"[..], 21).string().as_deref(),
            Ok(&[b'x'; 21][..])
        );
    }
}
