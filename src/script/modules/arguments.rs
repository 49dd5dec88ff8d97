//! The arguments of a function that scripts call, and what it says of wrong ones: in the words of Lua's own functions.

use std::fmt::Display;

use mlua::{Error, Lua, MultiValue, Value};

use crate::script::error::complain;

/// A call's arguments.
#[derive(Debug)]
pub(super) struct Args<'a> {
    lua: &'a Lua,
    function: &'static str,
    values: MultiValue,
}

impl<'a> Args<'a> {
    pub(super) fn new(lua: &'a Lua, function: &'static str, values: MultiValue) -> Self {
        Self { lua, function, values }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The argument, from 0.
    pub(super) fn get(&self, at: usize) -> Option<&Value> {
        self.values.get(at)
    }

    /// Whether it is there and not nil.
    pub(super) fn is_given(&self, at: usize) -> bool {
        self.get(at).is_some_and(|value| *value != Value::Nil)
    }

    /// What is wrong with an argument, from 1.
    pub(super) fn wrong(&self, number: usize, what: impl Display) -> Error {
        complain(self.lua, format_args!("bad argument #{number} to '{}' ({what})", self.function))
    }

    /// Any other complaint.
    pub(super) fn complain(&self, what: impl Display) -> Error {
        complain(self.lua, what)
    }

    fn wrong_type(&self, at: usize, expected: &str) -> Error {
        let found = match self.get(at) {
            None => "no value",
            Some(value) => type_name(value),
        };
        self.wrong(at + 1, format_args!("{expected} expected, got {found}"))
    }

    /// A number, or a text that is one.
    pub(super) fn number(&self, at: usize) -> Result<f64, Error> {
        match self.get(at) {
            Some(Value::Number(number)) => Ok(*number),
            Some(Value::Integer(number)) => Ok(*number as f64),
            Some(value @ Value::String(_)) => {
                let number = self.lua.coerce_number(value.clone())?;
                number.ok_or_else(|| self.wrong_type(at, "number"))
            }
            _ => Err(self.wrong_type(at, "number")),
        }
    }

    /// An integer, as C converts a number to one; `default` where none is given.
    pub(super) fn integer_or(&self, at: usize, default: i64) -> Result<i64, Error> {
        if self.is_given(at) { self.number(at).map(|number| number as i64) } else { Ok(default) }
    }

    /// A text, or a number's text.
    pub(super) fn text(&self, at: usize) -> Result<Vec<u8>, Error> {
        match self.get(at) {
            Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
            Some(value @ (Value::Number(_) | Value::Integer(_))) => {
                let text = self.lua.coerce_string(value.clone())?;
                text.map(|text| text.as_bytes().to_vec()).ok_or_else(|| self.wrong_type(at, "string"))
            }
            _ => Err(self.wrong_type(at, "string")),
        }
    }
}

/// What Lua calls a value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}
