//! [`State`]: how far an import from a server has come, in a file, so that one that was interrupted goes on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::super::error::ToolError;

const HEAD: &str = "millstream import 1";

/// How far an import has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// The source's address.
    pub(super) source: String,
    /// The source's run: after a restart its cursors are of no use.
    pub(super) run_id: String,
    /// Where the data go.
    pub(super) destination: String,
    /// The database that is being read; those of lower numbers are done.
    pub(super) db: u64,
    /// SCAN's cursor in it.
    pub(super) cursor: String,
}

impl State {
    /// Reads a state; `None` when there is no file.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, ToolError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(ToolError::file("read", path))?,
        };
        Self::parse(&text)
            .map(Some)
            .ok_or_else(|| ToolError::Other(format!("{} is not the state of an import", path.display())))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != HEAD {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        Some(Self {
            source: field("source")?,
            run_id: field("run")?,
            destination: field("destination")?,
            db: field("db")?.parse().ok()?,
            cursor: field("cursor")?,
        })
    }

    fn encode(&self) -> String {
        let Self { source, run_id, destination, db, cursor } = self;
        format!(
            "{HEAD}\nsource {source}\nrun {run_id}\ndestination {destination}\ndb {db}\ncursor {cursor}\n"
        )
    }

    /// Writes the state in the place of the one before.
    pub(super) fn store(&self, path: &Path) -> Result<(), ToolError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = Path::new(&temporary);
        let mut file = File::create(temporary).map_err(ToolError::file("make", temporary))?;
        let written = file.write_all(self.encode().as_bytes()).and_then(|()| file.sync_all());
        written.map_err(ToolError::file("write to", temporary))?;
        fs::rename(temporary, path).map_err(ToolError::file("rename", temporary))
    }
}

/// Removes a state: the import is done.
pub(super) fn remove(path: &Path) -> Result<(), ToolError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ToolError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back() {
        let state = State {
            source: "localhost:6379".into(),
            run_id: "ab".into(),
            destination: "/a b".into(),
            db: 3,
            cursor: "18446744073709551615".into(),
        };
        assert_eq!(State::parse(&state.encode()), Some(state.clone()));
        assert_eq!(State::parse("millstream import 2\n"), None);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        assert_eq!(State::load(&path).unwrap(), None);
        state.store(&path).unwrap();
        state.store(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), Some(state));
        remove(&path).unwrap();
        remove(&path).unwrap();
        fs::write(&path, "something else").unwrap();
        assert!(State::load(&path).is_err());
    }
}
