//! Decoding of requests: multi-bulk and inline, without allocation by a client's claim.

use super::ProtocolError;
use crate::number;

/// The longest line: an inline request, or the line that announces a count or a length.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The bounds that a decoder enforces. They may change between requests (authentication lifts two
/// of them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderLimits {
    /// The longest argument in bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: usize,
    /// The largest number of arguments of a request.
    pub arguments_max: usize,
    /// The client has to authenticate first: at most 10 arguments of at most 16 KiB.
    pub unauthenticated: bool,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self { bulk_bytes_max: 512 << 20, arguments_max: i32::MAX as usize, unauthenticated: false }
    }
}

/// What a call of [`RequestDecoder::decode`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// The buffer ends within a request: call again with the same bytes and more behind them.
    Incomplete,
    /// An empty line or an empty array, which asks for nothing.
    Empty {
        /// Bytes to drop from the buffer's front.
        consumed: usize,
    },
    /// A whole request: [`RequestDecoder::request`] gives its arguments.
    Request {
        /// Bytes to drop from the buffer's front, once the request has been executed.
        consumed: usize,
    },
}

type Range = (usize, usize);

/// Room for so many arguments is made at first.
const RANGES_MIN: usize = 4;

/// Decodes requests from a buffer that grows at its end. Between calls that answer
/// [`Decoded::Incomplete`] it remembers how far it came, so that a request that trickles in is not
/// looked at again from its start.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    /// The first `count` are those of the request; what is behind has no meaning.
    ranges: Vec<Range>,
    /// Arguments that were found.
    count: usize,
    /// Arguments still to come; `None` while between requests.
    remaining: Option<usize>,
    /// The length of the argument whose bytes are awaited.
    bulk_len: Option<usize>,
    /// Where in the buffer to go on.
    position: usize,
    /// Unquoted text of inline arguments that had escapes; ranges of an inline request point here.
    inline: Option<Vec<u8>>,
}

impl RequestDecoder {
    /// A decoder at the start of a request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets a half-read request; the buffer is to be empty afterwards.
    pub fn reset(&mut self) {
        self.count = 0;
        self.remaining = None;
        self.bulk_len = None;
        self.position = 0;
        self.inline = None;
    }

    /// How many bytes the buffer must have at least before it is worth a call, where that is known:
    /// the end of a long argument that is still coming in.
    pub fn needed_len(&self) -> Option<usize> {
        self.bulk_len.map(|len| self.position + len + 2)
    }

    /// Decodes the next request at the front of `buf`.
    ///
    /// After [`Decoded::Request`] or [`Decoded::Empty`] the caller drops `consumed` bytes from the
    /// front before the next call. After an error the connection is to be closed.
    ///
    /// # Errors
    /// A [`ProtocolError`] as redis-server tells it, before any of the claimed bytes were awaited.
    #[inline]
    pub fn decode(&mut self, buf: &[u8], limits: &DecoderLimits) -> Result<Decoded, ProtocolError> {
        if self.remaining.is_none() {
            self.count = 0;
            self.inline = None;
            match buf.first() {
                None => return Ok(Decoded::Incomplete),
                Some(b'*') => {}
                Some(_) => return self.decode_inline(buf),
            }
            let (count, next) = match decode_short_number(buf, b'*') {
                Some(short) => short,
                None => match decode_count(buf)? {
                    Some(count) => count,
                    None => return Ok(Decoded::Incomplete),
                },
            };
            if count == 0 {
                return Ok(Decoded::Empty { consumed: next });
            }
            if count > limits.arguments_max {
                return Err(ProtocolError::InvalidCount);
            }
            if limits.unauthenticated && count > 10 {
                return Err(ProtocolError::UnauthenticatedCount);
            }
            self.remaining = Some(count);
            self.position = next;
        }
        self.decode_arguments(buf, limits)
    }

    #[inline]
    fn decode_arguments(&mut self, buf: &[u8], limits: &DecoderLimits) -> Result<Decoded, ProtocolError> {
        let mut remaining = self.remaining.take().unwrap_or(0);
        let mut position = self.position;
        let mut bulk_len = self.bulk_len.take();
        let mut found = self.count;
        while remaining > 0 {
            let len = match bulk_len.take() {
                Some(len) => len,
                None => match decode_length(buf, position, limits)? {
                    Some((len, next)) => {
                        position = next;
                        len
                    }
                    None => return Ok(self.pause(found, remaining, position, None)),
                },
            };
            let end = position + len;
            if buf.len() < end + 2 {
                return Ok(self.pause(found, remaining, position, Some(len)));
            }
            if found == self.ranges.len() {
                self.ranges.resize((found * 2).max(RANGES_MIN), (0, 0));
            }
            self.ranges[found] = (position, end);
            found += 1;
            position = end + 2;
            remaining -= 1;
        }
        (self.position, self.count) = (position, found);
        Ok(Decoded::Request { consumed: position })
    }

    /// Remembers how far it came.
    #[cold]
    fn pause(&mut self, found: usize, remaining: usize, position: usize, bulk_len: Option<usize>) -> Decoded {
        self.count = found;
        (self.remaining, self.position, self.bulk_len) = (Some(remaining), position, bulk_len);
        Decoded::Incomplete
    }

    fn decode_inline(&mut self, buf: &[u8]) -> Result<Decoded, ProtocolError> {
        let Some(end) = buf.iter().position(|&b| b == b'\n') else {
            if buf.len() > LINE_BYTES_MAX {
                return Err(ProtocolError::InlineTooLong);
            }
            return Ok(Decoded::Incomplete);
        };
        if end > LINE_BYTES_MAX {
            return Err(ProtocolError::InlineTooLong);
        }
        let line = buf[..end].strip_suffix(b"\r").unwrap_or(&buf[..end]);
        let consumed = end + 1;
        let mut text = Vec::new();
        self.ranges.clear();
        split_words(line, &mut text, &mut self.ranges).ok_or(ProtocolError::UnbalancedQuotes)?;
        self.count = self.ranges.len();
        self.position = consumed;
        if self.ranges.is_empty() {
            return Ok(Decoded::Empty { consumed });
        }
        self.inline = Some(text);
        Ok(Decoded::Request { consumed })
    }

    /// The request that the last call of [`Self::decode`] found in `buf` (the same bytes).
    #[inline]
    pub fn request<'a>(&'a self, buf: &'a [u8]) -> Request<'a> {
        Request { buf: self.inline.as_deref().unwrap_or(buf), ranges: &self.ranges[..self.count] }
    }
}

/// The number of a line that begins with `kind`, if it has one or two digits, as nearly all have; and the line's length.
#[inline]
fn decode_short_number(buf: &[u8], kind: u8) -> Option<(usize, usize)> {
    match *buf.first_chunk()? {
        [first, a @ b'0'..=b'9', b'\r', _, _] if first == kind => Some((usize::from(a - b'0'), 4)),
        [first, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _] if first == kind => {
            Some((usize::from(a - b'0') * 10 + usize::from(b - b'0'), 5))
        }
        _ => None,
    }
}

/// The line that announces the number of arguments: its value, 0 where that is less, and the line's length; `None` when it is not whole.
#[cold]
fn decode_count(buf: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    let Some((line, next)) = find_line(buf, 1) else {
        return if buf.len() > LINE_BYTES_MAX { Err(ProtocolError::CountTooLong) } else { Ok(None) };
    };
    let count = number::parse_i64(line).ok_or(ProtocolError::InvalidCount)?;
    let count = usize::try_from(count.max(0)).map_err(|_| ProtocolError::InvalidCount)?;
    Ok(Some((count, next)))
}

/// The length line of an argument at `position`: its value and where the argument begins.
#[inline]
fn decode_length(
    buf: &[u8],
    position: usize,
    limits: &DecoderLimits,
) -> Result<Option<(usize, usize)>, ProtocolError> {
    let rest = &buf[position..];
    if let Some((len, line_bytes)) = decode_short_number(rest, b'$')
        && len <= limits.bulk_bytes_max
    {
        return Ok(Some((len, position + line_bytes)));
    }
    let Some(&first) = rest.first() else { return Ok(None) };
    if first != b'$' {
        // Redis looks at the line only once it is whole.
        if find_line(buf, position).is_none() && rest.len() <= LINE_BYTES_MAX {
            return Ok(None);
        }
        return Err(ProtocolError::ExpectedBulk(first));
    }
    let Some((line, next)) = find_line(buf, position + 1) else {
        if rest.len() > LINE_BYTES_MAX {
            return Err(ProtocolError::LengthTooLong);
        }
        return Ok(None);
    };
    let len = number::parse_i64(line)
        .and_then(|len| usize::try_from(len).ok())
        .filter(|&len| len <= limits.bulk_bytes_max)
        .ok_or(ProtocolError::InvalidLength)?;
    if limits.unauthenticated && len > 16 * 1024 {
        return Err(ProtocolError::UnauthenticatedLength);
    }
    Ok(Some((len, next)))
}

/// The line from `start` up to a `\r`, and the position behind its `\r\n` (the byte behind `\r` is
/// not looked at, as in Redis).
#[inline]
fn find_line(buf: &[u8], start: usize) -> Option<(&[u8], usize)> {
    let len = buf[start..].iter().position(|&b| b == b'\r')?;
    let next = start + len + 2;
    (next <= buf.len()).then(|| (&buf[start..start + len], next))
}

/// Splits a line as Redis splits an inline request or a line of redis.conf: words apart by white
/// space, `"..."` with the escapes `\n \r \t \b \a \xHH`, `'...'` with `\'`. The words' text goes
/// to `text`, where each stands to `ranges`. `None` when quotes are unbalanced.
fn split_words(line: &[u8], text: &mut Vec<u8>, ranges: &mut Vec<Range>) -> Option<()> {
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && (first.is_ascii_whitespace() || *first == 0x0b)
        {
            rest = tail;
        }
        if rest.is_empty() || rest[0] == 0 {
            return Some(());
        }
        let start = text.len();
        rest = split_word(rest, text)?;
        ranges.push((start, text.len()));
    }
}

fn split_word<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t' | 0, ..] => return Some(rest),
            [b'"', tail @ ..] => return split_quoted(tail, b'"', text),
            [b'\'', tail @ ..] => return split_quoted(tail, b'\'', text),
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
        }
    }
}

fn split_quoted<'a>(mut rest: &'a [u8], quote: u8, text: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'\\', b'x', high, low, tail @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                text.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] if quote == b'"' => {
                text.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = tail;
            }
            [b'\\', b'\'', tail @ ..] if quote == b'\'' => {
                text.push(b'\'');
                rest = tail;
            }
            [byte, tail @ ..] if *byte == quote => {
                // A closing quote ends the word: white space or nothing must follow.
                return match tail.first() {
                    Some(next) if !next.is_ascii_whitespace() && *next != 0x0b => None,
                    _ => Some(tail),
                };
            }
            [] | [0, ..] => return None,
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
        }
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte.wrapping_sub(b'A') + 10,
    }
}

/// A request: its arguments, the command's name first, borrowed from the buffer they came in.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    buf: &'a [u8],
    ranges: &'a [Range],
}

impl<'a> Request<'a> {
    /// The number of arguments, the name included; at least one.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The argument at `index`; the name is at 0.
    ///
    /// # Panics
    /// When there is none: arity has been checked before a handler asks.
    #[inline]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        let (start, end) = self.ranges[index];
        &self.buf[start..end]
    }

    /// The argument at `index`, or `None` behind the last one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let &(start, end) = self.ranges.get(index)?;
        Some(&self.buf[start..end])
    }

    /// The arguments from `start` on.
    #[inline]
    pub fn args_from(
        &self,
        start: usize,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let buf = self.buf;
        self.ranges[start.min(self.ranges.len())..].iter().map(move |&(start, end)| &buf[start..end])
    }

    /// The arguments from `start` on, two by two; a last one without a partner is left out.
    #[inline]
    pub fn pairs_from(
        &self,
        start: usize,
    ) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let buf = self.buf;
        self.ranges[start.min(self.ranges.len())..]
            .chunks_exact(2)
            .map(move |pair| (&buf[pair[0].0..pair[0].1], &buf[pair[1].0..pair[1].1]))
    }

    /// The bytes that it came as before the argument at `index` and behind it; `None` when they are not as Redis would write them, or
    /// there are more than 99 arguments, or it came otherwise.
    #[inline]
    pub fn wire_around(&self, index: usize) -> Option<(&'a [u8], &'a [u8])> {
        let (&(start, mut end), rest) = self.ranges.split_first()?;
        // The numbers were read from their lines, in the one form that is taken: only the lines' ends are in doubt.
        match self.buf.get(..start)? {
            [b'*', _, b'\r', b'\n', b'$', .., b'\r', b'\n'] => {}
            [b'*', _, _, b'\r', b'\n', b'$', .., b'\r', b'\n'] => {}
            _ => return None,
        }
        for &(next_start, next_end) in rest {
            let [b'\r', b'\n', b'$', .., b'\r', b'\n'] = self.buf.get(end..next_start)? else { return None };
            end = next_end;
        }
        let whole = self.buf.get(..end + 2)?;
        let before = self.ranges.get(index.checked_sub(1)?)?.1 + 2;
        let behind = self.ranges.get(index)?.1 + 2;
        whole.ends_with(b"\r\n").then(|| (&whole[..before], &whole[behind..]))
    }

    /// The sum of the arguments' lengths in bytes.
    pub fn bytes(&self) -> usize {
        self.ranges.iter().map(|(start, end)| end - start).sum()
    }

    /// A copy that outlives the buffer: for transactions and blocked clients.
    pub fn to_owned(&self) -> OwnedRequest {
        OwnedRequest::new(self.args_from(0))
    }
}

/// A request with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRequest {
    buf: Box<[u8]>,
    ranges: Box<[Range]>,
}

impl OwnedRequest {
    /// A request of these arguments, the command's name first.
    pub fn new<'a>(args: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let (count, bytes) = args.clone().fold((0, 0), |(count, bytes), arg| (count + 1, bytes + arg.len()));
        let mut buf = Vec::with_capacity(bytes);
        let mut ranges = Vec::with_capacity(count);
        for arg in args {
            ranges.push((buf.len(), buf.len() + arg.len()));
            buf.extend_from_slice(arg);
        }
        Self { buf: buf.into(), ranges: ranges.into() }
    }

    /// The request, borrowed.
    pub fn as_request(&self) -> Request<'_> {
        Request { buf: &self.buf, ranges: &self.ranges }
    }

    /// The memory it takes beside the struct itself, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.buf.len() + self.ranges.len() * size_of::<Range>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DecoderLimits =
        DecoderLimits { bulk_bytes_max: 100_000, arguments_max: 1000, unauthenticated: false };

    /// Decodes all of `input`, fed in pieces of `step` bytes, to lists of arguments.
    fn decode_all(
        input: &[u8],
        step: usize,
        limits: &DecoderLimits,
    ) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let mut decoder = RequestDecoder::new();
        let (mut buf, mut fed, mut requests) = (Vec::new(), 0, Vec::new());
        loop {
            match decoder.decode(&buf, limits)? {
                Decoded::Incomplete => {
                    if fed == input.len() {
                        return Ok(requests);
                    }
                    let end = input.len().min(fed + step);
                    buf.extend_from_slice(&input[fed..end]);
                    fed = end;
                }
                Decoded::Empty { consumed } => {
                    buf.drain(..consumed);
                }
                Decoded::Request { consumed } => {
                    let request = decoder.request(&buf);
                    requests.push(request.args_from(0).map(<[u8]>::to_vec).collect());
                    buf.drain(..consumed);
                }
            }
        }
    }

    #[track_caller]
    fn check(input: &str, expected: Result<&[&[&str]], ProtocolError>) {
        for step in [1, 2, 3, 7, 1 << 20] {
            let expected = expected.clone().map(|requests| {
                requests
                    .iter()
                    .map(|args| args.iter().map(|a| a.as_bytes().to_vec()).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            });
            assert_eq!(decode_all(input.as_bytes(), step, &LIMITS), expected, "{input:?} by {step}");
        }
    }

    fn wire_around(bytes: &[u8], index: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut decoder = RequestDecoder::new();
        let decoded = decoder.decode(bytes, &LIMITS).unwrap();
        assert!(matches!(decoded, Decoded::Request { .. }));
        let around = decoder.request(bytes).wire_around(index);
        around.map(|(before, behind)| (before.to_vec(), behind.to_vec()))
    }

    #[test]
    fn a_request_as_it_came() {
        let parts = ["*3\r\n$1\r\na\r\n", "$0\r\n\r\n", "$10\r\n0123456789\r\n"];
        let request = parts.concat() + "*1\r\n";
        let around = |index| wire_around(request.as_bytes(), index);
        assert_eq!(around(1), Some((parts[0].into(), parts[2].into())));
        assert_eq!(around(2), Some((parts[..2].concat().into(), Vec::new())));
        assert_eq!((around(0), around(3)), (None, None));
        let long = format!("*12\r\n{}", "$1\r\na\r\n".repeat(12));
        assert_eq!(wire_around(long.as_bytes(), 11), Some((long[..long.len() - 7].into(), Vec::new())));
        // What Redis takes, but would not read from a log.
        for odd in [
            "*2\rX$1\r\na\r\n$1\r\nb\r\n",
            "*2\r\n$1\rXa\r\n$1\r\nb\r\n",
            "*2\r\n$1\r\naXX$1\r\nb\r\n",
            "*2\r\n$1\r\na\r\n$1\rXb\r\n",
            "*2\r\n$1\r\na\r\n$1\r\nbXX",
            "a b c\r\n",
        ] {
            assert_eq!(wire_around(odd.as_bytes(), 1), None, "{odd:?}");
        }
        let owned = OwnedRequest::new([&b"a"[..], b"b"].into_iter());
        assert_eq!(owned.as_request().wire_around(1), None);
    }

    #[test]
    fn requests_split_at_any_byte() {
        check("*1\r\n$4\r\nPING\r\n", Ok(&[&["PING"]]));
        check(
            "*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$12\r\nabcdefghijkl\r\n",
            Ok(&[&["GET", ""], &["abcdefghijkl"]]),
        );
        check("*0\r\n*-1\r\n\r\nPING\r\n", Ok(&[&["PING"]]));
        check("PING\nset a  'b c'\r\n", Ok(&[&["PING"], &["set", "a", "b c"]]));
        check("set \"a\\x41\\n\\\"\" ''\n", Ok(&[&["set", "aA\n\"", ""]]));
    }

    #[test]
    fn violations_have_redis_texts() {
        check("*1\r\n+a\r\n", Err(ProtocolError::ExpectedBulk(b'+')));
        check("*x\r\n", Err(ProtocolError::InvalidCount));
        check("*1001\r\n", Err(ProtocolError::InvalidCount));
        check("*1\r\n$-1\r\n", Err(ProtocolError::InvalidLength));
        check("*1\r\n$100001\r\n", Err(ProtocolError::InvalidLength));
        check("*1\r\n$1a\r\n", Err(ProtocolError::InvalidLength));
        check("set \"a\n", Err(ProtocolError::UnbalancedQuotes));
        check("set \"a\"b\n", Err(ProtocolError::UnbalancedQuotes));
        check(&"a".repeat(70_000), Err(ProtocolError::InlineTooLong));
        check(&format!("*{}", "1".repeat(70_000)), Err(ProtocolError::CountTooLong));
        check(&format!("*1\r\n${}", "1".repeat(70_000)), Err(ProtocolError::LengthTooLong));
    }

    #[test]
    fn unauthenticated_clients_get_little() {
        let limits = DecoderLimits { unauthenticated: true, ..LIMITS };
        assert_eq!(decode_all(b"*11\r\n", 100, &limits), Err(ProtocolError::UnauthenticatedCount));
        assert_eq!(decode_all(b"*2\r\n$16385\r\n", 100, &limits), Err(ProtocolError::UnauthenticatedLength));
        assert_eq!(decode_all(b"*1\r\n$4\r\nPING\r\n", 100, &limits).map(|r| r.len()), Ok(1));
    }

    #[test]
    fn a_long_argument_is_not_looked_at_twice() {
        let mut decoder = RequestDecoder::new();
        let buf = b"*1\r\n$50000\r\nabc";
        assert_eq!(decoder.decode(buf, &LIMITS), Ok(Decoded::Incomplete));
        assert_eq!(decoder.needed_len(), Some(12 + 50_000 + 2));
    }

    proptest::proptest! {
        /// The oracle: whatever redis-protocol takes as an array of bulk strings, we take, alike.
        #[test]
        fn agrees_with_redis_protocol(args in proptest::collection::vec(proptest::collection::vec(0u8.., 0..40), 1..8), cut in 0usize..400) {
            use redis_protocol::resp2::{decode::decode_range, types::RangeFrame};
            let mut wire = format!("*{}\r\n", args.len()).into_bytes();
            for arg in &args {
                wire.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
                wire.extend_from_slice(arg);
                wire.extend_from_slice(b"\r\n");
            }
            let wire = &wire[..wire.len().min(cut.max(1))];
            let mut decoder = RequestDecoder::new();
            let ours = decoder.decode(wire, &LIMITS).expect("what is well-formed has no error");
            match decode_range(wire).expect("what is well-formed has no error") {
                None => proptest::prop_assert_eq!(ours, Decoded::Incomplete),
                Some((RangeFrame::Array(frames), consumed)) => {
                    proptest::prop_assert_eq!(ours, Decoded::Request { consumed });
                    let request = decoder.request(wire);
                    for (i, frame) in frames.iter().enumerate() {
                        let RangeFrame::BulkString((start, end)) = frame else { panic!("{frame:?}") };
                        proptest::prop_assert_eq!(request.arg(i), &wire[*start..*end]);
                    }
                }
                Some(other) => panic!("{other:?}"),
            }
        }
    }
}
