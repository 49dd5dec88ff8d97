//! The cases whose figure is server CPU per command.

use crate::Outcome;
use crate::control::Control;
use crate::entries::{IdStyle, SEED, Shape, build_steady_id};
use crate::fill::{GROUP, KEY, fill_stream, read_all};
use crate::load::{Counting, Load};
use crate::machine::{Cores, read_stolen_ticks};
use crate::options::Scale;
use crate::process::{CpuUse, Peer, Persistence, Placing, Server};
use crate::requests::{
    AckRun, PerConnection, Prepared, Source, WorkRun, encode_read, encode_request, name_consumer,
};
use fastrand::Rng;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::time::Duration;

/// Connections of a load, each a client of its own, unless a case tells otherwise.
const CONNECTIONS: usize = 50;

/// Distinct batches of a load that is sent over and over.
const PREPARED_BATCHES: usize = 128;

/// Entries of the stream that ranges are read from.
const RANGE_ENTRIES: u64 = 100_000;

/// One figure to be measured.
#[derive(Debug)]
pub(crate) struct SpeedCase {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    work: Work,
    connections: usize,
    /// Requests in a batch.
    pub(crate) pipeline: u32,
    /// Measured commands (for [`Work::ReadAndAck`]: pairs of commands), before scaling.
    commands: u64,
    pub(crate) persistence: Persistence,
    /// The most that millstream's CPU per command may be of redis's: now, and in the end.
    pub(crate) target: Option<f64>,
    pub(crate) goal: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    /// XADD with a generated ID to `keys` streams, chosen at random.
    Add { keys: u64, shape: Shape, length_max: Option<u64> },
    /// XREADGROUP of new entries; every connection is a consumer of one group.
    ReadGroup { count: u32 },
    /// XACK of the entry read before and XREADGROUP COUNT 1, counted as one.
    ReadAndAck,
    /// XACK of so many pending entries.
    Ack { ids: u32 },
    /// XRANGE from a random entry.
    Range { count: u32 },
}

const fn add(keys: u64) -> Work {
    Work::Add { keys, shape: Shape::Value16, length_max: None }
}

const fn case(
    name: &'static str,
    what: &'static str,
    work: Work,
    pipeline: u32,
    commands: u64,
    limits: [Option<f64>; 2],
) -> SpeedCase {
    let [target, goal] = limits;
    SpeedCase {
        name,
        what,
        work,
        connections: CONNECTIONS,
        pipeline,
        commands,
        persistence: Persistence::Off,
        target,
        goal,
    }
}

const fn with(persistence: Persistence, mut case: SpeedCase) -> SpeedCase {
    case.persistence = persistence;
    case
}

const fn over(connections: usize, mut case: SpeedCase) -> SpeedCase {
    case.connections = connections;
    case
}

/// XADD at pipeline 1 with a sync before each reply.
const fn always(name: &'static str, what: &'static str, connections: usize, commands: u64) -> SpeedCase {
    over(connections, with(Persistence::AofAlways, case(name, what, add(1), 1, commands, [None, None])))
}

/// The counts are such that redis-server uses a second of CPU or more in each round.
pub(crate) const SPEED_CASES: &[SpeedCase] = &[
    case("xadd-p1", "XADD, one key, pipeline 1", add(1), 1, 300_000, [None, Some(0.85)]),
    case("xadd-p16", "XADD, one key, pipeline 16", add(1), 16, 1_200_000, [Some(0.55), Some(0.45)]),
    case("xadd-p64", "XADD, one key, pipeline 64", add(1), 64, 2_000_000, [Some(0.35), Some(0.25)]),
    case("xadd-1000-keys-p1", "XADD, 1000 keys, pipeline 1", add(1000), 1, 300_000, [None, None]),
    case("xadd-1000-keys-p16", "XADD, 1000 keys, pipeline 16", add(1000), 16, 1_200_000, [None, Some(0.45)]),
    case("xadd-1000-keys-p64", "XADD, 1000 keys, pipeline 64", add(1000), 64, 2_000_000, [None, None]),
    case(
        "xadd-order-p16",
        "XADD of five fields, one key, pipeline 16",
        Work::Add { keys: 1, shape: Shape::Order, length_max: None },
        16,
        800_000,
        [None, None],
    ),
    case(
        "xadd-maxlen-p16",
        "XADD MAXLEN ~ 10000, one key, pipeline 16",
        Work::Add { keys: 1, shape: Shape::Value16, length_max: Some(10_000) },
        16,
        1_000_000,
        [None, Some(0.30)],
    ),
    with(
        Persistence::AofEverysec,
        case(
            "xadd-p64-aof-everysec",
            "XADD, pipeline 64, appendfsync everysec",
            add(1),
            64,
            1_000_000,
            [None, Some(0.20)],
        ),
    ),
    always("xadd-p1-aof-always-1", "XADD, 1 connection, pipeline 1, appendfsync always", 1, 10_000),
    always("xadd-p1-aof-always-50", "XADD, 50 connections, pipeline 1, appendfsync always", 50, 100_000),
    always("xadd-p1-aof-always-500", "XADD, 500 connections, pipeline 1, appendfsync always", 500, 200_000),
    with(
        Persistence::AofAlways,
        case(
            "xadd-p64-aof-always",
            "XADD, pipeline 64, appendfsync always",
            add(1),
            64,
            1_000_000,
            [None, None],
        ),
    ),
    case(
        "xreadgroup-10-p16",
        "XREADGROUP COUNT 10, 50 consumers, pipeline 16",
        Work::ReadGroup { count: 10 },
        16,
        100_000,
        [Some(0.40), Some(0.20)],
    ),
    case(
        "xreadgroup-1-xack-p16",
        "XREADGROUP COUNT 1 and XACK, 8 pairs on the way",
        Work::ReadAndAck,
        8,
        300_000,
        [None, Some(0.40)],
    ),
    case(
        "xack-10-p16",
        "XACK of 10 IDs, pipeline 16",
        Work::Ack { ids: 10 },
        16,
        200_000,
        [None, Some(0.25)],
    ),
    case(
        "xrange-100-p4",
        "XRANGE COUNT 100, pipeline 4",
        Work::Range { count: 100 },
        4,
        60_000,
        [None, Some(0.35)],
    ),
];

/// What one run of a case on one server gave.
pub(crate) struct SpeedRun {
    pub(crate) commands: u64,
    pub(crate) wall: Duration,
    pub(crate) cpu: CpuUse,
    pub(crate) load_cpu_ns: u64,
    /// Ticks of 10 ms that the hypervisor took from the servers' core meanwhile.
    pub(crate) stolen_ticks: u64,
    /// Of batches, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl SpeedRun {
    pub(crate) fn measure(case: &SpeedCase, peer: &Peer, cores: Cores, scale: Scale) -> Outcome<SpeedRun> {
        let batches = scale.of(case.commands).div_ceil(u64::from(case.pipeline));
        // A tenth more beforehand: connections accepted, buffers grown, code and branches warm.
        let warm_batches = (batches / 10).max(case.connections as u64);
        let commands_all = (warm_batches + batches) * u64::from(case.pipeline);

        let server = Server::start(peer, case.persistence, Placing::Pinned(cores), None)?;
        let mut control = server.control()?;
        let mut source = case.prepare(&mut control, server.address(), commands_all)?;
        let mut load = Load::connect(server.address(), case.connections)?;
        let warm = load.run(source.as_mut(), warm_batches, Counting::Parsed)?;
        let counting = match (case.work.has_uniform_answers(), warm.batch_bytes) {
            (false, _) => Counting::Parsed,
            (true, Some(batch_bytes)) => Counting::Sized { batch_bytes },
            (true, None) => return Err("answers that should be of one length are not".into()),
        };

        let before = read_settled_cpu(&server)?;
        let stolen_before = read_stolen_ticks(cores.server);
        let run = load.run(source.as_mut(), batches, counting)?;
        let stolen_ticks = read_stolen_ticks(cores.server) - stolen_before;
        let cpu = read_settled_cpu(&server)?.since(before);

        case.check_outcome(&mut control, commands_all)?;
        let commands = batches * u64::from(case.pipeline);
        Ok(SpeedRun {
            commands,
            wall: run.wall,
            cpu,
            load_cpu_ns: run.load_cpu_ns,
            stolen_ticks,
            latency: run.latency,
        })
    }

    pub(crate) fn cpu_us_per_command(&self) -> f64 {
        self.cpu.run_ns as f64 / 1000.0 / self.commands as f64
    }

    pub(crate) fn commands_per_s(&self) -> f64 {
        self.commands as f64 / self.wall.as_secs_f64()
    }
}

/// Everything is answered: a few milliseconds later the server's threads sleep, and their accounts are complete.
fn read_settled_cpu(server: &Server) -> Outcome<CpuUse> {
    std::thread::sleep(Duration::from_millis(5));
    server.read_cpu()
}

impl Work {
    /// Whether all batches are answered by the same number of bytes. XADD's are not: the IDs grow.
    fn has_uniform_answers(self) -> bool {
        !matches!(self, Work::Add { .. })
    }
}

impl SpeedCase {
    /// Brings the server into the state that the case starts from, with enough in it for `commands`.
    fn prepare(&self, control: &mut Control, address: SocketAddr, commands: u64) -> Outcome<Box<dyn Source>> {
        let mut rng = Rng::with_seed(SEED);
        let pipeline = self.pipeline;
        match self.work {
            Work::Add { keys, shape, length_max } => {
                let length_max = length_max.map(|length| length.to_string());
                let mut index = 0;
                let write = |out: &mut Vec<u8>| {
                    let key = name_key(rng.u64(..keys), keys);
                    let fields = shape.build_fields(index, &mut rng);
                    index += 1;
                    let mut arguments: Vec<&[u8]> = vec![b"XADD", key.as_bytes()];
                    if let Some(length) = &length_max {
                        arguments.extend([b"MAXLEN".as_slice(), b"~", length.as_bytes()]);
                    }
                    arguments.push(b"*");
                    arguments.extend(fields.iter().map(Vec::as_slice));
                    encode_request(out, &arguments);
                };
                // Enough requests that a thousand keys all occur at pipeline 1 too.
                let batches = PREPARED_BATCHES * (64 / pipeline as usize).max(1);
                Ok(Box::new(Prepared::build(batches, pipeline, write)))
            }
            Work::ReadGroup { count } => {
                fill_stream(address, IdStyle::Steady, Shape::Value16, commands * u64::from(count))?;
                control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0"))?;
                let read = |connection, out: &mut Vec<u8>| {
                    encode_read(out, KEY, GROUP, &name_consumer(connection), count);
                };
                Ok(Box::new(PerConnection::new(self.connections, pipeline, read)))
            }
            Work::ReadAndAck => {
                fill_stream(address, IdStyle::Steady, Shape::Value16, commands)?;
                control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0"))?;
                Ok(Box::new(WorkRun::new(KEY, GROUP, self.connections, pipeline)))
            }
            Work::Ack { ids } => {
                let entries = commands * u64::from(ids);
                fill_stream(address, IdStyle::Steady, Shape::Value16, entries)?;
                control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0"))?;
                read_all(address, entries, self.connections)?;
                Ok(Box::new(AckRun::new(KEY, GROUP, ids as usize, pipeline)))
            }
            Work::Range { count } => {
                fill_stream(address, IdStyle::Steady, Shape::Value16, RANGE_ENTRIES)?;
                let count_text = count.to_string();
                let write = |out: &mut Vec<u8>| {
                    let start = build_steady_id(rng.u64(..RANGE_ENTRIES - u64::from(count)));
                    let arguments: [&[u8]; 6] =
                        [b"XRANGE", KEY.as_bytes(), &start, b"+", b"COUNT", count_text.as_bytes()];
                    encode_request(out, &arguments);
                };
                Ok(Box::new(Prepared::build(PREPARED_BATCHES * 4, pipeline, write)))
            }
        }
    }

    /// That the server did what it was asked: its state after `commands`, warm-up included.
    fn check_outcome(&self, control: &mut Control, commands: u64) -> Outcome<()> {
        let (what, found, expected) = match self.work {
            Work::Add { keys, length_max: None, .. } => {
                let lengths =
                    (0..keys).map(|key| control.call_integer(&format!("XLEN {}", name_key(key, keys))));
                ("entries", lengths.sum::<Result<u64, _>>()?, commands)
            }
            Work::Add { length_max: Some(length_max), .. } => {
                // `~` leaves up to a block of entries more.
                let length = control.call_integer(&format!("XLEN {KEY}"))?;
                let allowed = length_max..length_max + 1000;
                ("a trimmed length", u64::from(allowed.contains(&length)), 1)
            }
            Work::ReadGroup { count } => {
                ("pending entries", control.count_pending(KEY, GROUP)?, commands * u64::from(count))
            }
            // The entries of every connection's last batch.
            Work::ReadAndAck => {
                let pending = self.connections as u64 * u64::from(self.pipeline);
                ("pending entries", control.count_pending(KEY, GROUP)?, pending)
            }
            Work::Ack { .. } => ("pending entries", control.count_pending(KEY, GROUP)?, 0),
            Work::Range { .. } => ("entries", control.call_integer(&format!("XLEN {KEY}"))?, RANGE_ENTRIES),
        };
        if found != expected {
            return Err(format!("afterwards the server has {found} for {what}, not {expected}").into());
        }
        Ok(())
    }
}

fn name_key(key: u64, keys: u64) -> String {
    if keys == 1 { KEY.to_owned() } else { format!("{KEY}:{key:04}") }
}
