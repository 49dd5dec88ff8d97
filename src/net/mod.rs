//! Connections: sockets in, requests to whoever executes them, replies out.
//!
//! This layer knows bytes and when they move; what they mean is its [`Service`]'s.

mod connection;
mod input;
mod listener;
mod tls;
mod transport;
mod unix;

pub use connection::{Progress, Service, serve};
pub use input::Input;
pub use listener::{Acceptor, Closer, Listener, Socket};
pub use tls::{HandshakeError, shake_hands};
pub use transport::Transport;
