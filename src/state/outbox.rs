//! What was sent to a client that it did not ask for just now (messages of channels, invalidations of keys, lines of MONITOR), until its
//! connection takes it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::clients::ClientHandle;
use crate::config::BufferLimit;
use crate::protocol::{Protocol, Reply};

/// Something to be sent, encoded once for each protocol, however many clients it goes to.
pub struct Message<'a> {
    write: &'a dyn Fn(&mut Reply),
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("resp2", &self.resp2)
            .field("resp3", &self.resp3)
            .finish_non_exhaustive()
    }
}

impl<'a> Message<'a> {
    /// What `write` writes.
    pub fn new(write: &'a dyn Fn(&mut Reply)) -> Self {
        Self { write, resp2: None, resp3: None }
    }

    fn encoded(&mut self, protocol: Protocol) -> Bytes {
        let encoded = if protocol == Protocol::Resp3 { &mut self.resp3 } else { &mut self.resp2 };
        let write = self.write;
        let encode = || {
            let mut reply = Reply::new(protocol);
            write(&mut reply);
            Bytes::from(reply.into_buffer())
        };
        encoded.get_or_insert_with(encode).clone()
    }
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// Since when there are more than the soft limit allows.
    over_soft_since: Option<Instant>,
}

/// What waits for one client. Whoever sends adds to it and never waits; the connection takes from it.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Most clients are never sent anything.
    waiting: Mutex<Option<Box<Waiting>>>,
    /// Nothing is kept for the client any more.
    closed: AtomicBool,
    /// It was closed since too much waited.
    overflown: AtomicBool,
    messages: AtomicU32,
    bytes: AtomicUsize,
}

impl Outbox {
    /// The number of messages that wait.
    pub fn len(&self) -> u32 {
        self.messages.load(Relaxed)
    }

    /// Whether none waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Their size in bytes.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Whether its client is gone, or about to go.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Whether its client is closed since it left too much unread.
    pub fn has_overflown(&self) -> bool {
        self.overflown.load(Relaxed)
    }

    /// Keeps nothing any more.
    pub fn close(&self) {
        let mut waiting = self.waiting.lock();
        self.closed.store(true, Relaxed);
        *waiting = None;
        self.note(0, 0);
    }

    /// Lets others see how much waits.
    fn note(&self, messages: usize, bytes: usize) {
        self.messages.store(u32::try_from(messages).unwrap_or(u32::MAX), Relaxed);
        self.bytes.store(bytes, Relaxed);
    }

    /// Moves messages to the end of `output`, until that has grown to `bytes_max`; whether there are more.
    pub fn take(&self, output: &mut Vec<u8>, bytes_max: usize) -> bool {
        let mut guard = self.waiting.lock();
        let Some(waiting) = &mut *guard else { return false };
        while output.len() < bytes_max
            && let Some(message) = waiting.messages.pop_front()
        {
            waiting.bytes -= message.len();
            output.extend_from_slice(&message);
        }
        if waiting.messages.is_empty() {
            // A burst's room is not kept.
            waiting.messages.shrink_to(16);
            waiting.over_soft_since = None;
        }
        self.note(waiting.messages.len(), waiting.bytes);
        !waiting.messages.is_empty()
    }
}

impl ClientHandle {
    /// Sends the client something, and wakes its connection. One that left more unread than `limit` allows is closed.
    pub fn send(&self, message: &mut Message<'_>, limit: &BufferLimit) {
        let protocol = if self.resp.load(Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 };
        let outbox = &self.outbox;
        let mut guard = outbox.waiting.lock();
        if outbox.is_closed() {
            return;
        }
        let waiting = &mut **guard.get_or_insert_default();
        let message = message.encoded(protocol);
        waiting.bytes += message.len();
        let unread_bytes = (waiting.bytes + self.output_buffer.load(Relaxed)) as u64;
        if waiting.is_over(limit, unread_bytes) {
            drop(guard);
            self.close_for_unread(unread_bytes);
            return;
        }
        let was_empty = waiting.messages.is_empty();
        waiting.messages.push_back(message);
        outbox.note(waiting.messages.len(), waiting.bytes);
        drop(guard);
        if was_empty {
            self.wakeup.wake();
        }
    }

    /// Closes the client if it has left more unread than `limit` allows, though nothing is sent to it now.
    pub fn check_unread(&self, limit: &BufferLimit) {
        let mut guard = self.outbox.waiting.lock();
        let Some(waiting) = &mut *guard else { return };
        let unread_bytes = (waiting.bytes + self.output_buffer.load(Relaxed)) as u64;
        if waiting.bytes > 0 && waiting.is_over(limit, unread_bytes) {
            drop(guard);
            self.close_for_unread(unread_bytes);
        }
    }

    #[cold]
    fn close_for_unread(&self, unread_bytes: u64) {
        // What it was sent goes with it, whatever the connection is busy with.
        self.outbox.close();
        self.outbox.overflown.store(true, Relaxed);
        tracing::warn!(
            client = self.id,
            bytes = unread_bytes,
            "closing a client that left more unread than client-output-buffer-limit allows"
        );
        self.kill();
    }
}

impl Waiting {
    fn is_over(&mut self, limit: &BufferLimit, unread_bytes: u64) -> bool {
        if limit.hard_bytes > 0 && unread_bytes > limit.hard_bytes {
            return true;
        }
        if limit.soft_bytes == 0 || unread_bytes <= limit.soft_bytes {
            self.over_soft_since = None;
            return false;
        }
        let since = *self.over_soft_since.get_or_insert_with(Instant::now);
        since.elapsed() > Duration::from_secs(limit.soft_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: BufferLimit = BufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };

    /// Sends a message of 31 bytes.
    fn send(client: &ClientHandle, text: &str, limit: &BufferLimit) {
        let write = |reply: &mut Reply| {
            reply.push(3);
            ["message", "ch", text].iter().for_each(|part| reply.bulk(part.as_bytes()));
        };
        client.send(&mut Message::new(&write), limit);
    }

    #[test]
    fn messages_come_out_in_their_order_and_in_bounded_portions() {
        let client = ClientHandle::detached(0);
        ["a", "b", "c"].iter().for_each(|text| send(&client, text, &NO_LIMIT));
        let one = b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$1\r\na\r\n";
        let mut output = Vec::new();
        assert!(client.outbox.take(&mut output, 1));
        assert_eq!(output, one);
        assert_eq!(client.outbox.bytes(), 2 * one.len());
        assert!(!client.outbox.take(&mut output, usize::MAX));
        assert_eq!(output.len(), 3 * one.len());
        assert!(client.outbox.is_empty());
    }

    #[test]
    fn a_message_is_encoded_once_for_all() {
        let write = |reply: &mut Reply| reply.push(1);
        let mut message = Message::new(&write);
        let [first, second] = [message.encoded(Protocol::Resp3), message.encoded(Protocol::Resp3)];
        assert_eq!(first, ">1\r\n");
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn who_leaves_too_much_unread_is_closed_and_nothing_is_kept_for_it() {
        let client = ClientHandle::detached(0);
        let limit = BufferLimit { hard_bytes: 80, ..NO_LIMIT };
        for closed in [false, false, true, true] {
            send(&client, "a", &limit);
            assert_eq!(client.is_killed(), closed);
            assert_eq!(client.outbox.has_overflown(), closed);
        }
        let mut output = Vec::new();
        assert!(!client.outbox.take(&mut output, usize::MAX));
        assert!(output.is_empty());
    }

    #[test]
    fn the_soft_limit_has_to_last() {
        let client = ClientHandle::detached(0);
        let limit = BufferLimit { soft_bytes: 40, soft_seconds: 3600, ..NO_LIMIT };
        (0..4).for_each(|_| send(&client, "a", &limit));
        client.check_unread(&limit);
        assert!(!client.is_killed());
        // Nothing more has to come.
        client.check_unread(&BufferLimit { soft_seconds: 0, ..limit });
        assert!(client.is_killed());
    }
}
