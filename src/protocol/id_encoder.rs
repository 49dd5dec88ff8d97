//! [`IdEncoder`]: entries' IDs on the wire.

use crate::engine::StreamId;

/// Before an ID's text: `$`, two digits, `\r\n`.
const HEADER_BYTES: usize = 5;
/// A number of so many digits is made without a division for each two.
const SHORT_DIGITS: u32 = 4;

/// Writes entries' IDs as bulk strings, in the form that they have in replies, in requests and in the log. Where more than two in a row
/// differ in their sequence numbers alone, the rest of the text is kept.
#[derive(Debug, Clone)]
pub struct IdEncoder {
    ms: u64,
    /// The header, whose digits change, and `ms-`; what is behind that has no meaning.
    prefix: [u8; 32],
    /// 0: there is none yet.
    prefix_len: usize,
}

impl Default for IdEncoder {
    fn default() -> Self {
        Self { ms: 0, prefix: *b"$00\r\n                           ", prefix_len: 0 }
    }
}

impl IdEncoder {
    /// Appends an ID as a bulk string.
    #[inline]
    pub fn encode(&mut self, id: StreamId, out: &mut Vec<u8>) {
        let start = out.len();
        if id.ms == self.ms && self.prefix_len > 0 {
            // Pieces of fixed sizes, cut to their lengths afterwards, need no call to copy them.
            out.extend_from_slice(&self.prefix);
            out.truncate(start + self.prefix_len);
        } else {
            self.push_prefix(id.ms, out);
        }
        push_decimal(id.seq, out);
        let len = out.len() - start - HEADER_BYTES;
        out.extend_from_slice(b"\r\n");
        if len < 10 {
            out[start + 2] = b'0' + len as u8;
            // One digit: the header is shorter.
            out.copy_within(start + 2.., start + 1);
            out.pop();
        } else {
            out[start + 1] = b'0' + (len / 10) as u8;
            out[start + 2] = b'0' + (len % 10) as u8;
        }
    }

    /// Appends what is before the sequence number, and keeps it if it comes for the second time: bytes that were just written one by
    /// one are slow to read.
    #[inline]
    fn push_prefix(&mut self, ms: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"$00\r\n");
        out.extend_from_slice(itoa::Buffer::new().format(ms).as_bytes());
        out.push(b'-');
        if ms == self.ms {
            self.prefix_len = out.len() - start;
            self.prefix[..self.prefix_len].copy_from_slice(&out[start..]);
        } else {
            (self.ms, self.prefix_len) = (ms, 0);
        }
    }
}

/// Appends a number in decimal.
#[inline]
fn push_decimal(value: u64, out: &mut Vec<u8>) {
    if value >= 10_u64.pow(SHORT_DIGITS) {
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        return;
    }
    let value = value as u32;
    let (high, low) = (value / 100, value % 100);
    // The first digit in the lowest byte; leading zeroes are shifted out.
    let digits = (high / 10) | (high % 10) << 8 | (low / 10) << 16 | (low % 10) << 24;
    let count = 1 + u32::from(value >= 10) + u32::from(value >= 100) + u32::from(value >= 1000);
    let text = (digits | 0x3030_3030) >> (8 * (SHORT_DIGITS - count));
    let end = out.len() + count as usize;
    out.extend_from_slice(&text.to_le_bytes());
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_length() {
        let mut encoder = IdEncoder::default();
        let seqs = [0, 1, 9, 10, 99, 100, 959, 999, 1000, 9999, 10_000, 123_456_789, u64::MAX];
        let mut out = Vec::new();
        for ms in [0, 1, 0, 999_999, 1_000_000, 10_000_000, 1_795_521_095_430, u64::MAX] {
            for id in seqs.map(|seq| StreamId::new(ms, seq)) {
                let text = id.to_string();
                let start = out.len();
                encoder.encode(id, &mut out);
                assert_eq!(String::from_utf8_lossy(&out[start..]), format!("${}\r\n{text}\r\n", text.len()));
            }
        }
    }
}
