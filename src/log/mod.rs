//! The append-only file: what the server's commands changed, made durable, and read back at the next start.
//!
//! Commands write their [`Effects`]; the [`Log`] takes them over, writes them in the files that a [`Manifest`] lists
//! and syncs them as the [`FsyncPolicy`] says; [`recover`] reads them back. The files are those of Redis 7: redis-server loads
//! ours and we load its. What Redis's format lacks is in `#` lines, which its loader skips (see `annotation`).

mod annotation;
mod buffer;
#[cfg(test)]
mod crash_tests;
mod directory;
mod effects;
mod error;
mod fault;
mod first;
mod hidden;
mod inspect;
mod leftovers;
mod manifest;
mod planted;
mod position;
mod recovery;
#[cfg(test)]
mod redis_tests;
mod replay;
mod rewrite;
mod settings;
mod shared;
mod storage;
mod sync_group;
#[cfg(test)]
mod testing;
mod waiters;
mod window;
mod writer;

pub use effects::{Effects, EffectsMark};
pub use error::{LogCause, LogError, LogFailure, LogOperation};
pub use fault::{Fault, FaultStorage, Survival};
pub use inspect::{Damage, InspectedFile, Inspection, cut, inspect, set_aside};
pub use manifest::{LogPaths, Manifest, ManifestFile};
pub use planted::Planted;
pub use position::{EffectLog, Position};
pub use recovery::{
    DroppedTail, LoadProgress, Recovered, RecoverySettings, Replayed, lock, recover, replay, replay_file,
};
pub use replay::Recorded;
pub use rewrite::{Rewrite, RewriteClaim, RewriteRefusal};
pub use settings::{FsyncPolicy, LogSettings, LogStatistics, RewriteStatistics};
pub use shared::DurableAt;
pub use storage::{DirectoryLock, DiskStorage, Storage, StorageFile};
pub use sync_group::{GroupWait, SyncGroup};
pub use writer::Log;
