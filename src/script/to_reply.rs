//! What a script returns becomes a reply.

use mlua::{Table, Value};

use super::Ended;
use crate::protocol::Reply;

/// Tables in tables, and so on, up to so many.
const DEPTH_MAX: usize = 2000;

/// Writes what a script returned, and tells whether it is an error.
///
/// # Errors
/// There is no memory for it.
pub(super) fn write(value: &Value, reply: &mut Reply, knows_resp3: bool) -> mlua::Result<Ended> {
    let ended = match value {
        Value::Table(table) => match table.raw_get("err")? {
            Value::String(_) => match table.raw_get("ignore_error_stats_update")? {
                Value::Boolean(true) => Ended::WithCountedError,
                _ => Ended::WithError,
            },
            _ => Ended::Well,
        },
        _ => Ended::Well,
    };
    Writer { reply, knows_resp3 }.value(value, 0)?;
    Ok(ended)
}

struct Writer<'a> {
    reply: &'a mut Reply,
    /// The script asked for RESP3, and so means truth values by its own.
    knows_resp3: bool,
}

/// As C converts where Redis runs: what is no integer of 64 bits becomes the least one.
fn number_to_integer(number: f64) -> i64 {
    let fits = number >= i64::MIN as f64 && number < -(i64::MIN as f64);
    if fits { number as i64 } else { i64::MIN }
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        let reply = &mut *self.reply;
        match value {
            Value::String(text) => reply.bulk(&text.as_bytes()),
            Value::Boolean(truth) if self.knows_resp3 => reply.boolean(*truth),
            Value::Boolean(true) => reply.integer(1),
            Value::Integer(number) => reply.integer(number_to_integer(*number as f64)),
            Value::Number(number) => reply.integer(number_to_integer(*number)),
            Value::Table(_) if depth >= DEPTH_MAX => reply.error(b"ERR reached lua stack limit"),
            Value::Table(table) => self.table(table, depth)?,
            _ => reply.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        if let Value::String(message) = table.raw_get("err")? {
            let message = message.as_bytes();
            self.reply.error(message.strip_prefix(b"-").unwrap_or(&message));
            return Ok(());
        }
        if let Value::String(text) = table.raw_get("ok")? {
            self.reply.simple_bytes(&text.as_bytes());
            return Ok(());
        }
        match table.raw_get("double")? {
            Value::Number(number) => {
                self.reply.double(number);
                return Ok(());
            }
            Value::Integer(number) => {
                self.reply.double(number as f64);
                return Ok(());
            }
            _ => {}
        }
        if let Value::Table(map) = table.raw_get("map")? {
            let len = map.pairs::<Value, Value>().count();
            self.reply.map(len);
            for pair in map.pairs::<Value, Value>() {
                let (key, value) = pair?;
                self.value(&key, depth + 1)?;
                self.value(&value, depth + 1)?;
            }
            return Ok(());
        }
        if let Value::Table(set) = table.raw_get("set")? {
            let len = set.pairs::<Value, Value>().count();
            self.reply.set(len);
            for pair in set.pairs::<Value, Value>() {
                self.value(&pair?.0, depth + 1)?;
            }
            return Ok(());
        }
        if let Value::String(number) = table.raw_get("big_number")? {
            self.reply.big_number(&number.as_bytes());
            return Ok(());
        }
        if let Value::Table(verbatim) = table.raw_get("verbatim_string")?
            && let (Value::String(format), Value::String(text)) =
                (verbatim.raw_get("format")?, verbatim.raw_get("string")?)
        {
            self.reply.verbatim_as(&format.as_bytes(), &text.as_bytes());
            return Ok(());
        }
        self.array(table, depth)
    }

    /// The elements up to the first that is not there.
    fn array(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let mut result = Ok(());
        let knows_resp3 = self.knows_resp3;
        self.reply.array_counted(|reply| {
            let mut writer = Writer { reply, knows_resp3 };
            let mut len = 0;
            loop {
                let value = match table.raw_get(len + 1) {
                    Ok(Value::Nil) => return len,
                    Ok(value) => value,
                    Err(error) => {
                        result = Err(error);
                        return len;
                    }
                };
                if let Err(error) = writer.value(&value, depth + 1) {
                    result = Err(error);
                }
                len += 1;
            }
        });
        result
    }
}
