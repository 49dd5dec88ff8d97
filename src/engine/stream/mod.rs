//! Streams.

mod id;

pub use id::StreamId;
