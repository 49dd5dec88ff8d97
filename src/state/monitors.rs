//! Connections that see every command as it is executed (MONITOR).

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::RwLock;

use super::clients::{ClientHandle, Endpoint};
use super::outbox::Message;
use crate::config::{BufferLimit, BufferLimits};
use crate::protocol::Reply;

/// Those connections.
#[derive(Debug)]
pub struct Monitors {
    /// Whether there is any: what every command asks.
    is_on: AtomicBool,
    clients: RwLock<Vec<Arc<ClientHandle>>>,
    /// What one may leave unread.
    limit: RwLock<BufferLimit>,
}

impl Monitors {
    /// None, under the settings' limits.
    pub fn new(limits: &BufferLimits) -> Self {
        Self {
            is_on: AtomicBool::new(false),
            clients: RwLock::default(),
            limit: RwLock::new(limits.unasked()),
        }
    }

    /// Follows settings that have changed.
    pub fn configure(&self, limits: &BufferLimits) {
        *self.limit.write() = limits.unasked();
    }

    /// Whether there is any.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Shows a connection all commands from now on.
    pub fn add(&self, client: &Arc<ClientHandle>) {
        let mut clients = self.clients.write();
        clients.push(client.clone());
        client.monitor.store(true, Relaxed);
        self.is_on.store(true, Relaxed);
    }

    /// Shows a connection none any more.
    pub fn remove(&self, client: &ClientHandle) {
        if client.monitor.swap(false, Relaxed) {
            let mut clients = self.clients.write();
            clients.retain(|other| other.id != client.id);
            self.is_on.store(!clients.is_empty(), Relaxed);
        }
    }

    /// Shows a command that was executed at a time, in microseconds since the Unix epoch, with the database that is selected now.
    /// `source` is where it came from.
    pub fn show<'a>(
        &self,
        time_us: u64,
        db: usize,
        source: &dyn Display,
        args: impl Iterator<Item = &'a [u8]>,
    ) {
        let mut line = String::with_capacity(128);
        // Writing to memory does not fail.
        let _ = write!(line, "{}.{:06} [{db} {source}]", time_us / 1_000_000, time_us % 1_000_000);
        for arg in args {
            line.push(' ');
            quote(arg, &mut line);
        }
        let write = |reply: &mut Reply| reply.simple(&line);
        let mut message = Message::new(&write);
        let limit = *self.limit.read();
        self.clients.read().iter().for_each(|client| client.send(&mut message, &limit));
    }
}

/// Where MONITOR says that a client's commands come from.
pub fn monitored_source(peer: &Endpoint) -> String {
    match peer {
        Endpoint::Internet(address) => address.to_string(),
        Endpoint::Unix(path) => format!("unix:{path}"),
    }
}

/// Writes an argument in quotes, on one line and in printable characters.
fn quote(arg: &[u8], line: &mut String) {
    line.push('"');
    for &byte in arg {
        match byte {
            b'\\' => line.push_str("\\\\"),
            b'"' => line.push_str("\\\""),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => {
                // Writing to memory does not fail.
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted() {
        let mut line = String::new();
        quote(b"a \"\\\r\n\t\x07\x08\x00\xff~", &mut line);
        assert_eq!(line, r#""a \"\\\r\n\t\a\b\x00\xff~""#);
    }
}
