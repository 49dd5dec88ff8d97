//! [`Client`]: a connection to a server that speaks the Redis protocol, with several commands on their way at once.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::error::ToolError;
use crate::protocol::{Frame, decode_frame};
use crate::tls::{ClientFiles, TlsClient};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a reply may take, or a write that the server does not take.
const REPLY_TIME_MAX: Duration = Duration::from_secs(120);
const READ_BYTES: usize = 256 << 10;

/// A connection's bytes, plain or over TLS.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Where a server is, and who one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Host and port, as one writes them.
    pub(super) host_and_port: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// The files for TLS, if it is to be spoken.
    pub(super) tls: Option<ClientFiles>,
}

impl Address {
    /// Understands `HOST:PORT` and `redis://[[USER]:PASSWORD@]HOST[:PORT]`; `rediss://` is for TLS.
    pub(super) fn parse(text: &str) -> Result<Self, ToolError> {
        let wrong = || {
            ToolError::Other(format!(
                "{text:?} is no address: HOST:PORT or redis://[USER:PASSWORD@]HOST[:PORT], or rediss:// for TLS"
            ))
        };
        let tls = text.starts_with("rediss://").then(ClientFiles::default);
        let of_url = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://"));
        let rest = of_url.unwrap_or(text).trim_end_matches('/');
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, rest),
        };
        let part = |text: &str| (!text.is_empty()).then(|| decode_percent(text));
        let (user, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, ""))) {
            Some((user, password)) => (part(user), part(password)),
            None => (None, None),
        };
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if place.is_empty() || place.contains('/') || (!has_port && of_url.is_none()) {
            return Err(wrong());
        }
        let host_and_port = if has_port { place.to_owned() } else { format!("{place}:6379") };
        Ok(Self { host_and_port, user, password, tls })
    }
}

/// Text of a URL's part: `%40` stands for `@`.
fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A connection.
pub(super) struct Client {
    name: String,
    stream: Box<dyn Stream>,
    /// What is still to be sent.
    unsent: Vec<u8>,
    received: Vec<u8>,
    start: usize,
}

impl Client {
    /// Connects, and authenticates if there is a password.
    pub(super) fn connect(address: &Address) -> Result<Self, ToolError> {
        let name = address.host_and_port.clone();
        let failed = |error: io::Error| ToolError::Other(format!("cannot connect to {name}: {error}"));
        let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for socket in name.to_socket_addrs().map_err(failed)? {
            result = TcpStream::connect_timeout(&socket, CONNECT_TIME_MAX);
            if result.is_ok() {
                break;
            }
        }
        let stream = result.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(REPLY_TIME_MAX)).map_err(failed)?;
        stream.set_write_timeout(Some(REPLY_TIME_MAX)).map_err(failed)?;
        let stream: Box<dyn Stream> = match &address.tls {
            None => Box::new(stream),
            Some(files) => {
                let tls = TlsClient::load(files).map_err(|error| ToolError::Other(error.to_string()))?;
                let host = name.rsplit_once(':').map_or(name.as_str(), |(host, _)| host);
                Box::new(tls.start(host, stream).map_err(failed)?)
            }
        };
        let mut client =
            Self { name: name.clone(), stream, unsent: Vec::new(), received: Vec::new(), start: 0 };
        match (&address.user, &address.password) {
            (Some(user), Some(password)) => {
                drop(client.call(&[b"AUTH", user.as_bytes(), password.as_bytes()])?)
            }
            (_, Some(password)) => drop(client.call(&[b"AUTH", password.as_bytes()])?),
            _ => {}
        }
        client.call(&[b"PING"])?;
        Ok(client)
    }

    fn lost(&self, what: &str) -> ToolError {
        ToolError::Other(format!("lost the connection to {}: {what}", self.name))
    }

    /// Adds a command to those that [`Self::flush`] sends.
    pub(super) fn push(&mut self, args: &[&[u8]]) {
        let mut head = |kind: char, number: usize| {
            let _ = write!(self.unsent, "{kind}{number}\r\n");
        };
        head('*', args.len());
        for arg in args {
            let _ = write!(self.unsent, "${}\r\n", arg.len());
            self.unsent.extend_from_slice(arg);
            self.unsent.extend_from_slice(b"\r\n");
        }
    }

    /// How many bytes are to be sent.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Sends what was pushed.
    pub(super) fn flush(&mut self) -> Result<(), ToolError> {
        let sent = self.stream.write_all(&self.unsent).and_then(|()| self.stream.flush());
        self.unsent.clear();
        sent.map_err(|error| self.lost(&error.to_string()))
    }

    /// The next reply.
    pub(super) fn read(&mut self) -> Result<Frame, ToolError> {
        loop {
            match decode_frame(&self.received[self.start..]) {
                Ok(Some((frame, len))) => {
                    self.start += len;
                    if self.start == self.received.len() {
                        self.received.clear();
                        self.start = 0;
                    }
                    return Ok(frame);
                }
                Ok(None) => self.receive()?,
                Err(what) => return Err(self.lost(&format!("what came is no reply: {what}"))),
            }
        }
    }

    fn receive(&mut self) -> Result<(), ToolError> {
        if self.start > READ_BYTES {
            self.received.drain(..self.start);
            self.start = 0;
        }
        let len = self.received.len();
        // A long reply is looked at anew each time more of it is there: that is to happen a few times only.
        self.received.resize(len + READ_BYTES.max(len - self.start), 0);
        let result = self.stream.read(&mut self.received[len..]);
        self.received.truncate(len + result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(self.lost("it was closed")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(self.lost(&error.to_string())),
        }
    }

    /// Sends a command and reads its reply, which is to be no error.
    pub(super) fn call(&mut self, args: &[&[u8]]) -> Result<Frame, ToolError> {
        self.push(args);
        self.flush()?;
        match self.read()? {
            Frame::Error(text) => {
                let command = args[0].escape_ascii();
                Err(ToolError::Other(format!("{} answers to {command}: {text}", self.name)))
            }
            frame => Ok(frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, Option<&str>, Option<&str>)>) {
        let parsed = Address::parse(text).ok();
        let parsed = parsed
            .as_ref()
            .map(|address| (&*address.host_and_port, address.user.as_deref(), address.password.as_deref()));
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn addresses() {
        check("localhost:6379", Some(("localhost:6379", None, None)));
        check("redis://localhost", Some(("localhost:6379", None, None)));
        check("redis://localhost:7000/", Some(("localhost:7000", None, None)));
        check("redis://me:secret@db:1", Some(("db:1", Some("me"), Some("secret"))));
        check("redis://:p%40ss%zz@db", Some(("db:6379", None, Some("p@ss%zz"))));
        check("redis://[::1]:7000", Some(("[::1]:7000", None, None)));
        check("rediss://me:secret@db", Some(("db:6379", Some("me"), Some("secret"))));
        for (text, is_tls) in [("redis://db", false), ("rediss://db", true), ("db:1", false)] {
            assert_eq!(Address::parse(text).unwrap().tls.is_some(), is_tls, "{text}");
        }
        for text in ["localhost", "", "redis://", "rediss://", "redis://a/3", "host:99999"] {
            check(text, None);
        }
    }
}
