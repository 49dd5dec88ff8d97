//! Reading the log at the start, in a thread of its own: clients connect meanwhile, and are told to wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::startup::StartupError;
use crate::clock;
use crate::command::{Replay, follow_appendonly, uncounted};
use crate::config::settings;
use crate::log::{DiskStorage, Effects, LoadProgress, Log, LogError, LogSettings, recover};
use crate::state::{Keys, Shared};

/// After so many commands, those that may be executed while the log is read (INFO) get at the data.
const COMMANDS_PER_TURN: u64 = 1024;
/// The time from one line about the progress to the next.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Begins to read the log. What comes of it is sent once the server has its log and may serve all commands.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn start(shared: &Arc<Shared>) -> Result<oneshot::Receiver<Result<(), LogError>>, StartupError> {
    let (sender, receiver) = oneshot::channel();
    let shared = shared.clone();
    // Before any client can switch it off: there are data to be read all the same.
    let has_log = shared.config.boolean(settings::APPENDONLY);
    std::thread::Builder::new()
        .name("loading".into())
        .spawn(move || {
            // Nobody waits any more when the server was told to end.
            let _ = sender.send(load(&shared, has_log));
        })
        .map_err(|cause| StartupError::System { what: "Can't start the loading thread", cause })?;
    Ok(receiver)
}

/// Reads the log, if there is one, and goes on with it.
pub(super) fn load(shared: &Arc<Shared>, has_log: bool) -> Result<(), LogError> {
    if !has_log {
        tell_of_rdb_file(shared);
        shared.set_log(Log::disabled());
        follow_settings(shared);
        return Ok(());
    }
    let started = Instant::now();
    let progress = &shared.load_progress;
    let metrics = uncounted();
    let recovered = {
        let mut keys = Keys::new(shared, &metrics, Effects::new(), clock::unix_ms());
        let mut replay = Replay::new(shared, &metrics, &mut keys);
        // Keys of a snapshot are counted too.
        let mut commands = 0_u64;
        let mut report_at = started + REPORT_INTERVAL;
        recover(&DiskStorage, &shared.recovery_settings(), progress, &mut |recorded| {
            commands += 1;
            if commands.is_multiple_of(COMMANDS_PER_TURN) {
                replay.let_others_in();
                if Instant::now() >= report_at {
                    report_at += REPORT_INTERVAL;
                    report(progress, commands);
                }
            }
            replay.apply(recorded)
        })?
    };
    let replayed = &recovered.replayed;
    shared.keys_from_snapshot.store(replayed.keys, Relaxed);
    if replayed.commands + replayed.keys > 0 {
        tracing::info!(
            "DB loaded from append only file: {} keys of a snapshot, {} commands, {} bytes, {:.3} seconds",
            replayed.keys,
            replayed.commands,
            replayed.bytes,
            started.elapsed().as_secs_f64()
        );
    }
    if replayed.commands + replayed.keys == 0 {
        tell_of_rdb_file(shared);
    }
    shared.set_log(Log::start(&DiskStorage, recovered, LogSettings::new(shared.fsync_policy()))?);
    follow_settings(shared);
    Ok(())
}

/// Has the log follow settings that were changed while it was read.
fn follow_settings(shared: &Arc<Shared>) {
    shared.log().set_policy(shared.fsync_policy());
    follow_appendonly(shared);
}

/// Warns when there are no data but an RDB file, which redis-server without a log would load.
fn tell_of_rdb_file(shared: &Shared) {
    let dir = shared.config.text(settings::DIR);
    let path = std::path::Path::new(&*dir).join(&*shared.config.text(settings::DBFILENAME));
    if path.is_file() {
        let path = path.display();
        tracing::warn!(
            "Starting without data, and there is {path}, which is not loaded at the start. \
             To take it over, stop the server, call `millstream import {path} --into {dir}`, and start with appendonly yes"
        );
    }
}

fn report(progress: &LoadProgress, commands: u64) {
    tracing::info!(
        "Loading the append only file: {:.1} %, {} of {} bytes, {commands} commands",
        progress.percentage(),
        progress.loaded_bytes.load(Relaxed),
        progress.total_bytes.load(Relaxed),
    );
}
