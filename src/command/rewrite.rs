//! Writing the log anew, from a snapshot of the data, in a thread of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dump::Dump;
use crate::config::settings;
use crate::log::{DiskStorage, LogError, LogOperation, Rewrite, RewriteClaim, RewriteRefusal};
use crate::state::{Shared, Snapshot};

/// While a script takes long, it is looked at again after this.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// Begins to rewrite the log and returns. How it ends is told by [`crate::log::LogStatistics::rewrite`] and in the log output.
///
/// # Errors
/// Why it cannot begin.
pub fn start_rewrite(shared: &Arc<Shared>) -> Result<(), RewriteRefusal> {
    let claim = shared.log().claim_rewrite()?;
    spawn(shared, move |shared| {
        if let Err(error) = rewrite(shared, claim) {
            tell_of_failure(&error);
        }
    })
    .map_err(|error| {
        tracing::warn!("{error}");
        RewriteRefusal::Failed(Arc::new(error))
    })
}

fn tell_of_failure(error: &LogError) {
    tracing::warn!("Rewriting the append-only file failed, the old files stay in force: {error}");
}

/// Has a thread of its own work for the log.
fn spawn(shared: &Arc<Shared>, work: impl FnOnce(&Arc<Shared>) + Send + 'static) -> Result<(), LogError> {
    let for_thread = Arc::clone(shared);
    let result = std::thread::Builder::new().name("rewrite".into()).spawn(move || work(&for_thread));
    result.map(drop).map_err(|error| {
        let dir = shared.config.text(settings::APPENDDIRNAME);
        LogError::system(LogOperation::Rewrite, (*dir).as_ref(), error)
    })
}

/// Switches the log on, unless it is: makes its files on this thread, which holds no shard, and begins the first rewrite in another.
///
/// # Errors
/// Why it stays off.
pub(super) fn switch_log_on(shared: &Arc<Shared>) -> Result<(), Arc<LogError>> {
    let log = shared.log();
    log.set_policy(shared.fsync_policy());
    log.switch_on(&DiskStorage, shared.log_paths()).map_err(Arc::new)?;
    let begun = match log.claim_rewrite() {
        Ok(claim) => claim.prepare().and_then(|rewrite| {
            spawn(shared, move |shared| {
                if let Err(error) = finish(shared, rewrite) {
                    tell_of_failure(&error);
                }
            })
        }),
        // Somebody else was first, and begins the log.
        Err(RewriteRefusal::InProgress | RewriteRefusal::NoLog) => Ok(()),
        Err(RewriteRefusal::Failed(error)) => return Err(error),
    };
    begun.map_err(|error| {
        switch_log_off(shared);
        Arc::new(error)
    })
}

/// Switches the log off, unless it is.
pub(super) fn switch_log_off(shared: &Shared) {
    if let Err(error) = shared.log().switch_off() {
        tracing::error!("The append-only file is switched off, and its end may be missing: {error}");
    }
}

/// Has the log be on or off as `appendonly` says, on this thread, which holds no shard. What keeps a log from beginning is told in the log
/// output, and tried again later.
pub fn follow_appendonly(shared: &Arc<Shared>) {
    let _one_at_a_time = shared.switching_log.lock();
    if !shared.config.boolean(settings::APPENDONLY) {
        switch_log_off(shared);
    } else if !shared.log().is_enabled()
        && let Err(error) = switch_log_on_later(shared)
    {
        tracing::error!("The append-only file stays off: {error}");
    }
}

/// Switches the log on: all that may take time is made in another thread, and tried again later if it fails. The caller may hold shards.
///
/// # Errors
/// Why it stays off.
pub(super) fn switch_log_on_later(shared: &Arc<Shared>) -> Result<(), Arc<LogError>> {
    shared.log().set_policy(shared.fsync_policy());
    shared.log().switch_on(&DiskStorage, shared.log_paths()).map_err(Arc::new)?;
    if let Err(refusal) = start_rewrite(shared) {
        tracing::warn!("The append-only file begins later: {refusal:?}");
    }
    Ok(())
}

/// Switches the log off, in another thread: the caller holds shards.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn switch_log_off_later(shared: &Arc<Shared>) -> Result<(), Arc<LogError>> {
    spawn(shared, follow_appendonly).map_err(Arc::new)
}

/// Rewrites the log on this thread, which holds no shard.
///
/// # Errors
/// What failed; the old files are in force then.
pub(super) fn rewrite(shared: &Shared, claim: RewriteClaim) -> Result<(), LogError> {
    finish(shared, claim.prepare()?)
}

fn finish(shared: &Shared, mut rewrite: Rewrite) -> Result<(), LogError> {
    let started = Instant::now();
    let mut libraries = Vec::new();
    let mut snapshot = loop {
        let taken = Snapshot::take(&shared.store, || {
            if shared.scripting.running.is_busy() {
                return Err(None);
            }
            libraries = shared.scripting.library_codes();
            rewrite.switch().map(|_| ()).map_err(Some)
        });
        match taken {
            Ok(snapshot) => break snapshot,
            Err(Some(error)) => return Err(error),
            // The data are in the middle of a script that takes long.
            Err(None) => std::thread::sleep(BUSY_INTERVAL),
        }
    };
    let mut sink = |effects: &_| rewrite.append(effects);
    let mut dump = Dump::new(&mut sink);
    for code in libraries {
        dump.push_library(&code)?;
    }
    for (db, entry) in &mut snapshot {
        dump.push(db, &entry)?;
    }
    dump.finish()?;
    let bytes = rewrite.finish()?;
    tracing::info!(
        "Append only file rewritten: {} keys, {bytes} bytes, {:.3} seconds; data was locked for at most {:.3} ms at a time",
        snapshot.keys(),
        started.elapsed().as_secs_f64(),
        snapshot.locked_max().as_secs_f64() * 1e3
    );
    Ok(())
}
