//! Libraries of functions: what each registers while it is loaded.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, MultiValue, Table, Value};
use parking_lot::Mutex;

use super::api::text_of;
use super::error::raise;
use super::interpreter::Interpreter;
use super::shebang::{BAD_NAME, is_name, parse_library};
use super::{ScriptFlags, api};

/// A library that a client loads may take so long to register its functions.
pub(super) const LOAD_TIME_MAX: Duration = Duration::from_millis(500);

/// A function of a library, as FUNCTION LIST shows it.
#[derive(Debug, Clone)]
pub struct FunctionInfo {
    /// Its name.
    pub name: Vec<u8>,
    /// What it says of itself.
    pub description: Option<Vec<u8>>,
    /// Its flags.
    pub flags: ScriptFlags,
}

/// A library, as FUNCTION LIST shows it.
#[derive(Debug, Clone)]
pub struct LibraryInfo {
    /// Its name.
    pub name: Vec<u8>,
    /// Its text.
    pub code: Arc<[u8]>,
    /// Its functions, in the order in which they were registered.
    pub functions: Vec<FunctionInfo>,
}

/// A function that can be called.
#[derive(Debug, Clone)]
pub(super) struct LoadedFunction {
    pub(super) info: FunctionInfo,
    pub(super) callback: Function,
}

/// A library that was loaded.
#[derive(Debug, Clone)]
pub(super) struct Library {
    pub(super) name: Vec<u8>,
    pub(super) code: Arc<[u8]>,
    pub(super) functions: Vec<LoadedFunction>,
}

impl Library {
    pub(super) fn info(&self) -> LibraryInfo {
        let functions = self.functions.iter().map(|function| function.info.clone()).collect();
        LibraryInfo { name: self.name.clone(), code: Arc::clone(&self.code), functions }
    }
}

/// What the library that is being loaded has registered; `None` while none is.
pub(super) type Registered = Arc<Mutex<Option<Vec<LoadedFunction>>>>;

/// The table `redis` while a library is loaded.
pub(super) fn redis_at_load(lua: &Lua, registered: &Registered) -> mlua::Result<Table> {
    let redis = api::common(lua)?;
    let registered = Arc::clone(registered);
    let register = move |lua: &Lua, args: MultiValue| register(lua, &registered, &args);
    redis.raw_set("register_function", lua.create_function(register)?)?;
    Ok(redis)
}

/// The library's name.
///
/// # Errors
/// The error line: the first line cannot be understood.
pub(super) fn name_of(code: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    parse_library(code).map(|(name, _)| name)
}

/// Loads a library.
///
/// # Errors
/// The error line.
pub(super) fn load(
    interpreter: &Interpreter,
    registered: &Registered,
    code: &[u8],
    time_max: Option<Duration>,
) -> Result<Library, Vec<u8>> {
    let (name, body) = parse_library(code)?;
    let chunk = interpreter
        .compile(body)
        .map_err(|text| [b"ERR Error compiling function: ".as_slice(), &text].concat())?;
    *registered.lock() = Some(Vec::new());
    let result = interpreter.load(&chunk, time_max);
    let functions = registered.lock().take().unwrap_or_default();
    result.map_err(|error| {
        // Lua's own errors have no code, those of `redis.register_function` have one.
        let is_luas_own = error.message.starts_with(b"ERR user_function:");
        let text = if is_luas_own { &error.message[b"ERR ".len()..] } else { &error.message };
        [b"ERR Error registering functions: ".as_slice(), text].concat()
    })?;
    if functions.is_empty() {
        return Err(b"ERR No functions registered".to_vec());
    }
    Ok(Library { name, code: code.into(), functions })
}

fn register(lua: &Lua, registered: &Registered, args: &MultiValue) -> mlua::Result<()> {
    let mut registered = registered.lock();
    let Some(functions) = registered.as_mut() else {
        let text = "ERR redis.register_function can only be called on FUNCTION LOAD command";
        return Err(raise(lua, text, false));
    };
    let function = parse_registration(args).map_err(|text| raise(lua, text, false))?;
    if functions.iter().any(|other| other.info.name.eq_ignore_ascii_case(&function.info.name)) {
        return Err(raise(lua, "ERR Function already exists in the library", false));
    }
    functions.push(function);
    Ok(())
}

fn parse_registration(args: &MultiValue) -> Result<LoadedFunction, Vec<u8>> {
    let function = match args.len() {
        1 => parse_named(args)?,
        2 => parse_positional(args)?,
        _ => return Err(b"ERR wrong number of arguments to redis.register_function".to_vec()),
    };
    if !is_name(&function.info.name) {
        // Redis says library here too.
        return Err(BAD_NAME.to_vec());
    }
    Ok(function)
}

/// `redis.register_function(name, callback)`
fn parse_positional(args: &MultiValue) -> Result<LoadedFunction, Vec<u8>> {
    let name = args.front().and_then(text_of);
    let name = name.ok_or(&b"ERR first argument to redis.register_function must be a string"[..])?;
    let Some(Value::Function(callback)) = args.get(1) else {
        return Err(b"ERR second argument to redis.register_function must be a function".to_vec());
    };
    let info = FunctionInfo { name, description: None, flags: ScriptFlags::empty() };
    Ok(LoadedFunction { info, callback: callback.clone() })
}

/// `redis.register_function{function_name=name, callback=callback, flags={...}, description=text}`
fn parse_named(args: &MultiValue) -> Result<LoadedFunction, Vec<u8>> {
    let Some(Value::Table(table)) = args.front() else {
        return Err(
            b"ERR calling redis.register_function with a single argument is only applicable to Lua table \
                     (representing named arguments)."
                .to_vec(),
        );
    };
    let (mut name, mut description, mut callback, mut flags) = (None, None, None, ScriptFlags::empty());
    for pair in table.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else { break };
        let key = text_of(&key)
            .ok_or(&b"ERR named argument key given to redis.register_function is not a string"[..])?;
        match key.as_slice() {
            b"function_name" => {
                let text = b"ERR function_name argument given to redis.register_function must be a string";
                name = Some(text_of(&value).ok_or(&text[..])?);
            }
            b"description" => {
                let text = b"ERR description argument given to redis.register_function must be a string";
                description = Some(text_of(&value).ok_or(&text[..])?);
            }
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => {
                    let text = b"ERR callback argument given to redis.register_function must be a function";
                    return Err(text.to_vec());
                }
            },
            b"flags" => flags = parse_flags(&value)?,
            _ => return Err(b"ERR unknown argument given to redis.register_function".to_vec()),
        }
    }
    let name = name.ok_or(&b"ERR redis.register_function must get a function name argument"[..])?;
    let callback = callback.ok_or(&b"ERR redis.register_function must get a callback argument"[..])?;
    Ok(LoadedFunction { info: FunctionInfo { name, description, flags }, callback })
}

fn parse_flags(value: &Value) -> Result<ScriptFlags, Vec<u8>> {
    let Value::Table(table) = value else {
        let text =
            b"ERR flags argument to redis.register_function must be a table representing function flags";
        return Err(text.to_vec());
    };
    let mut flags = ScriptFlags::empty();
    for index in 1.. {
        match table.raw_get(index) {
            Ok(Value::String(name)) => {
                let flag = ScriptFlags::find(&name.as_bytes()).ok_or(&b"ERR unknown flag given"[..])?;
                flags |= flag;
            }
            Ok(Value::Nil) | Err(_) => break,
            Ok(_) => return Err(b"ERR unknown flag given".to_vec()),
        }
    }
    Ok(flags)
}
