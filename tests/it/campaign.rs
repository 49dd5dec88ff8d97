//! The real binary killed with -9 again and again, under producers, a group's consumers, claims and rewrites of the log: after each restart
//! what was acknowledged is there, and nothing that was never sent.
//!
//! A short form runs with the tests; `scripts/campaign` runs the long one (`MILLSTREAM_CAMPAIGN_KILLS`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::harness::{Client, PATIENCE, Reply, Server, encode_request};

const PRODUCERS: usize = 2;
const CONSUMERS: usize = 2;

/// What one client knows of when its connection was lost.
#[derive(Debug, Default)]
struct Record {
    /// Entries whose XADD was sent.
    sent: u64,
    /// Entries whose XADD was answered.
    added: u64,
    /// How often an entry was handed to this client, in answers that came: each counts as a delivery.
    delivered: BTreeMap<String, u64>,
    /// Entries whose XACK was answered.
    acknowledged: BTreeSet<String>,
    /// Entries whose XACK was sent and not answered.
    perhaps_acknowledged: BTreeSet<String>,
    /// Rewrites that were begun.
    rewrites: u64,
}

/// A reply; `None` when the server is gone.
fn exchange(client: &mut Client, args: &[&str]) -> Option<Reply> {
    if !client.try_send_raw(&encode_request(args)) {
        return None;
    }
    client.read_within(PATIENCE).ok().flatten()
}

/// Adds entries numbered from 1 on, in pipelines.
fn produce(mut client: Client, key: &str, name: &str, mut random: fastrand::Rng) -> Record {
    let mut record = Record::default();
    loop {
        let count = random.u64(1..20);
        let mut bytes = Vec::new();
        for number in record.sent + 1..=record.sent + count {
            let value = "v".repeat(random.usize(..100));
            bytes.extend(encode_request(&["XADD", key, "*", name, &number.to_string(), "value", &value]));
        }
        record.sent += count;
        if !client.try_send_raw(&bytes) {
            return record;
        }
        for _ in 0..count {
            match client.read_within(PATIENCE) {
                Ok(Some(reply)) => assert!(!reply.is_error(), "{reply}"),
                _ => return record,
            }
            record.added += 1;
        }
    }
}

fn note_delivered(record: &mut Record, entries: &Reply) -> Vec<String> {
    let ids: Vec<String> = entries.elements().iter().map(|entry| entry.elements()[0].text()).collect();
    for id in &ids {
        *record.delivered.entry(id.clone()).or_default() += 1;
    }
    ids
}

/// Reads new entries, acknowledges some of them, and claims what others have.
fn consume(mut client: Client, key: &str, name: &str, mut random: fastrand::Rng) -> Record {
    let mut record = Record::default();
    loop {
        let ids = if random.u8(..4) == 0 {
            let claim = ["XAUTOCLAIM", key, "g", name, "0", "-", "COUNT", "5"];
            let Some(reply) = exchange(&mut client, &claim) else { return record };
            note_delivered(&mut record, &reply.elements()[1])
        } else {
            let read = ["XREADGROUP", "GROUP", "g", name, "COUNT", "10", "BLOCK", "50", "STREAMS", key, ">"];
            let Some(reply) = exchange(&mut client, &read) else { return record };
            if reply.is_null() {
                continue;
            }
            note_delivered(&mut record, &reply.elements()[0].elements()[1])
        };
        let some: Vec<String> = ids.into_iter().filter(|_| random.u8(..3) > 0).collect();
        if some.is_empty() {
            continue;
        }
        let mut acknowledge = vec!["XACK", key, "g"];
        acknowledge.extend(some.iter().map(String::as_str));
        if exchange(&mut client, &acknowledge).is_none() {
            record.perhaps_acknowledged.extend(some);
            return record;
        }
        record.acknowledged.extend(some);
    }
}

fn rewrite(mut client: Client) -> Record {
    let mut record = Record::default();
    while let Some(reply) = exchange(&mut client, &["BGREWRITEAOF"]) {
        record.rewrites += u64::from(!reply.is_error());
        std::thread::sleep(Duration::from_millis(10));
    }
    record
}

fn parse_id(id: &str) -> (u64, u64) {
    let (ms, seq) = id.split_once('-').expect("an ID has two parts");
    (ms.parse().unwrap(), seq.parse().unwrap())
}

/// Entries that were acknowledged and are not there.
fn check_entries(client: &mut Client, key: &str, producers: &[Record]) -> u64 {
    let mut numbers = vec![Vec::new(); PRODUCERS];
    for entry in client.call(&format!("XRANGE {key} - +")).elements() {
        let fields = entry.elements()[1].elements();
        let producer: usize = fields[0].text()[1..].parse().unwrap();
        numbers[producer].push(fields[1].text().parse::<u64>().unwrap());
    }
    let mut lost = 0;
    for (record, numbers) in producers.iter().zip(&numbers) {
        let there = numbers.len() as u64;
        assert!(numbers.iter().copied().eq(1..=there), "entries are missing in the middle: {numbers:?}");
        assert!(there <= record.sent, "{there} are there, {} were sent", record.sent);
        lost += record.added.saturating_sub(there);
    }
    lost
}

/// Deliveries and acknowledgements that were answered and are not known any more.
fn check_group(client: &mut Client, key: &str, consumers: &[Record]) -> u64 {
    let mut pending = BTreeMap::new();
    for entry in client.call(&format!("XPENDING {key} g - + 10000000")).elements() {
        let [id, _, _, count] = entry.elements() else { panic!("{entry}") };
        pending.insert(id.text(), count.integer() as u64);
    }
    let mut delivered: BTreeMap<&String, u64> = BTreeMap::new();
    for (id, count) in consumers.iter().flat_map(|record| &record.delivered) {
        *delivered.entry(id).or_default() += count;
    }
    let acknowledged = || consumers.iter().flat_map(|record| &record.acknowledged);
    let mut lost = acknowledged().filter(|id| pending.contains_key(*id)).count() as u64;
    let done: BTreeSet<&String> =
        acknowledged().chain(consumers.iter().flat_map(|record| &record.perhaps_acknowledged)).collect();
    let owed = delivered.iter().filter(|(id, _)| !done.contains(*id));
    lost += owed.filter(|(id, count)| pending.get(**id).is_none_or(|there| there < count)).count() as u64;

    let groups = client.call(&format!("XINFO GROUPS {key}"));
    let last = groups.elements()[0].field("last-delivered-id").expect("a group has it").text();
    let greatest = delivered.keys().map(|id| parse_id(id)).max();
    lost + u64::from(greatest.is_some_and(|greatest| greatest > parse_id(&last)))
}

/// What a campaign came to.
#[derive(Debug, Default)]
struct Totals {
    added: u64,
    delivered: u64,
    acknowledged: u64,
    rewrites: u64,
    lost: u64,
}

fn run(policy: &str, kills: u64) -> Totals {
    let mut totals = Totals::default();
    let mut random = fastrand::Rng::with_seed(kills);
    let mut server = Server::millstream(&["--appendfsync", policy, "--worker-threads", "2"]);
    for round in 0..kills {
        let key = &*format!("s{round}");
        server.client().check(&format!("XGROUP CREATE {key} g 0 MKSTREAM"), "OK");
        let (producers, consumers) = std::thread::scope(|scope| {
            let mut start = |kind: fn(Client, &str, &str, fastrand::Rng) -> Record, name: String| {
                let (client, random) = (server.client(), random.fork());
                scope.spawn(move || kind(client, key, &name, random))
            };
            let producers: Vec<_> =
                (0..PRODUCERS).map(|number| start(produce, format!("p{number}"))).collect();
            let consumers: Vec<_> =
                (0..CONSUMERS).map(|number| start(consume, format!("c{number}"))).collect();
            let rewriter = server.client();
            let rewriter = scope.spawn(move || rewrite(rewriter));
            std::thread::sleep(Duration::from_millis(random.u64(20..250)));
            server.kill();
            totals.rewrites += rewriter.join().unwrap().rewrites;
            let join = |threads: Vec<std::thread::ScopedJoinHandle<'_, Record>>| -> Vec<Record> {
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            };
            (join(producers), join(consumers))
        });
        server.restart();
        let mut client = server.client();
        totals.lost +=
            check_entries(&mut client, key, &producers) + check_group(&mut client, key, &consumers);
        totals.added += producers.iter().map(|record| record.added).sum::<u64>();
        totals.delivered += consumers.iter().flat_map(|record| record.delivered.values()).sum::<u64>();
        totals.acknowledged += consumers.iter().map(|record| record.acknowledged.len() as u64).sum::<u64>();
        // What a round before removed stays removed.
        client.check(&format!("DEL {key}"), "1");
        client.check("DBSIZE", "0");
    }
    println!("{kills} kills, appendfsync {policy}: {totals:?}");
    totals
}

/// Each policy hands what it acknowledges to the system first, so that a killed process loses nothing under any.
#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let wanted = std::env::var("MILLSTREAM_CAMPAIGN_KILLS");
    let kills = wanted.map_or(3, |kills| kills.parse().expect("MILLSTREAM_CAMPAIGN_KILLS is a number"));
    for policy in ["always", "everysec"] {
        let totals = run(policy, kills);
        assert_eq!(totals.lost, 0, "{policy}: {totals:?}");
        assert!(
            totals.added > 0 && totals.delivered > 0 && totals.acknowledged > 0 && totals.rewrites > 0,
            "{totals:?}"
        );
    }
}
