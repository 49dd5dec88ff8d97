//! Millstream: a streams server that speaks the Redis protocol.

pub mod engine;
pub mod log;
pub mod number;
pub mod protocol;
