//! What `millstream` does besides serving: looking at a directory, repairing it, copying it, and taking data in and out.
//!
//! Every tool ends with 0 when all is well, with 1 when it came to its end and has something to tell (damage, keys that were not
//! imported), and with 2 when it could not do what it was asked to.

mod backup;
mod check;
mod cli;
mod client;
mod contents;
mod error;
mod export;
mod find_log;
mod import;
mod load;

pub use cli::{is_tool, run};
