//! The closed-loop load: many connections, each with one batch of requests on its way at a time; on one thread, or on several that
//! share them.

use crate::Outcome;
use crate::machine::{list_cores, pin_to, read_own_cpu_ns};
use crate::replies::ReplyCounter;
use crate::requests::Source;
use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// Large enough for every batch's replies of one connection; what does not fit is read in the next turn.
const BUFFER_BYTES: usize = 256 * 1024;

/// A server that says nothing for so long has lost a reply, or the load has miscounted.
const SILENCE_LIMIT_S: i64 = 15;

/// Longer latencies count as this one.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// How replies are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Counting {
    /// Every reply is followed to its end.
    Parsed,
    /// Every batch is known to be answered by this many bytes: they are counted and not looked at, which is what
    /// lets one core keep up with a server that sends large replies.
    Sized { batch_bytes: u64 },
}

/// What a load did and how long it took.
pub(crate) struct LoadRun {
    pub(crate) wall: Duration,
    /// CPU time of the load's own thread.
    pub(crate) load_cpu_ns: u64,
    /// From the write of a batch to its last reply, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// The length of a batch's answer, if all were of the same length.
    pub(crate) batch_bytes: Option<u64>,
}

pub(crate) struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

/// Loads that run at the same time, each on a thread of its own if there are several.
pub(crate) struct Loads {
    parts: Vec<(Load, Box<dyn Source>)>,
}

impl Loads {
    /// Shares connections evenly between the sources, as [`share_evenly`] tells.
    pub(crate) fn connect(
        address: SocketAddr,
        connections: usize,
        sources: Vec<Box<dyn Source>>,
    ) -> Outcome<Loads> {
        let shares = share_evenly(connections, sources.len());
        let connect = |(share, source): (Range<usize>, _)| Ok((Load::connect(address, share.len())?, source));
        Ok(Loads { parts: shares.into_iter().zip(sources).map(connect).collect::<Outcome<_>>()? })
    }

    /// See [`Load::run`]; each part sends as many of the batches as it has of the connections.
    pub(crate) fn run(&mut self, batches: u64, counting: Counting) -> Outcome<LoadRun> {
        if let [(load, source)] = &mut self.parts[..] {
            return load.run(source.as_mut(), batches, counting);
        }
        let (parts, all_cores) = (self.parts.len() as u64, list_cores()?);
        let run = |(number, (load, source)): (usize, &mut (Load, Box<dyn Source>))| {
            let number = number as u64;
            let share = batches * (number + 1) / parts - batches * number / parts;
            pin_to(&all_cores)?;
            load.run(source.as_mut(), share, counting)
        };
        let started = Instant::now();
        let runs = thread::scope(|scope| {
            let run = |part| {
                let run = &run;
                // Errors are text between threads.
                scope.spawn(move || run(part).map_err(|error| error.to_string()))
            };
            let threads: Vec<_> = self.parts.iter_mut().enumerate().map(run).collect();
            let ended =
                threads.into_iter().map(|thread| thread.join().map_err(|_| "the load has panicked")?);
            ended.collect::<Result<Vec<LoadRun>, String>>()
        })?;
        let wall = started.elapsed();
        let mut runs = runs.into_iter();
        let mut all = runs.next().ok_or("a load without parts")?;
        for run in runs {
            all.load_cpu_ns += run.load_cpu_ns;
            all.latency.add(&run.latency)?;
            all.batch_bytes = all.batch_bytes.filter(|_| all.batch_bytes == run.batch_bytes);
        }
        Ok(LoadRun { wall, ..all })
    }
}

/// The numbers of the connections that each of some parts gets.
pub(crate) fn share_evenly(connections: usize, parts: usize) -> Vec<Range<usize>> {
    (0..parts).map(|part| connections * part / parts..connections * (part + 1) / parts).collect()
}

pub(crate) fn check_sharing() {
    assert_eq!(share_evenly(5, 2), [0..2, 2..5]);
    assert_eq!(share_evenly(2, 3), [0..0, 0..1, 1..2]);
}

struct Connection {
    stream: TcpStream,
    counter: ReplyCounter,
    replies_due: u32,
    bytes_received: u64,
    sent_at: Instant,
    /// The batch's replies so far, if the source wants them.
    answer: Vec<u8>,
}

/// What one `run` keeps count of.
struct Progress {
    batches_to_send: u64,
    batches_due: u64,
    latency: Histogram<u64>,
    /// The first batch's length, and whether all others had it.
    batch_bytes: Option<u64>,
    uniform: bool,
}

impl Load {
    pub(crate) fn connect(address: SocketAddr, connections: usize) -> Outcome<Load> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connect = |index: usize| -> Outcome<Connection> {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            // A blocking write that waits for a reader that waits for us would never end; say so instead.
            stream.set_write_timeout(Some(Duration::from_secs(SILENCE_LIMIT_S.unsigned_abs())))?;
            epoll::add(&epoll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
            Ok(Connection {
                stream,
                counter: ReplyCounter::default(),
                replies_due: 0,
                bytes_received: 0,
                sent_at: Instant::now(),
                answer: Vec::new(),
            })
        };
        let connections = (0..connections).map(connect).collect::<Outcome<Vec<_>>>()?;
        Ok(Load { epoll, connections, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends `batches` batches over all connections and waits for every reply. Fails on any error reply.
    pub(crate) fn run(
        &mut self,
        source: &mut dyn Source,
        batches: u64,
        counting: Counting,
    ) -> Outcome<LoadRun> {
        let mut progress = Progress {
            batches_to_send: batches,
            batches_due: batches,
            latency: Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?,
            batch_bytes: None,
            uniform: true,
        };
        let cpu_before_ns = read_own_cpu_ns()?;
        let started = Instant::now();
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.send_next(index, source, &mut progress)?;
        }
        let mut events = Vec::with_capacity(self.connections.len());
        let silence_limit = Timespec { tv_sec: SILENCE_LIMIT_S, tv_nsec: 0 };
        while progress.batches_due > 0 {
            events.clear();
            let ready = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&silence_limit))?;
            if ready == 0 {
                return Err(self.describe_silence(counting).into());
            }
            for event in &events {
                let index = event.data.u64() as usize;
                let connection = &mut self.connections[index];
                if connection.receive(index, &mut self.buffer, source, &mut progress, counting)? {
                    connection.send_next(index, source, &mut progress)?;
                }
            }
        }
        Ok(LoadRun {
            wall: started.elapsed(),
            load_cpu_ns: read_own_cpu_ns()?.saturating_sub(cpu_before_ns),
            latency: progress.latency,
            batch_bytes: progress.batch_bytes.filter(|_| progress.uniform),
        })
    }

    fn describe_silence(&self, counting: Counting) -> String {
        let waiting =
            self.connections.iter().enumerate().filter(|(_, connection)| connection.replies_due > 0);
        let mut text = format!("no reply for {SILENCE_LIMIT_S} s ({counting:?}); waiting:");
        for (index, connection) in waiting.take(3) {
            let Connection { replies_due, bytes_received, .. } = connection;
            let _ = fmt::write(
                &mut text,
                format_args!(" connection {index} for {replies_due} replies after {bytes_received} bytes;"),
            );
        }
        text
    }
}

impl Connection {
    /// Sends the next batch, if any is left.
    fn send_next(&mut self, index: usize, source: &mut dyn Source, progress: &mut Progress) -> Outcome<()> {
        if progress.batches_to_send == 0 {
            return Ok(());
        }
        progress.batches_to_send -= 1;
        self.replies_due = source.replies_per_batch();
        self.bytes_received = 0;
        self.answer.clear();
        let batch = source.next_batch(index);
        self.sent_at = Instant::now();
        self.stream.write_all(batch)?;
        Ok(())
    }

    /// Reads what has come; true if the batch is answered by it.
    fn receive(
        &mut self,
        index: usize,
        buffer: &mut [u8],
        source: &mut dyn Source,
        progress: &mut Progress,
        counting: Counting,
    ) -> Outcome<bool> {
        let length = self.stream.read(buffer)?;
        if length == 0 {
            return Err("the server closed a connection".into());
        }
        let bytes = &buffer[..length];
        if self.replies_due == 0 {
            return Err(format!("a reply that nobody asked for: {:?}", show_start(bytes)).into());
        }
        if source.wants_answers() {
            self.answer.extend_from_slice(bytes);
        }
        let first = self.bytes_received == 0;
        self.bytes_received += length as u64;
        match counting {
            Counting::Parsed => {
                let replies = self.counter.count(bytes)?;
                self.replies_due =
                    self.replies_due.checked_sub(replies).ok_or("more replies than requests")?;
                if self.replies_due > 0 {
                    return Ok(false);
                }
            }
            Counting::Sized { batch_bytes } => {
                if self.bytes_received > batch_bytes || (first && bytes[0] == b'-') {
                    return Err(
                        format!("an answer of another size than before: {:?}", show_start(bytes)).into()
                    );
                }
                if self.bytes_received < batch_bytes {
                    return Ok(false);
                }
                self.replies_due = 0;
            }
        }
        progress.latency.saturating_record((self.sent_at.elapsed().as_nanos() as u64).max(1));
        progress.batches_due -= 1;
        progress.uniform &= *progress.batch_bytes.get_or_insert(self.bytes_received) == self.bytes_received;
        if source.wants_answers() {
            source.take_answer(index, &self.answer)?;
        }
        Ok(true)
    }
}

fn show_start(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned()
}
