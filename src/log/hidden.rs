//! Hidden effects: commands that only Millstream knows, in lines that redis-server's loader skips.
//!
//! The command's bytes stand in hexadecimal in one or more lines, since a line must not be longer than the 127 bytes that redis-server
//! reads at once, and no byte of a name may end it:
//!
//! ```text
//! #MX+2a320d0a...        more follows
//! #MX.24330d0a...        the last one
//! ```
//!
//! They stand in chunks of ours, where a command may stand; anywhere else they are annotations like any other.

const MORE: &[u8] = b"#MX+";
const LAST: &[u8] = b"#MX.";
/// The bytes of the command that one line holds.
const LINE_COMMAND_BYTES: usize = 48;

/// Writes a command's lines.
pub(super) fn encode(out: &mut Vec<u8>, command: &[u8]) {
    let pieces = command.chunks(LINE_COMMAND_BYTES);
    let count = pieces.len();
    for (index, piece) in pieces.enumerate() {
        out.extend_from_slice(if index + 1 < count { MORE } else { LAST });
        for byte in piece {
            for digit in [byte >> 4, byte & 15] {
                out.push(b"0123456789abcdef"[usize::from(digit)]);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads a line, without its end, and adds its part of the command to `command`. Answers whether it is the last one; `None` when it
/// is no line of a hidden effect.
pub(super) fn decode_line(line: &[u8], command: &mut Vec<u8>) -> Option<bool> {
    let (mark, digits) = line.split_at_checked(MORE.len())?;
    let is_last = mark == LAST;
    if !is_last && mark != MORE {
        return None;
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    for pair in pairs {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        command.push((high? << 4 | low?) as u8);
    }
    Some(is_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &[u8]) {
        let mut text = Vec::new();
        encode(&mut text, command);
        let mut decoded = Vec::new();
        let mut is_last = false;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            assert!(!is_last && line.len() <= 127 && line.starts_with(b"#"));
            is_last = decode_line(line.strip_suffix(b"\r\n").unwrap(), &mut decoded).unwrap();
        }
        assert!(is_last);
        assert_eq!(decoded, command);
    }

    #[test]
    fn lines() {
        let all_bytes: Vec<u8> = (0..=255).collect();
        for len in [1, 47, 48, 49, 96, 200, 256] {
            check(&all_bytes[..len]);
            check(&all_bytes[256 - len..]);
        }
        for other in [&b"#TS:1"[..], b"#", b"#MX.1", b"#MX.0g", b"#MX-00"] {
            assert_eq!(decode_line(other, &mut Vec::new()), None);
        }
    }
}
