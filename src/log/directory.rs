//! [`Directory`]: the lock of the log's directory, for all who work in it.
//!
//! A rewrite that nobody waits for any more, since the log was switched off, may still have a file there that it will remove. So it holds
//! the directory, too; and when the log is switched on again meanwhile, the lock is there already.

use std::sync::Arc;

use parking_lot::Mutex;

use super::error::LogError;
use super::storage::DirectoryLock;

/// The directory in which a server keeps its log: always the same one.
#[derive(Clone, Default)]
pub(super) struct Directory(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    holders: usize,
    /// There as long as somebody holds the directory.
    lock: Option<Box<dyn DirectoryLock>>,
}

/// Keeps other servers out of the directory for as long as it lives.
pub(super) struct DirectoryHold(Directory);

impl Directory {
    /// Holds the directory by a lock of it.
    pub(super) fn hold(&self, lock: Box<dyn DirectoryLock>) -> DirectoryHold {
        let mut held = self.0.lock();
        held.lock = Some(lock);
        held.holders += 1;
        DirectoryHold(self.clone())
    }

    /// Holds the directory; where nobody does yet, `lock` locks it.
    ///
    /// # Errors
    /// Those of `lock`.
    pub(super) fn try_hold(
        &self,
        lock: impl FnOnce() -> Result<Box<dyn DirectoryLock>, LogError>,
    ) -> Result<DirectoryHold, LogError> {
        let mut held = self.0.lock();
        if held.lock.is_none() {
            held.lock = Some(lock()?);
        }
        held.holders += 1;
        Ok(DirectoryHold(self.clone()))
    }
}

impl Clone for DirectoryHold {
    fn clone(&self) -> Self {
        self.0.0.lock().holders += 1;
        Self(self.0.clone())
    }
}

impl Drop for DirectoryHold {
    fn drop(&mut self) {
        let mut held = self.0.0.lock();
        held.holders -= 1;
        if held.holders == 0 {
            held.lock = None;
        }
    }
}
