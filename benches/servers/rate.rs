//! The open-loop load: a request is sent when it is due, however many are unanswered, and its latency counts from then. So
//! a stall of the server is felt by all requests that fell due meanwhile, as it would be by clients that do not wait for
//! each other.

use crate::Outcome;
use crate::fill::{GROUP, KEY};
use crate::open::DRAIN_LIMIT;
use crate::replies::ReplyCounter;
use crate::requests::encode_request;
use hdrhistogram::Histogram;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Longer latencies count as this one.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// How many requests, at which rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) rate_per_s: f64,
    pub(crate) requests: u64,
}

impl Pace {
    /// When a request is due, from the first one's time.
    fn due(self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate_per_s)
    }
}

/// Latencies in nanoseconds from when each request was due.
pub(crate) struct Times {
    pub(crate) replied: Histogram<u64>,
    pub(crate) delivered: Histogram<u64>,
    pub(crate) acknowledged: Histogram<u64>,
    /// From when it was due until it was sent.
    pub(crate) lateness: Histogram<u64>,
}

/// Connections that send requests in turn, and those that consume what they add.
pub(crate) struct Client {
    epoll: OwnedFd,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    /// Entries that are not acknowledged yet.
    unacknowledged: u64,
    next_number: u64,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

struct Producer {
    stream: TcpStream,
    counter: ReplyCounter,
    /// The unanswered requests, in the order of their sending.
    due: VecDeque<Instant>,
}

struct Consumer {
    stream: TcpStream,
    received: Vec<u8>,
    /// Its XREADGROUP, sent again after each delivery.
    read: Vec<u8>,
    /// When those entries were due that its XACK under way is for.
    acknowledging: Vec<Instant>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, producers: usize) -> Outcome<Client> {
        let mut client = Client {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            producers: Vec::new(),
            consumers: Vec::new(),
            unacknowledged: 0,
            next_number: 0,
            buffer: vec![0; 64 * 1024],
            events: Vec::with_capacity(256),
        };
        for index in 0..producers {
            let stream = client.open(address, index)?;
            let (counter, due) = (ReplyCounter::default(), VecDeque::new());
            client.producers.push(Producer { stream, counter, due });
        }
        Ok(client)
    }

    /// Adds consumers that wait for entries from now on; `encode_read` writes the request of each.
    pub(crate) fn add_consumers(
        &mut self,
        address: SocketAddr,
        consumers: usize,
        encode_read: impl Fn(&mut Vec<u8>, usize),
    ) -> Outcome<()> {
        for index in 0..consumers {
            let mut stream = self.open(address, self.producers.len() + index)?;
            let mut read = Vec::new();
            encode_read(&mut read, index);
            stream.write_all(&read)?;
            self.consumers.push(Consumer { stream, received: Vec::new(), read, acknowledging: Vec::new() });
        }
        Ok(())
    }

    fn open(&self, address: SocketAddr, token: usize) -> Outcome<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(token as u64), epoll::EventFlags::IN)?;
        Ok(stream)
    }

    /// Sends requests as they fall due; returns when all are answered, and all entries acknowledged if there are consumers.
    /// `write` writes a request, whose number is the first field of its entry.
    pub(crate) fn run(&mut self, pace: Pace, write: &mut dyn FnMut(&mut Vec<u8>, u64)) -> Outcome<Times> {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3);
        let mut times = Times {
            replied: histogram()?,
            delivered: histogram()?,
            acknowledged: histogram()?,
            lateness: histogram()?,
        };
        let (first, mut request, mut sent) = (self.next_number, Vec::new(), 0);
        // A moment for the first one not to be late.
        let started = Instant::now() + Duration::from_millis(1);
        let mut next_due = started;
        let deadline = started + pace.due(pace.requests) + DRAIN_LIMIT;
        let mut unanswered = 0;
        while sent < pace.requests || unanswered > 0 || self.unacknowledged > 0 {
            let now = Instant::now();
            if sent < pace.requests && now >= next_due {
                request.clear();
                write(&mut request, self.next_number);
                let turn = (sent % self.producers.len() as u64) as usize;
                let producer = &mut self.producers[turn];
                producer.stream.write_all(&request)?;
                producer.due.push_back(next_due);
                record(&mut times.lateness, next_due);
                unanswered += 1;
                self.unacknowledged += u64::from(!self.consumers.is_empty());
                self.next_number += 1;
                sent += 1;
                next_due = started + pace.due(sent);
                // Those that are due already go first: what they find waits in the sockets, and no longer than it would.
                if sent < pace.requests && next_due <= now && sent % 16 != 0 {
                    continue;
                }
            }
            if now > deadline {
                return Err(format!("{unanswered} requests are unanswered, {} entries unacknowledged long after the last was due", self.unacknowledged).into());
            }
            // Never asleep: waking up would be late.
            self.events.clear();
            let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
            epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&no_time))?;
            for at in 0..self.events.len() {
                let token = self.events[at].data.u64() as usize;
                if token < self.producers.len() {
                    unanswered -= self.producers[token].receive(&mut self.buffer, &mut times)?;
                } else {
                    let due = |number: u64| started + pace.due(number.saturating_sub(first));
                    let consumer = &mut self.consumers[token - self.producers.len()];
                    self.unacknowledged -= consumer.receive(&mut self.buffer, &mut times, &due)?;
                }
            }
        }
        Ok(times)
    }
}

fn record(histogram: &mut Histogram<u64>, due: Instant) {
    histogram.saturating_record((due.elapsed().as_nanos() as u64).max(1));
}

impl Producer {
    /// Reads what has come; returns how many requests it answers.
    fn receive(&mut self, buffer: &mut [u8], times: &mut Times) -> Outcome<u64> {
        let length = self.stream.read(buffer)?;
        if length == 0 {
            return Err("the server closed a connection".into());
        }
        let replies = self.counter.count(&buffer[..length])?;
        for _ in 0..replies {
            let due = self.due.pop_front().ok_or("more replies than requests")?;
            record(&mut times.replied, due);
        }
        Ok(u64::from(replies))
    }
}

impl Consumer {
    /// Reads what has come: entries, which it acknowledges and asks for more with the same write; or that they are
    /// acknowledged. Returns how many are.
    fn receive(
        &mut self,
        buffer: &mut [u8],
        times: &mut Times,
        due: &dyn Fn(u64) -> Instant,
    ) -> Outcome<u64> {
        let length = self.stream.read(buffer)?;
        if length == 0 {
            return Err("the server closed a consumer's connection".into());
        }
        self.received.extend_from_slice(&buffer[..length]);
        let mut acknowledged = 0;
        while let Some((frame, length)) = decode(&self.received).map_err(|error| error.to_string())? {
            self.received.drain(..length);
            match frame {
                OwnedFrame::Integer(count) if count as usize == self.acknowledging.len() => {
                    acknowledged += count as u64;
                    self.acknowledging.drain(..).for_each(|due| record(&mut times.acknowledged, due));
                }
                OwnedFrame::Array(streams) => {
                    let entries =
                        list_entries(streams).ok_or("a delivery is not laid out as it should be")?;
                    let mut arguments: Vec<&[u8]> = vec![b"XACK", KEY.as_bytes(), GROUP.as_bytes()];
                    for (id, number) in &entries {
                        record(&mut times.delivered, due(*number));
                        self.acknowledging.push(due(*number));
                        arguments.push(id);
                    }
                    let mut requests = Vec::new();
                    encode_request(&mut requests, &arguments);
                    requests.extend_from_slice(&self.read);
                    self.stream.write_all(&requests)?;
                }
                other => return Err(format!("a consumer was answered by {other:?}").into()),
            }
        }
        Ok(acknowledged)
    }
}

/// The IDs of a delivery's entries, and the numbers that their first fields are.
fn list_entries(streams: Vec<OwnedFrame>) -> Option<Vec<(Vec<u8>, u64)>> {
    let OwnedFrame::Array(stream) = streams.into_iter().next()? else { return None };
    let OwnedFrame::Array(entries) = stream.into_iter().nth(1)? else { return None };
    let entry = |entry: OwnedFrame| {
        let OwnedFrame::Array(parts) = entry else { return None };
        let mut parts = parts.into_iter();
        let (OwnedFrame::BulkString(id), OwnedFrame::Array(fields)) = (parts.next()?, parts.next()?) else {
            return None;
        };
        let OwnedFrame::BulkString(number) = fields.first()? else { return None };
        Some((id, str::from_utf8(number).ok()?.parse().ok()?))
    };
    entries.into_iter().map(entry).collect()
}

pub(crate) fn check_deliveries() {
    let text = "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$2\r\n07\r\n$1\r\nv\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$2\r\n08\r\n$1\r\nv\r\n";
    let (frame, _) = decode(text.as_bytes()).expect("a reply as servers give it").expect("a whole one");
    let OwnedFrame::Array(streams) = frame else { panic!("not an array") };
    assert_eq!(list_entries(streams), Some(vec![(b"1-0".to_vec(), 7), (b"1-1".to_vec(), 8)]));
    let pace = Pace { rate_per_s: 50_000.0, requests: 0 };
    assert_eq!(pace.due(100_000), Duration::from_secs(2));
}
