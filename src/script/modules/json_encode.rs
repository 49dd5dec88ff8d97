//! `cjson.encode`

use mlua::{Table, Value};

use super::arguments::type_name;
use super::json::{InvalidNumbers, Settings};
use crate::number::format_significant;

/// However deep a script wants it: each level takes room on the stack.
const DEPTH_MAX: i64 = 4000;
/// What Lua's own limit of memory does not see is limited here.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// A value as JSON.
///
/// # Errors
/// Why it has none.
pub(super) fn encode(value: &Value, settings: &Settings) -> Result<Vec<u8>, String> {
    let mut encoder = Encoder { out: Vec::new(), settings };
    encoder.value(value, 0)?;
    Ok(encoder.out)
}

struct Encoder<'a> {
    out: Vec<u8>,
    settings: &'a Settings,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: i64) -> Result<(), String> {
        if self.out.len() > TEXT_BYTES_MAX {
            return Err("not enough memory".into());
        }
        match value {
            Value::String(text) => self.text(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(truth) => self.out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Table(table) => {
                let depth = depth + 1;
                if depth > self.settings.encode_depth_max.min(DEPTH_MAX) {
                    return Err(format!("Cannot serialise, excessive nesting ({depth})"));
                }
                self.table(table, depth)?;
            }
            other => return Err(format!("Cannot serialise {}: type not supported", type_name(other))),
        }
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), String> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                InvalidNumbers::Refused => {
                    return Err("Cannot serialise number: must not be NaN or Inf".into());
                }
                InvalidNumbers::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                InvalidNumbers::Written => {}
            }
        }
        let text = format_significant(number, self.settings.precision as usize);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn text(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for &byte in text {
            match byte {
                b'"' | b'\\' | b'/' => self.out.extend_from_slice(&[b'\\', byte]),
                0x08 => self.out.extend_from_slice(b"\\b"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                0x0c => self.out.extend_from_slice(b"\\f"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                0..=0x1f | 0x7f => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    /// The length of a table that becomes an array.
    fn array_len(&self, table: &Table) -> Result<Option<usize>, String> {
        let (mut max, mut count) = (0.0_f64, 0_i64);
        for pair in table.pairs::<Value, Value>() {
            let key = match pair {
                Ok((Value::Integer(key), _)) => key as f64,
                Ok((Value::Number(key), _)) => key,
                _ => return Ok(None),
            };
            if key < 1.0 || key != key.floor() {
                return Ok(None);
            }
            max = max.max(key);
            count += 1;
        }
        let Settings { converts_sparse, sparse_ratio, sparse_safe, .. } = *self.settings;
        if sparse_ratio > 0 && max > count as f64 * sparse_ratio as f64 && max > sparse_safe as f64 {
            if !converts_sparse {
                return Err("Cannot serialise table: excessively sparse array".into());
            }
            return Ok(None);
        }
        Ok((count > 0).then_some(max as usize))
    }

    fn table(&mut self, table: &Table, depth: i64) -> Result<(), String> {
        if let Some(len) = self.array_len(table)? {
            self.out.push(b'[');
            for index in 1..=len {
                if index > 1 {
                    self.out.push(b',');
                }
                let value = table.raw_get(index).map_err(|error| error.to_string())?;
                self.value(&value, depth)?;
            }
            self.out.push(b']');
            return Ok(());
        }
        self.out.push(b'{');
        for (index, pair) in table.pairs::<Value, Value>().enumerate() {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            if index > 0 {
                self.out.push(b',');
            }
            match &key {
                Value::String(text) => self.text(&text.as_bytes()),
                Value::Integer(number) => self.numeric_key(*number as f64)?,
                Value::Number(number) => self.numeric_key(*number)?,
                _ => return Err("Cannot serialise table: table key must be a number or string".into()),
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn numeric_key(&mut self, number: f64) -> Result<(), String> {
        self.out.push(b'"');
        self.number(number)?;
        self.out.push(b'"');
        Ok(())
    }
}
