//! The cases whose figure is latency at a given rate: requests are due at fixed times, whatever became of those before.

use crate::Outcome;
use crate::entries::{SEED, Shape};
use crate::fill::{GROUP, KEY};
use crate::machine::Cores;
use crate::options::Scale;
use crate::peers::Peer;
use crate::process::{CpuUse, Persistence, Placing, Server, Setup};
use crate::rate::{Client, Pace};
use crate::requests::{encode_request, name_consumer};
use fastrand::Rng;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Connections that the requests are sent over in turn.
const PRODUCERS: usize = 50;

/// Consumers of the work queue, each blocked in XREADGROUP when there is nothing to do.
const CONSUMERS: usize = 8;

/// One figure.
#[derive(Debug)]
pub(crate) struct OpenCase {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    work: OpenWork,
    /// Of the rate that the baseline reaches in a closed loop of XADD at pipeline 1.
    share: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum OpenWork {
    /// XADD: until its reply.
    Add,
    /// XADD, its entry's delivery to a blocked consumer, and the XACK: until the delivery, and until the XACK's reply.
    Queue,
}

const fn case(name: &'static str, what: &'static str, work: OpenWork, share: f64) -> OpenCase {
    OpenCase { name, what, work, share }
}

pub(crate) const OPEN_CASES: &[OpenCase] = &[
    case("open-xadd-20", "XADD at 20 % of redis's rate", OpenWork::Add, 0.2),
    case("open-xadd-50", "XADD at 50 % of redis's rate", OpenWork::Add, 0.5),
    case("open-xadd-80", "XADD at 80 % of redis's rate", OpenWork::Add, 0.8),
    case("open-queue-5", "work queue at 5 % of redis's XADD rate", OpenWork::Queue, 0.05),
    case("open-queue-20", "work queue at 20 % of redis's XADD rate", OpenWork::Queue, 0.2),
];

/// What one run gave. Latencies are in nanoseconds from when the request was due.
pub(crate) struct OpenRun {
    pub(crate) rate_per_s: f64,
    /// Of the replies to XADD, or of the deliveries.
    pub(crate) latency: Histogram<u64>,
    /// Of the replies to XACK.
    pub(crate) acknowledged: Option<Histogram<u64>>,
    /// How much later than due the load sent: its own share of the latencies.
    pub(crate) lateness: Histogram<u64>,
    pub(crate) cpu: Option<CpuUse>,
    pub(crate) requests: u64,
}

impl OpenRun {
    /// `rate_per_s` is what the baseline reaches in a closed loop.
    pub(crate) fn measure(
        case: &OpenCase,
        peer: &Peer,
        cores: Cores,
        scale: Scale,
        rate_per_s: f64,
    ) -> Outcome<OpenRun> {
        let rate_per_s = rate_per_s * case.share;
        let server = Server::start(peer, Setup::of(Persistence::Off), Placing::Pinned(cores), None)?;
        let mut control = server.control()?;
        let mut client = Client::connect(server.address(), PRODUCERS)?;
        if case.work == OpenWork::Queue {
            control.call(&format!("XGROUP CREATE {KEY} {GROUP} $ MKSTREAM"))?;
            client.add_consumers(server.address(), CONSUMERS, encode_blocking_read)?;
        }
        let mut rng = Rng::with_seed(SEED);
        let mut sent = 0;
        let mut write = |out: &mut Vec<u8>, number: u64| {
            let value = Shape::Value16.build_fields(number, &mut rng).remove(1);
            // The number tells whoever gets the entry when it was due.
            let number = format!("{number:012}");
            encode_request(out, &[b"XADD", KEY.as_bytes(), b"*", number.as_bytes(), &value]);
            sent += 1;
        };
        // A fifth of the time beforehand.
        let measured_s = scale.of(50) as f64 / 10.0;
        let pace = |seconds: f64| Pace { rate_per_s, requests: (rate_per_s * seconds) as u64 };
        client.run(pace(measured_s / 5.0), &mut write)?;
        let before = server.read_settled_cpu()?;
        let times = client.run(pace(measured_s), &mut write)?;
        let after = server.read_settled_cpu()?;

        let length = control.call_integer(&format!("XLEN {KEY}"))?;
        if length != sent {
            return Err(format!("afterwards the stream has {length} entries, not {sent}").into());
        }
        let is_queue = case.work == OpenWork::Queue;
        if is_queue && control.count_pending(KEY, GROUP)? != 0 {
            return Err("some entries were not acknowledged".into());
        }
        Ok(OpenRun {
            rate_per_s,
            requests: times.lateness.len(),
            latency: if is_queue { times.delivered } else { times.replied },
            acknowledged: is_queue.then_some(times.acknowledged),
            lateness: times.lateness,
            cpu: after.zip(before).map(|(after, before)| after.since(before)),
        })
    }

    /// Not a number where it is not known.
    pub(crate) fn cpu_us_per_request(&self) -> f64 {
        self.cpu.map_or(f64::NAN, |cpu| cpu.run_ns as f64 / 1000.0 / self.requests as f64)
    }
}

fn encode_blocking_read(out: &mut Vec<u8>, consumer: usize) {
    let consumer = name_consumer(consumer);
    let arguments: [&[u8]; 11] = [
        b"XREADGROUP",
        b"GROUP",
        GROUP.as_bytes(),
        consumer.as_bytes(),
        b"COUNT",
        b"10",
        b"BLOCK",
        b"0",
        b"STREAMS",
        KEY.as_bytes(),
        b">",
    ];
    encode_request(out, &arguments);
}

/// The shortest run's length does not matter: a rate is what it is.
pub(crate) const CALIBRATION: &str = "xadd-p1";

/// How long a run takes at most beyond its schedule.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(30);
