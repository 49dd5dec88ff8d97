//! Executing the commands that the log holds.

use std::sync::Arc;

use super::context::{Context, Outcome};
use super::table::table;
use crate::log::Effects;
use crate::metrics::{CommandCounters, WorkerMetrics};
use crate::protocol::{Protocol, Reply, Request};
use crate::state::{ClientHandle, Keys, Session, ShardSet, Shared};

/// Executes the log's commands, with every shard locked throughout.
pub struct Replay<'a> {
    shared: &'a Arc<Shared>,
    metrics: &'a WorkerMetrics,
    session: Session,
    keys: Keys<'a>,
    reply: Reply,
}

/// Counters for what is not a client's doing.
pub fn uncounted() -> WorkerMetrics {
    WorkerMetrics {
        commands: table().iter().map(|_| CommandCounters::default()).collect(),
        ..WorkerMetrics::default()
    }
}

impl<'a> Replay<'a> {
    /// Locks all shards; the caller holds none.
    pub fn new(shared: &'a Arc<Shared>, metrics: &'a WorkerMetrics, now_ms: u64) -> Self {
        let mut keys = Keys::new(&shared.store, shared.log(), metrics, Effects::new(), now_ms);
        keys.start_replaying();
        keys.acquire(ShardSet::All);
        let session = Session::new(Arc::new(ClientHandle::detached(now_ms)), true);
        Self { shared, metrics, session, keys, reply: Reply::new(Protocol::Resp2) }
    }

    /// Removes all data.
    pub fn clear(&mut self) {
        for (_, shard) in self.keys.shards().iter_mut() {
            shard.dbs.iter_mut().for_each(crate::engine::Db::clear);
        }
    }

    /// Executes one of the log's commands.
    ///
    /// # Errors
    /// What the command was refused with: the log is not one that this server, or one like it, wrote.
    pub fn apply(&mut self, request: Request<'_>) -> Result<(), String> {
        let command = table().find(request.arg(0)).and_then(|command| match request.get(1) {
            Some(name) if !command.spec.subcommands.is_empty() => table().find_subcommand(command, name),
            _ => Some(command),
        });
        let Some(command) = command else {
            return Err(format!("unknown command '{}'", String::from_utf8_lossy(request.arg(0))));
        };
        if !command.spec.accepts(request.len()) {
            return Err(format!("wrong number of arguments for '{}'", command.full_name));
        }
        self.keys.db = self.session.db;
        let mut context = Context {
            shared: self.shared,
            metrics: self.metrics,
            session: &mut self.session,
            keys: &mut self.keys,
            reply: &mut self.reply,
        };
        let result = (command.spec.handler)(&mut context, request);
        self.keys.forget_effects();
        self.reply.truncate(0);
        match result {
            Ok(Outcome::Done) => Ok(()),
            Ok(_) => Err(format!("'{}' has no place in a log", command.full_name)),
            Err(error) => {
                Err(format!("{}: {}", command.full_name, String::from_utf8_lossy(&error.message())))
            }
        }
    }
}
