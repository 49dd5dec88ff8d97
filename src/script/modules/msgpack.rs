//! `cmsgpack`: values in the form of MessagePack.

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::Args;

/// What lies deeper is packed as nil.
const PACKED_DEPTH_MAX: usize = 16;
/// What lies deeper is not unpacked.
const UNPACKED_DEPTH_MAX: usize = 1000;

pub(super) fn module(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.raw_set("_NAME", "cmsgpack")?;
    module.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    module.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    module.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    module.raw_set("pack", lua.create_function(pack)?)?;
    let all = |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "unpack", values);
        unpack(lua, &args, 0, 0)
    };
    module.raw_set("unpack", lua.create_function(all)?)?;
    let one = |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "unpack_one", values);
        unpack(lua, &args, 1, args.integer_or(1, 0)?)
    };
    module.raw_set("unpack_one", lua.create_function(one)?)?;
    let some = |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "unpack_limit", values);
        let limit = args.number(1)? as i64;
        unpack(lua, &args, limit, args.integer_or(2, 0)?)
    };
    module.raw_set("unpack_limit", lua.create_function(some)?)?;
    Ok(module)
}

fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<mlua::LuaString> {
    let args = Args::new(lua, "pack", values);
    if args.len() == 0 {
        return Err(args.wrong(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for at in 0..args.len() {
        if let Some(value) = args.get(at) {
            push_value(&mut out, value, 0)?;
        }
    }
    lua.create_string(&out)
}

fn push_value(out: &mut Vec<u8>, value: &Value, depth: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            match text.len() {
                len @ 0..=31 => out.push(0xa0 | len as u8),
                len @ 32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
                len => push_length(out, [0xda, 0xdb], len),
            }
            out.extend_from_slice(&text);
        }
        Value::Boolean(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => push_integer(out, *number),
        Value::Number(number) => push_number(out, *number),
        Value::Table(table) if depth < PACKED_DEPTH_MAX => push_table(out, table, depth)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn push_length(out: &mut Vec<u8>, kinds: [u8; 2], len: usize) {
    match u16::try_from(len) {
        Ok(len) => {
            out.push(kinds[0]);
            out.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            out.push(kinds[1]);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn push_number(out: &mut Vec<u8>, number: f64) {
    // The least double that is no i64 any more; NaN is not below it either.
    let is_integer = number.trunc() == number && number.abs() < 9_223_372_036_854_775_808.0;
    if is_integer {
        push_integer(out, number as i64);
    } else if f64::from(number as f32) == number {
        out.push(0xca);
        out.extend_from_slice(&(number as f32).to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn push_integer(out: &mut Vec<u8>, number: i64) {
    match number {
        0..=0x7f => out.push(number as u8),
        -32..=-1 => out.push(number as i8 as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, number as u8]),
        -0x80..=-33 => out.extend_from_slice(&[0xd0, number as i8 as u8]),
        _ => {
            let bytes = number.to_be_bytes();
            let (kind, len) = match number {
                0x100..=0xffff => (0xcd, 2),
                0x1_0000..=0xffff_ffff => (0xce, 4),
                0x1_0000_0000.. => (0xcf, 8),
                -0x8000..0 => (0xd1, 2),
                -0x8000_0000..0 => (0xd2, 4),
                _ => (0xd3, 8),
            };
            out.push(kind);
            out.extend_from_slice(&bytes[8 - len..]);
        }
    }
}

/// The length of a table whose keys are the integers from 1 on, if that is so.
fn array_len(table: &Table) -> Option<usize> {
    let (mut count, mut max) = (0_usize, 0_usize);
    for pair in table.pairs::<Value, Value>() {
        let key = match pair.ok()?.0 {
            Value::Integer(key) => key as f64,
            Value::Number(key) => key,
            _ => return None,
        };
        if key <= 0.0 || key != key.trunc() || key > i32::MAX.into() {
            return None;
        }
        count += 1;
        max = max.max(key as usize);
    }
    (count == max).then_some(count)
}

fn push_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> mlua::Result<()> {
    if let Some(len) = array_len(table) {
        match len {
            0..=15 => out.push(0x90 | len as u8),
            _ => push_length(out, [0xdc, 0xdd], len),
        }
        for index in 1..=len {
            push_value(out, &table.raw_get(index)?, depth + 1)?;
        }
        return Ok(());
    }
    match table.pairs::<Value, Value>().count() {
        len @ 0..=15 => out.push(0x80 | len as u8),
        len => push_length(out, [0xde, 0xdf], len),
    }
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        push_value(out, &key, depth + 1)?;
        push_value(out, &value, depth + 1)?;
    }
    Ok(())
}

enum Fault {
    Missing,
    BadFormat,
    TooDeep,
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

struct Unpacker<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

fn unpack(lua: &Lua, args: &Args<'_>, limit: i64, offset: i64) -> mlua::Result<MultiValue> {
    let data = args.text(0)?;
    if limit < 0 || offset < 0 {
        let len = data.len();
        return Err(args.complain(format_args!(
            "Invalid request to unpack with offset of {offset} and limit of {len}."
        )));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|offset| data.get(offset..)) else {
        let len = data.len();
        return Err(args.complain(format_args!("Start offset {offset} greater than input length {len}.")));
    };
    let takes_all = limit == 0 && offset == 0;
    let mut unpacker = Unpacker { lua, rest };
    let mut values = Vec::new();
    while !unpacker.rest.is_empty() && (takes_all || (values.len() as i64) < limit) {
        values.push(unpacker.value(0).map_err(|fault| match fault {
            Fault::Missing => args.complain("Missing bytes in input."),
            Fault::BadFormat => args.complain("Bad data format in input."),
            Fault::TooDeep => args.complain("stack overflow (in function mp_decode_to_lua_array)"),
            Fault::Lua(error) => error,
        })?);
    }
    if !takes_all {
        let next = if unpacker.rest.is_empty() { -1.0 } else { (data.len() - unpacker.rest.len()) as f64 };
        values.insert(0, Value::Number(next));
    }
    Ok(values.into())
}

impl Unpacker<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Fault::Missing)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A length of so many bytes.
    fn length(&mut self, bytes: u8) -> Result<usize, Fault> {
        Ok(match bytes {
            1 => usize::from(u8::from_be_bytes(self.array()?)),
            2 => usize::from(u16::from_be_bytes(self.array()?)),
            _ => u32::from_be_bytes(self.array()?) as usize,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        let [kind] = self.array()?;
        Ok(match kind {
            0..=0x7f => Value::Number(kind.into()),
            0xe0.. => Value::Number(kind.cast_signed().into()),
            0x80..=0x8f => self.map((kind & 0x0f).into(), depth)?,
            0x90..=0x9f => self.sequence((kind & 0x0f).into(), depth)?,
            0xa0..=0xbf => self.text((kind & 0x1f).into())?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xc4 | 0xd9 => self.text_of(1)?,
            0xc5 | 0xda => self.text_of(2)?,
            0xc6 | 0xdb => self.text_of(4)?,
            0xca => Value::Number(f32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Number(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Number(u8::from_be_bytes(self.array()?).into()),
            0xcd => Value::Number(u16::from_be_bytes(self.array()?).into()),
            0xce => Value::Number(u32::from_be_bytes(self.array()?).into()),
            0xcf => Value::Number(u64::from_be_bytes(self.array()?) as f64),
            0xd0 => Value::Number(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Value::Number(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Value::Number(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Value::Number(i64::from_be_bytes(self.array()?) as f64),
            0xdc | 0xdd => {
                let len = self.length(if kind == 0xdc { 2 } else { 4 })?;
                self.sequence(len, depth)?
            }
            0xde | 0xdf => {
                let len = self.length(if kind == 0xde { 2 } else { 4 })?;
                self.map(len, depth)?
            }
            _ => return Err(Fault::BadFormat),
        })
    }

    fn text_of(&mut self, length_bytes: u8) -> Result<Value, Fault> {
        let len = self.length(length_bytes)?;
        self.text(len)
    }

    fn text(&mut self, len: usize) -> Result<Value, Fault> {
        let (text, rest) = self.rest.split_at_checked(len).ok_or(Fault::Missing)?;
        self.rest = rest;
        Ok(Value::String(self.lua.create_string(text)?))
    }

    fn sequence(&mut self, len: usize, depth: usize) -> Result<Value, Fault> {
        if depth >= UNPACKED_DEPTH_MAX {
            return Err(Fault::TooDeep);
        }
        let table = self.lua.create_table()?;
        for index in 1..=len {
            let value = self.value(depth + 1)?;
            table.raw_set(index, value)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value, Fault> {
        if depth >= UNPACKED_DEPTH_MAX {
            return Err(Fault::TooDeep);
        }
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let (key, value) = (self.value(depth + 1)?, self.value(depth + 1)?);
            match key {
                Value::Nil => return Err(Error::RuntimeError("table index is nil".into()).into()),
                Value::Number(number) if number.is_nan() => {
                    return Err(Error::RuntimeError("table index is NaN".into()).into());
                }
                _ => {}
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
