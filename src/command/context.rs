//! What a handler works with.

use std::sync::Arc;

use crate::metrics::WorkerMetrics;
use crate::protocol::Reply;
use crate::script::Callable;
use crate::state::{Keys, Session, Shared, Waiter};
use tokio::sync::oneshot;

use crate::state::ServedReply;

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
