//! [`Scripting`]: the scripts and libraries that there are, and the interpreters that run them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use mlua::Function;
use parking_lot::{Mutex, MutexGuard};

use super::error::ScriptError;
use super::host::{Host, RunResult};
use super::interpreter::Interpreter;
use super::library::{self, Library, LibraryInfo, LoadedFunction, Registered};
use super::shebang::parse_script;
use super::{Kind, Running, ScriptFlags, api};
use crate::protocol::Reply;

/// A script that is known, by its hash.
#[derive(Debug, Clone)]
pub struct Script {
    /// The hash of its text, in hexadecimal.
    pub sha: [u8; 40],
    /// What it says of itself.
    pub flags: ScriptFlags,
    function: Function,
}

/// What can be run: a script or a function.
#[derive(Debug, Clone)]
pub enum Callable {
    /// A script.
    Script(Script),
    /// A function of a library: its name as it is registered, its flags.
    Function(CallableFunction),
}

/// A function of a library.
#[derive(Debug, Clone)]
pub struct CallableFunction {
    name: Vec<u8>,
    flags: ScriptFlags,
    callback: Function,
}

impl Callable {
    /// What errors call it: its hash or its name.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Script(script) => &script.sha,
            Self::Function(function) => &function.name,
        }
    }

    /// What it says of itself.
    pub fn flags(&self) -> ScriptFlags {
        match self {
            Self::Script(script) => script.flags,
            Self::Function(function) => function.flags,
        }
    }
}

/// What a script or function is given.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    /// `KEYS`
    pub keys: &'a [&'a [u8]],
    /// `ARGV`
    pub args: &'a [&'a [u8]],
}

/// What is done with libraries that are there already when others are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestorePolicy {
    /// They go.
    Flush,
    /// They stay; one of the same name is an error.
    Append,
    /// One of the same name is replaced.
    Replace,
}

/// Numbers for INFO, in bytes where not said otherwise.
#[derive(Debug, Default)]
pub struct Figures {
    /// The scripts' interpreter.
    pub script_vm_bytes: AtomicUsize,
    /// The functions' interpreter.
    pub function_vm_bytes: AtomicUsize,
    /// Texts of scripts.
    pub script_bytes: AtomicUsize,
    /// Texts and names of libraries.
    pub library_bytes: AtomicUsize,
    /// How many scripts are known.
    pub scripts: AtomicUsize,
    /// How many functions there are.
    pub functions: AtomicUsize,
    /// How many libraries there are.
    pub libraries: AtomicUsize,
}

#[derive(Debug, Default)]
struct Scripts {
    interpreter: Option<Interpreter>,
    by_sha: HashMap<[u8; 40], Script, ahash::RandomState>,
}

#[derive(Debug, Default)]
struct Functions {
    interpreter: Option<Interpreter>,
    registered: Registered,
    libraries: BTreeMap<Vec<u8>, Library>,
    /// By the name in lower case.
    functions: HashMap<Vec<u8>, LoadedFunction, ahash::RandomState>,
}

/// The scripts and libraries that there are, and the interpreters that run them.
///
/// What changes libraries or runs anything is called with all shards locked: so libraries and data change in one order.
#[derive(Debug, Default)]
pub struct Scripting {
    /// What is running.
    pub running: Arc<Running>,
    /// Scripts may call what is not for scripts (DEBUG SET-DISABLE-DENY-SCRIPTS).
    pub denies_nothing: AtomicBool,
    /// Numbers for INFO.
    pub figures: Figures,
    scripts: Mutex<Scripts>,
    functions: Mutex<Functions>,
}

/// A memory error at an interpreter's start, or a mistake in its prelude.
fn no_interpreter(error: &mlua::Error) -> Vec<u8> {
    format!("ERR Lua cannot be started: {error}").into_bytes()
}

impl Scripting {
    /// The script of this text, compiled and kept if it was not known.
    ///
    /// # Errors
    /// The error line: it cannot be compiled.
    pub fn find_or_compile(&self, code: &[u8]) -> Result<Script, Vec<u8>> {
        let sha = api::sha1_hex(code);
        let mut scripts = self.scripts.lock();
        if let Some(script) = scripts.by_sha.get(&sha) {
            return Ok(script.clone());
        }
        let (flags, body) = parse_script(code)?;
        let interpreter = self.script_interpreter(&mut scripts)?;
        let function = interpreter
            .compile(body)
            .map_err(|text| [b"ERR Error compiling script (new function): ".as_slice(), &text].concat())?;
        let script = Script { sha, flags, function };
        scripts.by_sha.insert(sha, script.clone());
        self.figures.script_bytes.fetch_add(code.len(), Relaxed);
        self.note_scripts(&scripts);
        Ok(script)
    }

    /// The script of this hash, in any case.
    pub fn find(&self, sha: &[u8]) -> Option<Script> {
        let mut lower: [u8; 40] = sha.try_into().ok()?;
        lower.make_ascii_lowercase();
        self.scripts.lock().by_sha.get(&lower).cloned()
    }

    /// Forgets all scripts. What is returned takes their memory with it as it is dropped.
    pub fn flush_scripts(&self) -> impl Send + 'static {
        let flushed = std::mem::take(&mut *self.scripts.lock());
        for figure in [&self.figures.script_bytes, &self.figures.scripts, &self.figures.script_vm_bytes] {
            figure.store(0, Relaxed);
        }
        flushed
    }

    fn note_scripts(&self, scripts: &Scripts) {
        self.figures.scripts.store(scripts.by_sha.len(), Relaxed);
        let bytes = scripts.interpreter.as_ref().map_or(0, Interpreter::bytes);
        self.figures.script_vm_bytes.store(bytes, Relaxed);
    }

    fn script_interpreter<'a>(
        &self,
        scripts: &'a mut MutexGuard<'_, Scripts>,
    ) -> Result<&'a Interpreter, Vec<u8>> {
        let interpreter = match scripts.interpreter.take() {
            Some(interpreter) => interpreter,
            None => Interpreter::new(Kind::Script, Arc::clone(&self.running), api::common)
                .map_err(|error| no_interpreter(&error))?,
        };
        Ok(scripts.interpreter.insert(interpreter))
    }

    fn function_interpreter<'a>(
        &self,
        functions: &'a mut MutexGuard<'_, Functions>,
    ) -> Result<&'a Interpreter, Vec<u8>> {
        let interpreter = match functions.interpreter.take() {
            Some(interpreter) => interpreter,
            None => {
                let registered = Arc::clone(&functions.registered);
                Interpreter::new(Kind::Function, Arc::clone(&self.running), |lua| {
                    library::redis_at_load(lua, &registered)
                })
                .map_err(|error| no_interpreter(&error))?
            }
        };
        Ok(functions.interpreter.insert(interpreter))
    }

    /// Runs a script or function and writes its reply. All shards are locked, or are the host's to lock. `threshold`: after it, the
    /// host's pause is called again and again.
    ///
    /// # Errors
    /// It ended early; nothing was written then.
    pub fn run(
        &self,
        callable: &Callable,
        arguments: Arguments<'_>,
        threshold: Option<Duration>,
        host: &mut dyn Host,
        reply: &mut Reply,
    ) -> RunResult {
        let missing = || ScriptError::new("ERR the script was flushed as it was about to run");
        let start = reply.len();
        let result = match callable {
            Callable::Script(script) => {
                let scripts = self.scripts.lock();
                let interpreter = scripts.interpreter.as_ref().ok_or_else(missing)?;
                let result = interpreter.run(&script.function, arguments, threshold, host, reply);
                self.figures.script_vm_bytes.store(interpreter.bytes(), Relaxed);
                result
            }
            Callable::Function(function) => {
                let functions = self.functions.lock();
                let interpreter = functions.interpreter.as_ref().ok_or_else(missing)?;
                let result = interpreter.run(&function.callback, arguments, threshold, host, reply);
                self.figures.function_vm_bytes.store(interpreter.bytes(), Relaxed);
                result
            }
        };
        if result.is_err() {
            reply.truncate(start);
        }
        result
    }

    /// The function of this name, in any case.
    pub fn find_function(&self, name: &[u8]) -> Option<Callable> {
        let functions = self.functions.lock();
        let function = functions.functions.get(&name.to_ascii_lowercase())?;
        Some(Callable::Function(CallableFunction {
            name: function.info.name.clone(),
            flags: function.info.flags,
            callback: function.callback.clone(),
        }))
    }

    /// Loads a library, and returns its name; `from_log`: whatever time it takes.
    ///
    /// # Errors
    /// The error line; nothing is changed then.
    pub fn load_library(&self, code: &[u8], replaces: bool, from_log: bool) -> Result<Vec<u8>, Vec<u8>> {
        let mut functions = self.functions.lock();
        let name = library::name_of(code)?;
        if !replaces && functions.libraries.contains_key(&name) {
            return Err([b"ERR Library '".as_slice(), &name, b"' already exists"].concat());
        }
        let library = self.load_into(&mut functions, code, from_log)?;
        functions.check_names(&library, Some(&name))?;
        functions.insert(library);
        self.note_functions(&functions);
        Ok(name)
    }

    fn load_into(
        &self,
        functions: &mut MutexGuard<'_, Functions>,
        code: &[u8],
        from_log: bool,
    ) -> Result<Library, Vec<u8>> {
        let registered = Arc::clone(&functions.registered);
        let interpreter = self.function_interpreter(functions)?;
        let time_max = if from_log { None } else { Some(library::LOAD_TIME_MAX) };
        library::load(interpreter, &registered, code, time_max)
    }

    /// Loads libraries beside those that are there, or in their place; all or none.
    ///
    /// # Errors
    /// The error line; nothing is changed then.
    pub fn restore_libraries(
        &self,
        codes: &[Vec<u8>],
        policy: RestorePolicy,
        from_log: bool,
    ) -> Result<(), Vec<u8>> {
        let mut functions = self.functions.lock();
        let mut loaded: Vec<Library> = Vec::new();
        for code in codes {
            let library = self.load_into(&mut functions, code, from_log)?;
            if loaded.iter().any(|other| other.name == library.name)
                || (policy == RestorePolicy::Append && functions.libraries.contains_key(&library.name))
            {
                return Err([b"ERR Library ".as_slice(), &library.name, b" already exists"].concat());
            }
            loaded.push(library);
        }
        let (libraries, by_name) = (functions.libraries.clone(), functions.functions.clone());
        if policy == RestorePolicy::Flush {
            functions.libraries.clear();
            functions.functions.clear();
        }
        for library in &loaded {
            functions.remove(&library.name);
        }
        for library in loaded {
            if let Err(text) = functions.check_names(&library, None) {
                functions.libraries = libraries;
                functions.functions = by_name;
                return Err(text);
            }
            functions.insert(library);
        }
        self.note_functions(&functions);
        Ok(())
    }

    /// Removes a library; whether it was there.
    pub fn delete_library(&self, name: &[u8]) -> bool {
        let mut functions = self.functions.lock();
        let was_there = functions.remove(name);
        if let Some(interpreter) = &functions.interpreter {
            interpreter.collect();
        }
        self.note_functions(&functions);
        was_there
    }

    /// Removes all libraries. What is returned takes their memory with it as it is dropped.
    pub fn flush_functions(&self) -> impl Send + 'static {
        let mut functions = self.functions.lock();
        let flushed = std::mem::take(&mut *functions);
        self.note_functions(&functions);
        flushed
    }

    /// The libraries, in the order of their names.
    pub fn libraries(&self) -> Vec<LibraryInfo> {
        self.functions.lock().libraries.values().map(Library::info).collect()
    }

    /// The texts of all libraries, in the order of their names.
    pub fn library_codes(&self) -> Vec<Arc<[u8]>> {
        self.functions.lock().libraries.values().map(|library| Arc::clone(&library.code)).collect()
    }

    fn note_functions(&self, functions: &Functions) {
        let libraries = functions.libraries.values();
        let bytes = libraries.map(|library| library.code.len() + library.name.len()).sum();
        self.figures.library_bytes.store(bytes, Relaxed);
        self.figures.libraries.store(functions.libraries.len(), Relaxed);
        self.figures.functions.store(functions.functions.len(), Relaxed);
        let bytes = functions.interpreter.as_ref().map_or(0, Interpreter::bytes);
        self.figures.function_vm_bytes.store(bytes, Relaxed);
    }
}

impl Functions {
    /// Whether a library's functions may be called as they are; those of the library `besides` do not count.
    fn check_names(&self, library: &Library, besides: Option<&[u8]>) -> Result<(), Vec<u8>> {
        let own = besides.and_then(|name| self.libraries.get(name));
        for function in &library.functions {
            let name = function.info.name.to_ascii_lowercase();
            let is_own = own.is_some_and(|own| {
                own.functions.iter().any(|other| other.info.name.eq_ignore_ascii_case(&name))
            });
            if !is_own && self.functions.contains_key(&name) {
                return Err([b"ERR Function ".as_slice(), &function.info.name, b" already exists"].concat());
            }
        }
        Ok(())
    }

    fn insert(&mut self, library: Library) {
        self.remove(&library.name);
        for function in &library.functions {
            self.functions.insert(function.info.name.to_ascii_lowercase(), function.clone());
        }
        self.libraries.insert(library.name.clone(), library);
    }

    fn remove(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.libraries.remove(name) else { return false };
        for function in &library.functions {
            self.functions.remove(&function.info.name.to_ascii_lowercase());
        }
        true
    }
}
