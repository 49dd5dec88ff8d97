//! A client over a blocking socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::words::{escape, split_words};
use super::{PATIENCE, Reply};

/// A blocking stream.
pub(crate) trait Stream: Read + Write + Send {
    /// How long a read waits; with no time, it takes what is there.
    fn set_patience(&self, time: Duration) -> std::io::Result<()>;

    /// Tells the other end that nothing more is sent.
    fn end_sending(&self);
}

macro_rules! streams {
    ($($stream:ty)*) => {$(
        impl Stream for $stream {
            fn set_patience(&self, time: Duration) -> std::io::Result<()> {
                // For the socket no time would mean no end.
                self.set_nonblocking(time.is_zero())?;
                if time.is_zero() { Ok(()) } else { self.set_read_timeout(Some(time)) }
            }

            fn end_sending(&self) {
                // It fails when the server has closed the connection, which the reader sees.
                let _ = self.shutdown(Shutdown::Write);
            }
        }
    )*};
}

streams!(TcpStream UnixStream);

/// A connection. Replies are read as [`Reply`]; each is also given to the crate `redis-protocol`'s decoder, which must find
/// that it ends where ours does.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
    start: usize,
    is_resp3: bool,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("it listens")
    }

    /// The same; `None` when nobody listens.
    pub(crate) fn try_connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
        stream.set_nodelay(true).unwrap();
        Some(Self::over(stream))
    }

    /// A connection over a Unix socket.
    #[track_caller]
    pub(crate) fn connect_unix(path: &Path) -> Self {
        Self::over(UnixStream::connect(path).expect("it listens"))
    }

    /// A connection over any stream.
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), received: Vec::new(), start: 0, is_resp3: false }
    }

    /// Speaks RESP2 or RESP3 (HELLO 3) from here on.
    #[track_caller]
    pub(crate) fn switch_to(&mut self, protocol: u8) {
        let was_resp3 = std::mem::replace(&mut self.is_resp3, protocol == 3);
        // What every connection begins with needs no HELLO, which a server that wants a password would refuse.
        if was_resp3 || self.is_resp3 {
            let reply = self.call(&format!("HELLO {protocol}"));
            let proto = Some(&Reply::Integer(i64::from(protocol)));
            assert!(reply.field("proto") == proto, "HELLO {protocol} answered {reply}");
        }
    }

    /// Sends a command and reads its reply. The line is split as [`split_words`] does it.
    #[track_caller]
    pub(crate) fn call(&mut self, line: &str) -> Reply {
        self.send(line);
        self.read()
    }

    /// [`Self::call`], with arguments that are bytes.
    #[track_caller]
    pub(crate) fn call_args<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Reply {
        self.send_args(args);
        self.read()
    }

    /// Sends a command and checks the reply's text.
    #[track_caller]
    pub(crate) fn check(&mut self, line: &str, expected: &str) {
        let reply = self.call(line);
        assert_eq!(reply.to_string(), expected, "the reply to {line}");
    }

    #[track_caller]
    pub(crate) fn send(&mut self, line: &str) {
        self.send_args(&split_words(line));
    }

    #[track_caller]
    pub(crate) fn send_args<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        self.send_raw(&encode_request(args));
    }

    #[track_caller]
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes bytes");
    }

    /// Sends bytes; whether they could be sent: a server that closes meanwhile does not take them.
    pub(crate) fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next reply; fails when none comes.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Reply {
        match self.read_within(PATIENCE) {
            Ok(Some(reply)) => reply,
            Ok(None) => panic!("no reply came; there is \"{}\"", escape(self.rest())),
            Err(what) => panic!("{what}"),
        }
    }

    /// So many bytes, or fewer when the server closes the connection or sends no more.
    pub(crate) fn read_bytes(&mut self, len: usize) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while self.rest().len() < len && matches!(self.receive(deadline), Ok(1..)) {}
        let end = self.received.len().min(self.start + len);
        let bytes = self.received[self.start..end].to_vec();
        self.start = end;
        bytes
    }

    /// Whether a whole reply comes in time; it is still to be read.
    ///
    /// # Errors
    /// As [`Self::read_within`].
    pub(crate) fn has_reply_within(&mut self, time: Duration) -> Result<bool, String> {
        Ok(self.decode_within(time)?.is_some())
    }

    /// The next reply if it comes in time; with no time, if it is there.
    ///
    /// # Errors
    /// The connection was closed; something came that is no reply.
    pub(crate) fn read_within(&mut self, time: Duration) -> Result<Option<Reply>, String> {
        let Some((reply, len)) = self.decode_within(time)? else { return Ok(None) };
        // That decoder keeps sets as such, and can have only plain values in them.
        if !reply.has_set_of_aggregates() {
            self.cross_check(len);
        }
        self.start += len;
        Ok(Some(reply))
    }

    fn decode_within(&mut self, time: Duration) -> Result<Option<(Reply, usize)>, String> {
        let deadline = Instant::now() + time;
        loop {
            let decoded = Reply::decode(self.rest());
            if let Some(found) = decoded.map_err(|what| format!("{what}: {}", escape(self.rest())))? {
                return Ok(Some(found));
            }
            match self.receive(deadline) {
                Ok(0) => {
                    return Err(format!("the connection was closed; there is {:?}", escape(self.rest())));
                }
                Ok(_) => {}
                Err(error) if is_timeout(error.kind()) => return Ok(None),
                Err(error) => return Err(format!("the connection was lost: {error}")),
            }
        }
    }

    /// Whether the server closes the connection, with no reply before that.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.rest().is_empty()
            && match self.receive(Instant::now() + PATIENCE) {
                Ok(len) => len == 0,
                Err(error) => !is_timeout(error.kind()),
            }
    }

    /// Tells the server that nothing more is sent.
    pub(crate) fn end_sending(&self) {
        self.stream.end_sending();
    }

    fn rest(&self) -> &[u8] {
        &self.received[self.start..]
    }

    fn receive(&mut self, deadline: Instant) -> std::io::Result<usize> {
        if self.start == self.received.len() {
            self.received.clear();
            self.start = 0;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.stream.set_patience(left)?;
        let len = self.received.len();
        self.received.resize(len + 64 * 1024, 0);
        let result = loop {
            let result = self.stream.read(&mut self.received[len..]);
            if !matches!(&result, Err(error) if error.kind() == ErrorKind::Interrupted) {
                break result;
            }
        };
        if left.is_zero() {
            self.stream.set_patience(PATIENCE)?;
        }
        self.received.truncate(len + result.as_ref().map_or(0, |count| *count));
        result
    }

    #[track_caller]
    fn cross_check(&self, len: usize) {
        let reply = &self.received[self.start..self.start + len];
        let found = if self.is_resp3 {
            redis_protocol::resp3::decode::complete::decode_range(reply)
                .map(|found| found.map(|(_, len)| len))
        } else {
            redis_protocol::resp2::decode::decode_range(reply).map(|found| found.map(|(_, len)| len))
        };
        match found {
            Ok(Some(found)) if found == len => {}
            found => panic!("redis-protocol finds {found:?}, not {len} bytes, in {}", escape(reply)),
        }
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A request's bytes.
pub(crate) fn encode_request<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
