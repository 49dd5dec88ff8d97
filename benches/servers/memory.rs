//! The cases whose figure is bytes: per entry, per pending entry, per stream.

use crate::Outcome;
use crate::control::Control;
use crate::entries::{IdStyle, Shape};
use crate::fill::{GROUP, KEY, acknowledge, fill_small_streams, fill_stream, read_all, shuffle_ids};
use crate::machine::Cores;
use crate::options::Scale;
use crate::peers::Peer;
use crate::process::{Persistence, Placing, Server, Setup};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;

/// Consumers that the pending entries are spread over.
const CONSUMERS: usize = 2;

/// One figure to be measured.
#[derive(Debug)]
pub(crate) struct MemoryCase {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    held: Held,
    /// Entries or streams that the bytes are divided by, before scaling.
    items: u64,
    pub(crate) target: Option<Limit>,
    pub(crate) goal: Option<Limit>,
}

/// The most that millstream may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Of redis's bytes.
    Ratio(f64),
    Bytes(f64),
}

/// What the bytes are held by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    /// The entries of one stream.
    Entries(Shape),
    /// The same, compressed by those that can.
    Compressed(Shape),
    /// Entries that were delivered, over those that were not.
    Pending,
    /// What is left of pending entries when all are acknowledged, out of order.
    Acknowledged,
    /// Streams of one entry.
    SmallStreams,
    /// Connections that have said something once.
    Connections,
}

const fn case(
    name: &'static str,
    what: &'static str,
    held: Held,
    items: u64,
    limits: [Option<Limit>; 2],
) -> MemoryCase {
    let [target, goal] = limits;
    MemoryCase { name, what, held, items, target, goal }
}

const fn ratio(ratio: f64) -> Option<Limit> {
    Some(Limit::Ratio(ratio))
}

const fn bytes(bytes: f64) -> Option<Limit> {
    Some(Limit::Bytes(bytes))
}

pub(crate) const MEMORY_CASES: &[MemoryCase] = &[
    case(
        "mem-value16",
        "per entry, one value of 16 bytes",
        Held::Entries(Shape::Value16),
        1_000_000,
        [ratio(1.0), ratio(0.8)],
    ),
    case(
        "mem-order",
        "per entry, five small fields of an order",
        Held::Entries(Shape::Order),
        1_000_000,
        [ratio(1.0), ratio(0.8)],
    ),
    case(
        "mem-order-compressed",
        "per entry, the same, with `stream-compress-after 1`",
        Held::Compressed(Shape::Order),
        1_000_000,
        [None, ratio(0.35)],
    ),
    case(
        "mem-value16-compressed",
        "per entry, one value of 16 bytes, with `stream-compress-after 1`",
        Held::Compressed(Shape::Value16),
        1_000_000,
        [None, None],
    ),
    case(
        "mem-json300-compressed",
        "per entry, one JSON value of 300 bytes, with `stream-compress-after 1`",
        Held::Compressed(Shape::Json300),
        400_000,
        [None, None],
    ),
    case(
        "mem-json300",
        "per entry, one JSON value of 300 bytes",
        Held::Entries(Shape::Json300),
        400_000,
        [ratio(1.0), ratio(0.95)],
    ),
    case(
        "mem-pending",
        "per pending entry, two consumers",
        Held::Pending,
        500_000,
        [bytes(48.0), bytes(32.0)],
    ),
    case(
        "mem-acknowledged",
        "left per entry read and acknowledged out of order",
        Held::Acknowledged,
        500_000,
        [None, None],
    ),
    case(
        "mem-small-streams",
        "per stream of one entry with a value of 16 bytes",
        Held::SmallStreams,
        100_000,
        [None, ratio(0.6)],
    ),
    case("mem-connections", "per idle connection", Held::Connections, 10_000, [None, bytes(10_240.0)]),
];

/// What one run of a case on one server gave. Growth may be negative: memory was given back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryRun {
    pub(crate) items: u64,
    /// By the server's own account, `used_memory` of INFO.
    pub(crate) used_growth: i64,
    /// By the kernel's account, pages in RAM; none of a server on another machine.
    pub(crate) resident_growth: Option<i64>,
}

impl MemoryRun {
    pub(crate) fn measure(case: &MemoryCase, peer: &Peer, cores: Cores, scale: Scale) -> Outcome<MemoryRun> {
        let is_compressed = matches!(case.held, Held::Compressed(_));
        let setup = Setup { is_compressed, ..Setup::of(Persistence::Off) };
        let server = Server::start(peer, setup, Placing::Pinned(cores), None)?;
        let mut control = server.control()?;
        let items = scale.of(case.items);
        let (address, ids) = (server.address(), IdStyle::Bursty);
        if matches!(case.held, Held::Pending | Held::Acknowledged) {
            fill_stream(address, ids, Shape::Value16, items)?;
            control.call(&format!("XGROUP CREATE {KEY} {GROUP} 0"))?;
        }
        let before = read_memory(&server, &mut control)?;
        let mut idle = Vec::new();
        match case.held {
            Held::Entries(shape) | Held::Compressed(shape) => fill_stream(address, ids, shape, items)?,
            Held::Pending => read_all(address, items, CONSUMERS)?,
            Held::Acknowledged => {
                read_all(address, items, CONSUMERS)?;
                check_count("pending entries", control.count_pending(KEY, GROUP)?, items)?;
                acknowledge(address, &shuffle_ids(Shape::Value16, items))?;
            }
            Held::SmallStreams => fill_small_streams(address, Shape::Value16, items)?,
            Held::Connections => {
                raise_open_files(items + 1000)?;
                for _ in 0..items {
                    let mut connection = Control::connect(address)?;
                    connection.call("PING")?;
                    idle.push(connection);
                }
            }
        }
        let after = read_memory(&server, &mut control)?;
        case.check_outcome(&mut control, items)?;
        let resident_growth = after.1.zip(before.1).map(|(after, before)| after - before);
        Ok(MemoryRun { items, used_growth: after.0 - before.0, resident_growth })
    }

    pub(crate) fn used_bytes_per_item(&self) -> f64 {
        self.used_growth as f64 / self.items as f64
    }

    /// Not a number where it is not known.
    pub(crate) fn resident_bytes_per_item(&self) -> f64 {
        self.resident_growth.map_or(f64::NAN, |growth| growth as f64 / self.items as f64)
    }
}

/// `used_memory` and resident bytes.
fn read_memory(server: &Server, control: &mut Control) -> Outcome<(i64, Option<i64>)> {
    // The connections of the last load close, and their buffers go, in the server's own time.
    std::thread::sleep(Duration::from_millis(300));
    let used = i64::try_from(control.read_used_memory()?)?;
    let resident = server.read_resident_bytes()?.map(i64::try_from).transpose()?;
    Ok((used, resident))
}

/// Lets this process, and the servers that it starts, have so many files open.
fn raise_open_files(count: u64) -> Outcome<()> {
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum: limits.maximum })
        .map_err(|error| format!("{count} open files are not allowed here: {error}").into())
}

impl MemoryCase {
    fn check_outcome(&self, control: &mut Control, items: u64) -> Outcome<()> {
        match self.held {
            Held::Entries(_) | Held::Compressed(_) => {
                check_count("entries", control.call_integer(&format!("XLEN {KEY}"))?, items)
            }
            Held::Pending => check_count("pending entries", control.count_pending(KEY, GROUP)?, items),
            Held::Acknowledged => check_count("pending entries", control.count_pending(KEY, GROUP)?, 0),
            Held::SmallStreams => check_count("keys", control.call_integer("DBSIZE")?, items),
            // Those, the one that asks, and perhaps one of the last load that is not closed yet.
            Held::Connections => {
                let count: u64 = control.read_info("clients", "connected_clients")?.parse()?;
                check_count("connections", count.clamp(items, items + 2), count)
            }
        }
    }
}

fn check_count(what: &str, found: u64, expected: u64) -> Outcome<()> {
    if found != expected {
        return Err(format!("the server has {found} {what}, not {expected}").into());
    }
    Ok(())
}
