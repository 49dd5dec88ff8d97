//! Streams: entries packed into blocks, ordered by ID.
//!
//! [`Stream`] is the whole; its entries live in `Blocks` of `Block`s, packed as `block.rs` and
//! `value.rs` say. Ranges are visited by a callback ([`Stream::scan`]), so that a block need not
//! stay in memory beyond the call.

mod block;
mod block_ref;
mod blocks;
mod claimable;
#[cfg(test)]
mod compressed_tests;
mod compression;
mod cursor;
mod finder;
mod id;
mod idempotency;
mod live_counts;
mod references;
mod sealed;
mod sealed_block;
mod shared_deque;
#[allow(clippy::module_inception, reason = "the folder is named after its main type")]
mod stream;
mod trim;
mod value;
mod view;

pub use block::{BlockLimits, Entry};
pub use claimable::Claimable;
pub use cursor::Cursor;
pub use finder::EntryFinder;
pub use id::StreamId;
pub use idempotency::{Idempotency, IdempotencySettings, ProducedEntry, content_iid};
pub use references::{Disposal, RefPolicy, Released};
pub use stream::Stream;
pub use trim::{Trim, TrimStrategy, Trimmed};
pub use value::FieldValue;
pub use view::{BlockView, StreamBuilder};
