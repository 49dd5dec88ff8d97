//! Replies become values of Lua.

use mlua::{Lua, Table, Value};

use crate::number::parse_i64;

/// The value for a whole reply, as a handler wrote it.
///
/// # Errors
/// There is no memory for it.
pub(super) fn read(lua: &Lua, reply: &[u8]) -> mlua::Result<Value> {
    Parser { lua, rest: reply }.value()
}

struct Parser<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    /// The text up to the end of the line.
    fn line(&mut self) -> &'a [u8] {
        let len = self.rest.iter().position(|byte| *byte == b'\r').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(len);
        self.rest = rest.get(2..).unwrap_or_default();
        line
    }

    /// The number at the front; `None` for -1, which stands for null.
    fn length(&mut self) -> Option<usize> {
        parse_i64(self.line()).and_then(|length| usize::try_from(length).ok())
    }

    /// So many bytes, and the end of the line behind them.
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest.get(2..).unwrap_or_default();
        bytes
    }

    fn text(&self, bytes: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(bytes).map(Value::String)
    }

    /// A table of one field.
    fn tagged(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let Some((kind, rest)) = self.rest.split_first() else { return Ok(Value::Nil) };
        self.rest = rest;
        match kind {
            b'+' => {
                let line = self.line();
                self.tagged("ok", self.text(line)?)
            }
            b'-' => {
                let line = self.line();
                self.tagged("err", self.text(line)?)
            }
            b':' => {
                let number = parse_i64(self.line()).unwrap_or_default();
                Ok(Value::Number(number as f64))
            }
            b'$' => match self.length() {
                Some(len) => {
                    let bytes = self.bytes(len);
                    self.text(bytes)
                }
                None => Ok(Value::Boolean(false)),
            },
            b'*' | b'>' => match self.length() {
                Some(len) => self.array(len).map(Value::Table),
                None => Ok(Value::Boolean(false)),
            },
            b'%' => {
                let len = self.length().unwrap_or_default();
                let map = self.lua.create_table()?;
                for _ in 0..len {
                    let (key, value) = (self.value()?, self.value()?);
                    map.raw_set(key, value)?;
                }
                self.tagged("map", Value::Table(map))
            }
            b'~' => {
                let len = self.length().unwrap_or_default();
                let set = self.lua.create_table()?;
                for _ in 0..len {
                    set.raw_set(self.value()?, true)?;
                }
                self.tagged("set", Value::Table(set))
            }
            b'|' => {
                // What is told of the value behind is no part of it.
                for _ in 0..2 * self.length().unwrap_or_default() {
                    self.value()?;
                }
                self.value()
            }
            b'#' => Ok(Value::Boolean(self.line() == b"t")),
            b',' => {
                let line = self.line();
                let number = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
                self.tagged("double", Value::Number(number.unwrap_or(f64::NAN)))
            }
            b'(' => {
                let line = self.line();
                self.tagged("big_number", self.text(line)?)
            }
            b'=' => {
                let len = self.length().unwrap_or_default();
                let bytes = self.bytes(len);
                let (format, text) = bytes.split_at(bytes.len().min(3));
                let table = self.lua.create_table()?;
                table.raw_set("format", self.text(format)?)?;
                table.raw_set("string", self.text(text.get(1..).unwrap_or_default())?)?;
                self.tagged("verbatim_string", Value::Table(table))
            }
            _ => {
                self.line();
                Ok(Value::Nil)
            }
        }
    }

    fn array(&mut self, len: usize) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(len, 0)?;
        for index in 1..=len {
            let value = self.value()?;
            if value != Value::Nil {
                table.raw_set(index, value)?;
            }
        }
        Ok(table)
    }
}
