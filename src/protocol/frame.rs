//! [`Frame`]: a reply as a value, for programs that are clients.

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

/// A reply in RESP2.
pub type Frame = OwnedFrame;

/// The reply at the front of `bytes`, and how many bytes it takes; `None` when it is not all there.
///
/// # Errors
/// What is no reply: what is wrong with it.
pub fn decode_frame(bytes: &[u8]) -> Result<Option<(Frame, usize)>, String> {
    decode(bytes).map_err(|error| error.details().to_owned())
}
