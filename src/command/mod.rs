//! The commands: what each is called, takes, does and answers.
//!
//! One command, one file, one declaration: a [`Spec`] beside the parser of its arguments and its
//! handler. Everything else that is known of commands (dispatch, arity, ACL categories, COMMAND,
//! HELP, metrics, README's table) derives from the list [`SPECS`].
//!
//! A handler that changes data does it in this order: parse, look up, plan (all that may fail, and
//! all that depends on the clock or on chance), apply (cannot fail), write the effect, tell
//! [`crate::state::Keys::changed`], reply.

mod access;
mod acl;
mod append;
mod argument;
mod auth;
mod bgrewriteaof;
mod blpop;
mod budget;
mod client;
mod cluster;
mod comparison;
mod config;
mod context;
mod copy;
mod dbsize;
mod debug;
mod del;
mod delex;
mod deliver;
mod digest;
mod discard;
mod dump;
#[cfg(test)]
mod dump_tests;
mod echo;
mod entry;
mod error;
mod eval;
mod exec;
mod exists;
mod expire;
mod expiry;
mod fcall;
mod flush;
mod function;
mod get;
mod getdel;
mod getex;
mod getrange;
mod hello;
mod help;
mod idempotency;
mod incr;
mod incrbyfloat;
mod info;
mod introspect;
mod keys;
mod latency;
mod lists;
mod lolwut;
mod memory;
mod mget;
mod module;
mod monitor;
mod mset;
mod msetex;
mod multi;
mod object;
mod ping;
mod publish;
mod pubsub;
mod quit;
mod randomkey;
mod read;
mod references;
mod rename;
mod renames;
mod replay;
mod replication;
mod reset;
mod restore;
mod rewrite;
mod save;
mod scan;
mod script;
mod select;
mod set;
mod sets;
mod shutdown;
mod slowlog;
mod spec;
mod strlen;
mod subscribe;
mod swapdb;
mod table;
mod time;
mod trim;
mod ttl;
mod type_of;
mod unwatch;
mod watch;
mod xack;
mod xackdel;
mod xadd;
mod xautoclaim;
mod xcfgset;
mod xclaim;
mod xdel;
mod xdelex;
mod xgroup;
mod xidmprecord;
mod xinfo;
mod xlen;
mod xnack;
mod xpending;
mod xrange;
mod xread;
mod xreadgroup;
mod xsetid;
mod xtrim;

pub use access::{check_access, deny, find_faulty_users, load_users};
pub use context::{Blocked, Context, Outcome, ScriptCall};
pub use dump::Dump;
pub use error::CommandError;
pub use renames::Renames;
pub use replay::{Replay, library_name, uncounted};
pub use rewrite::{follow_appendonly, start_rewrite};
pub use spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, FindOwnKeys, Flags, Group, Handler, KeyFlags,
    KeySpec, Spec,
};
pub use table::{Command, Table, table};
pub use trim::block_limits;

/// All commands, in the order of their names.
const SPECS: &[&Spec] = &[
    &acl::SPEC,
    &append::APPEND,
    &cluster::ASKING,
    &auth::SPEC,
    &bgrewriteaof::SPEC,
    &save::BGSAVE,
    &blpop::SPEC,
    &client::SPEC,
    &cluster::SPEC,
    &introspect::SPEC,
    &config::SPEC,
    &copy::COPY,
    &dbsize::SPEC,
    &debug::SPEC,
    &incr::DECR,
    &incr::DECRBY,
    &del::DEL,
    &delex::SPEC,
    &digest::SPEC,
    &discard::SPEC,
    &restore::DUMP,
    &echo::SPEC,
    &eval::EVAL,
    &eval::EVAL_RO,
    &eval::EVALSHA,
    &eval::EVALSHA_RO,
    &exec::SPEC,
    &exists::EXISTS,
    &expire::EXPIRE,
    &expire::EXPIREAT,
    &ttl::EXPIRETIME,
    &fcall::FCALL,
    &fcall::FCALL_RO,
    &flush::FLUSHALL,
    &flush::FLUSHDB,
    &function::SPEC,
    &get::SPEC,
    &getdel::SPEC,
    &getex::SPEC,
    &getrange::GETRANGE,
    &set::GETSET,
    &hello::SPEC,
    &incr::INCR,
    &incr::INCRBY,
    &incrbyfloat::SPEC,
    &info::SPEC,
    &keys::SPEC,
    &save::LASTSAVE,
    &latency::SPEC,
    &lists::LLEN,
    &lolwut::SPEC,
    &lists::LPOP,
    &lists::LPUSH,
    &lists::LRANGE,
    &memory::SPEC,
    &mget::SPEC,
    &module::SPEC,
    &monitor::SPEC,
    &copy::MOVE,
    &mset::MSET,
    &msetex::SPEC,
    &mset::MSETNX,
    &multi::SPEC,
    &object::SPEC,
    &expire::PERSIST,
    &expire::PEXPIRE,
    &expire::PEXPIREAT,
    &ttl::PEXPIRETIME,
    &ping::SPEC,
    &set::PSETEX,
    &subscribe::PSUBSCRIBE,
    &ttl::PTTL,
    &publish::PUBLISH,
    &pubsub::SPEC,
    &subscribe::PUNSUBSCRIBE,
    &quit::SPEC,
    &randomkey::SPEC,
    &cluster::READONLY,
    &cluster::READWRITE,
    &rename::RENAME,
    &rename::RENAMENX,
    &replication::REPLICAOF,
    &reset::SPEC,
    &restore::RESTORE,
    &restore::RESTORE_ASKING,
    &replication::ROLE,
    &lists::RPUSH,
    &sets::SADD,
    &save::SAVE,
    &scan::SPEC,
    &sets::SCARD,
    &script::SPEC,
    &select::SPEC,
    &set::SET,
    &set::SETEX,
    &set::SETNX,
    &append::SETRANGE,
    &shutdown::SPEC,
    &replication::SLAVEOF,
    &slowlog::SPEC,
    &sets::SMEMBERS,
    &publish::SPUBLISH,
    &subscribe::SSUBSCRIBE,
    &strlen::SPEC,
    &subscribe::SUBSCRIBE,
    &getrange::SUBSTR,
    &subscribe::SUNSUBSCRIBE,
    &swapdb::SPEC,
    &time::SPEC,
    &exists::TOUCH,
    &ttl::TTL,
    &type_of::SPEC,
    &del::UNLINK,
    &subscribe::UNSUBSCRIBE,
    &unwatch::SPEC,
    &replication::WAIT,
    &replication::WAITAOF,
    &watch::SPEC,
    &xack::SPEC,
    &xackdel::SPEC,
    &xadd::SPEC,
    &xautoclaim::SPEC,
    &xcfgset::SPEC,
    &xclaim::SPEC,
    &xdel::SPEC,
    &xdelex::SPEC,
    &xgroup::SPEC,
    &xidmprecord::SPEC,
    &xinfo::SPEC,
    &xlen::SPEC,
    &xnack::SPEC,
    &xpending::SPEC,
    &xrange::SPEC,
    &xread::SPEC,
    &xreadgroup::SPEC,
    &xrange::REVERSE,
    &xsetid::SPEC,
    &xtrim::SPEC,
];
