//! [`Manifest`]: which files make up the append-only file, in Redis 7's format; and [`LogPaths`]: where they are.
//!
//! One line a file, in the order in which they are loaded:
//!
//! ```text
//! file appendonly.aof.1.base.rdb seq 1 type b
//! file appendonly.aof.1.incr.aof seq 1 type i
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{LogError, LogOperation};
use super::storage::{Storage, append_all, read_full};

/// A manifest longer than this is refused: it has a few lines.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// The longest line, as Redis has it.
const LINE_BYTES_MAX: usize = 1024;

/// Where the files of the log are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPaths {
    /// The server's working directory (`dir`).
    pub dir: PathBuf,
    /// The name of the log's directory in it (`appenddirname`).
    pub append_dir_name: String,
    /// The beginning of all file names (`appendfilename`).
    pub append_file_name: String,
}

impl LogPaths {
    /// The directory of the log's files.
    pub fn append_dir(&self) -> PathBuf {
        self.dir.join(&self.append_dir_name)
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.file(&format!("{}.manifest", self.append_file_name))
    }

    /// A file of the log by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.append_dir().join(name)
    }

    /// The name of a base.
    pub(super) fn base_name(&self, seq: u64) -> String {
        format!("{}.{seq}.base.aof", self.append_file_name)
    }

    /// The name that a file has until it is whole.
    pub(super) fn temporary_name(&self, name: &str) -> String {
        format!("temp-{name}")
    }

    /// Whether a file is one that was not whole when the process ended.
    pub(super) fn is_temporary(&self, name: &str) -> bool {
        name.strip_prefix("temp-").is_some_and(|name| self.find_rest(name).is_some())
    }

    /// The number of an increment or a base, by the file's name.
    pub(super) fn find_seq(&self, name: &str, kind: &str) -> Option<u64> {
        self.find_rest(name)?.strip_suffix(kind)?.parse().ok()
    }

    fn find_rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.append_file_name)?.strip_prefix('.')
    }

    /// The name of an increment.
    pub(super) fn increment_name(&self, seq: u64) -> String {
        format!("{}.{seq}.incr.aof", self.append_file_name)
    }
}

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Its name in the log's directory.
    pub name: String,
    /// Its number in the sequence of its kind.
    pub seq: u64,
}

/// The files that make up the log. Increments are in the order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What the increments build upon.
    pub base: Option<ManifestFile>,
    /// Files that a rewrite replaced and that are still to be removed.
    pub history: Vec<ManifestFile>,
    /// What was appended since the base was made; the last one is written to.
    pub increments: Vec<ManifestFile>,
}

impl Manifest {
    /// Whether it names a file, to be loaded or to be removed.
    pub(super) fn names(&self, name: &str) -> bool {
        self.base.iter().chain(&self.history).chain(&self.increments).any(|file| file.name == name)
    }

    /// Understands a manifest's text.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut manifest = Self::default();
        if text.is_empty() {
            return Err("the manifest is empty".into());
        }
        for (index, line) in text.split_inclusive('\n').enumerate() {
            manifest.parse_line(line).map_err(|what| format!("line {} of the manifest {what}", index + 1))?;
        }
        if manifest == Self::default() {
            return Err("the manifest names no file".into());
        }
        Ok(manifest)
    }

    fn parse_line(&mut self, line: &str) -> Result<(), String> {
        if line.len() > LINE_BYTES_MAX {
            return Err("is too long".into());
        }
        let Some(line) = line.strip_suffix('\n') else {
            return Err("does not end with a line feed".into());
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.starts_with('#') {
            return Ok(());
        }
        let (mut name, mut seq, mut kind) = (None, None, None);
        let words = split_words(line).ok_or("has unbalanced quotes")?;
        let (pairs, rest) = words.as_chunks::<2>();
        if pairs.is_empty() || !rest.is_empty() {
            return Err("is not a list of names and values".into());
        }
        for [key, value] in pairs {
            match key.as_str() {
                "file" if is_file_name(value) => name = Some(value.clone()),
                "file" => return Err(format!("names a file outside the directory: {value:?}")),
                "seq" => seq = Some(value.parse().map_err(|_| format!("has a wrong number: {value:?}"))?),
                "type" => kind = Some(value.clone()),
                // Redis 7 reads over what later versions may add.
                _ => {}
            }
        }
        let (Some(name), Some(seq), Some(kind)) = (name, seq, kind) else {
            return Err("lacks file, seq or type".into());
        };
        // What was replaced may have the name of what replaced it.
        let is_used = self.base.iter().chain(&self.increments).any(|file| file.name == name);
        if kind != "h" && is_used {
            return Err(format!("names a file twice: {name:?}"));
        }
        self.add(ManifestFile { name, seq }, &kind)
    }

    fn add(&mut self, file: ManifestFile, kind: &str) -> Result<(), String> {
        match kind {
            "b" if self.base.is_some() => return Err("names a second base".into()),
            "b" => self.base = Some(file),
            "h" => self.history.push(file),
            "i" if self.increments.last().is_some_and(|last| last.seq >= file.seq) => {
                return Err("has an increment out of order".into());
            }
            "i" => self.increments.push(file),
            _ => return Err(format!("has an unknown type: {kind:?}")),
        }
        Ok(())
    }

    /// The manifest's text, as Redis 7 writes it.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let kinds = [(self.base.as_slice(), 'b'), (&self.history, 'h'), (&self.increments, 'i')];
        for (files, kind) in kinds {
            for ManifestFile { name, seq } in files {
                text.push_str("file ");
                push_name(&mut text, name);
                writeln!(text, " seq {seq} type {kind}").expect("a String takes everything");
            }
        }
        text
    }

    /// Reads the manifest; `None` when there is none.
    ///
    /// # Errors
    /// A manifest that cannot be read or understood.
    pub fn load(storage: &dyn Storage, paths: &LogPaths) -> Result<Option<Self>, LogError> {
        let path = paths.manifest();
        let system = |operation| {
            let path = path.clone();
            move |error| LogError::system(operation, &path, error)
        };
        let file = match storage.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(system(LogOperation::Open))?,
        };
        let len = file.len().map_err(system(LogOperation::Read))?;
        if len > MANIFEST_BYTES_MAX {
            return Err(wrong(&path, "it is too long for a manifest"));
        }
        let mut bytes = vec![0; len as usize];
        let count = read_full(&*file, 0, &mut bytes).map_err(system(LogOperation::Read))?;
        bytes.truncate(count);
        let text = String::from_utf8(bytes).map_err(|_| wrong(&path, "it is not UTF-8 text"))?;
        Self::parse(&text).map(Some).map_err(|what| wrong(&path, what))
    }

    /// Replaces the manifest: readers see the old or the new one, whenever the machine stops. Durable on return.
    ///
    /// # Errors
    /// Any step that the system refuses; the old manifest is then still in place, or the new one already.
    pub fn store(&self, storage: &dyn Storage, paths: &LogPaths) -> Result<(), LogError> {
        let path = paths.manifest();
        let temporary = paths.file(&paths.temporary_name(&format!("{}.manifest", paths.append_file_name)));
        let system = |operation, path: &Path| {
            let path = path.to_path_buf();
            move |error| LogError::system(operation, &path, error)
        };
        let file = storage.create(&temporary).map_err(system(LogOperation::Create, &temporary))?;
        append_all(&*file, self.encode().as_bytes()).map_err(system(LogOperation::Write, &temporary))?;
        file.sync().map_err(system(LogOperation::Sync, &temporary))?;
        storage.rename(&temporary, &path).map_err(system(LogOperation::Rename, &temporary))?;
        let dir = paths.append_dir();
        storage.sync_dir(&dir).map_err(system(LogOperation::Sync, &dir))
    }
}

/// A manifest that cannot be understood.
fn wrong(path: &Path, what: impl Into<Cow<'static, str>>) -> LogError {
    LogError::content(LogOperation::Read, path, what).with_way_out(
        "put a manifest of the last state back, or correct it: it is a text, a line for each file",
    )
}

/// Whether a name stays inside the directory.
fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// Words apart by blanks; one in double quotes may hold blanks and the escapes that [`push_name`] writes. `None` when a quote is
/// not closed, or followed by text.
fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut word = Vec::new();
            let mut bytes = quoted.as_bytes();
            loop {
                let (&byte, tail) = bytes.split_first()?;
                bytes = tail;
                match byte {
                    b'"' => break,
                    b'\\' => bytes = unescape(bytes, &mut word)?,
                    _ => word.push(byte),
                }
            }
            rest = &quoted[quoted.len() - bytes.len()..];
            if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
                return None;
            }
            words.push(String::from_utf8(word).ok()?);
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Some(words)
}

/// Reads what follows a backslash and answers what is behind it.
fn unescape<'a>(bytes: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    if let [b'x', high, low, tail @ ..] = bytes
        && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
    {
        word.push((high << 4 | low) as u8);
        return Some(tail);
    }
    let (&byte, tail) = bytes.split_first()?;
    word.push(match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 0x07,
        b'b' => 0x08,
        other => other,
    });
    Some(tail)
}

/// Writes a name, in quotes when a blank or another unusual byte would break the line.
fn push_name(text: &mut String, name: &str) {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !name.is_empty() && name.bytes().all(plain) {
        text.push_str(name);
        return;
    }
    text.push('"');
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\x{byte:02x}").expect("a String takes everything"),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::fault::FaultStorage;
    use super::*;

    fn check(text: &str, expected: Result<&Manifest, &str>) {
        let parsed = Manifest::parse(text);
        assert_eq!(parsed.as_ref().map_err(String::as_str), expected, "of {text:?}");
        if let Ok(manifest) = parsed {
            assert_eq!(Manifest::parse(&manifest.encode()).as_ref(), Ok(&manifest));
        }
    }

    fn file(name: &str, seq: u64) -> ManifestFile {
        ManifestFile { name: name.into(), seq }
    }

    fn increment(name: &str, seq: u64) -> Manifest {
        Manifest { increments: vec![file(name, seq)], ..Manifest::default() }
    }

    #[test]
    fn what_redis_writes() {
        let text = "file appendonly.aof.2.base.rdb seq 2 type b\n\
                    file appendonly.aof.1.incr.aof seq 1 type h\n\
                    file appendonly.aof.2.incr.aof seq 2 type i\n\
                    file appendonly.aof.4.incr.aof seq 4 type i\n";
        let manifest = Manifest {
            base: Some(file("appendonly.aof.2.base.rdb", 2)),
            history: vec![file("appendonly.aof.1.incr.aof", 1)],
            increments: vec![file("appendonly.aof.2.incr.aof", 2), file("appendonly.aof.4.incr.aof", 4)],
        };
        check(text, Ok(&manifest));
        assert_eq!(manifest.encode(), text);
    }

    #[test]
    fn what_redis_reads() {
        check("# a comment\nfile a seq 1 type i\n", Ok(&increment("a", 1)));
        check("file a seq 1 type i newkey newvalue\n", Ok(&increment("a", 1)));
        check("seq 1  type i file a\r\n", Ok(&increment("a", 1)));
        check("file \"a b\\\"\\x41\\n\" seq 1 type i\n", Ok(&increment("a b\"A\n", 1)));
        assert_eq!(increment("ä b", 1).encode(), "file \"\\xc3\\xa4 b\" seq 1 type i\n");
    }

    #[test]
    fn what_redis_refuses() {
        let ok = "file a seq 1 type i\n";
        check("", Err("the manifest is empty"));
        check("# only a comment\n", Err("the manifest names no file"));
        check("file a seq 1 type i", Err("line 1 of the manifest does not end with a line feed"));
        check(&format!("{ok}\n{ok}"), Err("line 2 of the manifest is not a list of names and values"));
        check("file a seq 1 type i odd\n", Err("line 1 of the manifest is not a list of names and values"));
        check("filx a seq 1 type i\n", Err("line 1 of the manifest lacks file, seq or type"));
        check("file a type i\n", Err("line 1 of the manifest lacks file, seq or type"));
        check("file a seq -1 type i\n", Err("line 1 of the manifest has a wrong number: \"-1\""));
        check("file a seq 1 type x\n", Err("line 1 of the manifest has an unknown type: \"x\""));
        check("file \"a seq 1 type i\n", Err("line 1 of the manifest has unbalanced quotes"));
        check("file \"a\"b seq 1 type i\n", Err("line 1 of the manifest has unbalanced quotes"));
        check(
            "file ../a seq 1 type i\n",
            Err("line 1 of the manifest names a file outside the directory: \"../a\""),
        );
        check(&format!("{ok}{ok}"), Err("line 2 of the manifest names a file twice: \"a\""));
        check(
            &format!("{ok}file b seq 1 type i\n"),
            Err("line 2 of the manifest has an increment out of order"),
        );
        check(
            "file a seq 1 type b\nfile b seq 2 type b\n",
            Err("line 2 of the manifest names a second base"),
        );
        check(
            &format!("file {} seq 1 type i\n", "a".repeat(1024)),
            Err("line 1 of the manifest is too long"),
        );
    }

    #[test]
    fn a_stored_manifest_is_loaded_again() {
        let storage = FaultStorage::new(1);
        let paths = LogPaths {
            dir: "d".into(),
            append_dir_name: "appendonlydir".into(),
            append_file_name: "appendonly.aof".into(),
        };
        storage.create_dir(&paths.dir).unwrap();
        storage.create_dir(&paths.append_dir()).unwrap();
        assert_eq!(Manifest::load(&storage, &paths).unwrap(), None);
        for seq in 1..3 {
            let manifest = increment(&paths.increment_name(seq), seq);
            manifest.store(&storage, &paths).unwrap();
            assert_eq!(Manifest::load(&storage, &paths).unwrap(), Some(manifest));
        }
        assert_eq!(storage.list(&paths.append_dir()).unwrap(), ["appendonly.aof.manifest"]);
    }
}
