//! What commands act on: the sharded keyspace, the connections, the server as a whole.

mod clients;
mod events;
mod key_map;
mod keys;
mod memory_limit;
mod monitors;
mod outbox;
mod pubsub;
mod session;
mod shared;
mod slowlog;
mod snapshot;
mod store;
mod tracking;
mod waiter;
mod wakeup;
mod watch;

pub use clients::{ClientHandle, ClientNames, Clients, Endpoint, UNLIMITED_OUTPUT_BYTES, Unblock};
pub use events::{EventClass, KeyEvents};
pub use keys::{Change, Keys, Mark, ReadyKey, WrongType};
pub use memory_limit::MemoryLimit;
pub use monitors::{Monitors, monitored_source};
pub use outbox::{Message, Outbox};
pub use pubsub::{PubSub, Subscriptions, Topic};
pub use session::{ReplyMode, Session, SessionTracking, Transaction, WatchedKey};
pub use shared::{Listen, Pause, PauseMode, Relisten, Shared, random_id};
pub use slowlog::{SlowCommand, SlowLog};
pub use snapshot::Snapshot;
pub use store::{LockedShards, Shard, ShardSet, Store};
pub use tracking::{TrackedKeys, Tracker, Tracking, TrackingOptions};
pub use waiter::{Blocking, Retry, Serve, Served, ServedReply, Waiter, Waiters};
pub use wakeup::Wakeup;
pub use watch::{WatchFlag, Watches};
