//! What is in the table `redis`, but for what needs the present run's host; and what the prelude needs of Rust.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mlua::{Lua, MultiValue, Table, Value};
use sha1::{Digest, Sha1};

use super::error::{error_table, position, raise};
use super::interpreter::{RunState, unwrap_value};

/// What the prelude's chunk is called.
pub(super) const PRELUDE_NAME: &str = "=prelude";
const LEVELS: [&str; 4] = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"];

/// A hash in hexadecimal.
pub(super) fn sha1_hex(bytes: &[u8]) -> [u8; 40] {
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(Sha1::digest(bytes)) {
        for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = b"0123456789abcdef"[usize::from(value)];
        }
    }
    text
}

/// A number as a command's argument: an integer's digits where it is one, else what gives it back.
pub(super) fn number_text(number: f64) -> String {
    // Beyond that, neighbouring integers are no numbers of Lua's any more; Redis draws the line where they fit its integers.
    let is_integer = number == number.trunc() && number.abs() < 9.2e18;
    if is_integer { (number as i64).to_string() } else { crate::number::format_double(number) }
}

/// A text, or a number's.
pub(super) fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        Value::Number(number) => Some(number_text(*number).into_bytes()),
        _ => None,
    }
}

/// What both tables `redis` have: that of running scripts, and that of libraries being loaded.
pub(super) fn common(lua: &Lua) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    redis.raw_set("log", lua.create_function(log)?)?;
    for (level, name) in LEVELS.into_iter().enumerate() {
        redis.raw_set(name, level)?;
    }
    redis.raw_set("REDIS_VERSION", crate::REDIS_VERSION)?;
    redis.raw_set("REDIS_VERSION_NUM", version_number(crate::REDIS_VERSION))?;
    Ok(redis)
}

/// The version as a number, a byte for each of its parts.
fn version_number(version: &str) -> u32 {
    version.split('.').fold(0, |number, part| number << 8 | part.parse::<u32>().unwrap_or(0))
}

/// The table `redis` of running scripts, without `call`, `pcall` and `acl_check_cmd`.
pub(super) fn redis(lua: &Lua, state: &Arc<RunState>) -> mlua::Result<Table> {
    let redis = common(lua)?;
    for (name, flags) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        redis.raw_set(name, flags)?;
    }
    redis.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    redis.raw_set("error_reply", lua.create_function(error_reply)?)?;
    redis.raw_set("status_reply", lua.create_function(status_reply)?)?;
    redis.raw_set("set_repl", lua.create_function(set_repl)?)?;
    redis.raw_set("replicate_commands", lua.create_function(|_, _: MultiValue| Ok(true))?)?;
    redis.raw_set("breakpoint", lua.create_function(|_, _: MultiValue| Ok(false))?)?;
    redis.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    let state = Arc::clone(state);
    let set_protocol = move |lua: &Lua, args: MultiValue| set_resp(lua, &state, &args);
    redis.raw_set("setresp", lua.create_function(set_protocol)?)?;
    Ok(redis)
}

/// What the prelude needs of Rust.
pub(super) fn native(lua: &Lua) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    native.raw_set("unwrap", lua.create_function(unwrap_value)?)?;
    native.raw_set("where", lua.create_function(|lua, ()| Ok(find_origin(lua)))?)?;
    native.raw_set("clock", lua.create_function(|_, ()| Ok(crate::process::cpu_clock_seconds()))?)?;
    let random = Arc::new(parking_lot::Mutex::new(fastrand::Rng::new()));
    let seeded = Arc::clone(&random);
    let seed = move |lua: &Lua, args: MultiValue| {
        let seed = number_arg(lua, &args, 0, "randomseed")?;
        seeded.lock().seed(seed as i64 as u64);
        Ok(())
    };
    native.raw_set("randomseed", lua.create_function(seed)?)?;
    let draw = move |lua: &Lua, args: MultiValue| draw(lua, &mut random.lock(), &args);
    native.raw_set("random", lua.create_function(draw)?)?;
    Ok(native)
}

/// Where the error arose that the prelude describes: called by `describe`, which the function that raised it, or Lua, called.
fn find_origin(lua: &Lua) -> (Option<String>, Option<i64>) {
    let is_foreign = |level| {
        lua.inspect_stack(level, |debug| {
            let source = debug.source();
            source.what != "Lua" && source.what != "main" || source.source.as_deref() == Some(PRELUDE_NAME)
        })
    };
    let mut level = 2;
    while is_foreign(level) == Some(true) {
        level += 1;
    }
    match position(lua, level) {
        Some((source, line)) => (Some(source), Some(line)),
        None => (None, None),
    }
}

fn number_arg(lua: &Lua, args: &MultiValue, at: usize, function: &str) -> mlua::Result<f64> {
    let value = args.get(at).cloned().unwrap_or(Value::Nil);
    let number = lua.coerce_number(value)?;
    number.ok_or_else(|| {
        let what = args.get(at).map_or("no value", Value::type_name);
        super::error::complain(
            lua,
            format_args!("bad argument #{} to '{function}' (number expected, got {what})", at + 1),
        )
    })
}

/// `math.random`
fn draw(lua: &Lua, random: &mut fastrand::Rng, args: &MultiValue) -> mlua::Result<f64> {
    let fraction = random.f64();
    let (low, high) = match args.len() {
        0 => return Ok(fraction),
        1 => (1.0, number_arg(lua, args, 0, "random")?.trunc()),
        2 => (number_arg(lua, args, 0, "random")?.trunc(), number_arg(lua, args, 1, "random")?.trunc()),
        _ => return Err(super::error::complain(lua, "wrong number of arguments")),
    };
    if low > high || low.is_nan() || high.is_nan() {
        let at = args.len();
        let text = format_args!("bad argument #{at} to 'random' (interval is empty)");
        return Err(super::error::complain(lua, text));
    }
    Ok((fraction * (high - low + 1.0)).floor() + low)
}

fn log(lua: &Lua, args: MultiValue) -> mlua::Result<()> {
    if args.len() < 2 {
        return Err(raise(lua, "ERR redis.log() requires two arguments or more.", false));
    }
    let level = match args.front() {
        Some(Value::Integer(level)) => *level as f64,
        Some(Value::Number(level)) => *level,
        _ => return Err(raise(lua, "ERR First argument must be a number (log level).", false)),
    };
    let words: Vec<Vec<u8>> = args.iter().skip(1).filter_map(text_of).collect();
    let text = words.join(&b' ');
    let text = String::from_utf8_lossy(&text);
    match level as i64 {
        0 | 1 => tracing::debug!("{text}"),
        2 => tracing::info!("{text}"),
        3 => tracing::warn!("{text}"),
        _ => return Err(raise(lua, "ERR Invalid log level.", false)),
    }
    Ok(())
}

fn sha1hex(lua: &Lua, args: MultiValue) -> mlua::Result<mlua::LuaString> {
    if args.len() != 1 {
        return Err(raise(lua, "ERR wrong number of arguments", false));
    }
    let text = args.front().and_then(text_of).unwrap_or_default();
    lua.create_string(sha1_hex(&text))
}

const WRONG_ARGUMENTS: &[u8] = b"ERR wrong number or type of arguments";

/// An error as a script returns it. One that has no code gets `ERR`.
fn error_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Table> {
    let (1, Some(Value::String(text))) = (args.len(), args.front()) else {
        return error_table(lua, WRONG_ARGUMENTS, false);
    };
    let text = text.as_bytes();
    let text = text.strip_prefix(b"-").unwrap_or(&text);
    let message = if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() };
    error_table(lua, &message, false)
}

fn status_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Table> {
    let (1, Some(Value::String(text))) = (args.len(), args.front()) else {
        return error_table(lua, WRONG_ARGUMENTS, false);
    };
    let table = lua.create_table()?;
    table.raw_set("ok", text)?;
    Ok(table)
}

/// All that a script does goes to the log, whatever it asks for.
fn set_repl(lua: &Lua, args: MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(raise(lua, "ERR redis.set_repl() requires one argument.", false));
    }
    let flags = args.front().cloned().and_then(|flags| lua.coerce_number(flags).ok().flatten());
    if (flags.unwrap_or(0.0) as i64) & !3 != 0 {
        let text = "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(raise(lua, text, false));
    }
    Ok(())
}

fn set_resp(lua: &Lua, state: &RunState, args: &MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(raise(lua, "ERR redis.setresp() requires one argument.", false));
    }
    let version = args.front().cloned().and_then(|version| lua.coerce_number(version).ok().flatten());
    match version.map(|version| version as i64) {
        Some(2) => state.resp3.store(false, Relaxed),
        Some(3) => state.resp3.store(true, Relaxed),
        _ => return Err(raise(lua, "ERR RESP version must be 2 or 3.", false)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_arguments() {
        for (number, expected) in [
            (1.0, "1"),
            (-0.0, "0"),
            (1e15, "1000000000000000"),
            (1e20, "1e+20"),
            (3.1, "3.1"),
            (1.0 / 0.0, "inf"),
        ] {
            assert_eq!(number_text(number), expected);
        }
    }

    #[test]
    fn versions_as_numbers() {
        assert_eq!(version_number("7.0.15"), 458_767);
    }
}
