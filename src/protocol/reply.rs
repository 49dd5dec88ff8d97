//! Encoding of replies, in RESP2 or RESP3, straight into the connection's output buffer.

use std::num::NonZeroUsize;

use super::id_encoder::IdEncoder;
use crate::engine::StreamId;

/// The protocol's version that a connection speaks (HELLO).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP2, every connection's first.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

/// An output buffer and the protocol it is written in. Each method appends one reply element;
/// what has no RESP2 form of its own is written as Redis writes it there (a map as a flat array,
/// a double as a bulk string).
#[derive(Debug, Default)]
pub struct Reply {
    buf: Vec<u8>,
    ids: IdEncoder,
    protocol: Protocol,
    /// Beyond so many bytes what was written is dropped; `None` for no bound.
    limit: Option<NonZeroUsize>,
    /// So many of these bytes are granted to what comes first alone.
    granted: usize,
    /// Bytes that were dropped from the front.
    dropped: usize,
    has_overflown: bool,
}

impl Reply {
    /// An empty buffer.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// A reply that goes on in `buf`.
    pub fn from_buffer(buf: Vec<u8>, protocol: Protocol) -> Self {
        Self { buf, protocol, ..Self::default() }
    }

    /// The same; of a reply that grows beyond `bytes` nothing is kept: see [`Self::has_overflown`]. Of `bytes` the last `granted` are only for
    /// what is written before the first array whose length is not known beforehand: Redis does not count what lies in a buffer of
    /// that size, and such an array ends its use.
    #[must_use]
    pub fn with_limit(self, bytes: Option<NonZeroUsize>, granted: usize) -> Self {
        Self { limit: bytes, granted, ..self }
    }

    /// What the limit is now, in bytes.
    #[inline]
    pub fn limit(&self) -> Option<NonZeroUsize> {
        self.limit
    }

    /// An array of unknown length comes.
    fn end_grant(&mut self) {
        let unused = self.granted.saturating_sub(self.len());
        self.granted = 0;
        self.limit = self.limit.and_then(|limit| NonZeroUsize::new(limit.get().saturating_sub(unused)));
    }

    /// Whether something was dropped since there was more than the limit: what is left is no reply, and must not be sent.
    #[inline]
    pub fn has_overflown(&self) -> bool {
        self.has_overflown
    }

    /// Drops all that was written.
    #[cold]
    fn overflow(&mut self) {
        self.dropped += self.buf.len();
        self.buf = Vec::new();
        self.has_overflown = true;
    }

    /// The bytes written.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buf
    }

    /// The bytes written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf
    }

    /// The buffer itself, for what is copied from another reply.
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Bytes written, those that were dropped included.
    #[inline]
    pub fn len(&self) -> usize {
        self.dropped + self.buf.len()
    }

    /// Whether nothing was written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes back all that was written behind `len`.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len.saturating_sub(self.dropped));
        self.dropped = self.dropped.min(len);
    }

    /// The version that is written.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether RESP3 is written.
    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    /// Changes the version for what follows.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    #[inline]
    fn header(&mut self, kind: u8, value: u64) {
        // One digit is by far the most frequent: lengths of arrays and of short strings.
        if value < 10 {
            self.buf.extend_from_slice(&[kind, b'0' + value as u8, b'\r', b'\n']);
        } else if value < 100 {
            self.buf.extend_from_slice(&[
                kind,
                b'0' + (value / 10) as u8,
                b'0' + (value % 10) as u8,
                b'\r',
                b'\n',
            ]);
        } else {
            self.buf.push(kind);
            self.buf.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            self.buf.extend_from_slice(b"\r\n");
        }
    }

    /// `+text`; `text` has no line end.
    pub fn simple(&mut self, text: &str) {
        self.buf.push(b'+');
        self.buf.extend_from_slice(text.as_bytes());
        self.buf.extend_from_slice(b"\r\n");
    }

    /// `+text`; line ends within become spaces.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.buf.push(b'+');
        self.push_line(text);
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// `-message`: an error with its code first (`ERR ...`). Line ends within become spaces.
    pub fn error(&mut self, message: &[u8]) {
        self.buf.push(b'-');
        self.push_line(message);
    }

    /// Text that is to be one line, and its end.
    fn push_line(&mut self, text: &[u8]) {
        self.buf.extend(text.iter().map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }));
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A signed integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.buf.push(b':');
        self.buf.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A count. Above `i64::MAX`, which RESP has not, it wraps as Redis's does.
    #[inline]
    pub fn count(&mut self, value: u64) {
        self.integer(value as i64);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if self.limit.is_some_and(|limit| self.buf.len() > limit.get()) {
            self.overflow();
        }
        self.buf.reserve(bytes.len() + 16);
        self.header(b'$', bytes.len() as u64);
        self.buf.extend_from_slice(bytes);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A bulk string of text.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// A bulk string that holds an integer's text.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A bulk string that holds an entry's ID.
    #[inline]
    pub fn stream_id(&mut self, id: StreamId) {
        if self.limit.is_some_and(|limit| self.buf.len() > limit.get()) {
            self.overflow();
        }
        self.ids.encode(id, &mut self.buf);
    }

    /// The null: `_` in RESP3, the null bulk string in RESP2.
    pub fn null(&mut self) {
        self.buf.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null where an array was awaited: `_` in RESP3, the null array in RESP2.
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The head of an array: `len` elements follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as u64);
    }

    /// The head of a map: `len` pairs follow.
    pub fn map(&mut self, len: usize) {
        if self.is_resp3() { self.header(b'%', len as u64) } else { self.header(b'*', 2 * len as u64) }
    }

    /// The head of a set: `len` elements follow.
    pub fn set(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'~' } else { b'*' }, len as u64);
    }

    /// The head of a push message (in RESP2 an array): `len` elements follow.
    pub fn push(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'>' } else { b'*' }, len as u64);
    }

    /// A double.
    pub fn double(&mut self, value: f64) {
        let text = crate::number::format_double(value);
        if self.is_resp3() {
            self.buf.push(b',');
            self.buf.extend_from_slice(text.as_bytes());
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// An integer of any size, by its digits.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.is_resp3() {
            self.buf.push(b'(');
            self.push_line(digits);
        } else {
            let digits: Vec<u8> =
                digits.iter().map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }).collect();
            self.bulk(&digits);
        }
    }

    /// A truth value: `#t` in RESP3, 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) {
        if self.is_resp3() {
            self.buf.extend_from_slice(if value { b"#t\r\n" } else { b"#f\r\n" });
        } else {
            self.integer(i64::from(value));
        }
    }

    /// The head of so many attributes, pairs that tell of the reply behind them. RESP3 only.
    pub fn attributes(&mut self, len: usize) {
        debug_assert!(self.is_resp3(), "RESP2 has no attributes");
        self.header(b'|', len as u64);
    }

    /// Text for people: a verbatim string of format `txt` in RESP3, a bulk string in RESP2.
    pub fn verbatim(&mut self, text: &[u8]) {
        self.verbatim_as(b"txt", text);
    }

    /// The same in a format of another name, of which three bytes are told.
    pub fn verbatim_as(&mut self, format: &[u8], text: &[u8]) {
        if self.is_resp3() {
            self.header(b'=', text.len() as u64 + 4);
            self.buf.extend((0..3).map(|at| format.get(at).copied().unwrap_or(b' ')));
            self.buf.push(b':');
            self.buf.extend_from_slice(text);
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Runs `elements`, which writes elements and counts them, and puts an array's head with that
    /// count before what it wrote.
    pub fn array_counted(&mut self, elements: impl FnOnce(&mut Self) -> usize) {
        if self.limit.is_some() {
            self.end_grant();
        }
        let (start, dropped) = (self.buf.len(), self.dropped);
        // Room for the usual head; most arrays of unknown length have less than ten elements.
        self.buf.extend_from_slice(b"*0\r\n");
        let len = elements(self);
        if self.dropped > dropped {
            return;
        }
        if len < 10 {
            self.buf[start + 1] = b'0' + len as u8;
        } else {
            let digits = len.to_string();
            self.buf.splice(start + 1..start + 2, digits.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
        for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
            let mut reply = Reply::new(protocol);
            write(&mut reply);
            assert_eq!(String::from_utf8_lossy(reply.as_bytes()), expected);
        }
    }

    #[test]
    fn elements_in_both_protocols() {
        check(|r| r.ok(), "+OK\r\n", "+OK\r\n");
        check(|r| r.error(b"ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n");
        check(|r| r.integer(-5), ":-5\r\n", ":-5\r\n");
        check(|r| r.bulk(b"abc"), "$3\r\nabc\r\n", "$3\r\nabc\r\n");
        check(|r| r.bulk(&[b'x'; 12]), "$12\r\nxxxxxxxxxxxx\r\n", "$12\r\nxxxxxxxxxxxx\r\n");
        check(|r| r.null(), "$-1\r\n", "_\r\n");
        check(|r| r.null_array(), "*-1\r\n", "_\r\n");
        check(|r| r.map(2), "*4\r\n", "%2\r\n");
        check(|r| r.set(120), "*120\r\n", "~120\r\n");
        check(|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        check(|r| r.boolean(true), ":1\r\n", "#t\r\n");
        check(|r| r.verbatim(b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
        check(|r| r.stream_id(StreamId::new(15, 2)), "$4\r\n15-2\r\n", "$4\r\n15-2\r\n");
    }

    #[test]
    fn what_grows_beyond_the_limit_is_dropped() {
        let mut reply = Reply::default().with_limit(NonZeroUsize::new(1000), 0);
        reply.array_counted(|reply| {
            let start = reply.len();
            for count in 1..=100 {
                reply.bulk(&[b'x'; 93]);
                assert_eq!(reply.len() - start, count * 100);
                assert!(reply.as_bytes().len() <= 1100);
            }
            100
        });
        assert!(reply.has_overflown());
        reply.truncate(10);
        assert_eq!((reply.len(), reply.has_overflown()), (10, true));
        // A last element that is beyond it alone is kept: whoever sends looks at the length.
        let mut reply = Reply::default().with_limit(NonZeroUsize::new(1000), 0);
        reply.bulk(&[b'x'; 2000]);
        assert!(!reply.has_overflown());
    }

    #[test]
    fn an_array_of_unknown_length_ends_what_is_granted() {
        for before in [0, 94, 494, 994] {
            let mut reply = Reply::default().with_limit(NonZeroUsize::new(1500), 500);
            if before > 0 {
                reply.bulk(&vec![b'x'; before]);
            }
            reply.array(2);
            assert_eq!(reply.limit(), NonZeroUsize::new(1500));
            let written = reply.len();
            reply.array_counted(|_| 0);
            assert_eq!(reply.limit(), NonZeroUsize::new(1000 + written.min(500)), "{before}");
        }
    }

    #[test]
    fn an_array_counts_what_it_holds() {
        for len in [0, 1, 9, 10, 123] {
            let mut reply = Reply::default();
            reply.array_counted(|reply| {
                (0..len).for_each(|_| reply.integer(1));
                len
            });
            let expected = format!("*{len}\r\n{}", ":1\r\n".repeat(len));
            assert_eq!(String::from_utf8_lossy(reply.as_bytes()), expected);
        }
    }
}
