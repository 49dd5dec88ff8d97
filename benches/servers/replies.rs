//! Counting replies: as little work per reply as tells where it ends and whether it is an error.

/// Longest first line of a reply that is kept; only errors come near it, and those need not be whole.
const LINE_BYTES_MAX: usize = 512;

/// Follows a byte stream of RESP2 replies, wherever it is cut, and counts the whole ones.
#[derive(Debug, Default)]
pub(crate) struct ReplyCounter {
    /// Elements still to come in the reply that is being read.
    elements_left: u64,
    /// Bytes still to come of a bulk string, its line end included.
    skip: usize,
    /// The first bytes of a line whose end has not come yet.
    line: Vec<u8>,
}

impl ReplyCounter {
    /// Counts the replies that end in `bytes`. Fails on an error reply and on what is no RESP2, with the text.
    pub(crate) fn count(&mut self, bytes: &[u8]) -> Result<u32, String> {
        let mut replies = 0;
        let mut at = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len() - at);
                self.skip -= skipped;
                at += skipped;
                if self.skip > 0 {
                    break;
                }
                replies += self.end_element();
                continue;
            }
            let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
                if self.line.len() + bytes.len() - at > LINE_BYTES_MAX {
                    return Err("a reply's first line does not end".to_owned());
                }
                self.line.extend_from_slice(&bytes[at..]);
                break;
            };
            let end = at + length + 1;
            if self.line.is_empty() {
                replies += self.take_line(&bytes[at..end])?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&bytes[at..end]);
                replies += self.take_line(&line)?;
            }
            at = end;
        }
        Ok(replies)
    }

    /// Takes a line with its end; returns 1 if it ends a reply.
    fn take_line(&mut self, line: &[u8]) -> Result<u32, String> {
        match line {
            [b':' | b'+', .., b'\r', b'\n'] => Ok(self.end_element()),
            [b'$', digits @ .., b'\r', b'\n'] => match parse_length(digits) {
                Some(Some(length)) => {
                    self.skip = length + 2;
                    Ok(0)
                }
                Some(None) => Ok(self.end_element()),
                None => Err(show(line)),
            },
            [b'*', digits @ .., b'\r', b'\n'] => match parse_length(digits) {
                Some(Some(length)) if length > 0 => {
                    // The array itself was one element; its own take its place.
                    self.elements_left = self.elements_left.saturating_sub(1) + length as u64;
                    Ok(0)
                }
                Some(_) => Ok(self.end_element()),
                None => Err(show(line)),
            },
            _ => Err(show(line)),
        }
    }

    fn end_element(&mut self) -> u32 {
        self.elements_left = self.elements_left.saturating_sub(1);
        u32::from(self.elements_left == 0)
    }
}

/// `Some(None)` is the null length -1.
fn parse_length(digits: &[u8]) -> Option<Option<usize>> {
    if digits == b"-1" {
        return Some(None);
    }
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let mut length = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        length = length * 10 + usize::from(digit - b'0');
    }
    Some(Some(length))
}

fn show(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

/// Whole and cut at every byte, the same replies are counted.
pub(crate) fn check_counting() {
    let check = |stream: &str, expected: u32| {
        let bytes = stream.as_bytes();
        assert_eq!(ReplyCounter::default().count(bytes), Ok(expected), "{stream:?}");
        for cut in 0..bytes.len() {
            let mut counter = ReplyCounter::default();
            let first = counter.count(&bytes[..cut]).expect("no error in it");
            let second = counter.count(&bytes[cut..]).expect("no error in it");
            assert_eq!(first + second, expected, "{stream:?} cut at {cut}");
        }
        let mut counter = ReplyCounter::default();
        let one_by_one: u32 = bytes.chunks(1).map(|byte| counter.count(byte).expect("no error in it")).sum();
        assert_eq!(one_by_one, expected, "{stream:?} byte by byte");
    };
    check("+OK\r\n:10\r\n:-3\r\n", 3);
    check("$15\r\n1700000000000-0\r\n$0\r\n\r\n$-1\r\n", 3);
    check("$4\r\n\r\n\r\n\r\n+OK\r\n", 2);
    check("*0\r\n*-1\r\n*2\r\n:1\r\n*0\r\n", 3);
    let entry = "*2\r\n$3\r\n1-0\r\n*2\r\n$5\r\nfield\r\n$5\r\nvalue\r\n";
    check(&format!("*1\r\n*2\r\n$6\r\nevents\r\n*2\r\n{entry}{entry}:1\r\n"), 2);
    // Parts of replies are not replies.
    check("*2\r\n:1\r\n", 0);
    check("$5\r\nvalue\r", 0);
    for (stream, text) in [
        ("+OK\r\n-ERR no such key\r\n", "-ERR no such key"),
        ("*2\r\n:1\r\n-WRONGTYPE x\r\n", "-WRONGTYPE x"),
        ("$x\r\n", "$x"),
        ("%1\r\n", "%1"),
        ("*\r\n", "*"),
    ] {
        assert_eq!(ReplyCounter::default().count(stream.as_bytes()), Err(text.to_owned()));
    }
}
