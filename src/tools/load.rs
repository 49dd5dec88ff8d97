//! [`load`]: the data of a log in memory, without a server.

use std::sync::Arc;

use super::error::ToolError;
use crate::clock;
use crate::command::{Replay, uncounted};
use crate::config::Config;
use crate::log::{Effects, Log, Recorded};
use crate::state::{Keys, ShardSet, Shared};

/// The most databases that a log may use.
const DATABASES: &str = "1024";

/// Data in memory.
pub(super) struct Loaded {
    shared: Arc<Shared>,
}

impl Loaded {
    /// Loads what `read` gives to its argument. What cannot take effect is given to `refuse`, which decides whether it goes on.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn load<T>(
        refuse: &mut dyn FnMut(String, &str) -> Result<(), String>,
        read: impl FnOnce(&mut dyn FnMut(Recorded<'_>) -> Result<(), String>) -> Result<T, ToolError>,
    ) -> Result<(Self, T), ToolError> {
        let config = Config::load(&["--databases".to_owned(), DATABASES.to_owned()])
            .map_err(|error| ToolError::Other(error.to_string()))?;
        let shared = Arc::new(Shared::new(Arc::new(config), 1, 1));
        shared.set_log(Log::disabled());
        let metrics = uncounted();
        let mut keys = Keys::new(&shared.store, shared.log(), &metrics, Effects::new(), clock::unix_ms());
        let mut replay = Replay::new(&shared, &metrics, &mut keys);
        let mut apply = |recorded: Recorded<'_>| {
            let name = match &recorded {
                Recorded::Command(request) => String::from_utf8_lossy(request.arg(0)).to_ascii_uppercase(),
                Recorded::Item(_) => "snapshot".to_owned(),
            };
            replay.apply(recorded).or_else(|why| refuse(why, &name))
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
        mut visit: impl FnMut(usize, &crate::engine::KeyEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut shards = self.shared.store.lock(&ShardSet::All);
        for (_, shard) in shards.iter_mut() {
            for (number, db) in shard.dbs.iter().enumerate() {
                db.iter().try_for_each(|entry| visit(number, entry))?;
            }
        }
        Ok(())
    }
}
