//! What a dump recreates is what was dumped.

use std::sync::Arc;

use super::replay::{Replay, uncounted};
use super::rewrite::rewrite;
use crate::config::Config;
use crate::engine::{Idempotency, Value};
use crate::log::{
    Effects, FaultStorage, FsyncPolicy, LoadProgress, Log, LogPaths, LogSettings, RecoverySettings, Storage,
    Survival, recover,
};
use crate::metrics::WorkerMetrics;
use crate::protocol::OwnedRequest;
use crate::state::{Keys, Shared, Snapshot};

/// The time of all commands of a test, in milliseconds since the Unix epoch.
const NOW_MS: u64 = 1_700_000_000_000;

/// A server without threads and connections.
fn server() -> Arc<Shared> {
    let config = Config::load(&[]).unwrap();
    Arc::new(Shared::new(Arc::new(config), 1, 4))
}

fn paths() -> LogPaths {
    LogPaths {
        dir: "d".into(),
        append_dir_name: "appendonlydir".into(),
        append_file_name: "appendonly.aof".into(),
    }
}

fn storage() -> FaultStorage {
    let storage = FaultStorage::new(1);
    storage.create_dir(&paths().dir).unwrap();
    storage.sync_dir("".as_ref()).unwrap();
    storage
}

/// Loads the log into a server and has it go on with it.
fn load(storage: &FaultStorage) -> Arc<Shared> {
    let shared = server();
    let metrics = uncounted();
    let settings = RecoverySettings { paths: paths(), load_truncated: false };
    // The clock has gone back meanwhile, and nothing depends on it.
    let mut keys = keys(&shared, &metrics, NOW_MS - 1_000_000);
    let mut replay = Replay::new(&shared, &metrics, &mut keys);
    let recovered = recover(storage, &settings, &LoadProgress::default(), &mut |recorded| {
        let text = format!("{recorded:?}");
        replay.apply(recorded).map_err(|error| format!("{error}, to {text}"))
    })
    .unwrap();
    drop(keys);
    shared.set_log(Log::start(storage, recovered, LogSettings::new(FsyncPolicy::No)).unwrap());
    shared
}

fn keys<'a>(shared: &'a Arc<Shared>, metrics: &'a WorkerMetrics, now_ms: u64) -> Keys<'a> {
    Keys::new(shared, metrics, Effects::new(), now_ms)
}

/// Executes commands one by one; errors are answers like others.
struct Session<'r, 'k> {
    replay: Replay<'r, 'k>,
    log: Option<&'r Log>,
}

impl Session<'_, '_> {
    fn ask(&mut self, command: &str) -> String {
        let words: Vec<_> = command.split(' ').collect();
        let request = OwnedRequest::new(words.iter().map(|word| word.as_bytes()));
        match self.replay.apply_command(request.as_request()) {
            Ok(()) => {
                if let Some(log) = self.log {
                    // The tests' commands are deterministic: each is its own effect.
                    let mut effects = Effects::new();
                    effects.begin(self.replay.db(), words.len());
                    words.iter().for_each(|word| effects.arg(word.as_bytes()));
                    log.append(&effects);
                }
                String::from_utf8_lossy(self.replay.last_reply()).into_owned()
            }
            Err(error) => error,
        }
    }
}

/// All that can be asked of the data, but for how the entries lie in blocks.
fn describe(shared: &Arc<Shared>) -> String {
    // A snapshot locks all shards, as the session does.
    let producers = describe_producers(shared);
    let metrics = uncounted();
    let mut keys = keys(shared, &metrics, NOW_MS);
    let mut session = Session { replay: Replay::new(shared, &metrics, &mut keys), log: None };
    let mut text = producers;
    for db in 0..3 {
        session.ask(&format!("SELECT {db}"));
        for key in KEYS {
            let kind = session.ask(&format!("TYPE {key}"));
            text.push_str(&format!("{db} {key}: {kind} {}\n", session.ask(&format!("PEXPIRETIME {key}"))));
            if kind.contains("string") {
                text.push_str(&session.ask(&format!("GET {key}")));
            } else if kind.contains("list") {
                text.push_str(&session.ask(&format!("LRANGE {key} 0 -1")));
            } else if kind.contains("set") {
                // In no order.
                let reply = session.ask(&format!("SMEMBERS {key}"));
                let mut lines: Vec<_> = reply.lines().collect();
                lines.sort_unstable();
                text.push_str(&lines.join(" "));
            } else if kind.contains("stream") {
                let full = session.ask(&format!("XINFO STREAM {key} FULL COUNT 0"));
                text.push_str(&without(&without(&full, "radix-tree-keys"), "radix-tree-nodes"));
                text.push_str(&session.ask(&format!("XINFO GROUPS {key}")));
                for group in GROUPS {
                    text.push_str(&session.ask(&format!("XPENDING {key} {group} - + 10000")));
                    text.push_str(&session.ask(&format!("XINFO CONSUMERS {key} {group}")));
                }
            }
        }
    }
    text
}

/// What streams remember of producers, each producer's entries in their order.
fn describe_producers(shared: &Shared) -> String {
    let snapshot = Snapshot::take(&shared.store, || Ok::<_, ()>(())).unwrap();
    let mut lines = Vec::new();
    for (db, entry) in snapshot {
        let Value::Stream(stream) = &entry.value else { continue };
        let remembered: Vec<_> = stream.idempotency().into_iter().flat_map(Idempotency::iter).collect();
        for pid in ["p", "q"] {
            let of_producer = remembered.iter().filter(|entry| entry.pid == pid.as_bytes());
            let key = String::from_utf8_lossy(entry.key());
            lines.push(format!("{db} {key}: {:?}\n", of_producer.collect::<Vec<_>>()));
        }
    }
    lines.sort_unstable();
    lines.concat()
}

/// A reply without the integer that follows `name`.
fn without(reply: &str, name: &str) -> String {
    let (before, after) = reply.split_once(&format!("{name}\r\n:")).expect("the reply has the field");
    format!("{before}{}", after.split_once("\r\n").expect("an integer ends").1)
}

const KEYS: [&str; 5] = ["s", "t", "u", "a", "b"];
const GROUPS: [&str; 3] = ["g", "h", "i"];

/// A command as chance has it, on few keys with small IDs, so that most meet something.
fn random_command(random: &mut fastrand::Rng) -> String {
    let key = KEYS[random.usize(..3)];
    let group = GROUPS[random.usize(..3)];
    let consumer = ["c", "d", "e"][random.usize(..3)];
    let id = format!("{}-{}", random.u64(..60), random.u64(..2));
    let time = NOW_MS - random.u64(..100);
    let (pid, iid) = (["p", "q"][random.usize(..2)], random.u32(..9));
    match random.u32(..54) {
        0..12 => format!("XADD {key} {id} field {} other {}", random.i32(-50..50), random.alphabetic()),
        12..15 => format!("XGROUP CREATE {key} {group} {id} MKSTREAM"),
        15 => format!("XGROUP CREATE {key} {group} 0 ENTRIESREAD {}", random.u32(..9)),
        16..22 => format!("XREADGROUP GROUP {group} {consumer} COUNT {} STREAMS {key} >", random.u32(1..9)),
        22..25 => format!("XDEL {key} {id}"),
        25 => format!("XTRIM {key} MAXLEN {}", random.u32(..20)),
        26..28 => format!("XACK {key} {group} {id}"),
        28 => format!("XGROUP CREATECONSUMER {key} {group} {consumer}"),
        29..31 => {
            format!("XCLAIM {key} {group} {consumer} 0 {id} TIME {time} RETRYCOUNT {}", random.u32(..5))
        }
        31 => format!("XSETID {key} {id}"),
        32 => format!(
            "XSETID {key} {}-0 ENTRIESADDED {} MAXDELETEDID {id}",
            random.u64(60..70),
            random.u32(50..200)
        ),
        33 => format!("XGROUP DELCONSUMER {key} {group} {consumer}"),
        34 => format!("PEXPIREAT {key} {}", NOW_MS * 2 + random.u64(..9)),
        35 => format!("SET {} {}", KEYS[random.usize(3..5)], random.i64(-3..3)),
        36 => format!("SET {} text PXAT {}", KEYS[random.usize(3..5)], NOW_MS * 2),
        37 => format!("XGROUP SETID {key} {group} {id}"),
        38 => format!("DEL {}", KEYS[random.usize(..5)]),
        39 => format!("SELECT {}", random.u32(..3)),
        40 => format!("#NOBODY {key} {group} {time} {} {id}", random.u32(..5)),
        41 => format!(
            "{} {} {} {}",
            ["LPUSH", "RPUSH"][random.usize(..2)],
            KEYS[random.usize(3..5)],
            random.u32(..20),
            random.alphabetic()
        ),
        // Times of the clock, and others: nothing expires here.
        42..45 => {
            let id = format!("{}-{}", NOW_MS + random.u64(..60), random.u64(..2));
            format!("XADD {key} IDMP {pid} {iid} {id} field {} other x", random.i32(-50..50))
        }
        45..47 => format!("XADD {key} IDMP {pid} {iid} {id} field {}", random.i32(-50..50)),
        47 => format!("XADD {key} IDMPAUTO {pid} MAXLEN 3 {id} b {} a 1", random.i32(..3)),
        48 => format!("#PRODUCEDCOUNTERS {key} {} {}", random.u32(..30), random.u32(..30)),
        49 => format!("XIDMPRECORD {key} {pid} {iid} {id}"),
        50 => format!("XCFGSET {key} IDMP-DURATION {} IDMP-MAXSIZE {}", random.u32(1..3), random.u32(1..6)),
        51 => format!("#PRODUCED {key} {pid} {iid} {id} {}", NOW_MS + random.u64(..60)),
        _ => format!("SADD {} {}", KEYS[random.usize(3..5)], random.u32(..20)),
    }
}

#[test]
fn a_dump_recreates_the_data() {
    for seed in 0..200 {
        let storage = storage();
        let shared = load(&storage);
        let mut random = fastrand::Rng::with_seed(seed);
        let metrics = uncounted();
        let mut keys = keys(&shared, &metrics, NOW_MS);
        let mut session = Session { replay: Replay::new(&shared, &metrics, &mut keys), log: None };
        for _ in 0..random.usize(..400) {
            session.ask(&random_command(&mut random));
        }
        drop(keys);
        rewrite(&shared, shared.log().claim_rewrite().unwrap()).unwrap();
        let expected = describe(&shared);
        let loaded = load(&storage.restart(Survival::Synced, seed));
        assert_eq!(describe(&loaded), expected, "seed {seed}");
    }
}

/// Rewrites while commands go on: base and increment follow each other without a gap and without an overlap.
#[test]
fn commands_around_a_rewrite_are_executed_once() {
    for seed in 0..20 {
        let storage = storage();
        let shared = load(&storage);
        std::thread::scope(|scope| {
            let rewrites = scope.spawn(|| {
                for _ in 0..10 {
                    rewrite(&shared, shared.log().claim_rewrite().unwrap()).unwrap();
                }
            });
            let mut random = fastrand::Rng::with_seed(seed);
            let metrics = uncounted();
            while !rewrites.is_finished() {
                // As long as they live they hold all shards.
                let mut keys = keys(&shared, &metrics, NOW_MS);
                let mut session =
                    Session { replay: Replay::new(&shared, &metrics, &mut keys), log: Some(shared.log()) };
                session.ask(&format!("SELECT {}", random.u32(..3)));
                for _ in 0..random.usize(..10) {
                    // XREADGROUP is not its own effect here: its times come from the clock.
                    let command = random_command(&mut random);
                    if !command.starts_with("XREADGROUP") && !command.starts_with("XGROUP CREATECONSUMER") {
                        session.ask(&command);
                    }
                }
                drop(keys);
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
        });
        assert_eq!(shared.log().statistics().rewrite.count, 10);
        let expected = describe(&shared);
        shared.log().close().unwrap();
        let loaded = load(&storage.restart(Survival::Synced, seed));
        assert_eq!(describe(&loaded), expected, "seed {seed}");
    }
}
