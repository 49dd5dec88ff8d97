//! Writing the log anew, from a snapshot of the data, in a thread of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dump::Dump;
use crate::log::{LogError, LogOperation, RewriteClaim, RewriteRefusal};
use crate::state::{Shared, Snapshot};

/// While a script takes long, it is looked at again after this.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// Begins to rewrite the log and returns. How it ends is told by [`crate::log::LogStatistics::rewrite`] and in the log output.
///
/// # Errors
/// Why it cannot begin.
pub fn start_rewrite(shared: &Arc<Shared>) -> Result<(), RewriteRefusal> {
    let claim = shared.log().claim_rewrite()?;
    let for_thread = Arc::clone(shared);
    let result = std::thread::Builder::new().name("rewrite".into()).spawn(move || {
        if let Err(error) = rewrite(&for_thread, claim) {
            tracing::warn!("Rewriting the append-only file failed, the old files stay in force: {error}");
        }
    });
    match result {
        Ok(_) => Ok(()),
        Err(error) => {
            let dir = shared.config.text(crate::config::settings::APPENDDIRNAME);
            let error = LogError::system(LogOperation::Rewrite, (*dir).as_ref(), error);
            tracing::warn!("{error}");
            Err(RewriteRefusal::Failed(Arc::new(error)))
        }
    }
}

/// Rewrites the log on this thread, which holds no shard.
///
/// # Errors
/// What failed; the old files are in force then.
pub(super) fn rewrite(shared: &Shared, claim: RewriteClaim) -> Result<(), LogError> {
    let started = Instant::now();
    let mut rewrite = claim.prepare()?;
    let mut libraries = Vec::new();
    let snapshot = loop {
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
    let (keys, locked) = (snapshot.len(), snapshot.locked);
    let mut sink = |effects: &_| rewrite.append(effects);
    let mut dump = Dump::new(&mut sink);
    for code in libraries {
        dump.push_library(&code)?;
    }
    for (db, entry) in snapshot.into_entries() {
        dump.push(db, &entry)?;
    }
    dump.finish()?;
    let bytes = rewrite.finish()?;
    tracing::info!(
        "Append only file rewritten: {keys} keys, {bytes} bytes, {:.3} seconds; the data was locked for {:.3} ms",
        started.elapsed().as_secs_f64(),
        locked.as_secs_f64() * 1e3
    );
    Ok(())
}
