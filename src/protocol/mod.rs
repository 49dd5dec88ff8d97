//! The wire: requests are decoded here, replies are encoded here, and nothing else knows how bytes
//! are laid out.
//!
//! The request path has a decoder of its own ([`RequestDecoder`]): it yields ranges into the
//! connection's read buffer and allocates nothing, whatever length a client claims. Everything that
//! is not that path (frames as values, for our own clients and tests) is the crate
//! `redis-protocol`'s work; it is also the oracle that the decoder is fuzzed against.

mod error;
mod frame;
mod id_encoder;
mod reply;
mod request;

pub use error::ProtocolError;
pub use frame::{Frame, decode_frame};
pub use id_encoder::IdEncoder;
pub use reply::{Protocol, Reply};
pub use request::{Decoded, DecoderLimits, OwnedRequest, Request, RequestDecoder};
