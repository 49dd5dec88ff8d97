//! The messages that wait for a subscriber to read them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::clients::ClientHandle;
use crate::config::BufferLimit;
use crate::protocol::{Protocol, Reply};

/// A message, encoded once for each protocol, however many subscribers it has.
#[derive(Debug)]
pub struct Message<'a> {
    parts: &'a [&'a [u8]],
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl<'a> Message<'a> {
    /// A message of these parts, the first of which is its kind.
    pub fn new(parts: &'a [&'a [u8]]) -> Self {
        Self { parts, resp2: None, resp3: None }
    }

    fn encoded(&mut self, protocol: Protocol) -> Bytes {
        let encoded = if protocol == Protocol::Resp3 { &mut self.resp3 } else { &mut self.resp2 };
        let parts = self.parts;
        let encode = || {
            let mut reply = Reply::new(protocol);
            reply.push(parts.len());
            parts.iter().for_each(|part| reply.bulk(part));
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
    /// The subscriber is being closed: nothing is kept for it any more.
    closed: bool,
}

/// What waits for one subscriber. Whoever publishes adds to it and never waits; the connection takes from it.
#[derive(Debug)]
pub struct Outbox {
    handle: Arc<ClientHandle>,
    waiting: Mutex<Waiting>,
}

impl Outbox {
    /// An empty one.
    pub fn new(handle: Arc<ClientHandle>) -> Self {
        Self { handle, waiting: Mutex::default() }
    }

    /// The subscriber's ID.
    pub fn client_id(&self) -> u64 {
        self.handle.id
    }

    /// Adds a message, and wakes the connection. A subscriber that left more unread than `limit` allows is closed.
    pub fn add(&self, message: &mut Message<'_>, limit: &BufferLimit) {
        let protocol = if self.handle.resp.load(Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 };
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return;
        }
        let message = message.encoded(protocol);
        waiting.bytes += message.len();
        let unread_bytes = (waiting.bytes + self.handle.output_buffer.load(Relaxed)) as u64;
        if waiting.is_over(limit, unread_bytes) {
            // What it was sent goes with it, whatever the connection is busy with.
            *waiting = Waiting { closed: true, ..Waiting::default() };
            self.handle.set_unread(0, 0);
            drop(waiting);
            tracing::warn!(
                client = self.handle.id,
                bytes = unread_bytes,
                "closing a subscriber that reached its output buffer limit"
            );
            self.handle.kill();
            return;
        }
        let was_empty = waiting.messages.is_empty();
        waiting.messages.push_back(message);
        self.handle.set_unread(waiting.messages.len(), waiting.bytes);
        drop(waiting);
        if was_empty {
            self.handle.wake.notify_one();
        }
    }

    /// Moves messages to the end of `output`, until that has grown to `bytes_max`; whether there are more.
    pub fn take(&self, output: &mut Vec<u8>, bytes_max: usize) -> bool {
        let mut waiting = self.waiting.lock();
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
        self.handle.set_unread(waiting.messages.len(), waiting.bytes);
        !waiting.messages.is_empty()
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

    fn outbox() -> Outbox {
        Outbox::new(Arc::new(ClientHandle::detached(0)))
    }

    const NO_LIMIT: BufferLimit = BufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };

    #[test]
    fn messages_come_out_in_their_order_and_in_bounded_portions() {
        let outbox = outbox();
        for text in [b"a", b"b", b"c"] {
            outbox.add(&mut Message::new(&[b"message", b"ch", text]), &NO_LIMIT);
        }
        let one = b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$1\r\na\r\n";
        let mut output = Vec::new();
        assert!(outbox.take(&mut output, 1));
        assert_eq!(output, one);
        assert_eq!(outbox.handle.unread_bytes(), 2 * one.len());
        assert!(!outbox.take(&mut output, usize::MAX));
        assert_eq!(output.len(), 3 * one.len());
        assert_eq!(outbox.handle.unread_bytes(), 0);
    }

    #[test]
    fn a_message_is_encoded_once_for_all() {
        let mut message = Message::new(&[b"message", b"ch", b"text"]);
        let [first, second] = [message.encoded(Protocol::Resp3), message.encoded(Protocol::Resp3)];
        assert!(first.starts_with(b">3\r\n"));
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn who_leaves_too_much_unread_is_closed_and_nothing_is_kept_for_it() {
        let outbox = outbox();
        let limit = BufferLimit { hard_bytes: 80, ..NO_LIMIT };
        for closed in [false, false, true, true] {
            outbox.add(&mut Message::new(&[b"message", b"ch", b"a"]), &limit);
            assert_eq!(outbox.handle.is_killed(), closed);
        }
        let mut output = Vec::new();
        assert!(!outbox.take(&mut output, usize::MAX));
        assert!(output.is_empty());
    }

    #[test]
    fn the_soft_limit_has_to_last() {
        let outbox = outbox();
        let limit = BufferLimit { soft_bytes: 40, soft_seconds: 3600, ..NO_LIMIT };
        for _ in 0..4 {
            outbox.add(&mut Message::new(&[b"message", b"ch", b"a"]), &limit);
        }
        assert!(!outbox.handle.is_killed());
        outbox.add(&mut Message::new(&[b"message", b"ch", b"a"]), &BufferLimit { soft_seconds: 0, ..limit });
        assert!(outbox.handle.is_killed());
    }
}
