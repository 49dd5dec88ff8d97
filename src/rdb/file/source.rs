//! [`FileSource`]: a file's bytes, in order, with their checksum.

use std::io::{self, Read};

use crc::{Digest, Table};

use super::super::error::RdbError;
use super::super::payload::CRC64;
use super::super::reader::{CUT, Source};

/// How much is read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// In what pieces a long string's memory grows: a length that is claimed is not believed.
const PIECE_BYTES: usize = 1 << 20;

/// Reads a file and computes the checksum of what was taken.
pub(super) struct FileSource<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where in the buffer is what was not yet taken, and up to where the checksum goes.
    start: usize,
    checked: usize,
    /// Where in the file the buffer begins.
    buffer_offset: u64,
    digest: Digest<'static, u64, Table<16>>,
    /// What the system refused; the error that was answered then says that the file ends.
    pub(super) failure: Option<io::Error>,
}

impl<R: Read> FileSource<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            checked: 0,
            buffer_offset: 0,
            digest: CRC64.digest(),
            failure: None,
        }
    }

    /// How many bytes were taken.
    pub(super) fn offset(&self) -> u64 {
        self.buffer_offset + self.start as u64
    }

    /// The checksum of all that was taken.
    pub(super) fn checksum(&mut self) -> u64 {
        self.digest.update(&self.buffer[self.checked..self.start]);
        self.checked = self.start;
        self.digest.clone().finalize()
    }

    /// Reads more, once all was taken; answers whether there is more.
    fn refill(&mut self) -> bool {
        debug_assert_eq!(self.start, self.buffer.len());
        self.digest.update(&self.buffer[self.checked..]);
        self.buffer_offset += self.buffer.len() as u64;
        self.buffer.resize(BUFFER_BYTES, 0);
        let result = loop {
            match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        (self.start, self.checked) = (0, 0);
        self.buffer.truncate(*result.as_ref().unwrap_or(&0));
        self.failure = result.err();
        !self.buffer.is_empty()
    }

    /// The next bytes, at most `len` of them and at least one.
    fn take(&mut self, len: usize) -> Result<&[u8], RdbError> {
        if self.start == self.buffer.len() && !self.refill() {
            return Err(CUT);
        }
        let start = self.start;
        self.start = self.buffer.len().min(start.saturating_add(len));
        Ok(&self.buffer[start..self.start])
    }
}

impl<R: Read> Source for FileSource<R> {
    type Bytes = Vec<u8>;

    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, RdbError> {
        let mut bytes = Vec::with_capacity(len.min(PIECE_BYTES));
        while bytes.len() < len {
            let missing = len - bytes.len();
            bytes.extend_from_slice(self.take(missing)?);
        }
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        if let Some(bytes) = self.buffer[self.start..].first_chunk() {
            self.start += N;
            return Ok(*bytes);
        }
        let mut bytes = [0; N];
        let mut filled = 0;
        while filled < N {
            let some = self.take(N - filled)?;
            bytes[filled..filled + some.len()].copy_from_slice(some);
            filled += some.len();
        }
        Ok(bytes)
    }

    fn skip(&mut self, mut len: u64) -> Result<(), RdbError> {
        while len > 0 {
            let some = usize::try_from(len).unwrap_or(usize::MAX);
            len -= self.take(some)?.len() as u64;
        }
        Ok(())
    }
}
