//! The data: keys, streams, groups and strings.

mod stream;

pub use stream::StreamId;
