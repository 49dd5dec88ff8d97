//! A reply as the server sent it, nothing lost, and its text in scripts.

use std::borrow::Cow;
use std::fmt;

use super::words::escape;

/// A reply. What RESP2 and RESP3 write differently is different here: replies are equal only if their bytes are.
///
/// Its text ([`fmt::Display`]) is one line: `OK` a simple string, `-ERR text` an error, `5` an integer, `"text"` a bulk
/// string, `[1, 2]` an array, `{"a": 1}` a map, `~[..]` a set, `>[..]` a push, `,1.5` a double, `#t` a truth value,
/// `txt:"text"` a verbatim string, `nil` a null string (or RESP3's null), `nil-array` RESP2's null array.
#[derive(Clone, PartialEq)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    /// RESP3's.
    Null,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    /// Its text.
    Double(String),
    /// Its digits.
    BigNumber(String),
    Boolean(bool),
    Verbatim(Vec<u8>),
}

impl Reply {
    /// The reply at the front of `bytes`, and how many bytes it takes; `None` if it is not all there.
    ///
    /// # Errors
    /// What is no reply.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let mut at = 0;
        Ok(decode_at(bytes, &mut at)?.map(|reply| (reply, at)))
    }

    /// A bulk or simple string's text.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Bulk(bytes) | Self::Verbatim(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Simple(text) => text.clone(),
            other => panic!("a string was expected, not {other}"),
        }
    }

    #[track_caller]
    pub(crate) fn integer(&self) -> i64 {
        match self {
            Self::Integer(value) => *value,
            other => panic!("an integer was expected, not {other}"),
        }
    }

    /// The elements of an array.
    #[track_caller]
    pub(crate) fn elements(&self) -> &[Reply] {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => elements,
            other => panic!("an array was expected, not {other}"),
        }
    }

    /// The value of a field of a map, or of an array that holds fields and values in turn.
    pub(crate) fn field(&self, name: &str) -> Option<&Reply> {
        let is_it = |key: &Reply| matches!(key, Self::Bulk(bytes) if bytes == name.as_bytes());
        match self {
            Self::Map(pairs) => pairs.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value),
            Self::Array(elements) => {
                elements.as_chunks::<2>().0.iter().find(|[key, _]| is_it(key)).map(|[_, value]| value)
            }
            _ => None,
        }
    }

    /// Whether there is a set in it whose elements are not all plain values.
    pub(crate) fn has_set_of_aggregates(&self) -> bool {
        let is_aggregate =
            |reply: &Self| matches!(reply, Self::Array(_) | Self::Map(_) | Self::Set(_) | Self::Push(_));
        match self {
            Self::Set(elements) if elements.iter().any(is_aggregate) => true,
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => {
                elements.iter().any(Self::has_set_of_aggregates)
            }
            Self::Map(pairs) => {
                pairs.iter().any(|(key, value)| key.has_set_of_aggregates() || value.has_set_of_aggregates())
            }
            _ => false,
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::NullBulk | Self::NullArray)
    }
}

/// A length as it stands in a head; -1 is null.
fn decode_len(line: &str) -> Result<Option<usize>, String> {
    match line[1..].parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(len) if len >= 0 => Ok(Some(len as usize)),
        _ => Err(format!("no length: {line:?}")),
    }
}

fn decode_at(bytes: &[u8], at: &mut usize) -> Result<Option<Reply>, String> {
    let rest = &bytes[*at..];
    let Some(line_len) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let line = &rest[..line_len];
    // What is no UTF-8 is shown byte by byte, so that different lines stay different.
    let line = std::str::from_utf8(line).map_or_else(|_| Cow::from(escape(line)), Cow::from);
    let line = &*line;
    *at += line_len + 2;
    let value = || line[1..].to_owned();
    let reply = match rest[0] {
        b'+' => Reply::Simple(value()),
        b'-' => Reply::Error(value()),
        b':' => Reply::Integer(line[1..].parse().map_err(|_| format!("no integer: {line:?}"))?),
        b',' => Reply::Double(value()),
        b'(' => Reply::BigNumber(value()),
        b'#' => Reply::Boolean(match line {
            "#t" => true,
            "#f" => false,
            _ => return Err(format!("no truth value: {line:?}")),
        }),
        b'_' if line == "_" => Reply::Null,
        b'$' => match decode_len(line)? {
            None => Reply::NullBulk,
            Some(len) => match decode_string(bytes, at, len)? {
                Some(string) => Reply::Bulk(string),
                None => return Ok(None),
            },
        },
        b'=' => {
            let len = decode_len(line)?.ok_or("a null verbatim string")?;
            let Some(string) = decode_string(bytes, at, len)? else { return Ok(None) };
            Reply::Verbatim(string.strip_prefix(b"txt:").ok_or("a verbatim string that is no text")?.to_vec())
        }
        kind @ (b'*' | b'~' | b'>' | b'%') => {
            let Some(len) = decode_len(line)? else {
                return if kind == b'*' { Ok(Some(Reply::NullArray)) } else { Err(format!("{line:?}")) };
            };
            let count = if kind == b'%' { len * 2 } else { len };
            let mut elements = Vec::new();
            for _ in 0..count {
                match decode_at(bytes, at)? {
                    Some(element) => elements.push(element),
                    None => return Ok(None),
                }
            }
            match kind {
                b'*' => Reply::Array(elements),
                b'~' => Reply::Set(elements),
                b'>' => Reply::Push(elements),
                _ => {
                    let mut elements = elements.into_iter();
                    let pairs = std::iter::from_fn(|| elements.next().zip(elements.next()));
                    Reply::Map(pairs.collect())
                }
            }
        }
        _ => return Err(format!("no reply begins so: {line:?}")),
    };
    Ok(Some(reply))
}

fn decode_string(bytes: &[u8], at: &mut usize, len: usize) -> Result<Option<Vec<u8>>, String> {
    let rest = &bytes[*at..];
    if rest.len() < len + 2 {
        return Ok(None);
    }
    if &rest[len..len + 2] != b"\r\n" {
        return Err("no line end behind a string".to_owned());
    }
    *at += len + 2;
    Ok(Some(rest[..len].to_vec()))
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: &str, elements: &[Reply]| {
            f.write_str(open)?;
            for (index, element) in elements.iter().enumerate() {
                write!(f, "{}{element}", if index > 0 { ", " } else { "" })?;
            }
            f.write_str("]")
        };
        match self {
            Self::Simple(text) => f.write_str(text),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Bulk(bytes) => write!(f, "\"{}\"", escape(bytes)),
            Self::NullBulk | Self::Null => f.write_str("nil"),
            Self::NullArray => f.write_str("nil-array"),
            Self::Array(elements) => list(f, "[", elements),
            Self::Set(elements) => list(f, "~[", elements),
            Self::Push(elements) => list(f, ">[", elements),
            Self::Map(pairs) => {
                f.write_str("{")?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Self::Double(text) => write!(f, ",{text}"),
            Self::BigNumber(digits) => write!(f, "({digits}"),
            Self::Boolean(value) => f.write_str(if *value { "#t" } else { "#f" }),
            Self::Verbatim(text) => write!(f, "txt:\"{}\"", escape(text)),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[test]
fn replies_have_one_text_each() {
    for (wire, text) in [
        ("+OK\r\n", "OK"),
        ("-ERR no\r\n", "-ERR no"),
        (":-5\r\n", "-5"),
        ("$3\r\na\n\"\r\n", r#""a\n\"""#),
        ("$-1\r\n", "nil"),
        ("*-1\r\n", "nil-array"),
        ("_\r\n", "nil"),
        ("*2\r\n*0\r\n%1\r\n+a\r\n:1\r\n", "[[], {a: 1}]"),
        ("~1\r\n,1.5\r\n", "~[,1.5]"),
        (">2\r\n#t\r\n=6\r\ntxt:hi\r\n", ">[#t, txt:\"hi\"]"),
    ] {
        let (reply, len) = Reply::decode(wire.as_bytes()).unwrap().unwrap();
        assert_eq!((reply.to_string().as_str(), len), (text, wire.len()), "{wire:?}");
        for cut in 0..wire.len() {
            assert_eq!(Reply::decode(&wire.as_bytes()[..cut]), Ok(None), "{wire:?} cut at {cut}");
        }
    }
}
