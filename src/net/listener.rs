//! Listening.

use std::fmt;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, Protocol, Type};

use super::unix::SocketFile;

/// A socket that is listened on. It belongs to no thread before it is [started](Self::start).
#[derive(Debug)]
pub struct Listener(Kind<std::net::TcpListener, std::os::unix::net::UnixListener>);

/// A [`Listener`] whose connections a thread accepts.
#[derive(Debug)]
pub struct Acceptor(Kind<tokio::net::TcpListener, tokio::net::UnixListener>);

#[derive(Debug)]
enum Kind<T, U> {
    Tcp { socket: T, address: SocketAddr },
    Unix { socket: U, path: Arc<str>, file: SocketFile },
}

/// Ends the listening of a [`Listener`], or of the [`Acceptor`] that it has become.
#[derive(Debug)]
pub struct Closer(socket2::Socket);

impl Closer {
    /// Listens no more: others may listen there now.
    pub fn close(&self) {
        // It fails for what is not listened on.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection that was accepted, to be served by whatever thread.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Socket {
    /// Its descriptor.
    pub fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Sends a few bytes, the first ones, as far as the socket takes them without waiting.
    pub fn send_first(&self, bytes: &[u8]) {
        use std::io::Write;
        // A new socket's buffer is empty and takes them, or the client is gone.
        let _ = match self {
            Self::Tcp(stream) => (&mut &*stream).write(bytes),
            Self::Unix(stream) => (&mut &*stream).write(bytes),
        };
    }
}

impl Listener {
    /// Listens on an address, with a queue of `backlog` connections that are not yet accepted. Port 0 is any that is free.
    ///
    /// # Errors
    /// As the system says it: the port is in use, the address is not this machine's.
    pub fn bind(address: IpAddr, port: u16, backlog: i32) -> io::Result<Self> {
        let address = SocketAddr::new(address, port);
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        let socket = std::net::TcpListener::from(socket);
        let address = socket.local_addr()?;
        Ok(Self(Kind::Tcp { socket, address }))
    }

    /// Listens on a Unix socket at a path. `mode` are the file's permissions; 0 leaves them as they are created. A socket that nobody
    /// listens on any more is replaced. The file is removed at the end, unless another has taken its place.
    ///
    /// # Errors
    /// As the system says it; that somebody else listens there, or that what is there is no socket.
    pub fn bind_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<Self> {
        let (socket, file) = super::unix::bind(path, mode, backlog)?;
        Ok(Self(Kind::Unix { socket, path: path.to_string_lossy().into(), file }))
    }

    /// What ends the listening, from any thread.
    ///
    /// # Errors
    /// There is no free file descriptor.
    pub fn closer(&self) -> io::Result<Closer> {
        let socket = match &self.0 {
            Kind::Tcp { socket, .. } => socket2::SockRef::from(socket).try_clone(),
            Kind::Unix { socket, .. } => socket2::SockRef::from(socket).try_clone(),
        };
        socket.map(Closer)
    }

    /// Begins to accept connections in this thread.
    ///
    /// # Errors
    /// As the system says it.
    pub fn start(self) -> io::Result<Acceptor> {
        Ok(Acceptor(match self.0 {
            Kind::Tcp { socket, address } => {
                Kind::Tcp { socket: tokio::net::TcpListener::from_std(socket)?, address }
            }
            Kind::Unix { socket, path, file } => {
                Kind::Unix { socket: tokio::net::UnixListener::from_std(socket)?, path, file }
            }
        }))
    }
}

impl Acceptor {
    /// Accepts a connection.
    ///
    /// # Errors
    /// As the system says it; most often too many open files.
    pub async fn accept(&self) -> io::Result<Socket> {
        match &self.0 {
            Kind::Tcp { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                stream.set_nodelay(true)?;
                stream.into_std().map(Socket::Tcp)
            }
            Kind::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                stream.into_std().map(Socket::Unix)
            }
        }
    }

    /// The path, of a Unix socket.
    pub fn path(&self) -> Option<&Arc<str>> {
        match &self.0 {
            Kind::Tcp { .. } => None,
            Kind::Unix { path, .. } => Some(path),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp { address, .. } => address.fmt(f),
            Kind::Unix { path, .. } => f.write_str(path),
        }
    }
}
