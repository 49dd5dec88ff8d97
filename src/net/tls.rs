//! Connections over TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncBufRead;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Transport;
use crate::tls::TlsSetup;

/// Who has not come to the end of the handshake by then is closed.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// The first byte of a connection over TLS.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Why there is no connection over TLS.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The other end went away, spoke something else, or the two did not agree.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// It took too long.
    #[error("the handshake took longer than {} s", HANDSHAKE_TIME_MAX.as_secs())]
    Late,
}

/// Makes a connection one over TLS.
///
/// # Errors
/// The two did not agree, or not in time.
pub async fn shake_hands(setup: TlsSetup, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
    let handshake = async {
        // Who speaks something else is closed without a word, which it could not read.
        let mut first = [0; 1];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first[0] != HANDSHAKE_RECORD {
            return Err(io::Error::other("the client does not begin with a TLS handshake"));
        }
        TlsAcceptor::from(setup).accept(stream).await
    };
    match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
        Ok(shaken) => Ok(shaken?),
        Err(_) => Err(HandshakeError::Late),
    }
}

impl Transport for TlsStream<TcpStream> {
    const BUFFERS_WRITES: bool = true;

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_fill_buf(context).map_ok(|_| ())
    }
}
