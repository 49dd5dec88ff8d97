//! The server as a whole: starting and stopping it, its threads, and the way of a command from
//! request to reply.
//!
//! | file | what |
//! |---|---|
//! | `startup.rs` | from the settings to a running server, and its orderly end |
//! | `acceptor.rs` | where the server listens, and who serves a new connection |
//! | `worker.rs` | a worker thread: its connections, and what they wait for |
//! | `executor.rs` | a batch of requests: checks, locks, handlers |
//! | `transaction.rs` | MULTI and EXEC |
//! | `scripting.rs` | EVAL and FCALL, and who is served while a script takes long |
//! | `blocking.rs` | blocked clients: who serves them, and how they stop waiting |
//! | `background.rs` | what runs by the clock |
//! | `supervisor.rs` | what systemd is told |
//! | `exercise.rs` | the way of a command without sockets, to count its instructions |

mod acceptor;
mod background;
mod blocking;
mod executor;
mod exercise;
mod loading;
mod scripting;
mod startup;
mod supervisor;
mod transaction;
mod worker;

#[doc(hidden)]
pub use exercise::{Exercise, ExerciseServer};
pub use startup::{StartupError, find_faults, run};
