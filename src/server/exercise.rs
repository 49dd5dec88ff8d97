//! The way of a command without sockets, for what counts its instructions (`benches/instructions`).

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::executor::Executor;
use super::loading;
use super::startup::{shard_count, worker_count};
use super::worker::{Connection, Worker};
use crate::acl::Access;
use crate::clock;
use crate::config::{Config, settings};
use crate::log::LogError;
use crate::net::{Input, Service};
use crate::protocol::RequestDecoder;
use crate::state::{ClientHandle, Session, Shared};

/// A server without sockets, of which each thread may have a worker.
#[derive(Debug, Clone)]
pub struct ExerciseServer {
    shared: Arc<Shared>,
}

impl ExerciseServer {
    /// A server with an empty keyspace, or with what the log in the current directory holds if the settings want one.
    ///
    /// # Errors
    /// The log cannot be read or continued.
    pub fn new(config: Config) -> Result<Self, LogError> {
        let workers = worker_count(&config);
        let shared = Arc::new(Shared::new(Arc::new(config), workers, shard_count(workers)));
        let has_log = shared.config.boolean(settings::APPENDONLY);
        loading::load(&shared, has_log)?;
        Ok(Self { shared })
    }

    /// A worker for the calling thread.
    pub fn worker(&self) -> Exercise {
        let session = Session::new(
            Arc::new(ClientHandle::detached(clock::unix_ms())),
            Arc::new(Access::new(&self.shared.users)),
            true,
        );
        let connection = Connection {
            session,
            decoder: RequestDecoder::new(),
            waiting: None,
            connections: Arc::new(AtomicUsize::new(1)),
        };
        let worker = Worker::new(Executor::new(self.shared.clone()));
        Exercise { worker, connection, input: Input::default(), output: Vec::new() }
    }
}

/// A worker and one connection of it, both served by the caller's own thread.
pub struct Exercise {
    worker: Rc<Worker>,
    connection: Connection,
    input: Input,
    output: Vec<u8>,
}

impl Exercise {
    /// Executes requests as if they had come in one read, writes what they append to the log, and returns their replies.
    pub fn execute(&mut self, requests: &[u8]) -> &[u8] {
        self.input.for_reading().extend_from_slice(requests);
        self.output.clear();
        self.worker.execute(&mut self.connection, &mut self.input, &mut self.output);
        let log = self.worker.executor.shared.log();
        if log.written() < self.worker.mark(&self.connection).seen {
            // A failure is latched, and told to whoever writes next.
            let _ = log.write_out();
        }
        &self.output
    }
}
