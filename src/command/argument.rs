//! Arguments that several commands take, from text to value, with Redis's errors.

use super::error::CommandError;
use crate::engine::StreamId;
use crate::number::{parse_i64, parse_u64};

/// A signed integer.
///
/// # Errors
/// [`CommandError::NotAnInteger`].
#[inline]
pub(super) fn parse_integer(text: &[u8]) -> Result<i64, CommandError> {
    parse_i64(text).ok_or(CommandError::NotAnInteger)
}

/// A database's number, below the number of `databases`.
///
/// # Errors
/// [`CommandError::NotAnInteger`]; [`CommandError::DbOutOfRange`], in other words where it is no integer of 32 bits.
pub(super) fn parse_db(text: &[u8], databases: usize) -> Result<usize, CommandError> {
    let number = i32::try_from(parse_integer(text)?).map_err(|_| {
        let (min, max) = (i32::MIN, i32::MAX);
        CommandError::Text(format!("ERR value is out of range, value must between {min} and {max}"))
    })?;
    usize::try_from(number).ok().filter(|&db| db < databases).ok_or(CommandError::DbOutOfRange)
}

/// An entry's ID: `ms-seq`, or `ms` alone, whose sequence number is then `missing_seq`.
///
/// # Errors
/// [`CommandError::InvalidStreamId`].
pub(super) fn parse_stream_id(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => parse_stream_id_strict(text, missing_seq),
    }
}

/// An entry's ID as [`parse_stream_id`] takes it, but neither `-` nor `+`.
///
/// # Errors
/// [`CommandError::InvalidStreamId`].
#[inline]
pub(super) fn parse_stream_id_strict(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    if let Some(id) = parse_plain_id(text, missing_seq) {
        return Ok(id);
    }
    let id = match text.iter().position(|&b| b == b'-') {
        None => parse_id_part(text).map(|ms| StreamId::new(ms, missing_seq)),
        Some(at) => match (parse_id_part(&text[..at]), parse_id_part(&text[at + 1..])) {
            (Some(ms), Some(seq)) => Some(StreamId::new(ms, seq)),
            _ => None,
        },
    };
    id.ok_or(CommandError::InvalidStreamId)
}

/// An ID of at most 19 digits on each side: almost every one, in one pass.
#[inline]
fn parse_plain_id(text: &[u8], missing_seq: u64) -> Option<StreamId> {
    let (ms, rest) = split_digits(text)?;
    match rest {
        [] => Some(StreamId::new(ms, missing_seq)),
        [b'-', rest @ ..] => match split_digits(rest)? {
            (seq, []) => Some(StreamId::new(ms, seq)),
            _ => None,
        },
        _ => None,
    }
}

/// The number at the front, of 1 to 19 digits, which cannot overflow; and what is behind it.
#[inline]
fn split_digits(text: &[u8]) -> Option<(u64, &[u8])> {
    const DIGITS_MAX: usize = 19;
    let mut value = 0;
    let mut len = 0;
    while let Some(digit) = text.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        if len == DIGITS_MAX {
            return None;
        }
        value = value * 10 + u64::from(digit);
        len += 1;
    }
    if len == 0 { None } else { Some((value, &text[len..])) }
}

/// Half of an ID. Redis takes what `strtoull` takes there, but for plain negative numbers: `+1`, `01`, ` 1`, and `-01`, which
/// wraps around.
#[inline]
fn parse_id_part(text: &[u8]) -> Option<u64> {
    parse_u64(text).or_else(|| parse_loose_id_part(text))
}

#[cold]
fn parse_loose_id_part(text: &[u8]) -> Option<u64> {
    if parse_i64(text).is_some() {
        return None;
    }
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_blank(byte))?;
    let (is_negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if is_negative { value.wrapping_neg() } else { value })
}

/// A bound of a range: an ID, `-`, `+`, or one of them behind `(`, which excludes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The range begins where it says.
    Start,
    /// The range ends where it says.
    End,
}

/// A bound of a range, as an ID that belongs to the range.
///
/// # Errors
/// [`CommandError::InvalidStreamId`], or that nothing is beyond an excluded bound.
pub(super) fn parse_range_bound(text: &[u8], bound: Bound) -> Result<StreamId, CommandError> {
    let missing_seq = if bound == Bound::Start { 0 } else { u64::MAX };
    match text {
        [b'(', id @ ..] => {
            let id = parse_stream_id_strict(id, missing_seq)?;
            match bound {
                Bound::Start => id.next().ok_or(CommandError::Other("ERR invalid start ID for the interval")),
                Bound::End => id.previous().ok_or(CommandError::Other("ERR invalid end ID for the interval")),
            }
        }
        _ => parse_stream_id(text, missing_seq),
    }
}

/// How long a blocking command waits, in milliseconds; `None` for as long as it takes.
///
/// # Errors
/// That it is no integer, or negative.
pub(super) fn parse_timeout_ms(text: &[u8], now_ms: u64) -> Result<Option<u64>, CommandError> {
    let timeout =
        parse_i64(text).ok_or(CommandError::Other("ERR timeout is not an integer or out of range"))?;
    match timeout {
        0 => Ok(None),
        1.. if timeout as u64 > i64::MAX as u64 - now_ms => {
            Err(CommandError::Other("ERR timeout is out of range"))
        }
        1.. => Ok(Some(timeout as u64)),
        _ => Err(CommandError::Other("ERR timeout is negative")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for (text, expected) in [
            ("5", Some(StreamId::new(5, 7))),
            ("5-1", Some(StreamId::new(5, 1))),
            ("18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            ("", None),
            ("-", None),
            ("5-", None),
            ("-5", None),
            ("5-1-1", None),
            ("a-1", None),
            ("18446744073709551616-1", None),
            ("05-1", Some(StreamId::new(5, 1))),
            ("+5-+1", Some(StreamId::new(5, 1))),
            ("5--1", None),
            ("5--0", Some(StreamId::new(5, 0))),
            ("5--01", Some(StreamId::new(5, u64::MAX))),
            (" 5- 1", Some(StreamId::new(5, 1))),
            (" ", None),
            ("+ 5", None),
            ("5 ", None),
            ("0000000000000000000000018446744073709551616", None),
        ] {
            assert_eq!(parse_stream_id_strict(text.as_bytes(), 7).ok(), expected, "{text:?}");
        }
        assert_eq!(parse_stream_id(b"-", 7), Ok(StreamId::MIN));
        assert_eq!(parse_stream_id(b"+", 7), Ok(StreamId::MAX));
    }

    #[test]
    fn bounds() {
        assert_eq!(parse_range_bound(b"(5", Bound::Start), Ok(StreamId::new(5, 1)));
        assert_eq!(parse_range_bound(b"(5", Bound::End), Ok(StreamId::new(5, u64::MAX - 1)));
        assert_eq!(parse_range_bound(b"5", Bound::End), Ok(StreamId::new(5, u64::MAX)));
        assert!(parse_range_bound(b"(+", Bound::End).is_err());
        assert!(parse_range_bound(b"(0-0", Bound::End).is_err());
    }
}
