//! What the tests are made of: servers as child processes, clients over blocking sockets, replies, scripts.

mod client;
mod reply;
mod script;
mod server;
mod tls;
mod words;

pub(crate) use client::{Client, encode_request};
pub(crate) use reply::Reply;
pub(crate) use script::Script;
pub(crate) use server::{Exit, Program, Server, find_free_port, run_to_exit};
pub(crate) use tls::{Authority, Identity};
pub(crate) use words::quote_word;

use std::time::{Duration, Instant};

/// How long anything that is to happen may take: much longer than it does even on a machine that is busy with other work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is yes; fails, with what was awaited, when that takes too long.
#[track_caller]
pub(crate) fn await_true(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
