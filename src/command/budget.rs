//! How much XREAD and XREADGROUP may return in all, over all streams (MAXCOUNT and MAXSIZE).

use crate::protocol::Reply;

/// What is left of MAXCOUNT and MAXSIZE.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    entries_left: u64,
    bytes_left: usize,
    /// Whether an entry was taken: the first one always is.
    is_begun: bool,
    is_spent: bool,
}

impl Budget {
    /// So many entries, and so many bytes of reply; `None` for as many as there are.
    pub(super) fn new(entries_max: Option<u64>, bytes_max: Option<u64>) -> Self {
        Self {
            entries_left: entries_max.unwrap_or(u64::MAX),
            bytes_left: bytes_max.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            is_begun: false,
            is_spent: false,
        }
    }

    /// Whether nothing more is returned.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent || self.entries_left == 0
    }

    /// How many more entries may be returned.
    pub(super) fn entries_left(&self) -> u64 {
        self.entries_left
    }

    /// Writes what is no entry: it takes of the bytes.
    pub(super) fn write(&mut self, reply: &mut Reply, write: impl FnOnce(&mut Reply)) {
        let start = reply.len();
        write(reply);
        self.bytes_left = self.bytes_left.saturating_sub(reply.len() - start);
    }

    /// Writes an entry if it fits; whether it does. The first one always does, however long it is; behind one that does not, nothing is
    /// returned.
    #[inline]
    pub(super) fn write_entry(&mut self, reply: &mut Reply, write: impl FnOnce(&mut Reply)) -> bool {
        if self.is_spent() {
            return false;
        }
        let start = reply.len();
        write(reply);
        let bytes = reply.len() - start;
        if bytes > self.bytes_left && self.is_begun {
            reply.truncate(start);
            self.is_spent = true;
            return false;
        }
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.entries_left -= 1;
        self.is_begun = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    /// Writes entries of these lengths, and returns how many fitted.
    #[track_caller]
    fn check(entries_max: Option<u64>, bytes_max: Option<u64>, lengths: &[usize], expected: usize) {
        let mut budget = Budget::new(entries_max, bytes_max);
        let mut reply = Reply::new(Protocol::Resp2);
        let fitted = lengths.iter().filter(|&&len| {
            budget.write_entry(&mut reply, |reply| reply.buffer_mut().extend(std::iter::repeat_n(b'x', len)))
        });
        assert_eq!(fitted.count(), expected);
        assert_eq!(reply.len(), lengths[..expected].iter().sum::<usize>());
    }

    #[test]
    fn entries_and_bytes() {
        check(None, None, &[5, 5], 2);
        check(Some(1), None, &[5, 5], 1);
        check(None, Some(10), &[5, 5, 1], 2);
        // The first one is always there, and none is left out between others.
        check(None, Some(1), &[5, 1], 1);
        check(None, Some(10), &[5, 6, 1], 1);
        check(Some(u64::MAX), Some(u64::MAX), &[5], 1);
    }
}
