//! MULTI and EXEC: commands queued on the connection, executed under all their locks.

use std::sync::atomic::Ordering::Relaxed;

use super::executor::{Executor, Stopwatch};
use super::scripting::{self, ScriptRun, Turns};
use crate::command::{Command, Flags, Outcome};
use crate::config::settings;
use crate::engine::Key;
use crate::protocol::{Reply, Request};
use crate::state::{Keys, Session, ShardSet};

/// Puts a request at the end of the transaction.
pub(super) fn queue(session: &mut Session, request: Request<'_>, command: &Command) {
    let Some(transaction) = &mut session.transaction else { return };
    transaction.has_script |= command.spec.flags.contains(Flags::SCRIPT);
    let request = request.to_owned();
    transaction.bytes += request.heap_bytes();
    transaction.commands.push(request);
    session.handle.multi.store(transaction.commands.len() as i32, Relaxed);
    session.handle.multi_bytes.store(transaction.bytes, Relaxed);
}

/// Whether the queued commands take more memory than a client may.
pub(super) fn is_too_large(executor: &Executor, session: &Session) -> bool {
    let limit = executor.shared.config.memory(settings::CLIENT_QUERY_BUFFER_LIMIT) as usize;
    session.transaction.as_ref().is_some_and(|transaction| transaction.bytes > limit)
}

/// The shards of all queued commands and of all watched keys.
pub(super) fn shards_of(executor: &Executor, session: &Session) -> ShardSet {
    let store = &executor.shared.store;
    let watched = session
        .watched
        .iter()
        .fold(ShardSet::None, |set, watched| set.with(store.shard_of(&Key::new(&watched.key))));
    let Some(transaction) = &session.transaction else { return watched };
    transaction.commands.iter().fold(watched, |set, queued| {
        let request = queued.as_request();
        match executor.find(request) {
            Ok(command) => set.union(executor.shards_of(command, request)),
            Err(_) => set,
        }
    })
}

/// The flags that a queued command has.
pub(super) fn flags(executor: &Executor, session: &Session) -> Flags {
    let commands = session.transaction.iter().flat_map(|transaction| &transaction.commands);
    commands
        .filter_map(|queued| executor.find(queued.as_request()).ok())
        .fold(Flags::empty(), |flags, command| flags | command.spec.flags)
}

/// Executes the queued commands; EXEC's handler has found nothing against it. The locks are held.
pub(super) fn execute(
    executor: &Executor,
    session: &mut Session,
    keys: &mut Keys<'_>,
    reply: &mut Reply,
    stopwatch: &mut Stopwatch,
    turns: Option<&Turns>,
) {
    let commands = session.transaction.take().map(|transaction| transaction.commands).unwrap_or_default();
    reply.array(commands.len());
    session.in_exec = true;
    keys.effects().begin_transaction();
    for queued in &commands {
        let request = queued.as_request();
        match executor.find(request) {
            Ok(command) => {
                // The rules may have changed since it was queued, or by a command before it.
                if session.access.is_restricted()
                    && let Err(error) = executor.check_access(session, command, request)
                {
                    executor.refuse(reply, &error);
                    continue;
                }
                let outcome = executor.call(session, keys, reply, request, command, stopwatch);
                if let Some(Outcome::Script(call)) = outcome {
                    let run = ScriptRun { command, request, call: &call, turns };
                    scripting::execute(executor, session, keys, reply, run, stopwatch);
                }
            }
            // It was found when it was queued, and the table does not change.
            Err(error) => reply.error(&error.message()),
        }
    }
    keys.effects().end_transaction();
    session.in_exec = false;
    // Until now others, and the commands themselves, see it in its transaction.
    session.set_transaction(None);
}
