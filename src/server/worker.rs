//! A worker thread: its connections, each executed where it lives.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use super::blocking::{deregister, retry};
use super::executor::{BATCH_OUTPUT_BYTES_MAX, BatchEnd, Executor};
use super::scripting::{self, FinishedScript, ScriptStacks, Started};
use super::supervisor::Heartbeat;
use super::transaction;
use crate::acl::Access;
use crate::clock;
use crate::command::{Blocked, CommandError};
use crate::config::settings;
use crate::log::{Effects, FsyncPolicy, Planted, Position, SyncGroup};
use crate::net::{HandshakeError, Input, Progress, Service, Socket, serve, shake_hands};
use crate::protocol::{OwnedRequest, Reply, RequestDecoder};
use crate::state::{
    ClientHandle, Keys, Mark, ReplyMode, ServedReply, Session, Shared, UNLIMITED_OUTPUT_BYTES, Unblock,
    Waiter,
};
use crate::tls::TlsSetup;

/// A timer for a blocked command runs for no longer than this, in milliseconds; then it is set again.
const RETRY_MS_MAX: u64 = 60 * 60 * 1000;

/// While a script runs for too long, what wants to change the data by the clock looks again after this.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// Under `appendfsync always` connections execute on while what they changed is not durable, up to so many bytes of the log; if the
/// disk is slower than that, they wait.
const UNSYNCED_BYTES_MAX: u64 = 64 << 20;

/// Under `appendfsync always` a thread that is busy waits up to this part of a sync's time for others who may want the next sync,
const GATHERING_PART: u32 = 2;
/// no longer than this.
const GATHERING_MAX: Duration = Duration::from_millis(4);

/// A connection that is handed to a worker thread.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) socket: Socket,
    /// What TLS begins with, if it is to be spoken.
    pub(super) tls: Option<TlsSetup>,
    pub(super) handle: Arc<ClientHandle>,
    pub(super) authenticated: bool,
}

/// A worker thread, as the acceptor sees it.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    pub(super) sender: mpsc::UnboundedSender<Handover>,
    /// Connections that the thread serves.
    pub(super) connections: Arc<AtomicUsize>,
    /// Tells that the thread is well.
    pub(super) heartbeat: Heartbeat,
}

/// What a connection is and where it stands.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) decoder: RequestDecoder,
    pub(super) waiting: Option<Waiting>,
    pub(super) connections: Arc<AtomicUsize>,
}

pub(super) enum Waiting {
    Blocked {
        blocked: Blocked,
        deadline: Option<Instant>,
        command: usize,
        since: std::time::Instant,
    },
    Paused,
    /// A script runs that takes long; what comes of it is sent when it has ended.
    Script(oneshot::Receiver<FinishedScript>),
}

/// Serves the connections of one thread.
pub(super) struct Worker {
    pub(super) executor: Executor,
    pub(super) effects: RefCell<Effects>,
    pub(super) script_stacks: ScriptStacks,
    /// The connections that wait for the log to become durable.
    syncs: SyncGroup,
    /// Counts what connections execute and send: who looks twice sees whether any had something to do.
    activity: Cell<u64>,
    /// Itself, for the tasks that it starts: scripts that outlast the turn in which they began, and who has the log synced.
    this: Weak<Self>,
}

impl Worker {
    pub(super) fn new(executor: Executor) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            executor,
            effects: RefCell::new(Effects::new()),
            script_stacks: ScriptStacks::default(),
            syncs: SyncGroup::default(),
            activity: Cell::new(0),
            this: this.clone(),
        })
    }

    /// Executes the whole requests in `input`.
    fn execute_all(&self, connection: &mut Connection, input: &mut Input, reply: &mut Reply) -> BatchEnd {
        loop {
            let end = self.executor.execute_batch(
                &mut connection.session,
                &mut connection.decoder,
                input,
                reply,
                &mut self.effects.borrow_mut(),
            );
            let BatchEnd::Script(request) = end else { return end };
            connection.waiting = self.run_script(connection, request, reply);
            if connection.waiting.is_some() {
                return BatchEnd::Waiting;
            }
            if reply.len() > BATCH_OUTPUT_BYTES_MAX {
                return BatchEnd::Full;
            }
        }
    }

    /// Runs a request that may run a script. What is left to be done when it takes long.
    fn run_script(
        &self,
        connection: &mut Connection,
        request: OwnedRequest,
        reply: &mut Reply,
    ) -> Option<Waiting> {
        let worker = self.this.upgrade()?;
        let stand_in = connection.session.stand_in();
        let session = std::mem::replace(&mut connection.session, stand_in);
        match scripting::start(worker, session, request) {
            Started::Finished(finished) => {
                Self::take_back(connection, finished, reply.buffer_mut());
                None
            }
            Started::Running(receiver) => Some(Waiting::Script(receiver)),
        }
    }

    /// Gives a connection its session back after a script, and the reply.
    fn take_back(connection: &mut Connection, finished: FinishedScript, output: &mut Vec<u8>) {
        connection.session = finished.session;
        output.extend_from_slice(&finished.reply);
    }

    /// Waits for a script that takes long.
    async fn wait_script(&self, connection: &mut Connection, output: &mut Vec<u8>) {
        let Some(Waiting::Script(receiver)) = &mut connection.waiting else { return };
        let handle = connection.session.handle.clone();
        let finished = loop {
            tokio::select! {
                biased;
                finished = &mut *receiver => break finished.ok(),
                () = handle.wakeup.woken() => if handle.is_killed() { break None },
            }
        };
        connection.waiting = None;
        match finished {
            Some(finished) => Self::take_back(connection, finished, output),
            // The session stays with the script, and is cleaned up with it.
            None => connection.session.closing = true,
        }
    }
}

/// Runs a worker thread: serves what comes through `receiver` until that is closed and all
/// connections are.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut receiver: mpsc::UnboundedReceiver<Handover>,
    connections: Arc<AtomicUsize>,
    heartbeat: Heartbeat,
) {
    let worker = Worker::new(Executor::new(shared));
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let heartbeat = heartbeat.start();
            while let Some(handover) = receiver.recv().await {
                let connection = Connection {
                    session: Session::new(
                        handover.handle,
                        Arc::new(Access::new(&worker.executor.shared.users)),
                        handover.authenticated,
                    ),
                    decoder: RequestDecoder::new(),
                    waiting: None,
                    connections: connections.clone(),
                };
                start_serving(worker.clone(), handover.socket, handover.tls, connection);
            }
            if let Some(heartbeat) = heartbeat {
                heartbeat.abort();
            }
        })
        .await;
    // No more connections are handed over: the server ends. Those that are left close.
    tasks.await;
}

/// Serves a connection in a task of its own.
fn start_serving(worker: Rc<Worker>, socket: Socket, tls: Option<TlsSetup>, connection: Connection) {
    match socket {
        Socket::Tcp(stream) => match (tokio::net::TcpStream::from_std(stream), tls) {
            (Ok(stream), Some(tls)) => drop(spawn_local(worker.serve_tls(tls, stream, connection))),
            (Ok(stream), None) => drop(spawn_local(async move { serve(&*worker, stream, connection).await })),
            (Err(_), _) => worker.closed(connection),
        },
        Socket::Unix(stream) => match tokio::net::UnixStream::from_std(stream) {
            Ok(stream) => drop(spawn_local(async move { serve(&*worker, stream, connection).await })),
            Err(_) => worker.closed(connection),
        },
    }
}

impl Worker {
    fn shared(&self) -> &Shared {
        &self.executor.shared
    }

    /// Serves a connection over TLS: the handshake first.
    async fn serve_tls(self: Rc<Self>, tls: TlsSetup, stream: tokio::net::TcpStream, connection: Connection) {
        let shaken = tokio::select! {
            biased;
            shaken = shake_hands(tls, stream) => shaken,
            () = self.interrupted(&connection) => return self.closed(connection),
        };
        match shaken {
            Ok(stream) => serve(&*self, stream, connection).await,
            Err(error) => {
                self.note_failed_handshake(&connection, &error);
                self.closed(connection);
            }
        }
    }

    fn note_failed_handshake(&self, connection: &Connection, error: &HandshakeError) {
        let handle = &connection.session.handle;
        tracing::debug!(
            "Error accepting a client connection: {error} (addr={} laddr={})",
            handle.peer,
            handle.local
        );
        if let Some(count) = self.shared().tls.count_failure() {
            tracing::warn!("{count} TLS handshake(s) failed; the last one, of {}: {error}", handle.peer);
        }
    }

    /// The position before which all is as safe as the settings want it.
    fn safe_position(&self) -> Position {
        let log = self.shared().log();
        if log.policy() == FsyncPolicy::Always { log.durable() } else { log.written() }
    }

    /// Has the log synced until no connection waits for it.
    fn start_leader(&self) {
        let Some(worker) = self.this.upgrade() else { return };
        spawn_local(async move { worker.syncs.lead(worker.shared().log(), || worker.gather()).await });
    }

    /// Lets the connections that are ready execute first: one sync serves them all. Those that the last sync served come back while its
    /// replies leave: they are waited for as long as there is anything else to do, but no longer than half a sync takes.
    async fn gather(&self) {
        let mut until = None;
        while !self.syncs.are_all_there() {
            let before = self.activity.get();
            tokio::task::yield_now().await;
            if self.activity.get() == before {
                return;
            }
            let now = std::time::Instant::now();
            let last_sync = self.shared().log().last_sync();
            if now >= *until.get_or_insert(now + (last_sync / GATHERING_PART).min(GATHERING_MAX)) {
                return;
            }
        }
    }

    fn note_activity(&self) {
        self.activity.set(self.activity.get().wrapping_add(1));
    }

    fn start_waiting(&self, connection: &mut Connection, end: BatchEnd) -> Progress {
        match end {
            BatchEnd::Blocked(blocked) => {
                // What is too far away for the clock is as good as never.
                let deadline =
                    blocked.timeout_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
                let handle = &connection.session.handle;
                handle.blocked.store(true, Relaxed);
                self.executor.metrics.blocked_clients.add(1);
                self.executor.metrics.blocked_clients_with_timeout.add(deadline.is_some().into());
                let command = handle.last_command.load(Relaxed) as usize;
                let since = std::time::Instant::now();
                connection.waiting = Some(Waiting::Blocked { blocked, deadline, command, since });
                Progress::Wait
            }
            BatchEnd::Paused => {
                self.executor.metrics.blocked_clients.add(1);
                connection.waiting = Some(Waiting::Paused);
                Progress::Wait
            }
            other => other.into(),
        }
    }

    fn stop_waiting(&self, connection: &mut Connection, is_served: bool) {
        let Some(waiting) = connection.waiting.take() else { return };
        self.executor.metrics.blocked_clients.subtract(1);
        if let Waiting::Blocked { blocked, deadline, .. } = waiting {
            self.executor.metrics.blocked_clients_with_timeout.subtract(deadline.is_some().into());
            blocked.waiter.cancel();
            // Whoever served it took it out of the queue where it was found.
            if !is_served || blocked.waiter.keys.len() > 1 {
                deregister(self.shared(), &blocked.waiter);
            }
            connection.session.handle.blocked.store(false, Relaxed);
        }
    }

    fn count_served(&self, command: usize, since: std::time::Instant, failed: bool) {
        let counters = &self.executor.metrics.commands[command];
        counters.calls.add(1);
        counters.ns.add(since.elapsed().as_nanos() as u64);
        if failed {
            counters.failed.add(1);
        }
    }

    /// Waits for a blocked command's reply, its timeout, or CLIENT UNBLOCK.
    async fn wait_blocked(&self, connection: &mut Connection, output: &mut Vec<u8>) {
        let Some(Waiting::Blocked { blocked, deadline, command, since }) = &mut connection.waiting else {
            return;
        };
        let (command, since, deadline) = (*command, *since, *deadline);
        let handle = connection.session.handle.clone();
        if !handle.outbox.is_empty() {
            // Messages are sent first; the wait goes on then.
            return;
        }
        let timeout = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(timeout);
        enum Wake {
            Served(Result<ServedReply, tokio::sync::oneshot::error::RecvError>),
            Timeout,
            Notified,
        }
        let wake = loop {
            tokio::select! {
                biased;
                reply = &mut blocked.reply => break Wake::Served(reply),
                () = &mut timeout => break Wake::Timeout,
                () = handle.wakeup.woken() => break Wake::Notified,
                () = self.wait_for_retry(&blocked.waiter), if blocked.waiter.claims => self.retry(&blocked.waiter),
            }
        };
        let refusal = match wake {
            Wake::Served(Ok(reply)) => {
                self.deliver(connection, output, reply, command, since);
                return;
            }
            Wake::Served(Err(_)) | Wake::Timeout => None,
            Wake::Notified if handle.is_killed() => {
                connection.session.closing = true;
                if !self.shared().stopping.load(Relaxed) {
                    self.stop_waiting(connection, false);
                    return;
                }
                Some(CommandError::ShuttingDown)
            }
            Wake::Notified => match handle.take_unblock() {
                Some(Unblock::Timeout) => None,
                Some(Unblock::Error) => Some(CommandError::Unblocked),
                None => return,
            },
        };
        // Whoever served it in this very instant was first: that reply is the one, and comes when the shards are released.
        if !blocked.waiter.cancel()
            && let Ok(reply) = (&mut blocked.reply).await
        {
            self.deliver(connection, output, reply, command, since);
            return;
        }
        let mut reply = Reply::from_buffer(std::mem::take(output), connection.session.protocol);
        match &refusal {
            None => reply.null_array(),
            Some(refusal) => {
                let message = refusal.message();
                self.shared().metrics.count_error(&message);
                reply.error(&message);
            }
        }
        *output = reply.into_buffer();
        self.count_served(command, since, refusal.is_some());
        self.stop_waiting(connection, false);
    }

    /// Waits until a blocked command is to be tried again, and writing is not paused.
    async fn wait_for_retry(&self, waiter: &Waiter) {
        loop {
            let paused_until_ms = if self.shared().paused.load(Relaxed) {
                self.shared().pause.lock().map(|p| p.until_ms)
            } else {
                None
            };
            if self.shared().scripting.running.is_busy() {
                // The data are in the middle of a script.
                tokio::time::sleep(BUSY_INTERVAL).await;
                continue;
            }
            let Some(at_ms) = waiter.retry.at_ms().map(|at_ms| at_ms.max(paused_until_ms.unwrap_or(0)))
            else {
                waiter.retry.nearer().await;
                continue;
            };
            let now_ms = clock::unix_ms();
            if now_ms >= at_ms {
                return;
            }
            // The clock may be set meanwhile: what is far away is looked at again.
            let left = Duration::from_millis((at_ms - now_ms).min(RETRY_MS_MAX));
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = waiter.retry.nearer() => {}
                () = self.shared().unpaused.notified(), if paused_until_ms.is_some() => {}
            }
        }
    }

    /// Tries a blocked command again, and those before it in its queues.
    fn retry(&self, waiter: &Arc<Waiter>) {
        let shared = self.shared();
        if let Some(failure) = shared.log().latched() {
            deregister(shared, waiter);
            if let Some(sender) = waiter.sender.lock().take() {
                let message = CommandError::MisConf(failure.reason()).message();
                // Nobody but this connection waits for it.
                let _ = sender.send(ServedReply::error(&message, waiter.protocol));
            }
            return;
        }
        let effects = self.effects.take();
        let mut keys = Keys::new(shared, &self.executor.metrics, effects, clock::unix_ms());
        retry(shared, &mut keys, waiter);
        let (effects, mark) = keys.finish();
        self.effects.replace(effects);
        if shared.log().written() < mark.seen {
            // A failure is latched, and told to whoever writes next.
            let _ = shared.log().write_out();
        }
    }

    /// Notes in the log of refusals that a blocked command was refused, since its user has changed.
    #[cold]
    fn note_denied(&self, connection: &mut Connection) {
        connection.session.refresh_access();
        let (Some(Waiting::Blocked { blocked, .. }), session) = (&connection.waiting, &connection.session)
        else {
            return;
        };
        let request = blocked.waiter.request.as_request();
        if let Ok(command) = self.executor.find(request) {
            // The reply is written already.
            let _ = self.executor.check_access(session, command, request);
        }
    }

    fn deliver(
        &self,
        connection: &mut Connection,
        output: &mut Vec<u8>,
        reply: ServedReply,
        command: usize,
        since: std::time::Instant,
    ) {
        if reply.failed {
            let message = reply.bytes.strip_prefix(b"-").unwrap_or(&reply.bytes);
            self.shared().metrics.count_error(message);
            if message.starts_with(b"NOPERM ") {
                self.note_denied(connection);
            }
        }
        output.extend_from_slice(&reply.bytes);
        let session = &mut connection.session;
        session.mark = session.mark.join(reply.mark);
        self.count_served(command, since, reply.failed);
        self.stop_waiting(connection, true);
    }

    async fn wait_paused(&self, connection: &mut Connection) {
        let until_ms = self.shared().pause.lock().map_or(0, |pause| pause.until_ms);
        let left = Duration::from_millis(until_ms.saturating_sub(clock::unix_ms()).min(100));
        tokio::select! {
            () = self.shared().unpaused.notified() => {}
            () = tokio::time::sleep(left) => {}
        }
        self.stop_waiting(connection, false);
        connection.session.closing |= connection.session.handle.is_killed();
    }
}

/// Puts the messages that came for a subscriber behind its replies; whether there are more.
#[inline]
fn take_messages(session: &Session, output: &mut Vec<u8>) -> bool {
    let outbox = &session.handle.outbox;
    if outbox.is_empty() {
        return false;
    }
    let start = output.len();
    let has_more = outbox.take(output, BATCH_OUTPUT_BYTES_MAX);
    session.handle.output_buffer.fetch_add(output.len() - start, Relaxed);
    has_more
}

impl Service for Worker {
    type Connection = Connection;
    type Mark = Mark;

    fn execute(&self, connection: &mut Connection, input: &mut Input, output: &mut Vec<u8>) -> Progress {
        self.note_activity();
        if connection.waiting.is_some() {
            take_messages(&connection.session, output);
            return Progress::Wait;
        }
        if connection.session.handle.is_killed() {
            return Progress::Close;
        }
        let limit = self.shared().config.memory(settings::CLIENT_QUERY_BUFFER_LIMIT) as usize;
        if input.bytes().len() > limit {
            self.shared().metrics.query_buffer_limit_disconnections.fetch_add(1, Relaxed);
            tracing::warn!(
                client = connection.session.handle.id,
                bytes = input.bytes().len(),
                "closing a client that reached the query buffer limit"
            );
            return Progress::Close;
        }
        // What was sent to the client before its commands are executed comes before their replies.
        take_messages(&connection.session, output);
        let session = &connection.session;
        let output_bytes_max = self
            .shared()
            .output_bytes_max()
            .filter(|_| session.reply_mode == ReplyMode::On && !session.is_subscriber());
        let mut reply = Reply::from_buffer(std::mem::take(output), session.protocol)
            .with_limit(output_bytes_max, UNLIMITED_OUTPUT_BYTES);
        let reply_start = reply.len();
        let end = if input.bytes().is_empty() {
            // Woken to send what others wrote for it.
            connection.session.handle.active_ms.store(clock::unix_ms(), Relaxed);
            if connection.session.closing { BatchEnd::Close } else { BatchEnd::Exhausted }
        } else {
            self.execute_all(connection, input, &mut reply)
        };
        let session = &mut connection.session;
        let written = reply.len().saturating_sub(reply_start);
        let pending = session.handle.output_buffer.load(Relaxed) + written;
        session.handle.output_buffer.store(pending, Relaxed);
        let (has_overflown, output_bytes_max) = (reply.has_overflown(), reply.limit());
        *output = reply.into_buffer();
        if has_overflown || output_bytes_max.is_some_and(|max| pending >= max.get()) {
            self.shared().note_output_disconnection(&session.handle);
            return Progress::Abort;
        }
        let has_more = take_messages(session, output);
        if transaction::is_too_large(&self.executor, session) {
            self.shared().metrics.query_buffer_limit_disconnections.fetch_add(1, Relaxed);
            return Progress::Close;
        }
        match self.start_waiting(connection, end) {
            Progress::Read if has_more => Progress::Again,
            progress => progress,
        }
    }

    fn mark(&self, connection: &Connection) -> Mark {
        connection.session.mark
    }

    fn may_run_ahead(&self, mark: Mark) -> bool {
        let log = self.shared().log();
        log.policy() == FsyncPolicy::Always
            && !self.is_settled(mark)
            && log.appended().bytes().saturating_sub(log.durable().bytes()) < UNSYNCED_BYTES_MAX
    }

    fn is_settled(&self, mark: Mark) -> bool {
        mark.seen <= self.safe_position()
    }

    async fn settle(&self, mark: Mark) -> bool {
        if self.is_settled(mark) || Planted::EarlyReply.is_there() {
            return true;
        }
        let log = self.shared().log();
        if log.policy() != FsyncPolicy::Always {
            // The other connections of this thread that are ready execute first: one write serves them all.
            tokio::task::yield_now().await;
        }
        let result = match log.policy() {
            FsyncPolicy::Always => {
                if self.syncs.takes_leader() {
                    self.start_leader();
                }
                self.syncs.durable_at(log, mark.seen).await
            }
            _ if log.written() < mark.seen => log.write_out_counted(&self.executor.metrics.log_file_locks),
            _ => Ok(()),
        };
        // When the log fails, reads go on, and see what it does not have.
        result.is_ok() || mark.own <= self.safe_position()
    }

    async fn wait(&self, connection: &mut Connection, output: &mut Vec<u8>) {
        let start = output.len();
        match connection.waiting {
            Some(Waiting::Blocked { .. }) => self.wait_blocked(connection, output).await,
            Some(Waiting::Paused) => self.wait_paused(connection).await,
            Some(Waiting::Script(_)) => self.wait_script(connection, output).await,
            None => {}
        }
        connection.session.handle.output_buffer.fetch_add(output.len().saturating_sub(start), Relaxed);
    }

    async fn interrupted(&self, connection: &Connection) {
        let handle = &connection.session.handle;
        while !handle.is_killed() {
            handle.wakeup.woken().await;
        }
    }

    async fn woken(&self, connection: &Connection) -> bool {
        let handle = &connection.session.handle;
        loop {
            if handle.is_killed() {
                return false;
            }
            if !handle.outbox.is_empty() {
                return true;
            }
            handle.wakeup.woken().await;
        }
    }

    fn count(&self, connection: &Connection, read: usize, written: usize) {
        let metrics = &self.executor.metrics;
        if read > 0 {
            metrics.net_input_bytes.add(read as u64);
            metrics.reads.add(1);
            self.shared().note_growth(read as u64);
        }
        if written > 0 {
            self.note_activity();
            metrics.net_output_bytes.add(written as u64);
            metrics.writes.add(1);
            let handle = &connection.session.handle;
            let pending = handle.output_buffer.load(Relaxed).saturating_sub(written);
            handle.output_buffer.store(pending, Relaxed);
            if pending > 0 {
                // Who reads, however slowly, is not idle.
                handle.active_ms.store(clock::unix_ms(), Relaxed);
            }
        }
    }

    fn note_held(&self, connection: &Connection, buffers: usize) {
        connection.session.handle.output_held.store(buffers, Relaxed);
    }

    fn closed(&self, mut connection: Connection) {
        self.stop_waiting(&mut connection, false);
        connection.session.unwatch(&self.shared().store);
        self.shared().pubsub.unsubscribe_all(&mut connection.session);
        connection.session.untrack(&self.shared().tracking);
        let handle = &connection.session.handle;
        self.shared().monitors.remove(handle);
        handle.outbox.close();
        if handle.outbox.has_overflown() {
            self.shared().metrics.output_buffer_limit_disconnections.fetch_add(1, Relaxed);
        }
        self.shared().clients.remove(connection.session.handle.id);
        connection.connections.fetch_sub(1, Relaxed);
    }
}
