//! The program as its clients see it: every test starts the built millstream (some redis-server too, which stands for
//! "as Redis does it") and talks to it over a socket.
//!
//! What can be told as a conversation is a script in `scripts/` (the form is told in [`harness::Script`]).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abuse;
mod access;
mod appendonly;
mod campaign;
mod command_table;
mod compression;
mod differential;
mod disk_full;
mod dump;
mod durability;
mod fuzzing;
mod harness;
mod latency;
mod layers;
mod limits;
mod loading;
mod metrics;
mod monitor;
mod names;
mod options;
mod protocol;
mod pubsub;
mod redis_files;
mod rewrite;
mod scripting;
mod scripts;
mod service;
mod startup;
mod threads;
mod tls;
mod tools;
mod tools_import;
mod tracking;
mod transactions;
mod unix_socket;
