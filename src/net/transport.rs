//! The kinds of sockets that a connection may be served over.

use std::io;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A stream of bytes that a connection is served over. [`super::serve`] is compiled for each, so that one costs the others nothing.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Whether what was written may stay in a buffer until it is flushed.
    const BUFFERS_WRITES: bool;

    /// Whether there may be something to read: bytes, the end, or an error.
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Transport for TcpStream {
    const BUFFERS_WRITES: bool = false;

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}

impl Transport for UnixStream {
    const BUFFERS_WRITES: bool = false;

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}
