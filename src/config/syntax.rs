//! The syntax of configuration lines and of numbers in them.

use std::fmt::Write;

/// Splits a line into its arguments at white space. An argument may be quoted, wholly or from its middle on: between
/// double quotes `\n`, `\r`, `\t`, `\b`, `\a`, `\xHH` and a backslash before any other byte are escapes, between single
/// quotes only `\'` is. Gives `None` where a quote is not closed or its end is not the argument's end.
pub fn split_arguments(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut arguments = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(arguments);
        }
        let (argument, after) = split_first(rest)?;
        arguments.push(argument);
        rest = after;
    }
}

fn split_first(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut argument = Vec::new();
    let mut rest = text;
    loop {
        match *rest {
            [] => return Some((argument, rest)),
            [byte, ..] if byte.is_ascii_whitespace() => return Some((argument, rest)),
            [quote @ (b'"' | b'\''), ref quoted @ ..] => {
                let after = read_quoted(quoted, quote, &mut argument)?;
                let ends = after.first().is_none_or(u8::is_ascii_whitespace);
                return ends.then_some((argument, after));
            }
            [byte, ref after @ ..] => {
                argument.push(byte);
                rest = after;
            }
        }
    }
}

/// Reads up to the closing quote and gives what follows it.
fn read_quoted<'a>(mut rest: &'a [u8], quote: u8, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match *rest {
            [] => return None,
            [byte, ref after @ ..] if byte == quote => return Some(after),
            [b'\\', b'\'', ref after @ ..] if quote == b'\'' => {
                out.push(b'\'');
                rest = after;
            }
            [b'\\', b'x', high, low, ref after @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex_digit(high) << 4 | hex_digit(low));
                rest = after;
            }
            [b'\\', escaped, ref after @ ..] if quote == b'"' => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                rest = after;
            }
            [byte, ref after @ ..] => {
                out.push(byte);
                rest = after;
            }
        }
    }
}

/// The value of a byte that is a hexadecimal digit.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10) & 0x0f,
    }
}

/// Appends a text between double quotes, so that [`split_arguments`] gives it back.
pub(super) fn append_quoted(out: &mut String, text: &[u8]) {
    out.push('"');
    for &byte in text {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
}

/// Reads a whole number in the one form Redis takes: no sign but a minus, no leading zero, no blank.
pub(super) fn parse_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', ..] => digits.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

/// Reads a number of bytes with an optional unit, in any case: `b`, or `k`, `m`, `g` for powers of 1000 and `kb`, `mb`,
/// `gb` for powers of 1024. Where the digits are missing the number is 0, as in Redis; a number of digits past 64 bits
/// is the greatest one, and a product past 64 bits is refused.
pub(super) fn parse_memory(text: &str) -> Option<u64> {
    let digits_end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let number = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u64::MAX) };
    number.checked_mul(factor)
}

/// Appends a number of bytes with the greatest unit that divides it.
pub(super) fn append_memory(out: &mut String, bytes: u64) {
    let (number, unit) = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")]
        .into_iter()
        .find(|(factor, _)| bytes != 0 && bytes.is_multiple_of(*factor))
        .map_or((bytes, ""), |(factor, unit)| (bytes / factor, unit));
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}{unit}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&[&str]>) {
        let found = split_arguments(line.as_bytes());
        let expected = expected
            .map(|arguments| arguments.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(found, expected, "line {line:?}");
    }

    #[test]
    fn lines_split_as_redis_splits_them() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("  a \t b  ", Some(&["a", "b"])),
            ("a \"b c\"", Some(&["a", "b c"])),
            ("a \"\"", Some(&["a", ""])),
            ("a ''", Some(&["a", ""])),
            ("\"a\\x41\\n\\\"q\"", Some(&["aA\n\"q"])),
            ("\"a\\xzz\\t\\q\"", Some(&["axzz\tq"])),
            ("'a\\'b\\n'", Some(&["a'b\\n"])),
            ("a\"b\"", Some(&["ab"])),
            ("a#b", Some(&["a#b"])),
            ("a\"b\"c", None),
            ("a\"b", None),
            ("\"abc", None),
            ("\"abc\"d", None),
            ("'abc", None),
            ("'abc'd", None),
        ];
        for (line, expected) in table {
            check(line, *expected);
        }
    }

    #[test]
    fn quoted_texts_come_back() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let mut line = String::new();
        append_quoted(&mut line, &every_byte);
        assert_eq!(split_arguments(line.as_bytes()), Some(vec![every_byte]));
    }

    #[test]
    fn memory_is_written_with_the_greatest_unit_that_divides_it() {
        for (bytes, expected) in [
            (0, "0"),
            (1, "1"),
            (1000, "1000"),
            (1024, "1kb"),
            (67_108_864, "64mb"),
            (1 << 31, "2gb"),
            (1025, "1025"),
        ] {
            let mut out = String::new();
            append_memory(&mut out, bytes);
            assert_eq!(out, expected);
            assert_eq!(parse_memory(&out), Some(bytes));
        }
    }
}
