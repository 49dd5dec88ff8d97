//! [`Interpreter`]: Lua with the globals that scripts see.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use mlua::chunk::ChunkMode;
use mlua::{
    Error, Function, HookTriggers, IntoLuaMulti, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState,
};
use parking_lot::Mutex;
use scoped_tls_hkt::scoped_thread_local;
use smallvec::SmallVec;

use super::error::{ScriptError, error_table, position, raise, unwrap};
use super::host::{Host, HostCall, RunResult};
use super::scripting::Arguments;
use super::{Kind, Running, api, from_reply, modules, to_reply};
use crate::protocol::{OwnedRequest, Protocol, Reply};

const PRELUDE: &str = include_str!("prelude.lua");
/// After so many instructions of Lua the time is looked at.
const INSTRUCTIONS_PER_LOOK: u32 = 100_000;
/// No interpreter may take more memory than this, in bytes: a script that needs more ends with an error.
const MEMORY_BYTES_MAX: usize = 1 << 30;
/// With so many bytes in use, what nothing refers to any more is given back after a run: Lua itself waits until it is twice as much, which
/// may be more than there is.
const COLLECTED_BYTES_MIN: usize = 64 << 20;

scoped_thread_local!(
    /// The host of the script that runs on this thread: closures made anew for each run cost more than the run. A script leaves its stack
    /// only in a call of its host, and while one is made this is empty: scripts that take turns do not meet here.
    static mut HOST: for<'a> &'a mut (dyn Host + 'a)
);

/// For how long a run may last.
#[derive(Debug, Clone, Copy)]
enum TimeLimit {
    /// Then others get their turns.
    Pause(Instant),
    /// Then it ends with an error.
    End(Instant),
    /// As long as it likes.
    None,
}

/// After so many runs a little memory is given back.
const RUNS_PER_COLLECTION: u32 = 8;

/// What the functions of an interpreter know of the present run.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) resp3: AtomicBool,
    limit: Mutex<TimeLimit>,
    running: Arc<Running>,
    runs: AtomicU32,
    /// Where the script was when it was killed.
    killed_at: Mutex<Option<(String, i64)>>,
}

/// Lua with the globals that scripts see.
pub(super) struct Interpreter {
    lua: Lua,
    kind: Kind,
    state: Arc<RunState>,
    /// The environment of every chunk.
    globals: Table,
    run: Function,
    set_loading: Function,
}

impl fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Interpreter {
    /// A new one. `redis_at_load`: the table `redis` while a library is loaded.
    pub(super) fn new(
        kind: Kind,
        running: Arc<Running>,
        redis_at_load: impl FnOnce(&Lua) -> mlua::Result<Table>,
    ) -> mlua::Result<Self> {
        let lua = Lua::new_with(
            StdLib::TABLE | StdLib::STRING | StdLib::MATH,
            LuaOptions::new().catch_rust_panics(true),
        )?;
        let state = Arc::new(RunState {
            resp3: AtomicBool::new(false),
            limit: Mutex::new(TimeLimit::None),
            running,
            runs: AtomicU32::new(0),
            killed_at: Mutex::new(None),
        });
        let redis = api::redis(&lua, &state)?;
        add_calls(&lua, &redis, &state)?;
        let native = api::native(&lua)?;
        native.raw_set("redis", &redis)?;
        native.raw_set("redis_at_load", redis_at_load(&lua)?)?;
        let (globals, run, set_loading) =
            lua.load(PRELUDE).set_name(api::PRELUDE_NAME).call::<(Table, Function, Function)>((
                native,
                modules::all(&lua)?,
                kind == Kind::Function,
            ))?;
        set_hook(&lua, &state, INSTRUCTIONS_PER_LOOK)?;
        // Making it left a third as much again to nobody.
        lua.gc_collect()?;
        Ok(Self { lua, kind, state, globals, run, set_loading })
    }

    /// The memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.lua.used_memory()
    }

    /// Makes a function of a chunk's text.
    ///
    /// # Errors
    /// Why it cannot be compiled.
    pub(super) fn compile(&self, code: &[u8]) -> Result<Function, Vec<u8>> {
        if self.lua.used_memory() > COLLECTED_BYTES_MIN {
            self.collect();
        }
        let name = match self.kind {
            Kind::Script => "@user_script",
            Kind::Function => "@user_function",
        };
        let chunk = self.lua.load(code).set_name(name).set_mode(ChunkMode::Text);
        chunk.set_environment(self.globals.clone()).into_function().map_err(|error| message_of(&error))
    }

    fn sequence(&self, words: &[&[u8]]) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(words.len(), 0)?;
        for (index, word) in words.iter().enumerate() {
            table.raw_set(index + 1, self.lua.create_string(word)?)?;
        }
        Ok(table)
    }

    /// Runs a script's function, or one of a library. `threshold`: after it, the host's pause is called again and again.
    pub(super) fn run(
        &self,
        function: &Function,
        arguments: Arguments<'_>,
        threshold: Option<Duration>,
        host: &mut dyn Host,
        reply: &mut Reply,
    ) -> RunResult {
        let limit =
            threshold.map_or(TimeLimit::None, |threshold| TimeLimit::Pause(Instant::now() + threshold));
        *self.state.limit.lock() = limit;
        self.state.resp3.store(false, Relaxed);
        let result = self.run_with(function, arguments, host);
        let was_killed = self.state.running.is_killed();
        if self.lua.used_memory() > COLLECTED_BYTES_MIN {
            self.collect();
        } else if self.state.runs.fetch_add(1, Relaxed).is_multiple_of(RUNS_PER_COLLECTION) {
            // A little: left to itself, Lua waits until twice as much is taken. It fails as `collect` does.
            let _ = self.lua.gc_step();
        }
        if was_killed {
            // Until then it is looked at with every instruction.
            set_hook(&self.lua, &self.state, INSTRUCTIONS_PER_LOOK).map_err(|error| internal(&error))?;
        }
        if was_killed {
            // Whatever came of it: a script may catch the error.
            let position = self.state.killed_at.lock().take();
            let message = match self.kind {
                Kind::Script => "ERR Script killed by user with SCRIPT KILL...",
                Kind::Function => "ERR Script killed by user with FUNCTION KILL...",
            };
            let position = position.map(|(source, line)| (source, line.to_string()));
            return Err(ScriptError { position, ..ScriptError::new(message) });
        }
        let resp3 = self.state.resp3.load(Relaxed);
        match result {
            Ok((true, value)) => to_reply::write(&value, reply, resp3).map_err(|error| internal(&error)),
            Ok((false, value)) => Err(describe(&value)),
            Err(error) => Err(internal(&error)),
        }
    }

    /// Runs a function whose `redis.call` is the host's.
    fn run_with(
        &self,
        function: &Function,
        arguments: Arguments<'_>,
        host: &mut dyn Host,
    ) -> mlua::Result<(bool, Value)> {
        let (keys, args) = (self.sequence(arguments.keys)?, self.sequence(arguments.args)?);
        HOST.set(host, || self.call_limited((function, keys, args)))
    }

    /// Calls the prelude's `run`. Only Lua itself has a limit to its memory: with one, each thing that is made for it from outside takes
    /// a protected call.
    fn call_limited(&self, arguments: impl IntoLuaMulti) -> mlua::Result<(bool, Value)> {
        self.lua.set_memory_limit(MEMORY_BYTES_MAX)?;
        let result = self.run.call(arguments);
        self.lua.set_memory_limit(0)?;
        result
    }

    /// Runs a library's chunk, which registers functions.
    pub(super) fn load(&self, chunk: &Function, time_max: Option<Duration>) -> Result<(), ScriptError> {
        let limit = time_max.map_or(TimeLimit::None, |time_max| TimeLimit::End(Instant::now() + time_max));
        *self.state.limit.lock() = limit;
        let result = self.set_loading.call::<()>(true).and_then(|()| {
            let result = self.call_limited(chunk);
            self.set_loading.call::<()>(false)?;
            result
        });
        *self.state.limit.lock() = TimeLimit::None;
        match result {
            Err(error) => Err(internal(&error)),
            Ok((true, _)) => Ok(()),
            Ok((false, value)) => Err(describe(&value)),
        }
    }

    /// Gives memory back that nothing refers to any more.
    pub(super) fn collect(&self) {
        // It fails only when a finalizer does, and there are none.
        let _ = self.lua.gc_collect();
    }
}

/// Has the time looked at after every so many instructions.
fn set_hook(lua: &Lua, state: &Arc<RunState>, instructions: u32) -> mlua::Result<()> {
    let state = Arc::clone(state);
    let triggers = HookTriggers::new().every_nth_instruction(instructions);
    lua.set_global_hook(triggers, move |lua, _| look(lua, &state))
}

fn look(lua: &Lua, state: &Arc<RunState>) -> mlua::Result<VmState> {
    let limit = *state.limit.lock();
    match limit {
        TimeLimit::Pause(until) if Instant::now() >= until => {
            with_host(|host| host.pause())?;
        }
        TimeLimit::End(until) if Instant::now() >= until => {
            return Err(Error::RuntimeError("FUNCTION LOAD timeout".into()));
        }
        _ => {}
    }
    if state.running.is_killed() {
        // A script that catches the error gets the next one with its next instruction.
        set_hook(lua, state, 1)?;
        state.killed_at.lock().get_or_insert_with(|| position(lua, 0).unwrap_or_default());
        return Err(Error::RuntimeError("Script killed by user".into()));
    }
    Ok(VmState::Continue)
}

/// What of the table `redis` needs the host of the present run.
fn add_calls(lua: &Lua, redis: &Table, state: &Arc<RunState>) -> mlua::Result<()> {
    for (name, raises) in [("call", true), ("pcall", false)] {
        let state = Arc::clone(state);
        let call = move |lua: &Lua, args: MultiValue| execute(lua, &state, &args, raises);
        redis.raw_set(name, lua.create_function(unlimited(call))?)?;
    }
    let check = |lua: &Lua, args: MultiValue| {
        let request = request_of(&args).map_err(|text| raise(lua, text, false))?;
        let allowed = with_host(|host| host.check_access(request.as_request()))?;
        allowed.map_err(|text| raise(lua, text, false))
    };
    redis.raw_set("acl_check_cmd", lua.create_function(unlimited(check))?)
}

/// A function that Lua calls, without the limit to Lua's memory: see [`Interpreter::call_limited`].
fn unlimited<R>(
    function: impl Fn(&Lua, MultiValue) -> mlua::Result<R>,
) -> impl Fn(&Lua, MultiValue) -> mlua::Result<R> {
    move |lua, args| {
        lua.set_memory_limit(0)?;
        let result = function(lua, args);
        lua.set_memory_limit(MEMORY_BYTES_MAX)?;
        result
    }
}

/// Calls the present run's host.
fn with_host<R>(call: impl FnOnce(&mut dyn Host) -> R) -> mlua::Result<R> {
    if !HOST.is_set() {
        return Err(Error::RuntimeError("nothing runs that could call a command".into()));
    }
    Ok(HOST.with(call))
}

/// `redis.call` (raises errors) and `redis.pcall` (returns them).
fn execute(lua: &Lua, state: &RunState, args: &MultiValue, raises: bool) -> mlua::Result<Value> {
    let request = match request_of(args) {
        Ok(request) => request,
        Err(text) if raises => return Err(raise(lua, text, false)),
        Err(text) => return error_table(lua, text.as_bytes(), false).map(Value::Table),
    };
    let protocol = if state.resp3.load(Relaxed) { Protocol::Resp3 } else { Protocol::Resp2 };
    let called = with_host(|host| host.call(request.as_request(), protocol))?;
    let message = match &called {
        HostCall::Refused(message) => message.as_slice(),
        HostCall::Reply(reply) => match reply.strip_prefix(b"-") {
            Some(line) => line.strip_suffix(b"\r\n").unwrap_or(line),
            None => return from_reply::read(lua, reply),
        },
    };
    if raises { Err(raise(lua, message, true)) } else { error_table(lua, message, true).map(Value::Table) }
}

/// The request that arguments make.
fn request_of(args: &MultiValue) -> Result<OwnedRequest, &'static str> {
    if args.is_empty() {
        return Err("ERR Please specify at least one argument for this redis lib call");
    }
    let words: Result<SmallVec<[_; 8]>, _> = args
        .iter()
        .map(|arg| match arg {
            Value::String(text) => Ok(Word::Text(text.as_bytes())),
            Value::Integer(number) => Ok(Word::Number(number.to_string())),
            Value::Number(number) => Ok(Word::Number(api::number_text(*number))),
            _ => Err("ERR Lua redis lib command arguments must be strings or integers"),
        })
        .collect();
    Ok(OwnedRequest::new(words?.iter().map(Word::bytes)))
}

enum Word {
    Text(mlua::BorrowedBytes),
    Number(String),
}

impl Word {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Number(text) => text.as_bytes(),
        }
    }
}

/// The error that `run` in the prelude described.
fn describe(value: &Value) -> ScriptError {
    let Value::Table(table) = value else {
        let text = match value {
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Error(error) => message_of(error),
            _ => b"unknown error".to_vec(),
        };
        return ScriptError::new([b"ERR ".as_slice(), &text].concat());
    };
    let text = |name: &str| match table.raw_get::<Value>(name) {
        Ok(Value::String(text)) => Some(text.as_bytes().to_vec()),
        Ok(Value::Integer(number)) => Some(number.to_string().into_bytes()),
        Ok(Value::Number(number)) => Some(api::number_text(number).into_bytes()),
        _ => None,
    };
    let into_text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    ScriptError {
        message: text("err").unwrap_or_else(|| b"ERR unknown error".to_vec()),
        position: text("source").zip(text("line")).map(|(source, line)| (into_text(source), into_text(line))),
        is_counted: matches!(table.raw_get("ignore_error_stats_update"), Ok(Value::Boolean(true))),
    }
}

/// An error that did not arise in the script.
fn internal(error: &Error) -> ScriptError {
    ScriptError::new([b"ERR ".as_slice(), &message_of(error)].concat())
}

fn message_of(error: &Error) -> Vec<u8> {
    match error {
        Error::SyntaxError { message, .. } => message.clone().into_bytes(),
        Error::MemoryError(_) => b"not enough memory".to_vec(),
        Error::CallbackError { cause, .. } => message_of(cause),
        Error::RuntimeError(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

/// What an error is within Lua.
pub(super) fn unwrap_value(lua: &Lua, value: Value) -> mlua::Result<Value> {
    match &value {
        Value::Error(error) => unwrap(lua, error),
        _ => Ok(value),
    }
}
