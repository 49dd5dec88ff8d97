//! Streams.

mod appendix;
mod decode;
mod encode;
mod idempotency;

pub(super) use appendix::{decode_appendix, encode_appendix};
pub(super) use decode::{StreamForm, decode_stream};
pub(super) use encode::encode_stream;
