//! The cases about the append-only file as a whole: reading it at the start, and rewriting it while others write.

use crate::Outcome;
use crate::control::Control;
use crate::entries::{IdStyle, SEED, Shape};
use crate::fill::{
    GROUP, KEY, acknowledge, fill_small_streams, fill_stream, read_all, shuffle_ids, small_stream_key,
};
use crate::machine::Cores;
use crate::options::Scale;
use crate::peers::Peer;
use crate::process::{Persistence, Placing, Server, Setup};
use crate::requests::encode_request;
use fastrand::Rng;
use hdrhistogram::Histogram;
use redis_protocol::resp2::types::OwnedFrame;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer latencies count as this one.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// One thing to be measured.
#[derive(Debug)]
pub(crate) struct DurabilityCase {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    work: Work,
    /// Entries, before scaling.
    pub(crate) entries: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    /// Starting on the directory that redis-server wrote.
    Recovery,
    /// BGREWRITEAOF while XADDs come at a fixed rate, to streams by chance.
    Rewrite { adds_per_s: u64, streams: Streams },
}

/// How the entries are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Streams {
    One,
    /// Each has one.
    AsManyAsEntries,
}

pub(crate) const DURABILITY_CASES: &[DurabilityCase] = &[
    DurabilityCase {
        name: "recovery",
        what: "start on a log of one stream, a group that read and half acknowledged it, and as many small streams",
        work: Work::Recovery,
        entries: 1_000_000,
    },
    DurabilityCase {
        name: "rewrite",
        what: "BGREWRITEAOF of one stream, with 5,000 XADDs a second from one client meanwhile, everysec",
        work: Work::Rewrite { adds_per_s: 5000, streams: Streams::One },
        entries: 10_000_000,
    },
    DurabilityCase {
        name: "rewrite-keys",
        what: "BGREWRITEAOF of as many streams, with 5,000 XADDs a second from one client meanwhile, everysec",
        work: Work::Rewrite { adds_per_s: 5000, streams: Streams::AsManyAsEntries },
        entries: 1_000_000,
    },
];

/// What one run gave.
pub(crate) struct DurabilityRun {
    /// Of the start, or the rewrite.
    pub(crate) wall: Duration,
    /// Of the start: CPU in seconds.
    pub(crate) cpu_s: Option<f64>,
    /// Of XADDs, in nanoseconds, from when they were due: without and with a rewrite.
    pub(crate) latency: Option<[Histogram<u64>; 2]>,
    /// Resident bytes before the rewrite, and the most that was seen meanwhile, children included.
    pub(crate) resident: Option<[u64; 2]>,
}

impl DurabilityRun {
    pub(crate) fn measure(
        case: &DurabilityCase,
        peer: &Peer,
        cores: Cores,
        scale: Scale,
        written: &mut Option<TempDir>,
        writer: &Peer,
    ) -> Outcome<DurabilityRun> {
        let entries = scale.of(case.entries);
        match case.work {
            Work::Recovery => {
                if written.is_none() {
                    *written = Some(write_directory(writer, cores, entries)?);
                }
                let directory = written.as_ref().ok_or("nothing was written")?;
                measure_recovery(peer, cores, directory.path(), entries)
            }
            Work::Rewrite { adds_per_s, streams } => {
                measure_rewrite(peer, cores, entries, (adds_per_s, streams))
            }
        }
    }
}

/// A directory with a log of plain commands.
fn write_directory(writer: &Peer, cores: Cores, entries: u64) -> Outcome<TempDir> {
    let server = Server::start(writer, Setup::of(Persistence::AofNoSync), Placing::Pinned(cores), None)?;
    let mut control = server.control()?;
    let address = server.address();
    fill_stream(address, IdStyle::Bursty, Shape::Order, entries)?;
    control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0"))?;
    read_all(address, entries, 2)?;
    let ids = shuffle_ids(Shape::Order, entries);
    acknowledge(address, &ids[..ids.len() / 2])?;
    fill_small_streams(address, Shape::Value16, entries)?;
    server.kill_and_keep()
}

fn measure_recovery(peer: &Peer, cores: Cores, directory: &Path, entries: u64) -> Outcome<DurabilityRun> {
    let started = Instant::now();
    let server =
        Server::start(peer, Setup::of(Persistence::AofNoSync), Placing::Pinned(cores), Some(directory))?;
    let wall = started.elapsed().saturating_sub(server.copied_in());
    let cpu = server.read_cpu()?.ok_or("its process is not known")?;
    let mut control = server.control()?;
    for (what, found, expected) in [
        ("entries", control.call_integer(&format!("XLEN {KEY}"))?, entries),
        ("pending entries", control.count_pending(KEY, GROUP)?, entries - entries / 2),
        ("keys", control.call_integer("DBSIZE")?, entries + 1),
    ] {
        if found != expected {
            return Err(format!("it has {found} {what}, not {expected}").into());
        }
    }
    // By the process's account: the thread that read the log may have ended, and its own account with it.
    let ticks = cpu.user_ticks + cpu.system_ticks;
    let cpu_s = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Ok(DurabilityRun { wall, cpu_s: Some(cpu_s), latency: None, resident: None })
}

fn measure_rewrite(
    peer: &Peer,
    cores: Cores,
    entries: u64,
    (adds_per_s, streams): (u64, Streams),
) -> Outcome<DurabilityRun> {
    // On all cores: a rewrite takes place beside the threads that serve clients.
    let server = Server::start(peer, Setup::of(Persistence::AofEverysec), Placing::Free(cores), None)?;
    let keys = match streams {
        Streams::One => {
            fill_stream(server.address(), IdStyle::Bursty, Shape::Value16, entries)?;
            None
        }
        Streams::AsManyAsEntries => {
            fill_small_streams(server.address(), Shape::Value16, entries)?;
            Some(entries)
        }
    };
    let mut control = server.control()?;
    // Its own log's writing is done, and pages have gone out.
    thread::sleep(Duration::from_secs(3));
    let ends = AtomicBool::new(false);
    let pace = |until: &dyn Fn() -> Outcome<bool>| -> Outcome<Histogram<u64>> {
        ends.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            let adding = scope.spawn(|| {
                add_at_rate(server.address(), adds_per_s, keys, &ends).map_err(|error| error.to_string())
            });
            while !until()? && !adding.is_finished() {
                thread::sleep(Duration::from_millis(5));
            }
            ends.store(true, Ordering::Relaxed);
            adding.join().map_err(|_| "the adding thread has panicked")?.map_err(Into::into)
        })
    };
    let started = Instant::now();
    let without = pace(&|| Ok(started.elapsed() > Duration::from_secs(5)))?;

    let before = server.read_resident_bytes()?.ok_or("its process is not known")?;
    let started = Instant::now();
    control.call("BGREWRITEAOF")?;
    let (control, most) = (std::cell::RefCell::new(control), std::cell::Cell::new(before));
    let with = pace(&|| {
        most.set(most.get().max(server.read_resident_bytes_with_children()?));
        Ok(!is_rewriting(&mut control.borrow_mut())?)
    })?;
    let wall = started.elapsed();
    Ok(DurabilityRun {
        wall,
        cpu_s: None,
        latency: Some([without, with]),
        resident: Some([before, most.get()]),
    })
}

fn is_rewriting(control: &mut Control) -> Outcome<bool> {
    match control.call("INFO persistence")? {
        OwnedFrame::BulkString(text) => {
            let text = String::from_utf8_lossy(&text);
            if text.contains("aof_last_bgrewrite_status:err") {
                return Err("the rewrite failed".into());
            }
            Ok(text.contains("aof_rewrite_in_progress:1") || text.contains("aof_rewrite_scheduled:1"))
        }
        other => Err(format!("INFO persistence: not text: {other:?}").into()),
    }
}

/// Sends XADDs at a fixed rate, to one of so many small streams or to the one. The latency of each is from when it was due, so that a stall is
/// felt by all that it holds up.
fn add_at_rate(
    address: SocketAddr,
    adds_per_s: u64,
    small_streams: Option<u64>,
    ends: &AtomicBool,
) -> Outcome<Histogram<u64>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut latency = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?;
    let mut rng = Rng::with_seed(SEED);
    let (mut request, mut reply) = (Vec::new(), [0; 256]);
    let interval = Duration::from_nanos(1_000_000_000 / adds_per_s);
    let started = Instant::now();
    for number in 0_u32.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let due = started + interval * number;
        while let left @ 1.. = due.saturating_duration_since(Instant::now()).as_micros() {
            // Sleeping is too coarse for the last bit.
            if left > 150 {
                thread::sleep(Duration::from_micros(left as u64 - 100))
            } else {
                std::hint::spin_loop()
            }
        }
        request.clear();
        let fields = Shape::Value16.build_fields(u64::from(number), &mut rng);
        let key =
            small_streams.map_or_else(|| KEY.to_owned(), |streams| small_stream_key(rng.u64(..streams)));
        encode_request(&mut request, &[b"XADD", key.as_bytes(), b"*", &fields[0], &fields[1]]);
        stream.write_all(&request)?;
        let len = stream.read(&mut reply)?;
        if !reply[..len].starts_with(b"$") || !reply[..len].ends_with(b"\r\n") {
            return Err(format!("XADD was answered by {:?}", String::from_utf8_lossy(&reply[..len])).into());
        }
        latency.saturating_record((due.elapsed().as_nanos() as u64).max(1));
    }
    Ok(latency)
}
