//! The commands: what each is called, takes, does and answers.
//!
//! One command, one file, one declaration: a [`Spec`] beside the parser of its arguments and its
//! handler. Everything else that is known of commands (dispatch, arity, ACL categories, COMMAND,
//! HELP, metrics, README's table) derives from the list [`SPECS`].
//!
//! A handler that changes data does it in this order: parse, look up, plan (all that may fail, and
//! all that depends on the clock or on chance), apply (cannot fail), write the effect, tell
//! [`crate::state::Keys::changed`], reply.

mod argument;
mod context;
mod discard;
mod error;
mod exec;
mod multi;
mod ping;
mod replay;
mod select;
mod spec;
mod table;
mod trim;
mod unwatch;
mod watch;
mod xadd;
mod xlen;

pub use context::{Blocked, Context, Outcome};
pub use error::CommandError;
pub use replay::{Replay, uncounted};
pub use spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, Flags, Group, Handler, KeyFlags, KeySpec, Spec,
};
pub use table::{Command, Table, table};

/// All commands, in the order of their names.
const SPECS: &[&Spec] = &[
    &discard::SPEC,
    &exec::SPEC,
    &multi::SPEC,
    &ping::SPEC,
    &select::SPEC,
    &unwatch::SPEC,
    &watch::SPEC,
    &xadd::SPEC,
    &xlen::SPEC,
];
