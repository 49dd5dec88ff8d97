//! Millstream: a streams server that speaks the Redis protocol.
