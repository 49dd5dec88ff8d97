//! CLIENT TRACKING: clients that keep copies never keep a wrong one.

use std::collections::HashMap;
use std::thread;

use crate::harness::{Client, Reply, Server, await_true};

const KEYS: usize = 20;
const ROUNDS: usize = 3000;

fn info(client: &mut Client, field: &str) -> u64 {
    let text = client.call("INFO").text();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("INFO has no {field}"))
}

/// A client that keeps copies of what it reads.
struct Cache {
    client: Client,
    copies: HashMap<String, Reply>,
    /// How often it was told of a key.
    told: usize,
}

impl Cache {
    fn new(server: &Server, how: &str) -> Self {
        let mut client = server.client();
        client.switch_to(3);
        client.check(&format!("CLIENT TRACKING ON {how}"), "OK");
        Self { client, copies: HashMap::new(), told: 0 }
    }

    /// The reply to a command; what comes before it is followed.
    fn call(&mut self, command: &str) -> Reply {
        self.client.send(command);
        loop {
            let parts = match self.client.read() {
                Reply::Push(parts) => parts,
                reply => return reply,
            };
            assert_eq!(parts[0].text(), "invalidate");
            if parts[1].is_null() {
                self.copies.clear();
                continue;
            }
            for key in parts[1].elements() {
                self.copies.remove(&key.text());
                self.told += 1;
            }
        }
    }

    fn read(&mut self, key: &str) {
        if !self.copies.contains_key(key) {
            let value = self.call(&format!("GET {key}"));
            self.copies.insert(key.to_owned(), value);
        }
    }
}

fn write(number: usize, key: &str, other: &str) -> String {
    match fastrand::u32(0..40) {
        0 => "FLUSHALL".to_owned(),
        1..4 => format!("DEL {key} {other}"),
        4..6 => format!("RENAME {key} {other}"),
        6..8 => format!("COPY {key} {other} REPLACE"),
        8..12 => format!("SET {key} {number} PX 2"),
        12..16 => format!("APPEND {key} {number}"),
        16..20 => format!("MSET {key} {number} {other} {number}"),
        _ => format!("SET {key} {number}"),
    }
}

#[test]
fn copies_are_right_whoever_writes() {
    let server = Server::millstream(&["--worker-threads", "4", "--appendonly", "no"]);
    let name = |number: usize| format!("key-{number}");
    let modes = ["", "NOLOOP", "BCAST", "BCAST PREFIX key-1 PREFIX key-0", "BCAST NOLOOP", "OPTOUT"];
    let run = |how: &'static str| {
        let mut cache = Cache::new(&server, how);
        let mut plain = server.client();
        let is_told_of = |key: &str| !how.contains("PREFIX") || key.starts_with("key-1") || key == "key-0";
        for number in 0..ROUNDS {
            let [key, other] = [(); 2].map(|()| name(fastrand::usize(..KEYS)));
            match fastrand::u32(0..10) {
                0 => drop(plain.call(&write(number, &key, &other))),
                1 => {
                    cache.call(&write(number, &key, &other));
                    // What it changes itself it may not be told.
                    if how.contains("NOLOOP") {
                        cache.copies.remove(&key);
                        cache.copies.remove(&other);
                    }
                }
                _ if is_told_of(&key) => cache.read(&key),
                _ => {}
            }
        }
        cache
    };
    let mut caches: Vec<Cache> = thread::scope(|scope| {
        let threads: Vec<_> = modes.map(|how| scope.spawn(move || run(how))).into_iter().collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // The keys whose time is up are gone by then.
    thread::sleep(std::time::Duration::from_millis(300));
    let mut client = server.client();
    client.switch_to(3);
    for (cache, how) in caches.iter_mut().zip(modes) {
        // What is on its way was sent before this.
        cache.call("PING");
        assert!(cache.told > ROUNDS / 20, "{how}: told of {} keys", cache.told);
        for (key, copy) in &cache.copies {
            let value = client.call(&format!("GET {key}"));
            assert!(*copy == value, "{how}: the copy of {key} is {copy}, and it holds {value}");
        }
    }
    assert_eq!(info(&mut client, "tracking_clients"), 6);
    drop(caches);
    await_true("all are gone", || info(&mut client, "tracking_clients") == 0);
    await_true("nothing is remembered", || info(&mut client, "tracking_total_items") == 0);
    assert_eq!(info(&mut client, "tracking_total_keys"), 0);
}

#[test]
fn what_is_remembered_is_bounded() {
    let server = Server::millstream(&["--worker-threads", "4", "--appendonly", "no"]);
    let mut client = server.client();
    let mut cache = Cache::new(&server, "");
    client.check("CONFIG SET tracking-table-max-keys 1000", "OK");
    let before = info(&mut client, "used_memory");
    for number in 0..10_000 {
        cache.read(&format!("a-key-with-a-rather-long-name-{number}"));
    }
    cache.call("PING");
    assert_eq!(info(&mut client, "tracking_total_keys"), 1000);
    assert_eq!(cache.copies.len(), 1000, "it was told of those that were given up");
    assert!(info(&mut client, "used_memory") < before + (2 << 20));
    client.check("CONFIG SET tracking-table-max-keys 10", "OK");
    cache.call("PING");
    assert_eq!((cache.copies.len(), info(&mut client, "tracking_total_items")), (10, 10));
}

#[test]
fn who_tracks_and_does_not_read_is_closed() {
    let server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    client.check("CONFIG SET client-output-buffer-limit \"pubsub 1mb 0 0\"", "OK");
    let _slow = Cache::new(&server, "BCAST");
    let key = "k".repeat(32 * 1024);
    for sent in 0.. {
        client.check(&format!("SET {key} 1"), "OK");
        if info(&mut client, "client_output_buffer_limit_disconnections") == 1 {
            break;
        }
        assert!(sent < 4000, "it is never closed");
    }
    await_true("its tracking ends", || info(&mut client, "tracking_clients") == 0);
}
