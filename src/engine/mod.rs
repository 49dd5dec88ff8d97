//! The data: keys, streams, groups and strings; lists and sets as far as tests of other types need them.
//!
//! Synchronous, without input or output, without a clock and without the protocol: what time it is
//! and what a client asked for comes in as arguments. Nothing here fails but by returning `None` or
//! `false`; what a client may not do is refused by the layers above before a change is made.

mod group;
mod keyspace;
mod stream;

pub use group::{Consumer, ConsumerSlot, Consumers, Group, Groups, Pending, PendingEntry};
pub use keyspace::{Db, Key, KeyEntry, ListValue, SetValue, StringValue, Value};
pub use stream::{
    BlockLimits, BlockView, Claimable, Cursor, Disposal, Entry, EntryFinder, FieldValue, Idempotency,
    IdempotencySettings, ProducedEntry, RefPolicy, Released, Stream, StreamBuilder, StreamId, Trim,
    TrimStrategy, Trimmed, content_iid,
};
