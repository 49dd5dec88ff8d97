//! [`FirstFiles`]: how a log begins while the server runs, with what a rewrite writes.
//!
//! What is in the directory stays in force until a base and its increment are whole. Both have temporary names until then, which a start
//! removes: without their base the increment's effects are of no use. So between the beginning and the end of the first rewrite there is no
//! promise, as in Redis. Then, each step leaving files that load:
//!
//! 1. The manifest names both files as history, under the names that they will have: a start that finds them removes them.
//! 2. They get these names.
//! 3. The manifest is replaced: the new base and increment; what was there before is history.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use super::annotation::{self, FILE_LINE_BYTES, FileTag};
use super::directory::{Directory, DirectoryHold};
use super::error::{LogError, LogOperation};
use super::leftovers::remove_unnamed;
use super::manifest::{LogPaths, Manifest, ManifestFile};
use super::recovery::{Increment, open_dir};
use super::storage::{Storage, append_all};

/// The files that a log begins with, but for the base. Dropped before [`Self::commit`] the increment is removed.
pub(super) struct FirstFiles {
    storage: Arc<dyn Storage>,
    paths: LogPaths,
    pub(super) hold: DirectoryHold,
    /// What is in force until then.
    before: Manifest,
    pub(super) base: ManifestFile,
    increment: ManifestFile,
    has_final_name: bool,
}

impl FirstFiles {
    /// Makes the directory if need be, locks it, and makes an increment there, which is for nobody yet.
    ///
    /// # Errors
    /// Whatever keeps the files from being made; another server in the directory; a manifest that cannot be understood.
    pub(super) fn create(
        storage: &Arc<dyn Storage>,
        paths: &LogPaths,
        directory: &Directory,
    ) -> Result<(Self, Increment), LogError> {
        let hold = directory.try_hold(|| open_dir(&**storage, paths))?;
        let before = Manifest::load(&**storage, paths)?.unwrap_or_default();
        let replaced = before.base.iter().len() + before.increments.len();
        if replaced > 0 {
            let dir = paths.append_dir();
            tracing::warn!(
                "The append only file begins anew, with the data of now: {replaced} file(s) in {} will be replaced",
                dir.display()
            );
            // What a start would remove. Not what has a temporary name: a rewrite that nobody waits for any more may write there.
            remove_unnamed(&**storage, paths, &before)?;
        }
        let [base_seq, increment_seq] = find_free_seqs(&**storage, paths, &before)?;
        let base = ManifestFile { name: paths.base_name(base_seq), seq: base_seq };
        let increment = ManifestFile { name: paths.increment_name(increment_seq), seq: increment_seq };
        let path = paths.file(&paths.temporary_name(&increment.name));
        let system = |operation| {
            let path = &path;
            move |error| LogError::system(operation, path, error)
        };
        let tag = FileTag(fastrand::u32(..));
        let file = storage.create(&path).map_err(system(LogOperation::Create))?;
        let (storage, paths) = (Arc::clone(storage), paths.clone());
        let first = Self { storage, paths, hold, before, base, increment, has_final_name: false };
        append_all(&*file, &annotation::encode_file_line(tag)).map_err(system(LogOperation::Write))?;
        file.sync().map_err(system(LogOperation::Sync))?;
        let increment = Increment { file: file.into(), path, tag, len: FILE_LINE_BYTES as u64 };
        Ok((first, increment))
    }

    /// Puts both files in the place of what was there; `name_base` gives the base its name, and makes that durable. Answers what is in force then.
    ///
    /// # Errors
    /// Whatever the system refuses. What was there before is in force then, or, if the manifest is what failed, perhaps both files as they are.
    pub(super) fn commit(
        &mut self,
        name_base: impl FnOnce() -> Result<(), LogError>,
    ) -> Result<Manifest, LogError> {
        let mut planned = self.before.clone();
        planned.history.extend([self.base.clone(), self.increment.clone()]);
        planned.store(&*self.storage, &self.paths)?;
        let from = self.temporary_path();
        self.storage
            .rename(&from, &self.increment_path())
            .map_err(|error| LogError::system(LogOperation::Rename, &from, error))?;
        self.has_final_name = true;
        name_base()?;
        let mut next = Manifest {
            base: Some(self.base.clone()),
            history: mem::take(&mut self.before.history),
            increments: vec![self.increment.clone()],
        };
        next.history.extend(self.before.base.take());
        next.history.append(&mut self.before.increments);
        next.store(&*self.storage, &self.paths)?;
        Ok(next)
    }

    /// The increment's path, once it has its name.
    pub(super) fn increment_path(&self) -> PathBuf {
        self.paths.file(&self.increment.name)
    }

    fn temporary_path(&self) -> PathBuf {
        self.paths.file(&self.paths.temporary_name(&self.increment.name))
    }
}

impl Drop for FirstFiles {
    fn drop(&mut self) {
        // Under its final name the manifest on the disk may name it.
        if !self.has_final_name {
            // If that fails the next start does it.
            let _ = self.storage.remove(&self.temporary_path());
        }
    }
}

/// The numbers of a base and an increment that are greater than all that the manifest names or that are in the directory.
fn find_free_seqs(
    storage: &dyn Storage,
    paths: &LogPaths,
    manifest: &Manifest,
) -> Result<[u64; 2], LogError> {
    let dir = paths.append_dir();
    let list_error = |error| LogError::system(LogOperation::List, &dir, error);
    let mut names = storage.list(&dir).map_err(list_error)?;
    names.extend(manifest.history.iter().map(|file| file.name.clone()));
    let greatest = |kinds: &[&str], named: Option<u64>| {
        let seqs = names.iter().flat_map(|name| {
            // A rewrite that nobody waits for any more may still write there.
            let name = name.strip_prefix("temp-").unwrap_or(name);
            kinds.iter().filter_map(move |kind| paths.find_seq(name, kind))
        });
        seqs.chain(named).max().unwrap_or(0).saturating_add(1)
    };
    let base = greatest(&[".base.aof", ".base.rdb"], manifest.base.as_ref().map(|base| base.seq));
    let increment = greatest(&[".incr.aof"], manifest.increments.last().map(|last| last.seq));
    Ok([base, increment])
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{
        Fault, FaultStorage, FsyncPolicy, Log, LogSettings, Rewrite, RewriteRefusal, Survival,
    };
    use super::*;

    const EIO: i32 = 5;

    fn log_off() -> Log {
        let settings =
            LogSettings { policy: FsyncPolicy::Always, sync_interval: std::time::Duration::from_secs(3600) };
        Log::off(settings)
    }

    /// Switches a log on, and begins its first rewrite.
    fn begin(log: &Log, storage: &FaultStorage) -> Rewrite {
        log.switch_on(storage, test_paths()).unwrap();
        let mut rewrite = log.claim_rewrite().unwrap().prepare().unwrap();
        assert!(log.is_enabled() && log.awaits_base() && !log.is_recording());
        rewrite.switch().unwrap();
        assert!(log.is_recording());
        rewrite
    }

    /// What a new server finds, and which files it leaves besides the manifest.
    #[track_caller]
    fn check(storage: &FaultStorage, expected: &[&str], files: &[&str]) {
        let storage = storage.restart(Survival::Synced, 1);
        let (texts, result) = recover_texts(&storage, &test_paths());
        let recovered = result.unwrap();
        assert_eq!(texts, expected);
        drop(Log::start(&storage, recovered, LogSettings::new(FsyncPolicy::No)).unwrap());
        check_files(&storage, files);
    }

    #[track_caller]
    fn check_files(storage: &FaultStorage, files: &[&str]) {
        let mut names = storage.list(&test_paths().append_dir()).unwrap();
        names.retain(|name| !name.ends_with(".manifest"));
        names.sort();
        assert_eq!(names, files);
    }

    #[test]
    fn a_log_begins_ends_and_begins_again() {
        let storage = test_storage(1);
        let log = log_off();
        let before = log.append(&effects_of(0, &["DEL never"]));
        let mut rewrite = begin(&log, &storage);
        check_files(&storage, &["temp-appendonly.aof.1.base.aof", "temp-appendonly.aof.1.incr.aof"]);
        let position = log.append(&effects_of(0, &["DEL b"]));
        assert!(position > before);
        block_on(log.durable_at(position)).unwrap();
        // It promises nothing yet.
        check(&storage, &[], &["appendonly.aof.1.incr.aof"]);
        rewrite.append(&effects_of(0, &["DEL a"])).unwrap();
        rewrite.finish().unwrap();
        assert!(log.is_enabled() && !log.awaits_base());
        let files = ["appendonly.aof.1.base.aof", "appendonly.aof.1.incr.aof"];
        check(&storage, &["SELECT 0", "DEL a", "SELECT 0", "DEL b"], &files);

        log.append(&effects_of(1, &["DEL c"]));
        log.switch_off().unwrap();
        assert!(!log.is_enabled() && !log.is_recording());
        let end = log.append(&effects_of(1, &["DEL never"]));
        assert_eq!((log.durable(), log.written(), log.appended()), (end, end, end));
        block_on(log.durable_at(end)).unwrap();
        assert!(matches!(log.claim_rewrite(), Err(RewriteRefusal::NoLog)));
        let expected = ["SELECT 0", "DEL a", "SELECT 0", "DEL b", "SELECT 1", "DEL c"];
        check(&storage, &expected, &files);
        // The directory is anybody's.
        drop(start(&storage, &test_paths(), FsyncPolicy::No).unwrap());

        let rewrite = begin(&log, &storage);
        let position = log.append(&effects_of(1, &["DEL d"]));
        assert!(position > end);
        check(&storage, &expected, &files);
        rewrite.finish().unwrap();
        block_on(log.durable_at(position)).unwrap();
        let files = ["appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof"];
        check(&storage, &["SELECT 1", "DEL d"], &files);
        check_files(&storage, &files);
        log.claim_rewrite().unwrap().prepare().unwrap().switch().unwrap();
        log.append(&effects_of(1, &["DEL e"]));
        log.close().unwrap();
    }

    /// A rewrite that nobody waits for any more goes on for a while: it does no harm to the log that follows.
    #[test]
    fn a_rewrite_of_before_comes_to_nothing() {
        let storage = test_storage(1);
        let log = log_off();
        let mut first = begin(&log, &storage);
        log.append(&effects_of(0, &["DEL a"]));
        log.switch_off().unwrap();
        let second = begin(&log, &storage);
        log.append(&effects_of(0, &["DEL b"]));
        assert!(first.switch().is_err() && log.is_recording());
        assert!(first.append(&effects_of(0, &["DEL never"])).is_ok());
        assert!(first.finish().is_err());
        assert_eq!(log.statistics().rewrite.consecutive_failures, 0, "it was not to come to its end");
        second.finish().unwrap();
        log.sync_all().unwrap();
        check(&storage, &["SELECT 0", "DEL b"], &["appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof"]);

        // One that was to shorten it keeps others out as long as it is there.
        let third = log.claim_rewrite().unwrap().prepare().unwrap();
        log.switch_off().unwrap();
        assert!(start(&storage, &test_paths(), FsyncPolicy::No).is_err());
        assert!(third.finish().is_err());
        drop(start(&storage, &test_paths(), FsyncPolicy::No).unwrap());
    }

    #[test]
    fn a_first_rewrite_that_fails_can_be_tried_again() {
        let storage = test_storage(1);
        let log = log_off();
        let rewrite = begin(&log, &storage);
        let position = log.append(&effects_of(0, &["DEL a"]));
        storage.fail_operation(storage.operations() + 1, Fault::Error(EIO));
        assert!(block_on(log.durable_at(position)).is_err());
        assert!(log.latched().unwrap().is_final);
        assert!(rewrite.finish().is_err());
        assert!(log.latched().is_none() && log.is_enabled() && log.awaits_base() && !log.is_recording());
        block_on(log.durable_at(log.appended())).unwrap();
        check_files(&storage, &[]);
        let mut rewrite = log.claim_rewrite().unwrap().prepare().unwrap();
        rewrite.switch().unwrap();
        log.append(&effects_of(0, &["DEL b"]));
        rewrite.finish().unwrap();
        log.switch_off().unwrap();
        check(&storage, &["SELECT 0", "DEL b"], &["appendonly.aof.1.base.aof", "appendonly.aof.1.incr.aof"]);
    }

    #[test]
    fn a_log_that_has_failed_is_off_and_on_again() {
        let storage = test_storage(1);
        let log = log_off();
        begin(&log, &storage).finish().unwrap();
        let position = log.append(&effects_of(0, &["DEL a"]));
        storage.fail_operation(storage.operations() + 1, Fault::Error(EIO));
        assert!(block_on(log.durable_at(position)).is_err());
        assert!(log.switch_off().is_err());
        assert!(log.latched().is_none());
        block_on(log.durable_at(log.appended())).unwrap();
        begin(&log, &storage).finish().unwrap();
        let position = log.append(&effects_of(0, &["DEL b"]));
        block_on(log.durable_at(position)).unwrap();
        check(&storage, &["SELECT 0", "DEL b"], &["appendonly.aof.2.base.aof", "appendonly.aof.2.incr.aof"]);
    }

    #[test]
    fn what_nobody_names_is_left_alone() {
        let storage = test_storage(1);
        let paths = test_paths();
        storage.create_dir(&paths.append_dir()).unwrap();
        storage.sync_dir(&paths.dir).unwrap();
        for name in ["appendonly.aof.7.base.rdb", "appendonly.aof.9.incr.aof"] {
            storage.put(&paths.file(name), b"*1\r\n$4\r\nPING\r\n");
        }
        let log = log_off();
        begin(&log, &storage).finish().unwrap();
        log.switch_off().unwrap();
        let files = [
            "appendonly.aof.10.incr.aof",
            "appendonly.aof.7.base.rdb",
            "appendonly.aof.8.base.aof",
            "appendonly.aof.9.incr.aof",
        ];
        check(&storage, &[], &files);
    }

    /// The machine stops when the manifest names the files as history: they are of no use, and no reason to start without what there was.
    #[test]
    fn a_manifest_of_nothing_but_history() {
        let paths = test_paths();
        let history =
            "file appendonly.aof.1.base.aof seq 1 type h\nfile appendonly.aof.1.incr.aof seq 1 type h\n";
        for (others, is_loaded) in [(&[][..], true), (&["appendonly.aof.2.incr.aof"], false)] {
            let storage = test_storage(1);
            storage.create_dir(&paths.append_dir()).unwrap();
            storage.sync_dir(&paths.dir).unwrap();
            storage.put(&paths.manifest(), history.as_bytes());
            for name in ["appendonly.aof.1.base.aof", "appendonly.aof.1.incr.aof"].iter().chain(others) {
                storage.put(&paths.file(name), b"*1\r\n$4\r\nPING\r\n");
            }
            let (texts, result) = recover_texts(&storage, &paths);
            assert_eq!((texts.len(), result.is_ok()), (0, is_loaded));
            drop(result);
            if is_loaded {
                check(&storage, &[], &["appendonly.aof.2.incr.aof"]);
            }
        }
    }
}
