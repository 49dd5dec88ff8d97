//! DEBUG LOADAOF: the data dropped and read back.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::command::context::Context;
use crate::command::error::CommandError;
use crate::command::replay::{Replay, uncounted};
use crate::log::{DiskStorage, LoadProgress, replay};

const FAILED: CommandError =
    CommandError::Other("ERR Error trying to load the AOF files, check server logs.");

/// Makes the append-only file durable, drops all data and reads the file. Every shard is locked, so that nothing
/// is appended meanwhile.
pub(super) fn reload(context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let shared = context.shared;
    if shared.loading.load(Relaxed) {
        return Err(CommandError::Loading);
    }
    let log = shared.log();
    if !log.is_enabled() {
        return Err(CommandError::Other("ERR There is no append-only file to load: appendonly is no"));
    }
    // A rewrite replaces the files that would be read.
    if log.awaits_base() || log.statistics().rewrite.current.is_some() {
        return Err(CommandError::Other("ERR Background append only file rewriting in progress"));
    }
    if context.session.in_exec {
        // The commands before it are half a transaction, and nothing can be read back between halves.
        return Err(CommandError::Other("ERR The append-only file cannot be loaded inside a transaction"));
    }
    let keys = &mut *context.keys;
    keys.hand_over();
    log.sync_all().map_err(|error| {
        tracing::error!("DEBUG LOADAOF: {error}");
        FAILED
    })?;
    let started = Instant::now();
    let metrics = uncounted();
    let db = keys.db;
    let result = {
        let mut executing = Replay::new(shared, &metrics, keys);
        executing.clear();
        let progress = LoadProgress::default();
        replay(&DiskStorage, &shared.recovery_settings(), &progress, &mut |recorded| {
            executing.apply(recorded)
        })
    };
    keys.stop_replaying();
    keys.db = db;
    match result {
        Ok(replayed) => {
            tracing::info!(
                "DB reloaded from append only file: {} commands, {:.3} seconds",
                replayed.commands,
                started.elapsed().as_secs_f64()
            );
            shared.last_save_changes.store(shared.changes(), Relaxed);
            Ok(())
        }
        Err(error) => {
            tracing::error!("DEBUG LOADAOF: {error}");
            Err(FAILED)
        }
    }
}
