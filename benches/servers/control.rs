//! One connection for the commands around a measurement: preparing, asking, checking.

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use std::io::{self, Error, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::requests::encode_request;

pub(crate) struct Control {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Control {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Control> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Control { stream, received: Vec::new() })
    }

    /// Sends one command, its arguments parted by blanks, and returns the reply. An error reply is an error.
    pub(crate) fn call(&mut self, line: &str) -> io::Result<OwnedFrame> {
        let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut request = Vec::new();
        encode_request(&mut request, &arguments);
        self.stream.write_all(&request)?;
        loop {
            let decoded = decode(&self.received).map_err(|error| Error::other(format!("{line}: {error}")))?;
            if let Some((frame, length)) = decoded {
                self.received.drain(..length);
                return match frame {
                    OwnedFrame::Error(text) => Err(Error::other(format!("{line}: {text}"))),
                    frame => Ok(frame),
                };
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Err(Error::other(format!("{line}: the server closed the connection"))),
                length => self.received.extend_from_slice(&chunk[..length]),
            }
        }
    }

    pub(crate) fn call_integer(&mut self, line: &str) -> io::Result<u64> {
        match self.call(line)? {
            OwnedFrame::Integer(number) if number >= 0 => Ok(number.unsigned_abs()),
            other => Err(Error::other(format!("{line}: not a count: {other:?}"))),
        }
    }

    /// How many entries are pending in a group.
    pub(crate) fn count_pending(&mut self, key: &str, group: &str) -> io::Result<u64> {
        let line = format!("XPENDING {key} {group}");
        match self.call(&line)? {
            OwnedFrame::Array(parts) => match parts.first() {
                Some(OwnedFrame::Integer(count)) => Ok(count.unsigned_abs()),
                _ => Err(Error::other(format!("{line}: no count in {parts:?}"))),
            },
            other => Err(Error::other(format!("{line}: not a summary: {other:?}"))),
        }
    }

    /// A field of a section of INFO.
    pub(crate) fn read_info(&mut self, section: &str, field: &str) -> io::Result<String> {
        let text = match self.call(&format!("INFO {section}"))? {
            OwnedFrame::BulkString(text) => String::from_utf8_lossy(&text).into_owned(),
            other => return Err(Error::other(format!("INFO {section}: not text: {other:?}"))),
        };
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs
            .find(|(name, _)| *name == field)
            .map(|(_, value)| value.trim().to_owned())
            .ok_or_else(|| Error::other(format!("INFO {section} has no {field}")))
    }

    /// The numbers of a field of INFO that is a list of `name=number`, in the order in which they are named here.
    pub(crate) fn read_info_numbers<const N: usize>(
        &mut self,
        section: &str,
        field: &str,
        names: [&str; N],
    ) -> io::Result<[u64; N]> {
        let text = self.read_info(section, field)?;
        let find = |name: &str| {
            let mut pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            let number = pairs.find(|(found, _)| *found == name).and_then(|(_, number)| number.parse().ok());
            number.ok_or_else(|| Error::other(format!("{field} has no {name}: {text}")))
        };
        let mut numbers = [0; N];
        for (number, name) in numbers.iter_mut().zip(names) {
            *number = find(name)?;
        }
        Ok(numbers)
    }

    /// Bytes that the server says it has allocated.
    pub(crate) fn read_used_memory(&mut self) -> io::Result<u64> {
        let bytes = self.read_info("memory", "used_memory")?;
        bytes.parse().map_err(|_| Error::other(format!("used_memory is {bytes}")))
    }
}
