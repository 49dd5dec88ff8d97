//! Running a case whose figure is server CPU per command.

use crate::Outcome;
use crate::contention::Contention;
use crate::control::Control;
use crate::entries::{IdStyle, SEED, Shape, build_steady_id};
use crate::fanout;
use crate::fill::{GROUP, KEY, fill_each, fill_stream, read_all};
use crate::load::{Counting, Loads, share_evenly};
use crate::machine::{Cores, read_stolen_ticks};
use crate::options::Scale;
use crate::peers::Peer;
use crate::process::{CpuUse, Persistence, Placing, Server};
use crate::requests::{
    AckRun, PerConnection, Prepared, Source, WorkRun, encode_read, encode_request, name_consumer,
};
use crate::speed_cases::{SpeedCase, Work};
use fastrand::Rng;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// Distinct batches of a load that is sent over and over.
const PREPARED_BATCHES: usize = 128;

/// How many times its even share a stream of one connection's own holds: connections take unequal shares of a load.
const SURPLUS: u64 = 4;

/// Entries of the stream that ranges are read from.
const RANGE_ENTRIES: u64 = 100_000;

/// Pending entries of the group that is claimed from, before scaling.
const PENDING_ENTRIES: u64 = 1_000_000;

/// What one run of a case on one server gave.
pub(crate) struct SpeedRun {
    pub(crate) commands: u64,
    pub(crate) wall: Duration,
    /// None of a server on another machine.
    pub(crate) cpu: Option<CpuUse>,
    pub(crate) load_cpu_ns: u64,
    /// Ticks of 10 ms that the hypervisor took from the servers' core meanwhile.
    pub(crate) stolen_ticks: u64,
    /// Of batches, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// Of cases with several threads.
    pub(crate) contention: Option<Contention>,
}

impl SpeedRun {
    /// `None` if the server does not know the case's commands, or is not one that takes the case's settings.
    pub(crate) fn measure(
        case: &SpeedCase,
        peer: &Peer,
        cores: Cores,
        scale: Scale,
    ) -> Outcome<Option<SpeedRun>> {
        let wants_settings = case.free || case.setup.persistence != Persistence::Off;
        if (case.alone && !peer.is_millstream()) || (wants_settings && !peer.is_started()) {
            return Ok(None);
        }
        let placing = if case.free { Placing::Free(cores) } else { Placing::Pinned(cores) };
        let server = Server::start(peer, case.setup, placing, None)?;
        let mut control = server.control()?;
        if matches!(case.work, Work::Claim { .. }) && !knows_claim(&mut control)? {
            return Ok(None);
        }
        if let Work::FanOut { readers } = case.work {
            return fanout::measure(&server, readers, scale.of(case.commands), cores).map(Some);
        }
        case.measure_load(&server, &mut control, cores, scale).map(Some)
    }

    /// Not a number where it is not known.
    pub(crate) fn cpu_us_per_command(&self) -> f64 {
        self.cpu.map_or(f64::NAN, |cpu| cpu.run_ns as f64 / 1000.0 / self.commands as f64)
    }

    /// The share of that in kernel mode, of what the kernel's clock saw.
    pub(crate) fn kernel_share(&self) -> f64 {
        self.cpu.map_or(f64::NAN, |cpu| {
            cpu.system_ticks as f64 / (cpu.user_ticks + cpu.system_ticks).max(1) as f64
        })
    }

    pub(crate) fn commands_per_s(&self) -> f64 {
        self.commands as f64 / self.wall.as_secs_f64()
    }
}

/// Asks for a claim on an empty stream, which is then gone again.
fn knows_claim(control: &mut Control) -> Outcome<bool> {
    control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0 MKSTREAM"))?;
    let asked = control.call(&format!("XREADGROUP GROUP {GROUP} c COUNT 1 CLAIM 0 STREAMS {KEY} >"));
    control.call(&format!("DEL {KEY}"))?;
    Ok(asked.is_ok())
}

impl Work {
    /// Whether all batches are answered by the same number of bytes. XADD's are not, the IDs grow; nor CLAIM's, the
    /// numbers of deliveries do.
    fn has_uniform_answers(self) -> bool {
        !matches!(self, Work::Add { .. } | Work::AddBy { .. } | Work::Claim { .. })
    }
}

impl SpeedCase {
    fn measure_load(
        &self,
        server: &Server,
        control: &mut Control,
        cores: Cores,
        scale: Scale,
    ) -> Outcome<SpeedRun> {
        let batches = scale.of(self.commands).div_ceil(u64::from(self.pipeline));
        // A tenth more beforehand: connections accepted, buffers grown, code and branches warm.
        let warm_batches = (batches / 10).max(self.connections as u64);
        let commands_all = (warm_batches + batches) * u64::from(self.pipeline);
        let threads = if self.free { cores.load_threads.min(self.connections) } else { 1 };
        let sources = self.prepare(control, server.address(), commands_all, scale, threads)?;
        let mut load = Loads::connect(server.address(), self.connections, sources)?;
        let warm = load.run(warm_batches, Counting::Parsed)?;
        let counting = match (self.work.has_uniform_answers(), warm.batch_bytes) {
            (false, _) => Counting::Parsed,
            (true, Some(batch_bytes)) => Counting::Sized { batch_bytes },
            (true, None) => return Err("answers that should be of one length are not".into()),
        };

        let counted_before = if self.free { Contention::read(server, control)? } else { None };
        let before = server.read_settled_cpu()?;
        let stolen_before = read_stolen_ticks(cores.server);
        let run = load.run(batches, counting)?;
        let stolen_ticks = read_stolen_ticks(cores.server) - stolen_before;
        let after = server.read_settled_cpu()?;
        let counted_after = if self.free { Contention::read(server, control)? } else { None };

        self.check_outcome(control, commands_all, scale)?;
        Ok(SpeedRun {
            commands: batches * u64::from(self.pipeline),
            wall: run.wall,
            cpu: after.zip(before).map(|(after, before)| after.since(before)),
            load_cpu_ns: run.load_cpu_ns,
            stolen_ticks,
            latency: run.latency,
            contention: counted_after.zip(counted_before).map(|(after, before)| after.since(before)),
        })
    }

    /// Brings the server into the state that the case starts from, with enough in it for `commands`; what each of some threads sends.
    fn prepare(
        &self,
        control: &mut Control,
        address: SocketAddr,
        commands: u64,
        scale: Scale,
        threads: usize,
    ) -> Outcome<Vec<Box<dyn Source>>> {
        let shares = share_evenly(self.connections, threads);
        match self.work {
            Work::AddBy { own_keys } => {
                let field = &Shape::Value16.build_fields(0, &mut Rng::with_seed(SEED));
                let build = |share: Range<usize>| -> Box<dyn Source> {
                    let write = |connection: usize, out: &mut Vec<u8>| {
                        let key = if own_keys { (share.start + connection) as u64 } else { 0 };
                        let key = name_key(key, 1000);
                        encode_request(out, &[b"XADD", key.as_bytes(), b"*", &field[0], &field[1]]);
                    };
                    Box::new(PerConnection::new(share.len(), self.pipeline, write))
                };
                Ok(shares.into_iter().map(build).collect())
            }
            Work::ReadAndAck { own_keys: true } => {
                let keys = self.name_own_keys();
                let share = commands.div_ceil(self.connections as u64);
                fill_each(address, &keys, Shape::Value16, share * SURPLUS)?;
                for key in &keys {
                    control.call(&format!("XGROUP CREATE {key} {GROUP} 0"))?;
                }
                let build = |share: Range<usize>| -> Box<dyn Source> {
                    let name = |connection: usize| keys[share.start + connection].clone();
                    Box::new(WorkRun::new(name, GROUP, share.len(), self.pipeline))
                };
                Ok(shares.into_iter().map(build).collect())
            }
            _ if threads > 1 => Err("this load has one thread".into()),
            _ => Ok(vec![self.prepare_one(control, address, commands, scale)?]),
        }
    }

    /// [`Self::prepare`] for loads that have one thread.
    fn prepare_one(
        &self,
        control: &mut Control,
        address: SocketAddr,
        commands: u64,
        scale: Scale,
    ) -> Outcome<Box<dyn Source>> {
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
            Work::ReadAndAck { own_keys: false } => {
                fill_stream(address, IdStyle::Steady, Shape::Value16, commands)?;
                control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0"))?;
                Ok(Box::new(WorkRun::new(|_| KEY.to_owned(), GROUP, self.connections, pipeline)))
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
            Work::AutoClaim { .. } | Work::Claim { .. } => {
                let pending = scale.of(PENDING_ENTRIES);
                fill_stream(address, IdStyle::Steady, Shape::Value16, pending)?;
                control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0"))?;
                read_all(address, pending, self.connections)?;
                let mut claimer = 0;
                let write = |out: &mut Vec<u8>| {
                    claimer = (claimer + 1) % self.connections;
                    let start = build_steady_id(rng.u64(..pending - 1000));
                    self.encode_claim(out, &name_consumer(claimer), &start);
                };
                Ok(Box::new(Prepared::build(PREPARED_BATCHES * 4, pipeline, write)))
            }
            // They have their own loads.
            Work::AddBy { .. } | Work::ReadAndAck { own_keys: true } | Work::FanOut { .. } => {
                Err("this load is made elsewhere".into())
            }
        }
    }

    /// The streams of a load in which every connection has its own.
    fn name_own_keys(&self) -> Vec<String> {
        (0..self.connections as u64).map(|connection| name_key(connection, 1000)).collect()
    }

    fn encode_claim(&self, out: &mut Vec<u8>, consumer: &str, start: &[u8]) {
        let (key, group, consumer) = (KEY.as_bytes(), GROUP.as_bytes(), consumer.as_bytes());
        match self.work {
            Work::AutoClaim { count, idle_ms_min } => {
                let (count, idle) = (count.to_string(), idle_ms_min.to_string());
                let (count, idle) = (count.as_bytes(), idle.as_bytes());
                encode_request(out, &[b"XAUTOCLAIM", key, group, consumer, idle, start, b"COUNT", count]);
            }
            Work::Claim { count } => {
                let count = count.to_string();
                let arguments: [&[u8]; 11] = [
                    b"XREADGROUP",
                    b"GROUP",
                    group,
                    consumer,
                    b"COUNT",
                    count.as_bytes(),
                    b"CLAIM",
                    b"0",
                    b"STREAMS",
                    key,
                    b">",
                ];
                encode_request(out, &arguments);
            }
            _ => {}
        }
    }

    /// That the server did what it was asked: its state after `commands`, warm-up included.
    fn check_outcome(&self, control: &mut Control, commands: u64, scale: Scale) -> Outcome<()> {
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
            Work::AddBy { own_keys } => {
                let keys = if own_keys { self.connections as u64 } else { 1 };
                let lengths =
                    (0..keys).map(|key| control.call_integer(&format!("XLEN {}", name_key(key, 1000))));
                ("entries", lengths.sum::<Result<u64, _>>()?, commands)
            }
            Work::AutoClaim { .. } | Work::Claim { .. } => {
                ("pending entries", control.count_pending(KEY, GROUP)?, scale.of(PENDING_ENTRIES))
            }
            Work::FanOut { .. } => return Ok(()),
            Work::ReadGroup { count } => {
                ("pending entries", control.count_pending(KEY, GROUP)?, commands * u64::from(count))
            }
            // The entries of every connection's last batch.
            Work::ReadAndAck { own_keys } => {
                let keys = if own_keys { self.name_own_keys() } else { vec![KEY.to_owned()] };
                let pending = keys.iter().map(|key| control.count_pending(key, GROUP));
                let expected = self.connections as u64 * u64::from(self.pipeline);
                ("pending entries", pending.sum::<Result<u64, _>>()?, expected)
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
