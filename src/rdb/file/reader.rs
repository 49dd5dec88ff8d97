//! [`FileReader`]: reads an RDB file.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use super::super::error::RdbError;
use super::super::payload::VERSION_MAX;
use super::super::reader::Reader;
use super::super::value::decode_value;
use super::foreign::{module_name, skip_module_parts, skip_value};
use super::source::FileSource;
use crate::engine::Value;

const MAGIC: &[u8; 5] = b"REDIS";
/// The first version that has a checksum at its end.
const VERSION_WITH_CHECKSUM: u16 = 5;

/// The byte before an item that is no key.
mod opcode {
    pub(super) const KEY_METADATA: u8 = 243;
    pub(super) const SLOT_INFO: u8 = 244;
    pub(super) const FUNCTION_2: u8 = 245;
    pub(super) const MODULE_DATA: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const AUXILIARY: u8 = 250;
    pub(super) const RESIZE_DB: u8 = 251;
    pub(super) const EXPIRES_AT_MS: u8 = 252;
    pub(super) const EXPIRES_AT_S: u8 = 253;
    pub(super) const SELECT_DB: u8 = 254;
    pub(super) const END: u8 = 255;
}

/// The byte before a library of functions.
pub(in crate::rdb) const FUNCTION_OPCODE: u8 = opcode::FUNCTION_2;

/// What a key holds.
#[derive(Debug)]
pub enum Content {
    /// A value.
    Value(Value),
    /// A value of a type that this server has not: the type's name.
    Foreign(Cow<'static, str>),
}

/// A key in a file.
#[derive(Debug)]
pub struct FileKey {
    /// The database.
    pub db: u64,
    /// The key.
    pub key: Vec<u8>,
    /// When it expires, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// For how long it had not been used when the file was written, in seconds, if the file says so.
    pub idle_s: Option<u64>,
    /// What it holds.
    pub content: Content,
}

/// What a file holds.
#[derive(Debug)]
pub enum FileItem {
    /// A key.
    Key(FileKey),
    /// A function library: its code.
    Function(Vec<u8>),
    /// Data that a module keeps beside keys: its name. They were passed over.
    ModuleData(String),
}

/// Why a file cannot be read further.
#[derive(Debug)]
pub struct FileError {
    /// The byte offset of the item that cannot be read.
    pub offset: u64,
    /// The item's key, if it has one and it could be read.
    pub key: Option<Vec<u8>>,
    /// What is wrong.
    pub cause: FileCause,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum FileCause {
    /// The system refused to read it.
    System(io::Error),
    /// Its content.
    Content(Cow<'static, str>),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            FileCause::System(error) => write!(f, "{error}")?,
            FileCause::Content(what) => f.write_str(what)?,
        }
        match &self.key {
            Some(key) => write!(f, " (in the value of the key \"{}\")", key.escape_ascii()),
            None => Ok(()),
        }
    }
}

/// Reads an RDB file from an input, in one pass.
pub struct FileReader<R> {
    reader: Reader<FileSource<R>>,
    version: u16,
    db: u64,
    written_by: Option<String>,
    /// The present item: where it begins, and its key.
    item_offset: u64,
    item_key: Option<Vec<u8>>,
    has_ended: bool,
}

impl<R> fmt::Debug for FileReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("version", &self.version).finish_non_exhaustive()
    }
}

impl<R: Read> FileReader<R> {
    /// Reads a file's head. What is compressed in the file may come to strings of `string_bytes_max` bytes at most.
    ///
    /// # Errors
    /// An input that cannot be read, or is no RDB file of a version that is known.
    pub fn new(input: R, string_bytes_max: usize) -> Result<Self, FileError> {
        let mut reader = Self {
            reader: Reader::new(FileSource::new(input), string_bytes_max),
            version: 0,
            db: 0,
            written_by: None,
            item_offset: 0,
            item_key: None,
            has_ended: false,
        };
        let head: [u8; 9] = reader.reader.array().map_err(|error| reader.error(error))?;
        let (magic, digits) = head.split_at(MAGIC.len());
        let version = decode_version(digits);
        match version {
            Some(version @ 1..=VERSION_MAX) if magic == MAGIC => reader.version = version,
            Some(version) if magic == MAGIC => {
                let what =
                    format!("it is an RDB file of version {version}; versions 1 to {VERSION_MAX} are known");
                return Err(reader.content(what));
            }
            _ => return Err(reader.content("it is no RDB file")),
        }
        Ok(reader)
    }

    /// The file's version.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The version of the server that wrote the file, as far as it was read and says so.
    pub fn written_by(&self) -> Option<&str> {
        self.written_by.as_deref()
    }

    /// How many bytes were read: at the end, the file's size, or where in it something else follows.
    pub fn offset(&mut self) -> u64 {
        self.reader.source().offset()
    }

    /// Where the item begins that was read last.
    pub fn item_offset(&self) -> u64 {
        self.item_offset
    }

    /// The next item; `None` once all was read and the checksum was right.
    ///
    /// # Errors
    /// A file that cannot be read, that ends too early or is not what an RDB file may be; a wrong checksum, which tells that
    /// what was read before is not to be trusted either. The reader is of no use afterwards.
    pub fn read_item(&mut self) -> Result<Option<FileItem>, FileError> {
        if self.has_ended {
            return Ok(None);
        }
        self.item_offset = self.reader.source().offset();
        self.item_key = None;
        match self.decode_item() {
            Ok(Some(item)) => Ok(Some(item)),
            Ok(None) => {
                self.has_ended = true;
                Ok(None)
            }
            Err(error) => Err(self.error(error)),
        }
    }

    fn decode_item(&mut self) -> Result<Option<FileItem>, RdbError> {
        let (mut expires_at_ms, mut idle_s) = (None, None);
        loop {
            let reader = &mut self.reader;
            match reader.byte()? {
                opcode::EXPIRES_AT_MS => expires_at_ms = Some(reader.time_ms()?),
                opcode::EXPIRES_AT_S => {
                    let at_s = i32::from_le_bytes(reader.array()?);
                    expires_at_ms = Some(u64::from(at_s.max(0).cast_unsigned()) * 1000);
                }
                opcode::IDLE => idle_s = Some(reader.length()?),
                opcode::FREQUENCY => drop(reader.byte()?),
                opcode::SELECT_DB => self.db = reader.length()?,
                opcode::RESIZE_DB => {
                    reader.length()?;
                    reader.length()?;
                }
                opcode::SLOT_INFO => {
                    for _ in 0..3 {
                        reader.length()?;
                    }
                }
                opcode::KEY_METADATA => {
                    for _ in 0..reader.count()? {
                        reader.array::<4>()?;
                        skip_module_parts(reader)?;
                    }
                }
                opcode::AUXILIARY => self.read_auxiliary()?,
                opcode::FUNCTION_2 => return Ok(Some(FileItem::Function(reader.string()?))),
                opcode::MODULE_DATA => {
                    let name = module_name(reader.length()?);
                    // When it is to be loaded: a number, with its kind before it.
                    reader.length()?;
                    reader.length()?;
                    skip_module_parts(reader)?;
                    return Ok(Some(FileItem::ModuleData(name)));
                }
                opcode::END => {
                    self.check_end()?;
                    return Ok(None);
                }
                kind => {
                    let item = self.read_key(kind)?;
                    return Ok(Some(FileItem::Key(FileKey { expires_at_ms, idle_s, ..item })));
                }
            }
        }
    }

    fn read_key(&mut self, kind: u8) -> Result<FileKey, RdbError> {
        let reader = &mut self.reader;
        let key = reader.string()?;
        self.item_key = Some(key.clone());
        let content = match decode_value(reader, kind)? {
            Some(value) => Content::Value(value),
            None => Content::Foreign(skip_value(reader, kind)?),
        };
        Ok(FileKey { db: self.db, key, expires_at_ms: None, idle_s: None, content })
    }

    fn read_auxiliary(&mut self) -> Result<(), RdbError> {
        let name = self.reader.string()?;
        if *name == *b"redis-ver" {
            let version = self.reader.string()?;
            self.written_by = Some(version.escape_ascii().to_string());
            return Ok(());
        }
        self.reader.skip_string()
    }

    fn check_end(&mut self) -> Result<(), RdbError> {
        if self.version < VERSION_WITH_CHECKSUM {
            return Ok(());
        }
        let computed = self.reader.source().checksum();
        let written = u64::from_le_bytes(self.reader.array()?);
        // 0 stands for none (`rdbchecksum no`).
        if written == 0 || written == computed {
            Ok(())
        } else {
            Err(RdbError::Format("the checksum at its end is wrong"))
        }
    }

    fn error(&mut self, error: RdbError) -> FileError {
        let cause = match (self.reader.source().failure.take(), error) {
            (Some(failure), _) => FileCause::System(failure),
            (None, RdbError::Format(what)) => FileCause::Content(what.into()),
            (None, RdbError::Footer) => FileCause::Content("its end is wrong".into()),
        };
        FileError { offset: self.item_offset, key: self.item_key.take(), cause }
    }

    fn content(&self, what: impl Into<Cow<'static, str>>) -> FileError {
        FileError { offset: 0, key: None, cause: FileCause::Content(what.into()) }
    }
}

/// Four digits.
fn decode_version(digits: &[u8]) -> Option<u16> {
    digits
        .iter()
        .try_fold(0, |version, digit| digit.is_ascii_digit().then(|| version * 10 + u16::from(digit - b'0')))
}
