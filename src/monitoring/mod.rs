//! Metrics in Prometheus's text format, and whether the server is well, over HTTP on a port of their own.
//!
//! | file | what |
//! |---|---|
//! | `http.rs` | the port: `/metrics`, `/healthz`, `/readyz` |
//! | `scrape.rs` | what is told of the server, its commands, its log |
//! | `streams.rs` | what is told of streams, groups and consumers, and which of them |
//! | `text.rs` | families of metrics as text |
//! | `label.rs` | keys and names, which are bytes, as labels, which are text |
//!
//! It has a thread of its own, so that a scrape holds no client up for longer than one shard's lock is held, and that is a bounded piece of
//! work at a time. It answers one request after the other, and a few connections at once.

mod http;
mod label;
mod scrape;
mod streams;
mod text;

pub use http::start;
