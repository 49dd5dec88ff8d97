//! [`Window`]: the part of a file that recovery looks at, read in large pieces.

use std::io;

use super::storage::{StorageFile, read_full};

/// How much is read at once at least.
const READ_BYTES: usize = 1 << 20;
/// A window that grew beyond this for one large command gives its memory back.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// A part of a file that moves towards its end.
pub(super) struct Window<'a> {
    file: &'a dyn StorageFile,
    /// The size that the file had when the window was made; what is appended later is not seen.
    file_len: u64,
    bytes: Vec<u8>,
    /// Where in the file `bytes` begins.
    start: u64,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn StorageFile) -> io::Result<Self> {
        Ok(Self { file, file_len: file.len()?, bytes: Vec::new(), start: 0 })
    }

    pub(super) fn file_len(&self) -> u64 {
        self.file_len
    }

    /// The bytes from `offset` on: at least `want` of them, fewer only where the file ends.
    pub(super) fn read(&mut self, offset: u64, want: usize) -> io::Result<&[u8]> {
        let end = self.file_len.min(offset.saturating_add(want as u64));
        let have = self.start + self.bytes.len() as u64;
        if offset < self.start || end > have {
            self.move_to(offset, want)?;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(&self.bytes[from..])
    }

    fn move_to(&mut self, offset: u64, want: usize) -> io::Result<()> {
        let have = self.start + self.bytes.len() as u64;
        if offset >= self.start && offset < have {
            self.bytes.drain(..(offset - self.start) as usize);
        } else {
            self.bytes.clear();
        }
        self.start = offset;
        let filled = self.bytes.len();
        let left = self.file_len.saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(want.max(READ_BYTES));
        if self.bytes.capacity() > KEPT_BYTES_MAX && len <= KEPT_BYTES_MAX {
            self.bytes.shrink_to(len);
        }
        self.bytes.resize(len.max(filled), 0);
        let count = read_full(self.file, offset + filled as u64, &mut self.bytes[filled..])?;
        self.bytes.truncate(filled + count);
        Ok(())
    }
}
