//! Keys and names, which are bytes, as labels, which are text.

use std::fmt::Write;

/// The most bytes of a label before it is cut.
const BYTES_MAX: usize = 256;

/// A label for bytes. Different bytes have different labels: a backslash is doubled, and what is no text, or does not print, is `\x` and two
/// digits. What is long is cut, and a hash of all stands behind it.
pub(super) fn label(bytes: &[u8]) -> String {
    let (shown, is_cut) =
        bytes.get(..BYTES_MAX).map_or((bytes, false), |front| (front, bytes.len() > BYTES_MAX));
    let mut label = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => label.push_str("\\\\"),
                c if c.is_control() => append_hexadecimal(&mut label, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => label.push(c),
            }
        }
        append_hexadecimal(&mut label, chunk.invalid());
    }
    if is_cut {
        // Writing to a string cannot fail.
        let _ = write!(label, "\\...{:016x}", twox_hash::XxHash3_64::oneshot(bytes));
    }
    label
}

fn append_hexadecimal(label: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(label, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_text_and_tell_apart() {
        for (bytes, expected) in [
            (&b"orders"[..], "orders"),
            (b"", ""),
            ("Größe \"1\"".as_bytes(), "Größe \"1\""),
            (b"a\xff\xfeb", "a\\xff\\xfeb"),
            (b"a\\xffb", "a\\\\xffb"),
            (b"line\nline\0", "line\\x0aline\\x00"),
        ] {
            assert_eq!(label(bytes), expected);
        }
        let long = |last: u8| [vec![b'k'; 1000], vec![last]].concat();
        assert!(label(&long(1)).starts_with(&"k".repeat(BYTES_MAX)) && label(&long(1)).len() < 300);
        assert_ne!(label(&long(1)), label(&long(2)));
        assert_eq!(label(&[b'k'; BYTES_MAX]), "k".repeat(BYTES_MAX));
    }
}
