//! Scripts and functions: how their commands are executed, and how others get their turns while one takes long.
//!
//! A request that may run a script is executed on a stack of its own (a stackful coroutine, `corosensei`), on its connection's thread and
//! under all shards' locks. Nearly always it ends without a pause, and costs a switch of stacks more than any other request.
//! When it takes longer than `busy-reply-threshold`, Lua's hook calls [`ScriptHost::pause`]: the script is told to all as busy, its
//! locks are released, and its stack is left; the thread serves other connections, and goes on with the script again and again.
//! Meanwhile the data are in the middle of the script, and so whoever locks a shard to look at or change data looks whether
//! a script is busy first, and is refused then. For each command that it calls the script locks the shards again.
//!
//! Lua cannot be left by an `await`: there are frames of C between its functions. A thread for scripts would do too, at the price of
//! two wake-ups for each script.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use tokio::sync::oneshot;

use super::executor::{Executor, Stopwatch};
use super::worker::Worker;
use crate::command::{Command, CommandError, Flags, Group, ScriptCall, check_access};
use crate::config::settings;
use crate::protocol::{OwnedRequest, Protocol, Reply, Request};
use crate::script::{
    Arguments, Callable, Ended, Host, HostCall, Kind, RunningScript, ScriptFlags, flags_of_script,
};
use crate::state::{Keys, Session, Shared};

/// Lua calls itself up to 200 times through C, each time with buffers of 8 KiB at most; and commands need room too. What is
/// not used is never taken from the system.
const STACK_BYTES: usize = 16 << 20;
/// Stacks that a thread keeps for the next script.
const STACKS_KEPT: usize = 1;

/// Lets others have their turns while a script takes long.
pub(super) type Turns = Yielder<(), ()>;

/// A script's stack: what runs on it returns what became of the request.
type ScriptCoroutine = Coroutine<(), (), FinishedScript, DefaultStack>;

/// Stacks that are free.
#[derive(Default)]
pub(super) struct ScriptStacks(RefCell<Vec<DefaultStack>>);

/// What became of a request that ran a script.
pub(super) struct FinishedScript {
    pub(super) session: Session,
    pub(super) reply: Vec<u8>,
}

/// A request that may run a script was begun.
pub(super) enum Started {
    /// It is executed.
    Finished(FinishedScript),
    /// It takes long.
    Running(oneshot::Receiver<FinishedScript>),
}

/// Executes a request that may run a script, which was admitted, on a stack of its own.
pub(super) fn start(worker: Rc<Worker>, mut session: Session, request: OwnedRequest) -> Started {
    let stack = worker.script_stacks.0.borrow_mut().pop();
    let stack = match stack.map_or_else(|| DefaultStack::new(STACK_BYTES), Ok) {
        Ok(stack) => stack,
        Err(error) => {
            let mut reply = Reply::new(session.protocol);
            let text = format!("ERR There is no memory for the script's stack: {error}");
            worker.executor.refuse(&mut reply, &CommandError::Text(text));
            return Started::Finished(FinishedScript { session, reply: reply.into_buffer() });
        }
    };
    let for_stack = Rc::clone(&worker);
    let mut coroutine = ScriptCoroutine::with_stack(stack, move |turns, ()| {
        let worker = for_stack;
        let mut reply = Reply::new(session.protocol);
        // Other connections' batches take another one while this script takes long.
        let effects = worker.effects.take();
        let effects =
            worker.executor.execute_alone(&mut session, request.as_request(), &mut reply, effects, turns);
        worker.effects.replace(effects);
        FinishedScript { session, reply: reply.into_buffer() }
    });
    match coroutine.resume(()) {
        CoroutineResult::Return(finished) => {
            worker.keep_stack(coroutine);
            Started::Finished(finished)
        }
        CoroutineResult::Yield(()) => {
            let (sender, receiver) = oneshot::channel();
            tokio::task::spawn_local(finish(worker, coroutine, sender));
            Started::Running(receiver)
        }
    }
}

/// Goes on with a script that takes long, in turns with the thread's connections.
async fn finish(worker: Rc<Worker>, mut coroutine: ScriptCoroutine, sender: oneshot::Sender<FinishedScript>) {
    let finished = loop {
        tokio::task::yield_now().await;
        if let CoroutineResult::Return(finished) = coroutine.resume(()) {
            break finished;
        }
    };
    worker.keep_stack(coroutine);
    if let Err(mut finished) = sender.send(finished) {
        // The connection is gone, and left what its session holds.
        finished.session.unwatch(&worker.executor.shared.store);
        finished.session.untrack(&worker.executor.shared.tracking);
        worker.executor.shared.pubsub.unsubscribe_all(&mut finished.session);
    }
}

impl Worker {
    fn keep_stack(&self, coroutine: ScriptCoroutine) {
        let mut stacks = self.script_stacks.0.borrow_mut();
        if stacks.len() < STACKS_KEPT {
            stacks.push(coroutine.into_stack());
        }
    }
}

/// A script that is to be run for a request.
#[derive(Clone, Copy)]
pub(super) struct ScriptRun<'a> {
    pub(super) command: &'a Command,
    pub(super) request: Request<'a>,
    pub(super) call: &'a ScriptCall,
    pub(super) turns: Option<&'a Turns>,
}

/// Runs a script or function, all shards locked, and writes its reply.
pub(super) fn execute(
    executor: &Executor,
    session: &mut Session,
    keys: &mut Keys<'_>,
    reply: &mut Reply,
    run: ScriptRun<'_>,
    stopwatch: &mut Stopwatch,
) {
    let ScriptRun { command, request, call, .. } = run;
    let counters = &executor.metrics.commands[command.index];
    let since = Instant::now();
    let flags = call.callable.flags();
    if let Err(error) = check(executor, call, flags) {
        counters.failed.add(1);
        executor.refuse(reply, &error);
        return;
    }
    let words: Vec<&[u8]> = request.args_from(3).collect();
    let (key_words, args) = words.split_at(call.keys);
    let threshold_ms = executor.shared.config.integer(settings::BUSY_REPLY_THRESHOLD);
    let threshold = u64::try_from(threshold_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    let caller = Caller::lend(session);
    if !caller.in_exec {
        keys.effects().begin_transaction();
    }
    let scripting = &executor.shared.scripting;
    scripting.running.begin(kind_of(&call.callable));
    let reply_start = reply.len();
    let mut host = ScriptHost {
        executor,
        session,
        keys,
        stopwatch,
        run,
        since,
        is_read_only: call.is_read_only || flags.contains(ScriptFlags::NO_WRITES),
        is_out_of_memory: !flags.contains(ScriptFlags::ALLOW_OOM) && is_out_of_memory(executor),
    };
    let arguments = Arguments { keys: key_words, args };
    let result = scripting.run(&call.callable, arguments, threshold, &mut host, reply);
    // Before the end is told: what the script did is not in the log yet.
    keys.resume();
    scripting.running.end();
    if !caller.in_exec {
        keys.effects().end_transaction();
    }
    caller.take_back(session);
    if session.tracking.is_some() {
        executor.note_script_tracked(session, keys, request, command);
    }
    match result {
        Ok(Ended::Well) => {}
        Ok(Ended::WithCountedError) => counters.failed.add(1),
        Ok(Ended::WithError) => {
            counters.failed.add(1);
            let line = reply.as_bytes().get(reply_start + 1..).unwrap_or_default();
            executor.shared.metrics.count_error(line);
        }
        Err(error) => {
            counters.failed.add(1);
            let line = error.line(call.callable.name());
            if !error.is_counted {
                executor.shared.metrics.count_error(&line);
            }
            reply.error(&line);
        }
    }
    if let Some(ns) = stopwatch.end_script(&executor.metrics, command, since) {
        executor.note_time(session, request, command, ns);
    }
}

/// Whether a script or function says of itself that it does not write.
pub(super) fn tells_no_writes(shared: &Shared, command: &Command, request: Request<'_>) -> bool {
    let what = request.get(1).unwrap_or_default();
    let flags = match command.spec.name {
        "eval" => flags_of_script(what),
        "evalsha" => shared.scripting.find(what).map(|script| script.flags),
        _ => shared.scripting.find_function(what).map(|function| function.flags()),
    };
    flags.is_some_and(|flags| flags.contains(ScriptFlags::NO_WRITES))
}

fn kind_of(callable: &Callable) -> Kind {
    match callable {
        Callable::Script(_) => Kind::Script,
        Callable::Function(_) => Kind::Function,
    }
}

fn is_out_of_memory(executor: &Executor) -> bool {
    executor.shared.memory_limit.is_exceeded() && executor.shared.refuses_growth()
}

/// Whether a script may be begun, by what it says of itself. What says nothing is looked at command by command.
fn check(executor: &Executor, call: &ScriptCall, flags: ScriptFlags) -> Result<(), CommandError> {
    if flags.contains(ScriptFlags::UNTOLD) {
        return Ok(());
    }
    if !flags.contains(ScriptFlags::NO_WRITES) {
        if call.is_read_only {
            return Err(CommandError::Other(
                "ERR Can not execute a script with write flag using *_ro command.",
            ));
        }
        if let Some(failure) = executor.shared.log().latched() {
            return Err(CommandError::MisConf(failure.reason()));
        }
    }
    if !flags.intersects(ScriptFlags::ALLOW_OOM | ScriptFlags::NO_WRITES) && is_out_of_memory(executor) {
        return Err(CommandError::Other(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
        ));
    }
    Ok(())
}

/// What of a session a script must not change.
struct Caller {
    db: usize,
    protocol: Protocol,
    in_exec: bool,
}

impl Caller {
    fn lend(session: &mut Session) -> Self {
        let caller = Self { db: session.db, protocol: session.protocol, in_exec: session.in_exec };
        session.in_exec = true;
        session.in_script = true;
        caller
    }

    fn take_back(&self, session: &mut Session) {
        session.in_exec = self.in_exec;
        session.in_script = false;
        session.protocol = self.protocol;
        if session.db != self.db {
            session.select(self.db);
        }
    }
}

/// What executes a script's commands.
struct ScriptHost<'h, 'k> {
    executor: &'h Executor,
    session: &'h mut Session,
    keys: &'h mut Keys<'k>,
    stopwatch: &'h mut Stopwatch,
    run: ScriptRun<'h>,
    since: Instant,
    is_read_only: bool,
    /// It was so when the script began; what it frees does not count.
    is_out_of_memory: bool,
}

impl ScriptHost<'_, '_> {
    /// The command that a script calls, if it may.
    fn admit(&self, request: Request<'_>) -> Result<&'static Command, CommandError> {
        let command = self.executor.find(request).map_err(|error| match error {
            CommandError::Arity(_) => {
                CommandError::Other("ERR Wrong number of args calling Redis command from script")
            }
            _ => CommandError::Other("ERR Unknown Redis command called from script"),
        })?;
        let flags = command.spec.flags;
        let reject = |error| {
            self.executor.metrics.commands[command.index].rejected.add(1);
            Err(error)
        };
        // What is about scripts needs the interpreter, which this one has.
        let denies_nothing = self.executor.shared.scripting.denies_nothing.load(Relaxed)
            && command.spec.group != Group::Scripting;
        if flags.contains(Flags::NOSCRIPT) && !denies_nothing {
            return reject(CommandError::Other("ERR This Redis command is not allowed from script"));
        }
        if self.session.access.is_restricted() {
            self.executor.check_access(self.session, command, request)?;
        }
        if self.is_read_only && flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE) {
            return reject(CommandError::Other("ERR Write commands are not allowed from read-only scripts."));
        }
        if flags.contains(Flags::WRITE)
            && let Some(failure) = self.executor.shared.log().latched()
        {
            return reject(CommandError::MisConf(failure.reason()));
        }
        let running = &self.executor.shared.scripting.running;
        if flags.contains(Flags::DENYOOM) && self.is_out_of_memory && !running.has_written() {
            return reject(CommandError::OutOfMemory);
        }
        Ok(command)
    }
}

impl Host for ScriptHost<'_, '_> {
    fn call(&mut self, request: Request<'_>, protocol: Protocol) -> HostCall {
        self.keys.resume();
        let command = match self.admit(request) {
            Ok(command) => command,
            Err(error) => {
                let message = error.message();
                self.executor.shared.metrics.count_error(&message);
                return HostCall::Refused(message);
            }
        };
        if command.is_write() {
            self.executor.shared.scripting.running.note_write();
        }
        self.session.protocol = protocol;
        let mut reply = Reply::new(protocol);
        // What could wait does not, as within a transaction; so there is nothing left to be done.
        self.executor.call(self.session, self.keys, &mut reply, request, command, self.stopwatch);
        HostCall::Reply(reply.into_buffer())
    }

    fn check_access(&mut self, request: Request<'_>) -> Result<bool, &'static str> {
        let command = self.executor.find(request).map_err(|error| match error {
            CommandError::Arity(_) => "ERR Wrong number of args for redis.acl_check_cmd()",
            _ => "ERR Invalid command passed to redis.acl_check_cmd()",
        })?;
        Ok(check_access(self.session.access.user(), command, request).is_ok())
    }

    fn pause(&mut self) {
        let running = &self.executor.shared.scripting.running;
        let (request, since) = (self.run.request, self.since);
        let name = self.run.call.callable.name();
        if !running.is_busy() {
            tracing::warn!(
                script = %String::from_utf8_lossy(name),
                "Slow script detected: still in execution after {} milliseconds. SCRIPT KILL, FUNCTION KILL or SHUTDOWN NOSAVE \
                 can end it",
                since.elapsed().as_millis()
            );
        }
        running.become_busy(|| RunningScript {
            name: name.to_vec(),
            command: request.args_from(0).map(<[u8]>::to_vec).collect(),
            since,
        });
        if let Some(turns) = self.run.turns {
            self.keys.suspend();
            turns.suspend(());
        }
    }
}
