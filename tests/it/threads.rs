//! Several worker threads: nothing is lost, nothing is delivered twice, the order holds.

use std::collections::HashSet;
use std::thread;

use crate::harness::{Client, Reply, Server};

const PRODUCERS: usize = 4;
const ENTRIES_EACH: usize = 1500;

/// Sends commands in batches and gives each reply to a function.
fn pipeline(client: &mut Client, commands: &[String], mut with: impl FnMut(usize, Reply)) {
    for (start, batch) in commands.chunks(50).enumerate() {
        batch.iter().for_each(|command| client.send(command));
        for index in 0..batch.len() {
            with(start * 50 + index, client.read());
        }
    }
}

fn parse_id(text: &str) -> (u64, u64) {
    let (ms, seq) = text.split_once('-').unwrap();
    (ms.parse().unwrap(), seq.parse().unwrap())
}

/// Producers on their threads; answers the IDs that each was given.
fn produce(server: &Server, key_of: impl Fn(usize, usize) -> String + Sync) -> Vec<Vec<String>> {
    thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let key_of = &key_of;
                scope.spawn(move || {
                    let commands: Vec<String> = (0..ENTRIES_EACH)
                        .map(|number| {
                            format!("XADD {} * producer {producer} number {number}", key_of(producer, number))
                        })
                        .collect();
                    let mut ids = Vec::new();
                    pipeline(&mut server.client(), &commands, |_, reply| ids.push(reply.text()));
                    ids
                })
            })
            .collect();
        producers.into_iter().map(|producer| producer.join().unwrap()).collect()
    })
}

/// Entries as (ID, producer, number).
fn read_entries(reply: &Reply) -> Vec<((u64, u64), usize, usize)> {
    let entry = |entry: &Reply| {
        let [id, fields] = entry.elements() else { panic!("no entry: {entry}") };
        let fields = fields.elements();
        (parse_id(&id.text()), fields[1].text().parse().unwrap(), fields[3].text().parse().unwrap())
    };
    reply.elements().iter().map(entry).collect()
}

#[test]
fn producers_on_one_stream_lose_nothing() {
    let server = Server::millstream(&["--worker-threads", "4"]);
    let ids = produce(&server, |_, _| "s".to_owned());
    let entries = read_entries(&server.client().call("XRANGE s - +"));
    assert_eq!(entries.len(), PRODUCERS * ENTRIES_EACH);
    assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "IDs rise");
    for (producer, ids) in ids.iter().enumerate() {
        let own: Vec<_> = entries.iter().filter(|entry| entry.1 == producer).collect();
        assert!(
            own.iter().map(|entry| entry.2).eq(0..ENTRIES_EACH),
            "each producer's entries are in its order"
        );
        assert!(
            own.iter().map(|entry| entry.0).eq(ids.iter().map(|id| parse_id(id))),
            "and have the IDs it was told"
        );
    }
}

#[test]
fn producers_on_many_streams_lose_nothing() {
    let mut server = Server::millstream(&["--worker-threads", "4"]);
    produce(&server, |producer, number| format!("s{}", (producer + number) % 40));
    let count = |server: &Server| {
        let mut client = server.client();
        (0..40).map(|n| client.call(&format!("XLEN s{n}")).integer()).sum::<i64>()
    };
    assert_eq!(count(&server), (PRODUCERS * ENTRIES_EACH) as i64);
    server.kill();
    server.restart();
    assert_eq!(
        count(&server),
        (PRODUCERS * ENTRIES_EACH) as i64,
        "after kill -9, everything having been acknowledged"
    );
}

#[test]
fn a_group_delivers_each_entry_once() {
    let server = Server::millstream(&["--worker-threads", "4"]);
    server.client().check("XGROUP CREATE s g 0 MKSTREAM", "OK");
    let total = PRODUCERS * ENTRIES_EACH;
    let delivered: Vec<Vec<(u64, u64)>> = thread::scope(|scope| {
        let consumers: Vec<_> = (0..4)
            .map(|consumer| {
                let server = &server;
                scope.spawn(move || {
                    let mut client = server.client();
                    let mut got = Vec::new();
                    loop {
                        let reply = client
                            .call(&format!("XREADGROUP GROUP g c{consumer} COUNT 7 BLOCK 300 STREAMS s >"));
                        if reply.is_null() {
                            // The end is told by an entry count, not by silence alone: a busy machine is silent too.
                            let pending = client.call("XPENDING s g");
                            if pending.elements()[0].integer() as usize == total {
                                return got;
                            }
                            continue;
                        }
                        let entries = read_entries(&reply.elements()[0].elements()[1]);
                        assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
                        got.extend(entries.into_iter().map(|entry| entry.0));
                    }
                })
            })
            .collect();
        produce(&server, |_, _| "s".to_owned());
        consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect()
    });
    let all: HashSet<_> = delivered.iter().flatten().collect();
    assert_eq!(delivered.iter().map(Vec::len).sum::<usize>(), total, "none twice");
    assert_eq!(all.len(), total, "and none missing");
}

/// Transactions over several shards, from all threads at once: each is executed as a whole.
#[test]
fn transactions_are_not_interleaved() {
    let server = Server::millstream(&["--worker-threads", "4"]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.client();
                for _ in 0..200 {
                    for command in ["MULTI", "INCR a", "INCR b", "XADD s * f v", "INCR c"] {
                        client.call(command);
                    }
                    let reply = client.call("EXEC");
                    let [a, b, _, c] = reply.elements() else { panic!("{reply}") };
                    assert!(a == b && b == c, "{reply}");
                }
            });
        }
    });
    server.client().check("MGET a b c", "[\"800\", \"800\", \"800\"]");
    server.client().check("XLEN s", "800");
}
