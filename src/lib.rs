//! Millstream: a streams server that speaks the Redis protocol.

pub mod config;
pub mod engine;
pub mod glob;
pub mod log;
pub mod number;
pub mod protocol;
