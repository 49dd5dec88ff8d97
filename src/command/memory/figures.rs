//! What memory is taken for: the figures of INFO and of MEMORY.

use std::sync::atomic::Ordering::Relaxed;

use crate::process::{self, AllocatorBytes};
use crate::state::Shared;

/// What memory is taken for, in bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct MemoryFigures {
    /// What the allocator holds.
    pub(in crate::command) allocator: AllocatorBytes,
    /// What the system backs.
    pub(in crate::command) resident: u64,
    /// The most that was allocated.
    pub(in crate::command) peak: u64,
    /// What was allocated when the server started.
    pub(in crate::command) startup: u64,
    /// Connections.
    pub(in crate::command) clients: u64,
    /// What waits to be written to the log.
    pub(in crate::command) log_buffer: u64,
}

impl MemoryFigures {
    /// The figures of now.
    pub(in crate::command) fn measure(shared: &Shared) -> Self {
        let allocator = shared.allocator();
        Self {
            allocator,
            resident: process::resident_bytes(),
            peak: shared.peak_memory_bytes.load(Relaxed),
            startup: shared.startup_memory_bytes,
            clients: shared.clients.list().iter().map(|client| client.memory_bytes() as u64).sum(),
            log_buffer: shared.log().statistics().buffered_bytes,
        }
    }

    /// What is allocated.
    pub(in crate::command) fn used(&self) -> u64 {
        self.allocator.allocated
    }

    /// What is not data: what the server had when it started, and the buffers.
    pub(in crate::command) fn overhead(&self) -> u64 {
        self.startup + self.clients + self.log_buffer
    }

    /// The data.
    pub(in crate::command) fn dataset(&self) -> u64 {
        self.used().saturating_sub(self.overhead())
    }
}

/// A part of a whole in percent; 0 of nothing.
pub(in crate::command) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// How many times `b` is in `a`; 0 when there is no `b`.
pub(in crate::command) fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// `a - b`.
pub(in crate::command) fn difference(a: u64, b: u64) -> i64 {
    a.cast_signed().wrapping_sub(b.cast_signed())
}
