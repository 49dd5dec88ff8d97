//! [`FaultStorage`]: files in memory that fail on demand and forget what was not synced. For tests.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::storage::{DirectoryLock, Storage, StorageFile};

/// What happens to an operation that is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and answers with this error of the system (an `errno`).
    ///
    /// A sync that fails so forgets the changes it was to make durable, as Linux does: no later sync saves them.
    Error(i32),
    /// An append writes a part of its bytes and answers with this error of the system. Others fail as with `Error`.
    Torn(i32),
    /// The machine stops within the operation, which may have happened in part; every later one fails.
    PowerOff,
}

/// What is there after the machine or the process stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Everything written: the process was killed and the machine went on.
    Written,
    /// Only what was synced.
    Synced,
    /// What was synced, and of the rest what chance leaves: whole writes, beginnings of writes, zeros where a write was to
    /// be, or nothing; of the changes of directories the first so many.
    Chance,
}

/// A file system in memory. Clones are the same file system.
///
/// Operations that change something are counted from 0 on: making a directory or file, appending, truncating, renaming,
/// removing, syncing. Where chance decides, it follows from the seed.
#[derive(Clone)]
pub struct FaultStorage {
    state: Arc<Mutex<State>>,
}

struct State {
    random: fastrand::Rng,
    names: Names,
    synced_names: Names,
    /// Changes of directories that were not synced, in their order.
    unsynced_names: Vec<NameChange>,
    inodes: Vec<Inode>,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    is_off: bool,
    free_bytes: Option<u64>,
    delay: Duration,
    locked: BTreeSet<PathBuf>,
}

#[derive(Default, Clone)]
struct Names {
    dirs: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, usize>,
}

#[derive(Clone)]
enum NameChange {
    MakeDir(PathBuf),
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Default, Clone)]
struct Inode {
    content: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<ContentChange>,
}

#[derive(Clone)]
enum ContentChange {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { len: usize },
}

struct FaultFile {
    state: Arc<Mutex<State>>,
    inode: usize,
}

struct FaultLock {
    state: Arc<Mutex<State>>,
    dir: PathBuf,
}

impl FaultStorage {
    /// An empty file system.
    pub fn new(seed: u64) -> Self {
        Self::from_state(State {
            random: fastrand::Rng::with_seed(seed),
            names: Names::default(),
            synced_names: Names::default(),
            unsynced_names: Vec::new(),
            inodes: Vec::new(),
            operations: 0,
            faults: BTreeMap::new(),
            is_off: false,
            free_bytes: None,
            delay: Duration::ZERO,
            locked: BTreeSet::new(),
        })
    }

    fn from_state(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// How many operations have been counted.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Lets the operation with this number fail.
    pub fn fail_operation(&self, number: u64, fault: Fault) {
        self.state.lock().faults.insert(number, fault);
    }

    /// Whether a [`Fault::PowerOff`] has struck.
    pub fn is_off(&self) -> bool {
        self.state.lock().is_off
    }

    /// Appends fail once this many more bytes were appended; `None`: never.
    pub fn set_free_bytes(&self, free_bytes: Option<u64>) {
        self.state.lock().free_bytes = free_bytes;
    }

    /// Each operation takes so long from now on.
    pub fn set_delay(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    /// The file system as it is found after a stop, without faults and locks. This one stays as it is.
    pub fn restart(&self, survival: Survival, seed: u64) -> Self {
        let state = self.state.lock();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut names = state.synced_names.clone();
        let kept = match survival {
            Survival::Written => state.unsynced_names.len(),
            Survival::Synced => 0,
            Survival::Chance => random.usize(..=state.unsynced_names.len()),
        };
        for change in &state.unsynced_names[..kept] {
            names.apply(change);
        }
        let contents = state.inodes.iter().map(|inode| match survival {
            Survival::Written => inode.content.clone(),
            Survival::Synced => inode.synced.clone(),
            Survival::Chance => inode.by_chance(&mut random),
        });
        let inodes = contents
            .map(|content| Inode { synced: content.clone(), content, unsynced: Vec::new() })
            .collect();
        Self::from_state(State {
            random,
            synced_names: names.clone(),
            names,
            unsynced_names: Vec::new(),
            inodes,
            operations: 0,
            faults: BTreeMap::new(),
            is_off: false,
            free_bytes: None,
            delay: Duration::ZERO,
            locked: BTreeSet::new(),
        })
    }

    /// A file's content as a reader sees it now.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        Ok(state.inodes[state.find(path)?].content.clone())
    }

    /// Replaces or makes a file, durably, without counting an operation.
    pub fn put(&self, path: &Path, content: &[u8]) {
        let mut state = self.state.lock();
        let inode = Inode { content: content.to_vec(), synced: content.to_vec(), unsynced: Vec::new() };
        state.inodes.push(inode);
        let inode = state.inodes.len() - 1;
        state.names.files.insert(path.to_path_buf(), inode);
        state.synced_names.files.insert(path.to_path_buf(), inode);
    }
}

impl Names {
    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::MakeDir(path) => {
                self.dirs.insert(path.clone());
            }
            NameChange::Link(path, inode) => {
                self.files.insert(path.clone(), *inode);
            }
            NameChange::Unlink(path) => {
                self.files.remove(path);
            }
            NameChange::Rename(from, to) => {
                if let Some(inode) = self.files.remove(from) {
                    self.files.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::MakeDir(path) | Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path) => {
                path.parent()
            }
        }
    }
}

impl Inode {
    fn change(&mut self, change: ContentChange) {
        change.apply(&mut self.content);
        self.unsynced.push(change);
    }

    fn by_chance(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut content = self.synced.clone();
        for change in &self.unsynced {
            let ContentChange::Write { offset, bytes } = change else {
                if random.bool() {
                    change.apply(&mut content);
                }
                continue;
            };
            let left = match random.u8(..4) {
                0 => bytes.clone(),
                1 => bytes[..random.usize(..=bytes.len())].to_vec(),
                2 => vec![0; bytes.len()],
                _ => continue,
            };
            ContentChange::Write { offset: *offset, bytes: left }.apply(&mut content);
        }
        content
    }
}

impl ContentChange {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { len } => content.resize(*len, 0),
        }
    }
}

fn power_off() -> io::Error {
    io::Error::other("the machine is off")
}

impl State {
    fn find(&self, path: &Path) -> io::Result<usize> {
        if self.is_off {
            return Err(power_off());
        }
        self.names.files.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Counts an operation and answers with its fault, if it has one.
    fn count(&mut self) -> io::Result<Option<Fault>> {
        if self.is_off {
            return Err(power_off());
        }
        let fault = self.faults.get(&self.operations).copied();
        self.operations += 1;
        self.is_off = fault == Some(Fault::PowerOff);
        if !self.delay.is_zero() {
            thread::sleep(self.delay);
        }
        Ok(fault)
    }

    /// Runs an operation that happens wholly or not at all.
    fn run(&mut self, operation: impl FnOnce(&mut Self)) -> io::Result<()> {
        match self.count()? {
            None => operation(self),
            Some(Fault::Error(code) | Fault::Torn(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Fault::PowerOff) => {
                if self.random.bool() {
                    operation(self);
                }
                return Err(power_off());
            }
        }
        Ok(())
    }

    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        self.run(|state| {
            state.names.apply(&change);
            state.unsynced_names.push(change);
        })
    }

    fn check_dir_of(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(dir) if dir != Path::new("") && !self.names.dirs.contains(dir) => {
                Err(io::ErrorKind::NotFound.into())
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, inode: usize, bytes: &[u8]) -> io::Result<usize> {
        let fault = self.count()?;
        let mut count = bytes.len();
        let mut error = None;
        match fault {
            None => {}
            Some(Fault::Error(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Fault::Torn(code)) => {
                count = self.random.usize(..=count);
                error = Some(io::Error::from_raw_os_error(code));
            }
            Some(Fault::PowerOff) => {
                count = self.random.usize(..=count);
                error = Some(power_off());
            }
        }
        if let Some(free_bytes) = &mut self.free_bytes {
            count = count.min(usize::try_from(*free_bytes).unwrap_or(usize::MAX));
            *free_bytes -= count as u64;
            if count == 0 && !bytes.is_empty() {
                error = Some(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()));
            }
        }
        if count > 0 {
            let offset = self.inodes[inode].content.len();
            self.inodes[inode].change(ContentChange::Write { offset, bytes: bytes[..count].to_vec() });
        }
        error.map_or(Ok(count), Err)
    }

    fn sync(&mut self, inode: usize) -> io::Result<()> {
        let result = self.run(|state| {
            let Inode { synced, unsynced, .. } = &mut state.inodes[inode];
            for change in unsynced.drain(..) {
                change.apply(synced);
            }
        });
        if result.is_err() && !self.is_off {
            self.inodes[inode].unsynced.clear();
        }
        result
    }
}

impl FaultStorage {
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let inode = self.state.lock().find(path)?;
        Ok(Box::new(FaultFile { state: Arc::clone(&self.state), inode }))
    }
}

impl Storage for FaultStorage {
    fn to_arc(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.check_dir_of(path)?;
        if state.names.dirs.contains(path) {
            return Ok(());
        }
        state.change_name(NameChange::MakeDir(path.to_path_buf()))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        if !state.names.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = state.names.files.keys().filter(|path| path.parent() == Some(dir));
        Ok(files.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into()).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state.lock();
        Ok(state.names.files.contains_key(path) || state.names.dirs.contains(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.state.lock();
        state.check_dir_of(path)?;
        if let Ok(inode) = state.find(path) {
            state.run(|state| state.inodes[inode].change(ContentChange::Truncate { len: 0 }))?;
        } else {
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.change_name(NameChange::Link(path.to_path_buf(), inode))?;
        }
        drop(state);
        self.open(path)
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.find(from)?;
        state.check_dir_of(to)?;
        state.change_name(NameChange::Rename(from.to_path_buf(), to.to_path_buf()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.find(path)?;
        state.change_name(NameChange::Unlink(path.to_path_buf()))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state.lock().run(|state| {
            let State { unsynced_names, synced_names, .. } = state;
            for change in unsynced_names.extract_if(.., |change| change.dir() == Some(dir)) {
                synced_names.apply(&change);
            }
        })
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Box<dyn DirectoryLock>> {
        if !self.state.lock().locked.insert(dir.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(FaultLock { state: Arc::clone(&self.state), dir: dir.to_path_buf() }))
    }
}

impl DirectoryLock for FaultLock {}

impl Drop for FaultLock {
    fn drop(&mut self) {
        self.state.lock().locked.remove(&self.dir);
    }
}

impl StorageFile for FaultFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().inodes[self.inode].content.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.state.lock();
        if state.is_off {
            return Err(power_off());
        }
        let content = &state.inodes[self.inode].content;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let count = buffer.len().min(content.len() - start);
        buffer[..count].copy_from_slice(&content[start..start + count]);
        Ok(count)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.state.lock().append(self.inode, bytes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.state.lock().run(|state| state.inodes[self.inode].change(ContentChange::Truncate { len }))
    }

    fn sync(&self) -> io::Result<()> {
        self.state.lock().sync(self.inode)
    }
}

#[cfg(test)]
mod tests {
    use super::super::storage::append_all;
    use super::*;

    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;

    /// A storage with one durable, empty file.
    fn a_file() -> (FaultStorage, Box<dyn StorageFile>) {
        let storage = FaultStorage::new(7);
        storage.create_dir(Path::new("d")).unwrap();
        let file = storage.create(Path::new("d/f")).unwrap();
        storage.sync_dir(Path::new("")).unwrap();
        storage.sync_dir(Path::new("d")).unwrap();
        (storage, file)
    }

    fn check(storage: &FaultStorage, survival: Survival, expected: &[u8]) {
        let after = storage.restart(survival, 1);
        assert_eq!(after.content(Path::new("d/f")).unwrap(), expected, "with {survival:?}");
    }

    #[test]
    fn only_synced_bytes_are_sure() {
        let (storage, file) = a_file();
        append_all(&*file, b"one").unwrap();
        file.sync().unwrap();
        append_all(&*file, b"two").unwrap();
        check(&storage, Survival::Written, b"onetwo");
        check(&storage, Survival::Synced, b"one");
        let mut seen = BTreeSet::new();
        for seed in 0..64 {
            let content = storage.restart(Survival::Chance, seed).content(Path::new("d/f")).unwrap();
            assert!(content.starts_with(b"one"));
            seen.insert(content);
        }
        for expected in [&b"one"[..], b"onetwo", b"one\0\0\0", b"onetw"] {
            assert!(seen.contains(expected));
        }
    }

    #[test]
    fn a_failed_sync_forgets_for_good() {
        let (storage, file) = a_file();
        append_all(&*file, b"one").unwrap();
        storage.fail_operation(storage.operations(), Fault::Error(EIO));
        assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(EIO));
        file.sync().unwrap();
        check(&storage, Survival::Written, b"one");
        check(&storage, Survival::Synced, b"");
    }

    #[test]
    fn no_space() {
        let (storage, file) = a_file();
        storage.set_free_bytes(Some(4));
        assert_eq!(file.append(b"onetwo").unwrap(), 4);
        assert_eq!(file.append(b"wo").unwrap_err().raw_os_error(), Some(ENOSPC));
        storage.set_free_bytes(None);
        assert_eq!(file.append(b"wo").unwrap(), 2);
        check(&storage, Survival::Written, b"onetwo");
    }

    #[test]
    fn a_machine_that_is_off_does_nothing() {
        let (storage, file) = a_file();
        storage.fail_operation(storage.operations(), Fault::PowerOff);
        assert!(file.append(b"one").is_err());
        assert!(storage.is_off());
        assert!(file.append(b"two").is_err() && file.sync().is_err());
        assert!(storage.create(Path::new("d/g")).is_err());
        let after = storage.restart(Survival::Written, 1);
        assert!(b"one".starts_with(&after.content(Path::new("d/f")).unwrap()));
    }

    #[test]
    fn names_are_durable_after_their_directory_was_synced() {
        let (storage, _file) = a_file();
        storage.rename(Path::new("d/f"), Path::new("d/g")).unwrap();
        assert_eq!(storage.restart(Survival::Synced, 1).list(Path::new("d")).unwrap(), ["f"]);
        assert_eq!(storage.restart(Survival::Written, 1).list(Path::new("d")).unwrap(), ["g"]);
        storage.sync_dir(Path::new("d")).unwrap();
        assert_eq!(storage.restart(Survival::Synced, 1).list(Path::new("d")).unwrap(), ["g"]);
    }
}
