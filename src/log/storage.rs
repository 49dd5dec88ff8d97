//! [`Storage`]: what the log needs of a file system, and [`DiskStorage`], the real one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// A file system as the log sees it. Paths are those of the configuration; errors are the system's.
///
/// A change of a directory (a file made, renamed or removed) is only durable after [`Storage::sync_dir`], a change of
/// a file only after [`StorageFile::sync`].
pub trait Storage: Send + Sync {
    /// The same file system, to be kept.
    fn to_arc(&self) -> Arc<dyn Storage>;
    /// Makes a directory, unless it is there. Its parent must be there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names of the files in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Whether a file or directory is there.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes a file for appending; an old one of the name is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens a file for appending.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens a file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Gives a file a new name; a file that has the name is replaced, at once for everybody.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the changes of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Keeps other processes from locking the directory until the answer is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when somebody else has locked it.
    fn lock_dir(&self, dir: &Path) -> io::Result<Box<dyn DirectoryLock>>;
}

/// An open file. Several threads may use it at once: appending and syncing do not wait for each other.
pub trait StorageFile: Send + Sync {
    /// The present size in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether nothing is in the file.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads into `buffer` from `offset` on and answers how many bytes; 0 at the end of the file only.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Appends bytes and answers how many of them; the caller goes on with the rest.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file's end off.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes the file's content durable.
    fn sync(&self) -> io::Result<()>;
}

/// Holds a directory's lock for as long as it lives.
pub trait DirectoryLock: Send + Sync {}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskStorage;

struct DiskLock(#[expect(dead_code, reason = "its descriptor holds the lock")] File);

impl DirectoryLock for DiskLock {}

impl Storage for DiskStorage {
    fn to_arc(&self) -> Arc<dyn Storage> {
        Arc::new(*self)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o755).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o644).open(path)?;
        file.set_len(0)?;
        Ok(Box::new(file))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Box<dyn DirectoryLock>> {
        let file = File::open(dir)?;
        file.try_lock()?;
        Ok(Box::new(DiskLock(file)))
    }
}

impl StorageFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        file.write(bytes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Appends all of `bytes`, however many calls it takes.
pub(super) fn append_all(file: &dyn StorageFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.append(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads into `buffer` from `offset` on until it is full or the file ends, and answers how many bytes.
pub(super) fn read_full(file: &dyn StorageFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::super::fault::FaultStorage;
    use super::*;
    use std::path::PathBuf;

    /// What the disk and the fake must do alike.
    fn check(storage: &dyn Storage, dir: PathBuf) {
        let kind = |result: io::Result<Box<dyn StorageFile>>| result.err().map(|error| error.kind());
        let (file_path, other_path) = (dir.join("a"), dir.join("b"));
        assert_eq!(kind(storage.open_read(&file_path)), Some(io::ErrorKind::NotFound));
        assert_eq!(kind(storage.open_append(&file_path)), Some(io::ErrorKind::NotFound));
        assert_eq!(kind(storage.create(&dir.join("no/a"))), Some(io::ErrorKind::NotFound));
        storage.create_dir(&dir).expect("a directory that is there is no error");
        assert!(!storage.exists(&file_path).unwrap());

        let file = storage.create(&file_path).unwrap();
        append_all(&*file, b"0123456789").unwrap();
        file.sync().unwrap();
        file.truncate(4).unwrap();
        append_all(&*file, b"abc").unwrap();
        assert_eq!(file.len().unwrap(), 7);
        storage.rename(&file_path, &other_path).unwrap();
        storage.sync_dir(&dir).unwrap();
        append_all(&*storage.open_append(&other_path).unwrap(), b"d").unwrap();

        let mut buffer = [0; 32];
        let reader = storage.open_read(&other_path).unwrap();
        let count = read_full(&*reader, 2, &mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"23abcd");
        assert_eq!(read_full(&*reader, 100, &mut buffer).unwrap(), 0);
        assert_eq!(storage.list(&dir).unwrap(), ["b"]);
        storage.create(&other_path).unwrap();
        assert_eq!(storage.open_read(&other_path).unwrap().len().unwrap(), 0);
        storage.remove(&other_path).unwrap();
        assert!(!storage.exists(&other_path).unwrap());

        let lock = storage.lock_dir(&dir).unwrap();
        let refused = storage.lock_dir(&dir).err().map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::WouldBlock));
        drop(lock);
        storage.lock_dir(&dir).unwrap();
    }

    #[test]
    fn disk_and_fake_agree() {
        let dir = tempfile::tempdir().unwrap();
        check(&DiskStorage, dir.path().to_path_buf());
        let fake = FaultStorage::new(1);
        fake.create_dir(Path::new("d")).unwrap();
        check(&fake, PathBuf::from("d"));
    }
}
