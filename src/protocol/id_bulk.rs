//! [`IdBulk`]: an entry's ID on the wire.

use crate::engine::StreamId;

/// Before the text: `$`, two digits, `\r\n`.
const HEADER_BYTES: usize = 5;

/// An entry's ID as a bulk string, in the form that it has in replies, in requests and in the log. XADD writes it twice.
#[derive(Debug, Clone, Copy)]
pub struct IdBulk {
    bytes: [u8; HEADER_BYTES + StreamId::TEXT_BYTES_MAX + 2],
    start: u8,
    end: u8,
}

impl IdBulk {
    /// The bulk string of an ID.
    #[inline]
    pub fn new(id: StreamId) -> Self {
        let mut bytes = [0; HEADER_BYTES + StreamId::TEXT_BYTES_MAX + 2];
        let text = bytes[HEADER_BYTES..].first_chunk_mut().expect("there is room for the text");
        let len = id.write_text(text);
        let (tens, ones) = (b'0' + (len / 10) as u8, b'0' + (len % 10) as u8);
        let start = if len < 10 {
            bytes[1..HEADER_BYTES].copy_from_slice(&[b'$', ones, b'\r', b'\n']);
            1
        } else {
            bytes[..HEADER_BYTES].copy_from_slice(&[b'$', tens, ones, b'\r', b'\n']);
            0
        };
        let end = HEADER_BYTES + len + 2;
        bytes[end - 2..end].copy_from_slice(b"\r\n");
        Self { bytes, start, end: end as u8 }
    }

    /// The bulk string's bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..usize::from(self.end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_length() {
        for (ms, seq) in
            [(0, 1), (1_000_000, 1), (10_000_000, 1), (1_795_521_095_430, 959), (u64::MAX, u64::MAX)]
        {
            let id = StreamId::new(ms, seq);
            let text = id.to_string();
            let expected = format!("${}\r\n{text}\r\n", text.len());
            assert_eq!(IdBulk::new(id).as_bytes(), expected.as_bytes());
        }
    }
}
