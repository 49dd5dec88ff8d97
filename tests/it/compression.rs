//! `stream-compress-after`: what clients see is the same, and memory is saved.

use fastrand::Rng;

use crate::harness::{Client, Reply, Server, await_true};

/// Nothing that these commands answer depends on the clock.
fn any_command(random: &mut Rng, last: &mut u64) -> String {
    let id = |random: &mut Rng, last: u64| format!("{}-1", random.u64(0..last + 3));
    match random.u32(0..40) {
        0..24 => {
            *last += random.u64(1..3);
            format!(
                "XADD s {last}-1 order_id {} sku SKU-{:05} qty {} status {}",
                10_000_000 + *last,
                random.u32(..100_000),
                random.u32(1..10),
                ["new", "paid", "packed"][random.usize(0..3)]
            )
        }
        24..27 => format!("XDEL s {} {} {}", id(random, *last), id(random, *last), id(random, *last)),
        27 => {
            let start = random.u64(0..*last + 1);
            let ids: Vec<_> = (start..start + random.u64(1..200)).map(|ms| format!("{ms}-1")).collect();
            format!("XDELEX s ACKED IDS {} {}", ids.len(), ids.join(" "))
        }
        28 => format!("XTRIM s MAXLEN ~ {}", random.u64(1500..3000)),
        29 => format!("XTRIM s MAXLEN {}", random.u64(2000..4000)),
        30 => format!("XTRIM s MINID {} {}", ["~", "="][random.usize(0..2)], last.saturating_sub(4000)),
        31 => format!("XRANGE s {} + COUNT {}", id(random, *last), random.u32(1..300)),
        32 => format!("XREVRANGE s {} - COUNT {}", id(random, *last), random.u32(1..300)),
        33 => format!("XREADGROUP GROUP g c COUNT {} NOACK STREAMS s >", random.u32(1..200)),
        34 => {
            format!("XCLAIM s g c 0 {} {} TIME 1000 RETRYCOUNT 1 FORCE", id(random, *last), id(random, *last))
        }
        35 => format!("XAUTOCLAIM s g c 0 {} COUNT 10 JUSTID", id(random, *last)),
        36 => format!("XACKDEL s g KEEPREF IDS 1 {}", id(random, *last)),
        37 => format!("XGROUP SETID s g {}", id(random, *last)),
        38 => format!("XREAD COUNT 50 STREAMS s {}", id(random, *last)),
        _ => "XINFO STREAM s".to_owned(),
    }
}

fn look(client: &mut Client) -> Vec<Reply> {
    ["XRANGE s - +", "XREVRANGE s + -", "XINFO STREAM s", "XINFO GROUPS s", "XPENDING s g", "XRANGE copy - +"]
        .iter()
        .map(|line| client.call(line))
        .collect()
}

fn copy_by_dump(client: &mut Client) {
    let Reply::Bulk(payload) = client.call("DUMP s") else { panic!("s is there") };
    let reply = client.call_args(&[b"RESTORE".as_slice(), b"copy", b"0", &payload, b"REPLACE"]);
    assert!(!reply.is_error(), "{reply}");
}

#[test]
fn clients_see_no_difference() {
    for (seed, threads) in [(1, "1"), (2, "4")] {
        let arguments = ["--appendfsync", "no", "--worker-threads", threads];
        let mut plain = Server::millstream(&arguments);
        let mut compressed =
            Server::millstream(&[&arguments[..], &["--stream-compress-after", "1"]].concat());
        let (mut random, mut last) = (Rng::with_seed(seed), 0);
        for round in 0..3 {
            let mut clients = (plain.client(), compressed.client());
            for client in [&mut clients.0, &mut clients.1] {
                client.call("XGROUP CREATE s g 0 MKSTREAM");
            }
            for _ in 0..4000 {
                let line = any_command(&mut random, &mut last);
                assert_eq!(clients.0.call(&line), clients.1.call(&line), "{line}");
            }
            copy_by_dump(&mut clients.0);
            copy_by_dump(&mut clients.1);
            let expected = look(&mut clients.0);
            assert_eq!(look(&mut clients.1), expected);
            if round == 1 {
                for server in [&plain, &compressed] {
                    server.client().check("BGREWRITEAOF", "Background append only file rewriting started");
                    await_true("the rewrite's end", || {
                        server.client().call("INFO persistence").text().contains("aof_rewrite_in_progress:0")
                    });
                }
            }
            drop(clients);
            for server in [&mut plain, &mut compressed] {
                server.terminate();
                server.restart();
            }
            // A rewrite forms blocks anew, and XINFO tells their number.
            let found = look(&mut plain.client());
            assert_eq!(found[0], expected[0]);
            assert_eq!(look(&mut compressed.client()), found);
        }
    }
}

fn memory_of(client: &mut Client, key: &str) -> i64 {
    client.call(&format!("MEMORY USAGE {key}")).integer()
}

/// Streams that are there when the setting comes, and such that are restored, are compressed before long; nothing is
/// unpacked when it goes.
#[test]
fn the_setting_comes_and_goes() {
    let server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    let add = |client: &mut Client, range: std::ops::Range<u64>| {
        let lines = range.map(|n| {
            format!("XADD s {n}-1 order_id {} sku SKU-{:05} status paid", n + 10_000_000, n * 7919 % 100_000)
        });
        let lines: Vec<_> = lines.collect();
        lines.iter().for_each(|line| client.send(line));
        lines.iter().for_each(|_| drop(client.read()));
    };
    add(&mut client, 1..30_000);
    let plain_bytes = memory_of(&mut client, "s");
    let before = client.call("XRANGE s - +");
    client.check("CONFIG SET stream-compress-after 2", "OK");
    await_true("the stream to be compressed", || memory_of(&mut client, "s") * 2 < plain_bytes);
    copy_by_dump(&mut client);
    await_true("its copy to be compressed", || memory_of(&mut client, "copy") * 2 < plain_bytes);
    client.check("CONFIG SET stream-compress-after 0", "OK");
    assert_eq!(client.call("XRANGE s - +"), before);
    assert_eq!(client.call("XRANGE copy - +"), before);
    let bytes = memory_of(&mut client, "s");
    add(&mut client, 30_000..60_000);
    assert!(memory_of(&mut client, "s") > bytes + plain_bytes * 9 / 10, "what is added is not compressed");
    assert!(client.call("CONFIG SET stream-compress-after -1").is_error());
}
