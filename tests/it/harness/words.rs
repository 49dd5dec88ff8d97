//! A line of text to a command's arguments.

/// Splits a line into words apart by blanks; `"..."` takes the escapes `\n \r \t \\ \" \xHH`, `'...'` is taken as it is.
///
/// # Panics
/// On quotes that do not end.
#[track_caller]
pub(crate) fn split_words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start().as_bytes();
    while !rest.is_empty() {
        let mut word = Vec::new();
        loop {
            match rest {
                [] | [b' ', ..] => break,
                [quote @ (b'"' | b'\''), tail @ ..] => rest = read_quoted(*quote, tail, &mut word, line),
                [byte, tail @ ..] => {
                    word.push(*byte);
                    rest = tail;
                }
            }
        }
        words.push(word);
        rest = rest.trim_ascii_start();
    }
    words
}

#[track_caller]
fn read_quoted<'a>(quote: u8, text: &'a [u8], word: &mut Vec<u8>, line: &str) -> &'a [u8] {
    let end = (0..text.len())
        .find(|&at| text[at] == quote && (quote == b'\'' || !is_escaped(&text[..at])))
        .unwrap_or_else(|| panic!("the quotes do not end: {line}"));
    if quote == b'"' {
        word.extend(unescape(&text[..end]))
    } else {
        word.extend_from_slice(&text[..end])
    }
    &text[end + 1..]
}

fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Bytes from text with the escapes `\n \r \t \\ \" \xHH`.
#[track_caller]
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, tail) = match rest {
            [b'n', tail @ ..] => (b'\n', tail),
            [b'r', tail @ ..] => (b'\r', tail),
            [b't', tail @ ..] => (b'\t', tail),
            [b'x', high, low, tail @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap();
                (u8::from_str_radix(digits, 16).unwrap(), tail)
            }
            [other, tail @ ..] => (*other, tail),
            [] => panic!("nothing follows the backslash: {}", String::from_utf8_lossy(text)),
        };
        bytes.push(byte);
        rest = tail;
    }
    bytes
}

/// Text from bytes, with the escapes that [`unescape`] takes; without quotes around it.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// A word as it stands in a script: quoted where it must be.
pub(crate) fn quote_word(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\{}".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        String::from_utf8_lossy(word).into_owned()
    } else {
        format!("\"{}\"", escape(word))
    }
}

#[test]
fn words_are_split_and_quoted_back() {
    for (line, expected) in [
        ("XADD s  1-1 a b", &[&b"XADD"[..], b"s", b"1-1", b"a", b"b"][..]),
        (r#"SET k "a \"b\" \x00\r\n" "" 'c "d'"#, &[b"SET", b"k", b"a \"b\" \x00\r\n", b"", b"c \"d"]),
        (r#"x"y z"w "\\""#, &[b"xy zw", b"\\"]),
    ] {
        let words = split_words(line);
        assert_eq!(words, expected, "{line}");
        let quoted: Vec<_> = words.iter().map(|word| quote_word(word)).collect();
        assert_eq!(split_words(&quoted.join(" ")), expected, "{line}");
    }
}
