//! The way of a command: decode, look up, check, lock, execute, reply.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use super::blocking::serve_ready;
use super::scripting::{self, ScriptRun, Turns};
use super::transaction;
use smallvec::SmallVec;

use crate::clock;
use crate::command::{
    Blocked, Categories, Command, CommandError, Context, Flags, Outcome, Renames, Table, check_access, deny,
    table,
};
use crate::config::{Config, settings};
use crate::engine::Key;
use crate::equal::bytes_equal;
use crate::log::Effects;
use crate::metrics::{LatencyEvent, WorkerMetrics};
use crate::net::{Input, Progress};
use crate::protocol::{Decoded, DecoderLimits, OwnedRequest, Protocol, Reply, Request, RequestDecoder};
use crate::script::Kind;
use crate::state::{Keys, PauseMode, ReplyMode, Session, ShardSet, Shared, SlowCommand, monitored_source};

/// A batch stops for its replies to be sent when they have grown to this, in bytes.
pub(super) const BATCH_OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// Settings whose values are secrets.
const SECRET_SETTINGS: [&[u8]; 3] = [b"requirepass", b"masterauth", b"tls-key-file-pass"];

/// Executes commands for the connections of one thread.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) table: &'static Table,
    /// Nearly always none.
    renames: Renames,
    recent: RefCell<Recent>,
}

/// The command that was found last, and its name as it was sent: the next one is the same more often than not.
#[derive(Debug, Default)]
struct Recent {
    command: Option<&'static Command>,
    name: SmallVec<[u8; 16]>,
}

impl Recent {
    #[inline]
    fn find(&self, name: &[u8]) -> Option<&'static Command> {
        self.command.filter(|_| bytes_equal(&self.name, name))
    }

    fn set(&mut self, name: &[u8], command: &'static Command) {
        self.name = SmallVec::from_slice(name);
        self.command = Some(command);
    }
}

/// Times commands. Commands in a row that are the same and fast are timed as one: reading the clock
/// would cost a good part of what they do.
#[derive(Debug)]
pub(super) struct Stopwatch {
    since: Instant,
    running: Option<usize>,
    /// How often the running command was begun.
    calls: u64,
    /// A command that takes so long, in nanoseconds, belongs in the slow log or among the events that took long.
    noted_ns: u64,
    /// Each command is timed by itself.
    times_each: bool,
    /// Whether distributions are kept.
    is_tracking: bool,
}

impl Stopwatch {
    /// Who wants to see even commands of less than this in the slow log has each timed by itself.
    const ALL_TIMED_BELOW_NS: u64 = 1_000_000;

    fn start(config: &Config) -> Self {
        let mut stopwatch = Self {
            since: Instant::now(),
            running: None,
            calls: 0,
            noted_ns: u64::MAX,
            times_each: false,
            is_tracking: false,
        };
        stopwatch.configure(config);
        stopwatch
    }

    fn configure(&mut self, config: &Config) {
        let slow_ns = slow_ns(config);
        let event_ns = event_ns(config);
        self.noted_ns = slow_ns.min(event_ns);
        self.times_each = slow_ns < Self::ALL_TIMED_BELOW_NS || event_ns != u64::MAX;
        self.is_tracking = config.boolean(settings::LATENCY_TRACKING);
    }

    /// A command is about to be executed.
    #[inline]
    fn begin(&mut self, metrics: &WorkerMetrics, command: &Command) {
        if self.running != Some(command.index) {
            self.stop(metrics);
            self.running = Some(command.index);
        }
        self.calls += 1;
    }

    /// The command was executed. The time it took, in nanoseconds, if it was slow.
    #[inline]
    fn end(&mut self, metrics: &WorkerMetrics, command: &Command, config: &Config) -> Option<u64> {
        if command.spec.flags.contains(Flags::FAST) && !self.times_each {
            return None;
        }
        let ns = self.stop(metrics);
        self.configure(config);
        (ns >= self.noted_ns).then_some(ns)
    }

    /// The command found the script that it is to run, which is timed by who runs it.
    fn leave_to_script(&mut self) {
        self.running = None;
        self.calls = 0;
        self.since = Instant::now();
    }

    /// A script was executed that ran since then. The time it took, in nanoseconds, if that is to be noted.
    pub(super) fn end_script(
        &mut self,
        metrics: &WorkerMetrics,
        command: &Command,
        since: Instant,
    ) -> Option<u64> {
        self.stop(metrics);
        let now = Instant::now();
        let ns = now.duration_since(since).as_nanos() as u64;
        metrics.commands[command.index].add_time(1, ns, self.is_tracking);
        // What comes next has not begun yet.
        self.since = now;
        (ns >= self.noted_ns).then_some(ns)
    }

    /// Counts the time that has passed as the running command's, and returns it, in nanoseconds.
    fn stop(&mut self, metrics: &WorkerMetrics) -> u64 {
        let Some(running) = self.running.take() else { return 0 };
        let now = Instant::now();
        let ns = now.duration_since(self.since).as_nanos() as u64;
        metrics.commands[running].add_time(std::mem::take(&mut self.calls), ns, self.is_tracking);
        self.since = now;
        ns
    }
}

/// A command that takes so long, in nanoseconds, belongs in the slow log.
fn slow_ns(config: &Config) -> u64 {
    let slow_us = u64::try_from(config.integer(settings::SLOWLOG_LOG_SLOWER_THAN)).ok();
    slow_us.map_or(u64::MAX, |us| us.saturating_mul(1000))
}

/// What takes so long, in nanoseconds, is kept for LATENCY.
fn event_ns(config: &Config) -> u64 {
    match u64::try_from(config.integer(settings::LATENCY_MONITOR_THRESHOLD)) {
        Ok(0) | Err(_) => u64::MAX,
        Ok(ms) => ms.saturating_mul(1_000_000),
    }
}

/// What came of one request.
enum Step {
    Next,
    Blocked(Blocked),
    /// A pause is in force: the request is to be tried again.
    Paused,
    /// It is to be executed by [`Executor::execute_alone`]: it may take long.
    Script,
}

/// What a batch ends with.
pub(super) enum BatchEnd {
    /// All whole requests are executed.
    Exhausted,
    /// Replies are to be sent first.
    Full,
    /// A command waits.
    Blocked(Blocked),
    /// A pause is in force.
    Paused,
    /// A request is to be executed by [`Executor::execute_alone`].
    Script(OwnedRequest),
    /// A script takes long.
    Waiting,
    /// The connection is to be closed.
    Close,
}

impl Executor {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let table = table();
        let metrics = shared.metrics.register_worker(table.len());
        // Startup has checked them.
        let renames = Renames::new(&shared.config).unwrap_or_default();
        Self { shared, metrics, table, renames, recent: RefCell::default() }
    }

    fn limits(&self, session: &Session) -> DecoderLimits {
        let config = &self.shared.config;
        DecoderLimits {
            bulk_bytes_max: config.memory(settings::PROTO_MAX_BULK_LEN) as usize,
            arguments_max: i32::MAX as usize,
            unauthenticated: !session.authenticated,
        }
    }

    /// Executes the whole requests in `input`.
    pub(super) fn execute_batch(
        &self,
        session: &mut Session,
        decoder: &mut RequestDecoder,
        input: &mut Input,
        reply: &mut Reply,
        effects: &mut Effects,
    ) -> BatchEnd {
        let now_ms = clock::unix_ms();
        session.refresh_access();
        let shared = &*self.shared;
        let buffer = std::mem::take(effects);
        // Before the log is taken: a batch that begins while the log is read has none, to its end.
        let loading = shared.loading.load(Acquire);
        let mut keys = Keys::new(shared, &self.metrics, buffer, now_ms);
        keys.loading = loading;
        keys.client_id = session.handle.id;
        let mut limits = self.limits(session);
        let mut stopwatch = Stopwatch::start(&shared.config);
        let end = loop {
            if session.closing {
                break BatchEnd::Close;
            }
            let decoded = match decoder.decode(input.bytes(), &limits) {
                Ok(decoded) => decoded,
                Err(error) => {
                    let text = format!("ERR Protocol error: {error}");
                    shared.metrics.count_error(text.as_bytes());
                    reply.error(text.as_bytes());
                    break BatchEnd::Close;
                }
            };
            match decoded {
                Decoded::Incomplete => {
                    input.set_needed(decoder.needed_len());
                    break BatchEnd::Exhausted;
                }
                Decoded::Empty { consumed } => input.consume(consumed),
                Decoded::Request { consumed } => {
                    let step = self.execute(
                        session,
                        &mut keys,
                        reply,
                        decoder.request(input.bytes()),
                        &mut stopwatch,
                    );
                    match step {
                        Step::Paused => {
                            decoder.reset();
                            break BatchEnd::Paused;
                        }
                        Step::Script => {
                            let request = decoder.request(input.bytes()).to_owned();
                            input.consume(consumed);
                            break BatchEnd::Script(request);
                        }
                        Step::Next => input.consume(consumed),
                        Step::Blocked(blocked) => {
                            input.consume(consumed);
                            break BatchEnd::Blocked(blocked);
                        }
                    }
                    limits.unauthenticated = !session.authenticated;
                    if reply.len() > BATCH_OUTPUT_BYTES_MAX {
                        break BatchEnd::Full;
                    }
                }
            }
        };
        stopwatch.stop(&self.metrics);
        let mark;
        (*effects, mark) = keys.finish();
        session.mark = session.mark.join(mark);
        session.handle.active_ms.store(now_ms, Relaxed);
        session.handle.query_buffer.store(input.bytes().len(), Relaxed);
        // One that is empty goes back to the thread's pool.
        let free = if input.bytes().is_empty() { 0 } else { input.free() };
        session.handle.query_buffer_free.store(free, Relaxed);
        end
    }

    /// Executes one request, and counts it.
    #[inline]
    fn execute(
        &self,
        session: &mut Session,
        keys: &mut Keys<'_>,
        reply: &mut Reply,
        request: Request<'_>,
        stopwatch: &mut Stopwatch,
    ) -> Step {
        let reply_start = reply.len();
        // Confirmations of subscriptions are heard by whoever wants to hear no replies, as messages are.
        let mut is_pushed = false;
        let step = match self.admit(session, keys.loading, request) {
            Ok(Admission::Execute(command)) if may_run_script(session, command) => return Step::Script,
            Ok(Admission::Execute(command)) => {
                is_pushed = command.spec.flags.contains(Flags::PUBSUB | Flags::SUBSCRIBED);
                let admitted = Admitted { command, request, turns: None };
                let step = self.execute_admitted(session, keys, reply, admitted, stopwatch);
                step.unwrap_or_else(|error| self.fail(session, keys, reply, &error))
            }
            Ok(Admission::Queue(command)) => {
                transaction::queue(session, request, command);
                reply.simple("QUEUED");
                Step::Next
            }
            Ok(Admission::Paused) => return Step::Paused,
            Err(error) => self.fail(session, keys, reply, &error),
        };
        if session.reply_mode != ReplyMode::On {
            leave_out(session, reply, reply_start, is_pushed);
        }
        step
    }

    /// Answers a request that is refused; a refused EXEC is its transaction's end.
    #[cold]
    fn fail(
        &self,
        session: &mut Session,
        keys: &mut Keys<'_>,
        reply: &mut Reply,
        error: &CommandError,
    ) -> Step {
        if matches!(error, CommandError::ExecRefused(_)) {
            keys.release();
            session.set_transaction(None);
            session.unwatch(&self.shared.store);
        } else if let Some(transaction) = &mut session.transaction {
            transaction.aborted = true;
        }
        self.refuse(reply, error);
        Step::Next
    }

    /// Executes a request that may run a script; it was admitted. `turns` lets others have theirs.
    pub(super) fn execute_alone(
        &self,
        session: &mut Session,
        request: Request<'_>,
        reply: &mut Reply,
        effects: Effects,
        turns: &Turns,
    ) -> Effects {
        let shared = &*self.shared;
        let mut keys = Keys::new(shared, &self.metrics, effects, clock::unix_ms());
        keys.client_id = session.handle.id;
        let mut stopwatch = Stopwatch::start(&shared.config);
        let reply_start = reply.len();
        let result = self.find(request).and_then(|command| {
            let admitted = Admitted { command, request, turns: Some(turns) };
            self.execute_admitted(session, &mut keys, reply, admitted, &mut stopwatch)
        });
        if let Err(error) = result {
            self.fail(session, &mut keys, reply, &error);
        }
        if session.reply_mode != ReplyMode::On {
            leave_out(session, reply, reply_start, false);
        }
        stopwatch.stop(&self.metrics);
        let (effects, mark) = keys.finish();
        session.mark = session.mark.join(mark);
        effects
    }

    pub(super) fn refuse(&self, reply: &mut Reply, error: &CommandError) {
        let message = error.message();
        self.shared.metrics.count_error(&message);
        reply.error(&message);
    }

    /// Finds the command and checks all that can be checked without a look at the data.
    #[inline]
    fn admit(
        &self,
        session: &Session,
        loading: bool,
        request: Request<'_>,
    ) -> Result<Admission<'static>, CommandError> {
        let command = self.find(request)?;
        let flags = command.spec.flags;
        if !session.authenticated && !flags.contains(Flags::NO_AUTH) {
            self.metrics.commands[command.index].rejected.add(1);
            return Err(CommandError::NoAuth);
        }
        if session.access.is_restricted() {
            self.check_access(session, command, request)?;
        }
        if self.shared.memory_limit.is_exceeded() && self.is_refused_for_memory(session, command) {
            return Err(self.reject(command, CommandError::OutOfMemory));
        }
        if (command.is_write() || is_exec(command))
            && let Some(failure) = self.shared.log().latched()
            && self.flags_of(session, command).contains(Flags::WRITE)
        {
            return Err(self.reject(command, CommandError::MisConf(failure.reason())));
        }
        if session.is_subscriber()
            && session.protocol == Protocol::Resp2
            && !flags.contains(Flags::SUBSCRIBED)
        {
            self.metrics.commands[command.index].rejected.add(1);
            return Err(CommandError::Subscribed(command.full_name.clone()));
        }
        if session.is_monitor && flags.intersects(Flags::WRITE | Flags::READONLY | Flags::MAY_REPLICATE) {
            self.metrics.commands[command.index].rejected.add(1);
            return Err(CommandError::Other("ERR Replica can't interact with the keyspace"));
        }
        if let Some(kind) = self.busy_kind(flags) {
            return Err(self.reject(command, CommandError::Busy(kind)));
        }
        if loading && !flags.contains(Flags::LOADING) {
            self.metrics.commands[command.index].rejected.add(1);
            return Err(CommandError::Loading);
        }
        if session.transaction.is_some() && flags.contains(Flags::NO_MULTI) {
            self.metrics.commands[command.index].rejected.add(1);
            return Err(CommandError::Other("ERR Command not allowed inside a transaction"));
        }
        if self.shared.paused.load(Relaxed) && self.is_paused(session, command, request) {
            return Ok(Admission::Paused);
        }
        if session.transaction.is_some() && !flags.contains(Flags::UNQUEUED) {
            session.handle.last_command.store(command.index as u32, Relaxed);
            return Ok(Admission::Queue(command));
        }
        Ok(Admission::Execute(command))
    }

    /// Whether the connection's user may have the request executed.
    pub(super) fn check_access(
        &self,
        session: &Session,
        command: &Command,
        request: Request<'_>,
    ) -> Result<(), CommandError> {
        check_access(session.access.user(), command, request).map_err(|denied| {
            // The log of refusals tells of the client, and so of what it is about to do.
            session.handle.last_command.store(command.index as u32, Relaxed);
            self.metrics.commands[command.index].rejected.add(1);
            deny(&self.shared, session, command, request, denied)
        })
    }

    /// Counts a refusal; that of EXEC is its transaction's end.
    #[cold]
    fn reject(&self, command: &Command, error: CommandError) -> CommandError {
        self.metrics.commands[command.index].rejected.add(1);
        if is_exec(command) { CommandError::ExecRefused(Box::new(error)) } else { error }
    }

    /// A command's flags; of EXEC, those of the queued commands too.
    fn flags_of(&self, session: &Session, command: &Command) -> Flags {
        let flags = command.spec.flags;
        if is_exec(command) { flags | transaction::flags(self, session) } else { flags }
    }

    /// Whether `maxmemory`, which was found exceeded, keeps a command from being executed or queued.
    #[cold]
    fn is_refused_for_memory(&self, session: &Session, command: &Command) -> bool {
        let flags = self.flags_of(session, command);
        // A transaction's queue grows with whatever is queued.
        let is_queued = session.transaction.is_some()
            && !matches!(command.full_name.as_str(), "exec" | "discard" | "reset" | "quit");
        if flags.contains(Flags::DENYOOM) || is_queued {
            return self.shared.refuses_growth();
        }
        if flags.contains(Flags::WRITE) {
            self.shared.memory_limit.note_release();
        }
        false
    }

    /// The command or subcommand that a request is for, with the right number of arguments.
    #[inline]
    pub(super) fn find(&self, request: Request<'_>) -> Result<&'static Command, CommandError> {
        let name = request.arg(0);
        let recent = self.recent.borrow().find(name);
        let command = match recent {
            Some(recent) => recent,
            None => {
                let Some(command) = self.renames.find(name) else {
                    return Err(CommandError::unknown_command(name, request.args_from(1)));
                };
                self.recent.borrow_mut().set(name, command);
                command
            }
        };
        let command = if command.spec.subcommands.is_empty() {
            command
        } else if let Some(name) = request.get(1) {
            match self.table.find_subcommand(command, name) {
                Some(subcommand) => subcommand,
                None => {
                    self.metrics.commands[command.index].rejected.add(1);
                    return Err(CommandError::UnknownSubcommand {
                        command: command.spec.name,
                        subcommand: name.to_vec(),
                    });
                }
            }
        } else {
            command
        };
        if !command.spec.accepts(request.len()) {
            self.metrics.commands[command.index].rejected.add(1);
            return Err(CommandError::Arity(command.full_name.clone()));
        }
        Ok(command)
    }

    fn is_paused(&self, session: &Session, command: &Command, request: Request<'_>) -> bool {
        let mut pause = self.shared.pause.lock();
        let Some(current) = *pause else { return false };
        if clock::unix_ms() >= current.until_ms {
            *pause = None;
            self.shared.paused.store(false, Relaxed);
            self.shared.unpaused.notify_waiters();
            return false;
        }
        match current.mode {
            // CLIENT is let through, so that a pause can be ended.
            PauseMode::All => command.parent.is_none_or(|parent| parent.name != "client"),
            PauseMode::Write => {
                let tells_no_writes = command.spec.flags.contains(Flags::SCRIPT)
                    && scripting::tells_no_writes(&self.shared, command, request);
                !tells_no_writes
                    && self.flags_of(session, command).intersects(Flags::WRITE | Flags::MAY_REPLICATE)
            }
        }
    }

    /// The shards that a request needs.
    #[inline]
    pub(super) fn shards_of(&self, command: &Command, request: Request<'_>) -> ShardSet {
        if command.spec.flags.contains(Flags::ALL_SHARDS) {
            return ShardSet::All;
        }
        if command.spec.keys.is_empty() {
            return ShardSet::None;
        }
        let store = &self.shared.store;
        if store.shard_count() == 1 {
            return ShardSet::One(0);
        }
        if let Some(at) = command.sole_key {
            let shard = |key| ShardSet::One(store.shard_of(&Key::new(key)));
            return request.get(at).map_or(ShardSet::None, shard);
        }
        command
            .key_positions(request)
            .into_iter()
            .fold(ShardSet::None, |set, at| set.with(store.shard_of(&Key::new(request.arg(at)))))
    }

    /// Executes a request with its shards locked. Within the loop over a batch: called, it costs 50 instructions more for each request.
    #[inline(always)]
    fn execute_admitted(
        &self,
        session: &mut Session,
        keys: &mut Keys<'_>,
        reply: &mut Reply,
        admitted: Admitted<'_>,
        stopwatch: &mut Stopwatch,
    ) -> Result<Step, CommandError> {
        let Admitted { command, request, turns } = admitted;
        session.handle.last_command.store(command.index as u32, Relaxed);
        let is_about_queue = command.spec.flags.contains(Flags::UNQUEUED) && command.spec.keys.is_empty();
        let set = if is_about_queue {
            transaction::shards_of(self, session)
        } else {
            self.shards_of(command, request)
        };
        if set == ShardSet::None {
            // What has no keys may look at others' connections, the log, the settings: not under
            // a lock.
            keys.release();
        } else {
            keys.acquire(set);
            // The script may have become busy while its shards were waited for.
            if let Some(kind) = self.busy_kind(command.spec.flags) {
                keys.release();
                return Err(self.reject(command, CommandError::Busy(kind)));
            }
        }
        let outcome = self.call(session, keys, reply, request, command, stopwatch);
        match outcome {
            Some(Outcome::Blocked(blocked)) => return Ok(Step::Blocked(blocked)),
            Some(Outcome::Exec) => {
                transaction::execute(self, session, keys, reply, stopwatch, turns);
                if let Some(tracking) = &mut session.tracking {
                    tracking.caching = None;
                }
                self.show_monitors(session, request, command);
            }
            Some(Outcome::Script(call)) => {
                let run = ScriptRun { command, request, call: &call, turns };
                scripting::execute(self, session, keys, reply, run, stopwatch);
            }
            Some(Outcome::Done) | None => {}
        }
        if !keys.ready.is_empty() {
            serve_ready(keys);
        }
        Ok(Step::Next)
    }

    /// The kind of the script that runs for too long, unless a command with these flags may be executed all the same.
    #[inline]
    fn busy_kind(&self, flags: Flags) -> Option<Kind> {
        let running = &self.shared.scripting.running;
        if running.is_busy() && !flags.contains(Flags::ALLOW_BUSY) { running.kind() } else { None }
    }

    /// Calls a handler, counts the call, and writes its error; `None` then.
    #[inline]
    pub(super) fn call(
        &self,
        session: &mut Session,
        keys: &mut Keys<'_>,
        reply: &mut Reply,
        request: Request<'_>,
        command: &Command,
        stopwatch: &mut Stopwatch,
    ) -> Option<Outcome> {
        let reply_start = reply.len();
        keys.db = session.db;
        keys.no_touch = session.handle.no_touch.load(Relaxed);
        let mut context =
            Context { shared: &self.shared, metrics: &self.metrics, session, keys, reply: &mut *reply };
        stopwatch.begin(&self.metrics, command);
        let result = (command.spec.handler)(&mut context, request);
        let counters = &self.metrics.commands[command.index];
        if matches!(result, Ok(Outcome::Script(_))) {
            stopwatch.leave_to_script();
        } else if let Some(ns) = stopwatch.end(&self.metrics, command, &self.shared.config) {
            self.note_time(session, request, command, ns);
        }
        self.metrics.commands_processed.add(1);
        if session.tracking.is_some() || self.shared.monitors.is_on() {
            self.note_tracked(session, keys, request, command);
            // EXEC is shown behind the commands that it executes.
            if !matches!(result, Ok(Outcome::Exec)) {
                self.show_monitors(session, request, command);
            }
        }
        match result {
            // By itself, since the others' outcomes are copied.
            Ok(Outcome::Done) => {
                counters.calls.add(1);
                Some(Outcome::Done)
            }
            // Counted when it is served.
            Ok(outcome @ Outcome::Blocked(_)) => Some(outcome),
            Ok(outcome) => {
                counters.calls.add(1);
                Some(outcome)
            }
            Err(error) => {
                counters.calls.add(1);
                counters.failed.add(1);
                reply.truncate(reply_start);
                self.refuse(reply, &error);
                None
            }
        }
    }
}

impl Executor {
    /// Remembers which keys a connection read that tracks keys, if it wants that.
    #[cold]
    fn note_tracked(
        &self,
        session: &mut Session,
        keys: &mut Keys<'_>,
        request: Request<'_>,
        command: &Command,
    ) {
        let flags = command.spec.flags;
        let Some(tracking) = &mut session.tracking else { return };
        let is_script = command.spec.categories.contains(Categories::SCRIPTING);
        if flags.contains(Flags::READONLY)
            && !flags.contains(Flags::PUBSUB)
            && !is_script
            && tracking.tracker.remembers(tracking.caching)
        {
            if session.in_script {
                tracking.script_reads = true;
            } else {
                self.track(session, keys, request, command);
            }
        }
        let Some(tracking) = &mut session.tracking else { return };
        // What CLIENT CACHING said holds for one command, or for a transaction.
        let is_client = command.parent.is_some_and(|parent| parent.name == "client");
        if session.transaction.is_none() && !session.in_exec && !is_client && !is_script {
            tracking.caching = None;
        }
    }

    /// Remembers that a connection has read the keys of a script that read anything, whichever keys that was, as Redis does.
    #[cold]
    pub(super) fn note_script_tracked(
        &self,
        session: &mut Session,
        keys: &mut Keys<'_>,
        request: Request<'_>,
        command: &Command,
    ) {
        let Some(tracking) = &mut session.tracking else { return };
        if std::mem::take(&mut tracking.script_reads) {
            self.track(session, keys, request, command);
        }
        if let Some(tracking) = &mut session.tracking
            && !session.in_exec
        {
            tracking.caching = None;
        }
    }

    /// Remembers that a connection has read a command's keys.
    fn track(&self, session: &Session, keys: &mut Keys<'_>, request: Request<'_>, command: &Command) {
        let keys_max = self.shared.config.integer(settings::TRACKING_TABLE_MAX_KEYS) as u64;
        for at in command.key_positions(request) {
            keys.track(&Key::new(request.arg(at)), session.handle.id, keys_max);
        }
    }

    /// Shows a command to those who watch all commands.
    #[cold]
    fn show_monitors(&self, session: &Session, request: Request<'_>, command: &Command) {
        // Those that run scripts are flagged so, and shown all the same: before what they call.
        let is_script = command.spec.flags.contains(Flags::SCRIPT);
        let is_shown = is_script || !command.spec.flags.intersects(Flags::SKIP_MONITOR | Flags::ADMIN);
        if is_shown && self.shared.monitors.is_on() {
            let source =
                if session.in_script { "lua".into() } else { monitored_source(&session.handle.peer) };
            let args = redact(command, request);
            self.shared.monitors.show(clock::unix_us(), session.db, &source, args.into_iter());
        }
    }

    /// Notes that a command took long.
    #[cold]
    pub(super) fn note_time(&self, session: &Session, request: Request<'_>, command: &Command, ns: u64) {
        let is_fast = command.spec.flags.contains(Flags::FAST);
        let event = if is_fast { LatencyEvent::FastCommand } else { LatencyEvent::Command };
        self.shared.latency.note(event, Duration::from_nanos(ns));
        if ns >= slow_ns(&self.shared.config) {
            self.note_slow(session, request, command, ns);
        }
    }

    /// Puts a command into the slow log.
    fn note_slow(&self, session: &Session, request: Request<'_>, command: &Command, ns: u64) {
        if command.spec.flags.contains(Flags::SKIP_SLOWLOG) {
            return;
        }
        let max = self.shared.config.integer(settings::SLOWLOG_MAX_LEN);
        let args = redact(command, request);
        let slow = SlowCommand {
            id: 0,
            time_s: clock::unix_ms() / 1000,
            duration_us: ns / 1000,
            args: SlowCommand::shorten(args.into_iter()),
            peer: session.handle.peer.to_string(),
            client_name: session.handle.names.lock().name.clone(),
        };
        self.shared.slowlog.add(slow, usize::try_from(max).unwrap_or(usize::MAX));
    }
}

/// A request's arguments, what may be a password hidden.
fn redact<'a>(command: &Command, request: Request<'a>) -> Vec<&'a [u8]> {
    let is = |at: usize, word: &[u8]| request.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
    let is_hidden = |at: usize| match command.full_name.as_str() {
        "auth" => at >= 1,
        "hello" => at >= 3 && (is(at - 1, b"auth") || (at >= 4 && is(at - 2, b"auth"))),
        "acl|setuser" | "acl|deluser" => at >= 2,
        "config|set" => at >= 3 && SECRET_SETTINGS.iter().any(|name| is(at - 1, name)),
        _ => false,
    };
    let hidden: &[u8] = b"(redacted)";
    (0..request.len()).map(|at| if is_hidden(at) { hidden } else { request.arg(at) }).collect()
}

/// Whether it is the command whose flags are those of the queued commands.
fn is_exec(command: &Command) -> bool {
    command.spec.flags.contains(Flags::UNQUEUED) && command.spec.name == "exec"
}

/// Whether a command runs a script, or queued commands of which one does.
fn may_run_script(session: &Session, command: &Command) -> bool {
    command.spec.flags.contains(Flags::SCRIPT)
        || (session.transaction.as_ref().is_some_and(|transaction| transaction.has_script)
            && is_exec(command))
}

/// Takes back the reply that a client does not want to hear.
#[cold]
fn leave_out(session: &mut Session, reply: &mut Reply, reply_start: usize, is_pushed: bool) {
    if !is_pushed {
        reply.truncate(reply_start);
    }
    session.reply_mode = match session.reply_mode {
        ReplyMode::SkipNext => ReplyMode::Skip,
        ReplyMode::Skip => ReplyMode::On,
        ReplyMode::On | ReplyMode::Off => session.reply_mode,
    };
}

/// A request that may be executed.
#[derive(Clone, Copy)]
struct Admitted<'a> {
    command: &'a Command,
    request: Request<'a>,
    /// Lets others have theirs when it takes long.
    turns: Option<&'a Turns>,
}

enum Admission<'a> {
    Execute(&'a Command),
    Queue(&'a Command),
    Paused,
}

impl From<BatchEnd> for Progress {
    fn from(end: BatchEnd) -> Self {
        match end {
            BatchEnd::Exhausted => Self::Read,
            BatchEnd::Full => Self::Again,
            BatchEnd::Blocked(_) | BatchEnd::Paused | BatchEnd::Script(_) | BatchEnd::Waiting => Self::Wait,
            BatchEnd::Close => Self::Close,
        }
    }
}
