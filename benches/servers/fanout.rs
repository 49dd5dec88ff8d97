//! One entry that many clients wait for.

use crate::Outcome;
use crate::entries::build_steady_id;
use crate::fill::KEY;
use crate::machine::{Cores, read_own_cpu_ns, read_stolen_ticks};
use crate::process::{CpuUse, Server};
use crate::replies::ReplyCounter;
use crate::requests::encode_request;
use crate::speed::SpeedRun;
use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longer latencies count as this one.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// How long the readers may take to be blocked, or to be served.
const PATIENCE: Duration = Duration::from_secs(15);

/// Adds an entry `rounds` times while `readers` clients wait for it. Measured is from the XADD to the last delivery: what the
/// server's CPU is per XADD, and the latency of each delivery.
pub(crate) fn measure(server: &Server, readers: usize, rounds: u64, cores: Cores) -> Outcome<SpeedRun> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut streams = Vec::new();
    for index in 0..readers {
        let stream = TcpStream::connect(server.address())?;
        stream.set_nodelay(true)?;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        streams.push(stream);
    }
    let mut control = server.control()?;
    let mut latency = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?;
    let mut total = Some(CpuUse::default());
    let (mut wall, mut stolen_ticks) = (Duration::ZERO, 0);
    let load_before_ns = read_own_cpu_ns()?;
    let (mut events, mut buffer) = (Vec::with_capacity(readers), vec![0; 16 * 1024]);
    // A tenth more beforehand.
    let warm = rounds.div_ceil(10);
    for round in 0..warm + rounds {
        let mut request = Vec::new();
        let last = build_steady_id(round);
        encode_request(&mut request, &[b"XREAD", b"BLOCK", b"0", b"STREAMS", KEY.as_bytes(), &last]);
        for mut stream in &streams {
            stream.write_all(&request)?;
        }
        let since = Instant::now();
        while control.read_info("clients", "blocked_clients")? != readers.to_string() {
            if since.elapsed() > PATIENCE {
                return Err("the readers do not get blocked".into());
            }
        }
        let before = server.read_settled_cpu()?;
        let stolen_before = read_stolen_ticks(cores.server);
        let started = Instant::now();
        let id = String::from_utf8(build_steady_id(round + 1))?;
        control.call(&format!("XADD {KEY} {id} field abcdefghijklmnop"))?;
        let mut served = 0;
        while served < readers {
            events.clear();
            let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
            if epoll::wait(&epoll, spare_capacity(&mut events), Some(&patience))? == 0 {
                return Err(format!("{served} of {readers} readers were served").into());
            }
            for event in &events {
                let mut stream = &streams[event.data.u64() as usize];
                let length = stream.read(&mut buffer)?;
                // A reply this short comes whole.
                if ReplyCounter::default().count(&buffer[..length])? != 1 {
                    return Err("a reader was sent something else than one reply".into());
                }
                if round >= warm {
                    latency.saturating_record((started.elapsed().as_nanos() as u64).max(1));
                }
                served += 1;
            }
        }
        let took = started.elapsed();
        let after = server.read_settled_cpu()?;
        if round >= warm {
            wall += took;
            stolen_ticks += read_stolen_ticks(cores.server) - stolen_before;
            let used = after.zip(before).map(|(after, before)| after.since(before));
            total = total.zip(used).map(|(total, used)| total.plus(used));
        }
    }
    let length = control.call_integer(&format!("XLEN {KEY}"))?;
    if length != warm + rounds {
        return Err(format!("afterwards the stream has {length} entries").into());
    }
    let load_cpu_ns = read_own_cpu_ns()?.saturating_sub(load_before_ns);
    Ok(SpeedRun { commands: rounds, wall, cpu: total, load_cpu_ns, stolen_ticks, latency, contention: None })
}
