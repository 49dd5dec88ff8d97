//! `cjson`: the module, and its settings.

use std::sync::Arc;

use mlua::{LightUserData, Lua, MultiValue, Table, Value};
use parking_lot::Mutex;

use super::Args;
use super::json_decode::decode;
use super::json_encode::encode;

/// What a script can set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// What is too sparse for an array becomes an object.
    pub(super) converts_sparse: bool,
    /// An array is too sparse when it has more than so many times as many places as elements; 0 for never.
    pub(super) sparse_ratio: i64,
    /// Up to so many places it never is.
    pub(super) sparse_safe: i64,
    pub(super) encode_depth_max: i64,
    pub(super) decode_depth_max: i64,
    pub(super) encode_invalid: InvalidNumbers,
    pub(super) decodes_invalid: bool,
    pub(super) keeps_buffer: bool,
    /// Digits of a number.
    pub(super) precision: i64,
}

/// How a number that JSON has not is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidNumbers {
    Refused,
    Written,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            converts_sparse: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            encode_invalid: InvalidNumbers::Refused,
            decodes_invalid: true,
            keeps_buffer: true,
            precision: 14,
        }
    }
}

type Shared = Arc<Mutex<Settings>>;

/// What stands for JSON's null.
pub(super) fn null() -> Value {
    Value::LightUserData(LightUserData(std::ptr::null_mut()))
}

pub(super) fn module(lua: &Lua) -> mlua::Result<Table> {
    let settings: Shared = Arc::default();
    let module = lua.create_table()?;
    module.raw_set("_NAME", "cjson")?;
    module.raw_set("_VERSION", "2.1.0")?;
    module.raw_set("null", null())?;
    module.raw_set("new", lua.create_function(|lua, ()| self::module(lua))?)?;
    let of = Arc::clone(&settings);
    let encoder = move |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "encode", values);
        if args.len() != 1 {
            return Err(args.wrong(1, "expected 1 argument"));
        }
        let settings = *of.lock();
        let text = encode(args.get(0).unwrap_or(&Value::Nil), &settings);
        text.map_err(|text| args.complain(text)).and_then(|text| lua.create_string(text))
    };
    module.raw_set("encode", lua.create_function(encoder)?)?;
    let of = Arc::clone(&settings);
    let decoder = move |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "decode", values);
        if args.len() != 1 {
            return Err(args.wrong(1, "expected 1 argument"));
        }
        let settings = *of.lock();
        decode(lua, &args.text(0)?, &settings)?.map_err(|text| args.complain(text))
    };
    module.raw_set("decode", lua.create_function(decoder)?)?;
    set_numbers(lua, &module, &settings)?;
    set_choices(lua, &module, &settings)?;
    Ok(module)
}

/// The functions that set numbers.
fn set_numbers(lua: &Lua, module: &Table, settings: &Shared) -> mlua::Result<()> {
    type Field = fn(&mut Settings) -> &mut i64;
    let numbers: [(&'static str, i64, i64, Field); 3] = [
        ("encode_max_depth", 1, i64::from(i32::MAX), |settings| &mut settings.encode_depth_max),
        ("decode_max_depth", 1, i64::from(i32::MAX), |settings| &mut settings.decode_depth_max),
        ("encode_number_precision", 1, 16, |settings| &mut settings.precision),
    ];
    for (name, min, max, field) in numbers {
        let of = Arc::clone(settings);
        let set = move |lua: &Lua, values: MultiValue| {
            let args = Args::new(lua, name, values);
            let mut settings = of.lock();
            let value = field(&mut settings);
            set_number(&args, 0, min, max, value)?;
            Ok(*value as f64)
        };
        module.raw_set(name, lua.create_function(set)?)?;
    }
    let of = Arc::clone(settings);
    let set_sparse = move |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "encode_sparse_array", values);
        if args.len() > 3 {
            return Err(args.wrong(4, "found too many arguments"));
        }
        let mut settings = of.lock();
        set_boolean(&args, &mut settings.converts_sparse)?;
        set_number(&args, 1, 0, i64::from(i32::MAX), &mut settings.sparse_ratio)?;
        set_number(&args, 2, 0, i64::from(i32::MAX), &mut settings.sparse_safe)?;
        Ok((settings.converts_sparse, settings.sparse_ratio as f64, settings.sparse_safe as f64))
    };
    module.raw_set("encode_sparse_array", lua.create_function(set_sparse)?)
}

/// The functions that set one of a few words.
fn set_choices(lua: &Lua, module: &Table, settings: &Shared) -> mlua::Result<()> {
    let of = Arc::clone(settings);
    let set_buffer = move |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "encode_keep_buffer", values);
        let mut settings = of.lock();
        set_boolean(&args, &mut settings.keeps_buffer)?;
        Ok(settings.keeps_buffer)
    };
    module.raw_set("encode_keep_buffer", lua.create_function(set_buffer)?)?;
    let of = Arc::clone(settings);
    let set_decoding = move |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "decode_invalid_numbers", values);
        let mut settings = of.lock();
        set_boolean(&args, &mut settings.decodes_invalid)?;
        Ok(settings.decodes_invalid)
    };
    module.raw_set("decode_invalid_numbers", lua.create_function(set_decoding)?)?;
    let of = Arc::clone(settings);
    let set_encoding = move |lua: &Lua, values: MultiValue| {
        let args = Args::new(lua, "encode_invalid_numbers", values);
        let mut settings = of.lock();
        match args.get(0) {
            Some(Value::Boolean(true)) => settings.encode_invalid = InvalidNumbers::Written,
            Some(Value::Boolean(false)) => settings.encode_invalid = InvalidNumbers::Refused,
            Some(Value::String(word)) => {
                settings.encode_invalid = match &*word.as_bytes() {
                    b"on" => InvalidNumbers::Written,
                    b"off" => InvalidNumbers::Refused,
                    b"null" => InvalidNumbers::Null,
                    other => {
                        let other = String::from_utf8_lossy(other);
                        return Err(args.wrong(1, format_args!("invalid option '{other}'")));
                    }
                };
            }
            _ => {}
        }
        Ok(match settings.encode_invalid {
            InvalidNumbers::Refused => Value::Boolean(false),
            InvalidNumbers::Written => Value::Boolean(true),
            InvalidNumbers::Null => Value::String(lua.create_string("null")?),
        })
    };
    module.raw_set("encode_invalid_numbers", lua.create_function(set_encoding)?)
}

fn set_number(args: &Args<'_>, at: usize, min: i64, max: i64, value: &mut i64) -> mlua::Result<()> {
    if args.is_given(at) {
        let number = args.number(at)?;
        if number < min as f64 || number > max as f64 || number.is_nan() {
            return Err(args.wrong(at + 1, format_args!("expected integer between {min} and {max}")));
        }
        *value = number as i64;
    }
    Ok(())
}

fn set_boolean(args: &Args<'_>, value: &mut bool) -> mlua::Result<()> {
    match args.get(0) {
        Some(Value::Boolean(given)) => *value = *given,
        Some(Value::String(word)) => match &*word.as_bytes() {
            b"on" => *value = true,
            b"off" => *value = false,
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(args.wrong(1, format_args!("invalid option '{other}'")));
            }
        },
        _ => {}
    }
    Ok(())
}
