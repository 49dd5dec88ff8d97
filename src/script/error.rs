//! [`ScriptError`]: why a script ended early; [`Raised`]: how that looks within Lua.

use mlua::{Error, Lua, Value};

/// Why a script ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The error line without its `-`, as far as the script tells it.
    pub message: Vec<u8>,
    /// The chunk and the line where it arose, if they are known.
    pub position: Option<(String, String)>,
    /// It was counted already where it arose.
    pub is_counted: bool,
}

impl ScriptError {
    /// An error that says no more than its text.
    pub fn new(message: impl Into<Vec<u8>>) -> Self {
        Self { message: message.into(), position: None, is_counted: false }
    }

    /// The error line without its `-`, of a script or function of this name.
    pub fn line(&self, name: &[u8]) -> Vec<u8> {
        let mut line = self.message.clone();
        if let Some((source, number)) = &self.position {
            for part in [b" script: ", name, b", on ", source.as_bytes(), b":", number.as_bytes(), b"."] {
                line.extend_from_slice(part);
            }
        }
        line
    }
}

/// An error that `redis.call` and its like raise: within Lua it becomes a table.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", String::from_utf8_lossy(message))]
pub(super) struct Raised {
    pub(super) message: Vec<u8>,
    pub(super) is_counted: bool,
    pub(super) position: Option<(String, i64)>,
}

/// Where the function `level` levels up the stack is: its chunk's name and the line.
pub(super) fn position(lua: &Lua, level: usize) -> Option<(String, i64)> {
    lua.inspect_stack(level, |debug| {
        let source = debug.source().source.map(|source| source.into_owned()).unwrap_or_default();
        (source, debug.current_line().map_or(-1, |line| line as i64))
    })
}

/// An error in the form of those of `redis.call`.
pub(super) fn raise(lua: &Lua, message: impl Into<Vec<u8>>, is_counted: bool) -> Error {
    Error::external(Raised { message: message.into(), is_counted, position: position(lua, 1) })
}

/// An error as Lua's own functions raise it: a text with the place before it.
pub(super) fn complain(lua: &Lua, message: impl std::fmt::Display) -> Error {
    let place = lua.inspect_stack(1, |debug| {
        let source = debug.source().short_src.map(|source| source.into_owned()).unwrap_or_default();
        debug.current_line().map(|line| format!("{source}:{line}: "))
    });
    Error::RuntimeError(format!("{}{message}", place.flatten().unwrap_or_default()))
}

/// What an error of Rust's is within Lua: a table when `redis.call` raised it, else a text.
pub(super) fn unwrap(lua: &Lua, error: &Error) -> mlua::Result<Value> {
    if let Some(raised) = find_raised(error) {
        return raised_table(lua, raised).map(Value::Table);
    }
    let text = match error {
        Error::CallbackError { cause, .. } => plain_text(cause),
        other => plain_text(other),
    };
    lua.create_string(text).map(Value::String)
}

pub(super) fn raised_table(lua: &Lua, raised: &Raised) -> mlua::Result<mlua::Table> {
    let table = error_table(lua, &raised.message, raised.is_counted)?;
    if let Some((source, line)) = &raised.position {
        table.raw_set("source", source.as_str())?;
        table.raw_set("line", *line)?;
    }
    Ok(table)
}

/// What `redis.pcall` returns for an error.
pub(super) fn error_table(lua: &Lua, message: &[u8], is_counted: bool) -> mlua::Result<mlua::Table> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(message)?)?;
    if is_counted {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(table)
}

fn find_raised(error: &Error) -> Option<&Raised> {
    match error {
        Error::CallbackError { cause, .. } => find_raised(cause),
        Error::WithContext { cause, .. } => find_raised(cause),
        Error::ExternalError(external) => external.downcast_ref(),
        _ => None,
    }
}

fn plain_text(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } => plain_text(cause),
        Error::RuntimeError(text) | Error::SyntaxError { message: text, .. } => text.clone(),
        Error::MemoryError(_) => "not enough memory".into(),
        other => other.to_string(),
    }
}
