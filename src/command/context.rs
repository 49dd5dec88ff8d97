//! What a handler works with.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::engine::Key;
use crate::metrics::WorkerMetrics;
use crate::protocol::{OwnedRequest, Reply};
use crate::script::Callable;
use crate::state::{Blocking, Keys, Retry, ServedReply, Session, Shared, Waiter};

/// What a handler works with: the connection, the keys that it has locked, the reply it writes.
#[derive(Debug)]
pub struct Context<'a, 'k> {
    /// What all connections share.
    pub shared: &'a Arc<Shared>,
    /// The counters of this worker thread.
    pub metrics: &'a WorkerMetrics,
    /// The connection.
    pub session: &'a mut Session,
    /// The locked keys.
    pub keys: &'a mut Keys<'k>,
    /// The reply.
    pub reply: &'a mut Reply,
}

/// What a command waits for beside its keys.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wait {
    /// For how long, in milliseconds; `None` for as long as it takes.
    pub(super) timeout_ms: Option<u64>,
    /// When it is to be tried again though no key changes, in milliseconds since the Unix epoch.
    pub(super) retry_at_ms: Option<u64>,
    /// See [`Waiter::claims`].
    pub(super) claims: bool,
}

impl Context<'_, '_> {
    /// Has the connection wait until one of the keys, whose shards are locked, has something for the request, in which all is resolved
    /// that depended on the time it came.
    pub(super) fn block<'k>(
        &mut self,
        blocking: &'static Blocking,
        request: OwnedRequest,
        keys: impl Iterator<Item = &'k [u8]>,
        wait: Wait,
    ) -> Outcome {
        let (sender, reply) = oneshot::channel();
        let mut waiter = Waiter {
            client_id: self.session.handle.id,
            access: self.session.access.clone(),
            db: self.keys.db,
            protocol: self.session.protocol,
            request,
            keys: keys.map(Box::from).collect(),
            blocking,
            claims: wait.claims,
            retry: Retry::new(wait.retry_at_ms),
            sender: Mutex::new(Some(sender)),
        };
        waiter.keys.sort_unstable();
        waiter.keys.dedup();
        let waiter = Arc::new(waiter);
        for key in &waiter.keys {
            let key = Key::new(key);
            self.keys.shard(&key).waiters.add(&key, &waiter);
        }
        Outcome::Blocked(Blocked { waiter, reply, timeout_ms: wait.timeout_ms })
    }
}

/// What a handler leaves to be done.
#[derive(Debug)]
pub enum Outcome {
    /// The reply is written.
    Done,
    /// The connection waits for the waiter to be served; nothing was written.
    Blocked(Blocked),
    /// The queued commands of the transaction are to be executed.
    Exec,
    /// A script or function is to be run, with the request's arguments from the fourth on.
    Script(Box<ScriptCall>),
}

/// A script or function that is to be run.
#[derive(Debug)]
pub struct ScriptCall {
    /// What is run.
    pub callable: Callable,
    /// How many of the arguments are keys.
    pub keys: usize,
    /// The command is one of those that only read.
    pub is_read_only: bool,
}

/// A command that waits.
#[derive(Debug)]
pub struct Blocked {
    /// It stands in the queues of its keys.
    pub waiter: Arc<Waiter>,
    /// Where the reply comes from.
    pub reply: oneshot::Receiver<ServedReply>,
    /// For how long to wait, in milliseconds; `None` for as long as it takes.
    pub timeout_ms: Option<u64>,
}
