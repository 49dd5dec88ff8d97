//! Millstream: a streams server that speaks the Redis protocol.
//!
//! The modules are layers; an import only ever points downwards in this list:
//!
//! | layer | what |
//! |---|---|
//! | [`tools`] | what the program does besides serving: checking, copying, exporting, importing |
//! | [`server`] | starting, stopping, threads; the way of a command from request to reply |
//! | [`monitoring`] | metrics and health over HTTP |
//! | [`net`] | sockets: bytes in, bytes out |
//! | [`command`] | the commands, one file and one declaration each |
//! | [`state`] | what commands act on: the sharded keyspace, connections, the server as a whole |
//! | [`acl`] | users and what they may do |
//! | [`script`] | Lua: scripts, functions, what runs them |
//! | [`log`] | the append-only file: writing it, and reading it back |
//! | [`rdb`] | values in Redis's RDB format: DUMP's payloads, written and read |
//! | [`protocol`] | requests decoded, replies encoded |
//! | [`engine`] | the data: keys, streams, groups, strings |
//! | [`config`], [`clock`], [`equal`], [`glob`], [`logging`], [`metrics`], [`number`], [`process`], [`tls`] | leaves |

pub mod acl;
pub mod clock;
pub mod command;
pub mod config;
pub mod engine;
pub mod equal;
pub mod glob;
pub mod log;
pub mod logging;
pub mod metrics;
pub mod monitoring;
pub mod net;
pub mod number;
pub mod process;
pub mod protocol;
pub mod rdb;
pub mod script;
pub mod server;
pub mod state;
pub mod tls;
pub mod tools;

/// The Redis version whose stream commands are served: INFO and HELLO tell it, and clients switch on it.
pub const REDIS_VERSION: &str = "8.10.0";
