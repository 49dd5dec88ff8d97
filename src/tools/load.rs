//! [`Loaded`]: the data of a log in memory, without a server.

use std::borrow::Cow;
use std::sync::Arc;

use super::error::ToolError;
use crate::clock;
use crate::command::{Replay, uncounted};
use crate::config::Config;
use crate::engine::{Db, KeyEntry};
use crate::log::{Effects, Log, Recorded};
use crate::protocol::Request;
use crate::rdb::{Content, FileItem};
use crate::state::{Keys, ShardSet, Shared};

/// The most databases that a log may use.
const DATABASES: &str = "1024";

/// What cannot take effect.
pub(super) enum Refused<'a> {
    /// A key of a type that Millstream does not have.
    Key { kind: Cow<'static, str>, key: Vec<u8> },
    /// A function library, and why.
    Function { code: Vec<u8>, why: String },
    /// A command, and why.
    Command { request: Request<'a>, why: String },
    /// Anything else: why.
    Other(String),
}

/// Data in memory.
pub(super) struct Loaded {
    shared: Arc<Shared>,
}

/// Takes what stands in a log.
type Apply<'a> = dyn FnMut(Recorded<'_>) -> Result<(), String> + 'a;

impl Loaded {
    /// Loads what `read` gives to its argument. What cannot take effect is given to `refuse`, which decides whether it goes on.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn load<T>(
        refuse: &mut dyn FnMut(Refused<'_>) -> Result<(), String>,
        read: impl FnOnce(&mut Apply<'_>) -> Result<T, ToolError>,
    ) -> Result<(Self, T), ToolError> {
        let config = Config::load(&["--databases".to_owned(), DATABASES.to_owned()])
            .map_err(|error| ToolError::Other(error.to_string()))?;
        let shared = Arc::new(Shared::new(Arc::new(config), 1, 1));
        shared.set_log(Log::disabled());
        let metrics = uncounted();
        let mut keys = Keys::new(&shared, &metrics, Effects::new(), clock::unix_ms());
        let mut replay = Replay::new(&shared, &metrics, &mut keys);
        let mut apply = |recorded: Recorded<'_>| match recorded {
            Recorded::Item(FileItem::Key(item)) if matches!(item.content, Content::Foreign(_)) => {
                let Content::Foreign(kind) = item.content else { return Ok(()) };
                refuse(Refused::Key { kind, key: item.key })
            }
            Recorded::Item(FileItem::Function(code)) => replay
                .apply(Recorded::Item(FileItem::Function(code.clone())))
                .or_else(|why| refuse(Refused::Function { code, why })),
            Recorded::Item(_) => replay.apply(recorded).or_else(|why| refuse(Refused::Other(why))),
            Recorded::Command(request) => {
                let request = *request;
                replay.apply_command(request).or_else(|why| refuse(Refused::Command { request, why }))
            }
        };
        let result = read(&mut apply)?;
        drop(keys);
        Ok((Self { shared }, result))
    }

    /// Gives `visit` each key with its database's number, database by database.
    ///
    /// # Errors
    /// Those of `visit`.
    pub(super) fn for_each<E>(
        &self,
        mut visit: impl FnMut(usize, &KeyEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut shards = self.shared.store.lock(&ShardSet::All);
        for (_, shard) in shards.iter_mut() {
            for (number, db) in shard.dbs.iter().enumerate() {
                db.iter().try_for_each(|entry| visit(number, entry))?;
            }
        }
        Ok(())
    }

    /// The codes of the libraries of functions.
    pub(super) fn libraries(&self) -> Vec<Arc<[u8]>> {
        self.shared.scripting.library_codes()
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        let mut shards = self.shared.store.lock(&ShardSet::All);
        shards.iter_mut().map(|(_, shard)| shard.dbs.iter().map(Db::len).sum::<usize>()).sum()
    }
}
