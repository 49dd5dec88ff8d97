//! Executing the commands that the log holds.

use std::sync::Arc;

use super::argument::parse_stream_id_strict;
use super::context::{Context, Outcome};
use super::dump::{CONSUMER_TIMES, PENDING_FOR_NOBODY};
use super::idempotency::{PRODUCED, PRODUCED_COUNTERS};
use super::table::table;
use crate::acl::Access;
use crate::engine::{Key, PendingEntry, ProducedEntry};
use crate::log::Recorded;
use crate::metrics::{CommandCounters, WorkerMetrics};
use crate::number::parse_u64;
use crate::protocol::{Protocol, Reply, Request};
use crate::rdb::{Content, FileItem, FileKey};
use crate::state::{Change, ClientHandle, Keys, Session, ShardSet, Shared};

const UNKNOWN_COMMAND: &str = "unknown command";
/// What to do when Millstream lacks something that is in files of redis-server.
const WAY_OUT: &str = "; `millstream import` takes over what it has, and reports the rest";

/// The name that a function library's code gives it in its first line.
pub fn library_name(code: &[u8]) -> &[u8] {
    let line = code.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let name = line.split(u8::is_ascii_whitespace).find_map(|word| word.strip_prefix(b"name="));
    name.unwrap_or(b"without a name")
}

/// Executes the log's commands, with every shard locked (see [`Self::let_others_in`]).
pub struct Replay<'r, 'k> {
    shared: &'r Arc<Shared>,
    metrics: &'r WorkerMetrics,
    session: Session,
    keys: &'r mut Keys<'k>,
    reply: Reply,
}

/// Counters for what is not a client's doing.
pub fn uncounted() -> WorkerMetrics {
    WorkerMetrics {
        commands: table().iter().map(|_| CommandCounters::default()).collect(),
        ..WorkerMetrics::default()
    }
}

impl<'r, 'k> Replay<'r, 'k> {
    /// Has commands executed on `keys`, which locks every shard if it does not yet; it is to be told
    /// when the replay is over ([`Keys::stop_replaying`]).
    pub fn new(shared: &'r Arc<Shared>, metrics: &'r WorkerMetrics, keys: &'r mut Keys<'k>) -> Self {
        keys.acquire(ShardSet::All);
        keys.start_replaying();
        let session = Session::new(
            Arc::new(ClientHandle::detached(keys.now_ms)),
            Arc::new(Access::new(&shared.users)),
            true,
        );
        Self { shared, metrics, session, keys, reply: Reply::new(Protocol::Resp2) }
    }

    /// Has others get at the data for a moment: what they may do while the log is read leaves it as it is.
    pub fn let_others_in(&mut self) {
        self.keys.release();
        self.keys.acquire(ShardSet::All);
    }

    /// Removes all data.
    pub fn clear(&mut self) {
        for (_, shard) in self.keys.shards().iter_mut() {
            shard.dbs.iter_mut().for_each(|db| drop(db.take()));
        }
        drop(self.shared.scripting.flush_functions());
    }

    /// Has what stands in the log take effect.
    ///
    /// # Errors
    /// What a command was refused with: the log is not one that this server, or one like it, wrote. What is in a snapshot of redis-server
    /// and has no place here.
    pub fn apply(&mut self, recorded: Recorded<'_>) -> Result<(), String> {
        match recorded {
            Recorded::Command(request) => self
                .apply_command(*request)
                .map_err(|why| if why.starts_with(UNKNOWN_COMMAND) { why + WAY_OUT } else { why }),
            Recorded::Item(FileItem::Key(key)) => self.apply_key(key),
            Recorded::Item(FileItem::Function(code)) => {
                self.shared.scripting.load_library(&code, false, true).map(drop).map_err(|text| {
                    let name = library_name(&code).escape_ascii();
                    let text = String::from_utf8_lossy(&text);
                    format!("the function library {name} cannot be loaded: {text}{WAY_OUT}")
                })
            }
            // What a module keeps beside keys is of no use without the module.
            Recorded::Item(FileItem::ModuleData(_)) => Ok(()),
        }
    }

    /// Inserts a key of a snapshot.
    fn apply_key(&mut self, item: FileKey) -> Result<(), String> {
        let FileKey { db, key, expires_at_ms, idle_s, content } = item;
        let name = key.escape_ascii();
        let databases = self.keys.store().databases();
        let db = usize::try_from(db).ok().filter(|db| *db < databases).ok_or_else(|| {
            format!("the key \"{name}\" is in database {db}, and there are {databases} (see the setting databases)")
        })?;
        let value = match content {
            Content::Value(value) => value,
            Content::Foreign(kind) => {
                return Err(format!(
                    "the key \"{name}\" of database {db} holds a {kind}, a type that Millstream does not have{WAY_OUT}"
                ));
            }
        };
        self.keys.db = db;
        let accessed_s = (self.keys.now_ms / 1000).saturating_sub(idle_s.unwrap_or(0));
        let key = Key::new(&key);
        self.keys.insert(&key, value, expires_at_ms).accessed_s = u32::try_from(accessed_s).unwrap_or(0);
        self.keys.changed(&key, Change::Updated);
        self.keys.forget_effects();
        Ok(())
    }

    /// Executes one of the log's commands.
    ///
    /// # Errors
    /// What the command was refused with.
    pub fn apply_command(&mut self, request: Request<'_>) -> Result<(), String> {
        if request.arg(0).starts_with(b"#") {
            return self.apply_hidden(request);
        }
        let command = table().find(request.arg(0)).and_then(|command| match request.get(1) {
            Some(name) if !command.spec.subcommands.is_empty() => table().find_subcommand(command, name),
            _ => Some(command),
        });
        let Some(command) = command else {
            let name = String::from_utf8_lossy(request.arg(0));
            return Err(format!("{UNKNOWN_COMMAND} '{name}'"));
        };
        if !command.spec.accepts(request.len()) {
            return Err(format!("wrong number of arguments for '{}'", command.full_name));
        }
        self.keys.db = self.session.db;
        self.reply.truncate(0);
        let mut context = Context {
            shared: self.shared,
            metrics: self.metrics,
            session: &mut self.session,
            keys: self.keys,
            reply: &mut self.reply,
        };
        let result = (command.spec.handler)(&mut context, request);
        self.keys.forget_effects();
        match result {
            Ok(Outcome::Done) => Ok(()),
            Ok(_) => Err(format!("'{}' has no place in a log", command.full_name)),
            Err(error) => {
                Err(format!("{}: {}", command.full_name, String::from_utf8_lossy(&error.message())))
            }
        }
    }

    /// Executes an effect that is no command.
    fn apply_hidden(&mut self, request: Request<'_>) -> Result<(), String> {
        self.keys.db = self.session.db;
        self.execute_hidden(request)
            .ok_or_else(|| format!("wrong hidden effect '{}'", String::from_utf8_lossy(request.arg(0))))
    }

    /// The same; `None` when it cannot be executed.
    fn execute_hidden(&mut self, request: Request<'_>) -> Option<()> {
        let stream = self.keys.find_stream_for_write(&Key::new(request.get(1)?)).ok()??;
        match request.arg(0) {
            PRODUCED => {
                let id = parse_stream_id_strict(request.get(4)?, 0).ok()?;
                let deadline_ms = parse_u64(request.get(5)?)?;
                let (pid, iid) = (request.arg(2), request.arg(3));
                stream.idempotency_mut().record(ProducedEntry { pid, iid, id, deadline_ms });
                return Some(());
            }
            PRODUCED_COUNTERS => {
                let (added, duplicates) = (parse_u64(request.get(2)?)?, parse_u64(request.get(3)?)?);
                stream.idempotency_mut().set_counters(added, duplicates);
                return Some(());
            }
            _ => {}
        }
        let group = stream.groups_mut().find_mut(request.get(2)?)?;
        match request.arg(0) {
            CONSUMER_TIMES => {
                let seen_ms = parse_u64(request.get(4)?)?;
                let active_ms = match request.get(5)? {
                    b"-" => None,
                    text => Some(parse_u64(text)?),
                };
                let slot = group.consumers().find(request.arg(3))?;
                let consumer = group.consumers_mut().get_mut(slot);
                (consumer.seen_ms, consumer.active_ms) = (seen_ms, active_ms);
            }
            PENDING_FOR_NOBODY => {
                let delivered_ms = parse_u64(request.get(3)?)?;
                let delivery_count = parse_u64(request.get(4)?)?;
                for id in request.args_from(5) {
                    let id = parse_stream_id_strict(id, 0).ok()?;
                    group.assign(PendingEntry { id, delivered_ms, delivery_count, consumer: None });
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// The selected database.
    #[cfg(test)]
    pub(super) fn db(&self) -> usize {
        self.session.db
    }

    /// The reply to the last command.
    #[cfg(test)]
    pub(super) fn last_reply(&self) -> &[u8] {
        self.reply.as_bytes()
    }
}
