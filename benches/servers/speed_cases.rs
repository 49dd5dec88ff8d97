//! The cases whose figure is server CPU per command: a table.

use crate::entries::Shape;
use crate::process::{Persistence, Setup};

/// Connections of a load, each a client of its own, unless a case tells otherwise.
const CONNECTIONS: usize = 50;

/// One figure to be measured.
#[derive(Debug)]
pub(crate) struct SpeedCase {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) work: Work,
    pub(crate) connections: usize,
    /// Requests in a batch.
    pub(crate) pipeline: u32,
    /// Measured commands (for [`Work::ReadAndAck`]: pairs of commands), before scaling.
    pub(crate) commands: u64,
    pub(crate) setup: Setup,
    /// Whether the server's threads may use all cores, the load's too.
    pub(crate) free: bool,
    /// Whether millstream alone is measured.
    pub(crate) alone: bool,
    /// The most that millstream's CPU per command may be of redis's: now, and in the end.
    pub(crate) target: Option<f64>,
    pub(crate) goal: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// XADD with a generated ID to `keys` streams, chosen at random.
    Add { keys: u64, shape: Shape, length_max: Option<u64> },
    /// XADD by connections that have a stream of their own each, or share one.
    AddBy { own_keys: bool },
    /// XREADGROUP of new entries; every connection is a consumer of one group.
    ReadGroup { count: u32 },
    /// XACK of the entry read before and XREADGROUP COUNT 1, counted as one; every connection is a consumer, of one stream or of its own.
    ReadAndAck { own_keys: bool },
    /// XACK of so many pending entries.
    Ack { ids: u32 },
    /// XRANGE from a random entry.
    Range { count: u32 },
    /// XAUTOCLAIM of what has been idle for so long, from a random pending entry.
    AutoClaim { count: u32, idle_ms_min: u64 },
    /// XREADGROUP CLAIM, which Redis has since 8.4.
    Claim { count: u32 },
    /// One XADD that so many clients wait for with XREAD.
    FanOut { readers: usize },
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
        setup: Setup::of(Persistence::Off),
        free: false,
        alone: false,
        target,
        goal,
    }
}

const fn with(persistence: Persistence, mut case: SpeedCase) -> SpeedCase {
    case.setup.persistence = persistence;
    case
}

const fn over(connections: usize, mut case: SpeedCase) -> SpeedCase {
    case.connections = connections;
    case
}

/// Millstream with blocks compressed behind the newest one.
const fn compressed(mut case: SpeedCase) -> SpeedCase {
    case.setup.is_compressed = true;
    case
}

/// Millstream with so many worker threads, on all cores.
const fn threads(worker_threads: u32, mut case: SpeedCase) -> SpeedCase {
    case.setup.worker_threads = worker_threads;
    case.free = true;
    case.alone = true;
    case
}

/// XADD over 50 connections by worker threads that may use all cores.
const fn cores(name: &'static str, what: &'static str, own_keys: bool, worker_threads: u32) -> SpeedCase {
    threads(worker_threads, case(name, what, Work::AddBy { own_keys }, 16, 1_200_000, [None, None]))
}

/// XREADGROUP and XACK over 50 connections, each with a stream of its own.
const fn cores_work(name: &'static str, what: &'static str, worker_threads: u32) -> SpeedCase {
    let work = Work::ReadAndAck { own_keys: true };
    threads(worker_threads, case(name, what, work, 8, 300_000, [None, None]))
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
        Work::ReadAndAck { own_keys: false },
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
    compressed(case(
        "xadd-order-compressed-p16",
        "XADD of five fields, pipeline 16, compressed behind one block",
        Work::Add { keys: 1, shape: Shape::Order, length_max: None },
        16,
        800_000,
        [None, None],
    )),
    compressed(case(
        "xreadgroup-10-compressed-p16",
        "XREADGROUP COUNT 10, 50 consumers, pipeline 16, compressed",
        Work::ReadGroup { count: 10 },
        16,
        100_000,
        [None, None],
    )),
    compressed(case(
        "xrange-100-compressed-p4",
        "XRANGE COUNT 100, pipeline 4, compressed",
        Work::Range { count: 100 },
        4,
        60_000,
        [None, None],
    )),
    case(
        "xautoclaim-100-p1",
        "XAUTOCLAIM 0 COUNT 100, a million pending",
        Work::AutoClaim { count: 100, idle_ms_min: 0 },
        1,
        15_000,
        [None, Some(0.30)],
    ),
    case(
        "xautoclaim-none-p1",
        "XAUTOCLAIM 1 h COUNT 100, a million pending, none so old",
        Work::AutoClaim { count: 100, idle_ms_min: 3_600_000 },
        1,
        30_000,
        [None, Some(0.30)],
    ),
    case(
        "xreadgroup-claim-100-p1",
        "XREADGROUP COUNT 100 CLAIM 0, a million pending",
        Work::Claim { count: 100 },
        1,
        15_000,
        [None, None],
    ),
    over(
        1,
        case(
            "fan-out-1000",
            "one XADD to 1000 blocked XREAD clients",
            Work::FanOut { readers: 1000 },
            1,
            200,
            [None, Some(0.50)],
        ),
    ),
    cores("cores-disjoint-1", "XADD, 50 streams, pipeline 16, 1 worker thread, all cores", true, 1),
    cores("cores-disjoint-2", "XADD, 50 streams, pipeline 16, 2 worker threads, all cores", true, 2),
    cores("cores-disjoint-4", "XADD, 50 streams, pipeline 16, 4 worker threads, all cores", true, 4),
    cores("cores-disjoint-8", "XADD, 50 streams, pipeline 16, 8 worker threads, all cores", true, 8),
    cores("cores-hot-1", "XADD, one stream, pipeline 16, 1 worker thread, all cores", false, 1),
    cores("cores-hot-2", "XADD, one stream, pipeline 16, 2 worker threads, all cores", false, 2),
    cores("cores-hot-4", "XADD, one stream, pipeline 16, 4 worker threads, all cores", false, 4),
    cores("cores-hot-8", "XADD, one stream, pipeline 16, 8 worker threads, all cores", false, 8),
    cores_work(
        "cores-work-1",
        "XREADGROUP COUNT 1 and XACK, 50 streams, 8 pairs on the way, 1 worker thread, all cores",
        1,
    ),
    cores_work(
        "cores-work-2",
        "XREADGROUP COUNT 1 and XACK, 50 streams, 8 pairs on the way, 2 worker threads, all cores",
        2,
    ),
    cores_work(
        "cores-work-4",
        "XREADGROUP COUNT 1 and XACK, 50 streams, 8 pairs on the way, 4 worker threads, all cores",
        4,
    ),
    cores_work(
        "cores-work-8",
        "XREADGROUP COUNT 1 and XACK, 50 streams, 8 pairs on the way, 8 worker threads, all cores",
        8,
    ),
    with(
        Persistence::AofEverysec,
        cores(
            "cores-log-1",
            "XADD, 50 streams, pipeline 16, appendfsync everysec, 1 worker thread, all cores",
            true,
            1,
        ),
    ),
    with(
        Persistence::AofEverysec,
        cores(
            "cores-log-2",
            "XADD, 50 streams, pipeline 16, appendfsync everysec, 2 worker threads, all cores",
            true,
            2,
        ),
    ),
    with(
        Persistence::AofEverysec,
        cores(
            "cores-log-4",
            "XADD, 50 streams, pipeline 16, appendfsync everysec, 4 worker threads, all cores",
            true,
            4,
        ),
    ),
    with(
        Persistence::AofEverysec,
        cores(
            "cores-log-8",
            "XADD, 50 streams, pipeline 16, appendfsync everysec, 8 worker threads, all cores",
            true,
            8,
        ),
    ),
];
