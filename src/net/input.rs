//! The bytes that came in and were not yet consumed.

use std::cell::RefCell;

/// The room that a read buffer has at least before a read, in bytes.
const READ_BYTES_MIN: usize = 16 * 1024;
/// A buffer that grew over this is not kept for another connection.
const POOLED_BYTES_MAX: usize = 64 * 1024;
/// How many buffers a thread keeps.
const POOL_MAX: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Takes an empty buffer from the thread's pool.
pub(super) fn take_buffer() -> Vec<u8> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives a buffer back to the thread's pool.
pub(super) fn give_buffer(mut buf: Vec<u8>) {
    if buf.capacity() > 0 && buf.capacity() <= POOLED_BYTES_MAX {
        buf.clear();
        POOL.with_borrow_mut(|pool| {
            if pool.len() < POOL_MAX {
                pool.push(buf);
            }
        });
    }
}

/// A connection's read buffer. An idle connection has none: it takes one from its thread's pool
/// when bytes arrive, and gives it back when all are consumed.
#[derive(Debug, Default)]
pub struct Input {
    buf: Vec<u8>,
    start: usize,
    /// With so many bytes not yet consumed there is something to execute; 0 where that is not known.
    needed: usize,
}

impl Input {
    /// The bytes not yet consumed.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buf[self.start..]
    }

    /// Drops bytes from the front.
    #[inline]
    pub fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Tells with how many bytes, those that are there included, there will be something to execute, if that is known.
    pub fn set_needed(&mut self, bytes: Option<usize>) {
        self.needed = bytes.unwrap_or(0);
    }

    /// Bytes that the buffer has room for beyond those it holds.
    pub fn free(&self) -> usize {
        self.buf.capacity() - self.buf.len()
    }

    /// Gives the buffer back when nothing is left in it.
    pub(super) fn release(&mut self) {
        if self.start == self.buf.len() {
            self.start = 0;
            give_buffer(std::mem::take(&mut self.buf));
        }
    }

    /// The buffer to read into, with room.
    pub fn for_reading(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buf.drain(..self.start);
            self.start = 0;
        }
        if self.buf.capacity() == 0 {
            self.buf = take_buffer();
        }
        if self.buf.capacity() - self.buf.len() < READ_BYTES_MIN {
            // Doubles: bytes that came are the bound, never what a client says will come; that only keeps it from doubling beyond.
            let missing = self.needed.checked_sub(self.buf.len()).filter(|missing| *missing > 0);
            let more = missing.map_or(self.buf.len(), |missing| missing.min(self.buf.len()));
            self.buf.reserve_exact(READ_BYTES_MIN.max(more));
        }
        &mut self.buf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads until `len` bytes are there, as much at a time as there is room for; the greatest capacity of the buffer.
    fn capacity_for(len: usize, needed: Option<usize>) -> usize {
        let mut input = Input::default();
        let mut capacity_max = 0;
        while input.bytes().len() < len {
            input.set_needed(needed);
            let buf = input.for_reading();
            assert!(buf.capacity() - buf.len() >= READ_BYTES_MIN);
            capacity_max = capacity_max.max(buf.capacity());
            buf.resize(buf.capacity().min(len), 0);
        }
        capacity_max
    }

    #[test]
    fn room_doubles_up_to_what_is_needed() {
        const LEN: usize = 10_000_000;
        assert!(capacity_for(LEN, None) < 2 * LEN);
        let capacity = capacity_for(LEN, Some(LEN));
        assert!((LEN..=LEN + READ_BYTES_MIN).contains(&capacity), "{capacity}");
        // What a client says that it will send is no reason to make room for it.
        assert!(capacity_for(100_000, Some(1 << 40)) <= 400_000);
        // What was needed is there, and more comes.
        assert!(capacity_for(LEN, Some(1000)) < 2 * LEN);
    }
}
