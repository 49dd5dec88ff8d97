//! DUMP and RESTORE: between Millstream and itself, and between it and redis-server in both directions.

use fastrand::Rng;

use crate::harness::{Client, Program, Reply, Server};

/// What Redis 7.0 does not know, the lag, and what groups have read, which is told from the lag where Redis does not know it. (The
/// counter in the payload is compared with the payload.)
const FOREIGN: &[&[u8]] = &[
    b"active-time",
    b"entries-read",
    b"lag",
    b"nacked-count",
    b"idmp-duration",
    b"idmp-maxsize",
    b"pids-tracked",
    b"iids-tracked",
    b"iids-added",
    b"iids-duplicates",
];

/// The elements of an array in a text, but for the fields that are named, and their values.
fn describe(reply: &Reply, left_out: &[&[u8]], text: &mut String) {
    let Reply::Array(elements) = reply else {
        text.push_str(&format!("{reply} "));
        return;
    };
    text.push('[');
    let mut elements = elements.iter();
    while let Some(element) = elements.next() {
        if matches!(element, Reply::Bulk(name) if left_out.contains(&&name[..])) {
            elements.next();
        } else {
            describe(element, left_out, text);
        }
    }
    text.push_str("] ");
}

/// All that can be seen of a stream.
fn describe_stream(client: &mut Client, key: &str, left_out: &[&[u8]]) -> String {
    let mut text = String::new();
    let mut lines =
        vec![format!("XINFO STREAM {key} FULL COUNT 0"), format!("XRANGE {key} - +"), format!("XLEN {key}")];
    for group in client.call(&format!("XINFO GROUPS {key}")).elements() {
        let name = group.field("name").unwrap().text();
        lines.push(format!("XPENDING {key} {name}"));
    }
    for line in lines {
        describe(&client.call(&line), left_out, &mut text);
    }
    text
}

/// Commands that bring about some state of the stream `s`, the same wherever they are executed.
fn make_commands(random: &mut Rng) -> Vec<String> {
    let pick = |random: &mut Rng, from: &[&'static str]| from[random.usize(0..from.len())];
    let groups = ["g", "12", "other"];
    let consumers = ["alice", "bob", "-7", "carol"];
    let names = ["name", "7", "a-longer-name"];
    let mut commands = vec![
        format!("CONFIG SET stream-node-max-entries {}", random.u32(1..6)),
        "XADD s 1-1 name first".to_owned(),
        "XGROUP CREATE s g 0".to_owned(),
    ];
    let mut last = 1;
    for _ in 0..random.usize(5..60) {
        let group = pick(random, &groups);
        let consumer = pick(random, &consumers);
        let id = random.u64(1..last + 2);
        commands.push(match random.u32(0..13) {
            0..5 => {
                last += random.u64(1..3);
                let mut command = format!("XADD s {last}-{}", random.u32(0..3));
                for _ in 0..random.u32(1..3) {
                    let value = match random.u32(0..4) {
                        0 => random.i64(-300..300).to_string(),
                        1 => random.i64(..).to_string(),
                        _ => "v".repeat(random.usize(1..100)),
                    };
                    command.push_str(&format!(" {} {value}", pick(random, &names)));
                }
                command
            }
            5 => format!("XDEL s {id}-0 {id}-1 {id}-2"),
            6 => format!("XTRIM s MAXLEN {}", random.u32(5..40)),
            7 => format!("XGROUP CREATE s {group} {id}-0 ENTRIESREAD {}", random.u32(0..9)),
            8 => format!("XGROUP CREATECONSUMER s {group} {consumer}"),
            9 | 10 => format!("XREADGROUP GROUP {group} {consumer} COUNT {} STREAMS s >", random.u32(1..9)),
            11 => format!("XACK s {group} {id}-0 {id}-1"),
            _ => format!(
                "XCLAIM s {group} {consumer} 0 {id}-0 {id}-1 TIME {} RETRYCOUNT {}",
                random.u64(1..1_700_000_000_000),
                random.u32(0..300)
            ),
        });
    }
    commands
}

fn dump(client: &mut Client, key: &str) -> Vec<u8> {
    match client.call(&format!("DUMP {key}")) {
        Reply::Bulk(payload) => payload,
        other => panic!("a payload was expected, not {other}"),
    }
}

/// The payload of some stream.
pub(crate) fn make_payload(seed: u64) -> Vec<u8> {
    let server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    for command in make_commands(&mut Rng::with_seed(seed)) {
        client.call(&command);
    }
    dump(&mut client, "s")
}

#[track_caller]
fn restore(client: &mut Client, key: &str, payload: &[u8]) {
    restore_until(client, key, "0", payload, "");
}

#[track_caller]
fn restore_until(client: &mut Client, key: &str, ttl: &str, payload: &[u8], options: &str) {
    let mut args: Vec<&[u8]> = vec![b"RESTORE", key.as_bytes(), ttl.as_bytes(), payload];
    args.extend(options.split_whitespace().map(str::as_bytes));
    let reply = client.call_args(&args);
    assert_eq!(reply, Reply::Simple("OK".into()), "{}", payload.escape_ascii());
}

#[test]
fn streams_go_from_server_to_server() {
    let ours = Server::millstream(&["--appendonly", "no"]);
    let redis = Server::start(Program::Redis, &["--appendonly", "no", "--sanitize-dump-payload", "yes"]);
    let (mut ours, mut redis) = (ours.client(), redis.client());
    let mut with_pending = 0;
    for seed in 0..150 {
        ours.call("FLUSHALL");
        redis.call("FLUSHALL");
        redis.call(if seed % 2 == 0 {
            "CONFIG SET rdbcompression yes"
        } else {
            "CONFIG SET rdbcompression no"
        });
        let mut random = Rng::with_seed(seed);
        for command in make_commands(&mut random) {
            let (mine, theirs) = (ours.call(&command), redis.call(&command));
            assert_eq!(mine.is_error(), theirs.is_error(), "seed {seed}: {command}: {mine} {theirs}");
        }
        let whole = describe_stream(&mut ours, "s", &[]);
        let of_ours = describe_stream(&mut ours, "s", FOREIGN);
        let of_redis = describe_stream(&mut redis, "s", FOREIGN);
        with_pending += u32::from(whole.contains("\"bob\""));

        let payload = dump(&mut ours, "s");
        restore(&mut ours, "own", &payload);
        assert_eq!(describe_stream(&mut ours, "own", &[]), whole, "seed {seed}");
        assert_eq!(dump(&mut ours, "own"), payload, "seed {seed}");
        restore(&mut redis, "from-ours", &payload);
        assert_eq!(describe_stream(&mut redis, "from-ours", FOREIGN), of_ours, "seed {seed}");

        let payload = dump(&mut redis, "s");
        restore(&mut ours, "from-redis", &payload);
        assert_eq!(describe_stream(&mut ours, "from-redis", FOREIGN), of_redis, "seed {seed}");
        // What comes back there from here is what went out.
        redis.call("CONFIG SET rdbcompression no");
        let plain = dump(&mut redis, "s");
        assert_eq!(dump(&mut ours, "from-redis"), plain, "seed {seed}");

        // They are divided alike: `~` cuts at the same places, before and after further entries.
        let keys = ["s", "own", "from-redis"];
        for step in 0..6 {
            let entry = format!("{}-0 name {step}", 900_000 + step);
            let replies = keys.map(|key| {
                ours.call(&format!("XADD {key} {entry}"));
                ours.call(&format!("XTRIM {key} MAXLEN ~ {}", 12 - 2 * step)).to_string()
            });
            redis.call(&format!("XADD from-ours {entry}"));
            let theirs = redis.call(&format!("XTRIM from-ours MAXLEN ~ {}", 12 - 2 * step)).to_string();
            assert!(replies.iter().all(|reply| *reply == theirs), "seed {seed}: {replies:?} {theirs}");
        }
    }
    assert!(with_pending > 20, "only {with_pending} streams had a consumer bob");
}

#[test]
fn strings_lists_and_sets_go_from_server_to_server() {
    let ours = Server::millstream(&["--appendonly", "no"]);
    let redis = Server::start(Program::Redis, &["--appendonly", "no"]);
    let (mut ours, mut redis) = (ours.client(), redis.client());
    for (key, fill, read) in [
        ("number", "SET number -70000".to_owned(), "GET number"),
        ("long-number", "SET long-number 9223372036854775807".to_owned(), "GET long-number"),
        ("text", "SET text \"a\\x00\\xffb\"".to_owned(), "GET text"),
        ("empty", "SET empty \"\"".to_owned(), "GET empty"),
        ("compressed", format!("SET compressed {}", "abcdefgh".repeat(5000)), "GET compressed"),
        ("list", "RPUSH list 1 b -5000 \"\" 123456789012".to_owned(), "LRANGE list 0 -1"),
        (
            "long-list",
            format!("RPUSH long-list {} b {}", "x".repeat(20_000), "c".repeat(9000)),
            "LRANGE long-list 0 -1",
        ),
        ("set", "SADD set a".to_owned(), "SMEMBERS set"),
        ("numbers", "SADD numbers 1".to_owned(), "SMEMBERS numbers"),
        ("wide", "SADD wide 9000000000".to_owned(), "SMEMBERS wide"),
    ] {
        // Lists are pushed to at the other end here.
        let own_fill = fill.replacen("RPUSH", "LPUSH", 1);
        assert!(!ours.call(&own_fill).is_error(), "{own_fill}");
        assert!(!redis.call(&fill).is_error(), "{fill}");
        let (of_ours, of_redis) = (ours.call(read), redis.call(read));
        let (payload, from_redis) = (dump(&mut ours, key), dump(&mut redis, key));
        for client in [&mut ours, &mut redis] {
            for (payload, expected) in [(&payload, &of_ours), (&from_redis, &of_redis)] {
                client.call(&format!("DEL {key}"));
                restore(client, key, payload);
                assert_eq!(&client.call(read), expected, "{key}");
            }
        }
    }
}

#[test]
fn restored_keys_are_recovered() {
    let mut server = Server::millstream(&["--appendfsync", "always", "--enable-debug-command", "yes"]);
    let redis = Server::start(Program::Redis, &["--appendonly", "no"]);
    let (mut client, mut redis) = (server.client(), redis.client());
    for command in make_commands(&mut Rng::with_seed(1)) {
        redis.call(&command);
    }
    let payload = dump(&mut redis, "s");
    restore(&mut client, "s", &payload);
    restore_until(&mut client, "timed", "100000000", &payload, "");
    restore_until(&mut client, "timed", "33000000000000", &payload, "ABSTTL REPLACE");
    restore_until(&mut client, "gone", "1", &payload, "ABSTTL");
    client.call("SET replaced x");
    restore_until(&mut client, "replaced", "1", &payload, "REPLACE ABSTTL");
    // The set of `a` and 12 as Redis 8.6 dumps it: the log holds it as Redis 7.0 reads it.
    let newer = b"\x14\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x0c\x01\xff\x0d\x00\xd6\xe4H\x83\x07HOc";
    restore(&mut client, "newer", newer);
    let describe_all = |client: &mut Client| {
        let mut text = describe_stream(client, "s", &[]) + &describe_stream(client, "timed", &[]);
        for line in [
            "PEXPIRETIME timed",
            "EXISTS gone",
            "EXISTS replaced",
            "SMISMEMBER newer a 12",
            "SCARD newer",
            "DBSIZE",
        ] {
            text.push_str(&format!("{line}: {}\n", client.call(line)));
        }
        text
    };
    let (expected, dumped) = (describe_all(&mut client), dump(&mut client, "timed"));
    assert!(expected.contains("PEXPIRETIME timed: 33000000000000\nEXISTS gone: 0\nEXISTS replaced: 0\n"));
    server.kill();
    server.restart();
    let mut client = server.client();
    assert_eq!(describe_all(&mut client), expected);
    assert_eq!(dump(&mut client, "timed"), dumped);
    // By a rewrite, too.
    client.check("DEBUG RELOAD", "OK");
    assert_eq!(describe_all(&mut client), expected);
    assert_eq!(dump(&mut client, "timed"), dumped);
}

/// What Redis 7.0's form of a stream has no place for.
#[test]
fn what_redis_has_no_place_for_comes_back_here() {
    let mut server = Server::millstream(&["--appendfsync", "always"]);
    let redis = Server::start(Program::Redis, &["--appendonly", "no", "--sanitize-dump-payload", "yes"]);
    let (mut ours, mut redis) = (server.client(), redis.client());
    for command in [
        "XADD s 1-1 a 1",
        "XADD s 2-1 a 2",
        "XADD s 3-1 a 3",
        "XGROUP CREATE s g 0",
        "XGROUP CREATE s h 0",
        "XREADGROUP GROUP g alice STREAMS s >",
        "XNACK s g FAIL IDS 1 3-1",
        "XNACK s g FATAL IDS 1 1-1",
        "XGROUP CREATECONSUMER s g never-active",
        "XCFGSET s IDMP-DURATION 86400",
        "XADD s IDMP producer 7 * a 4",
        "XADD s IDMPAUTO producer * a 5",
        "XADD s IDMP producer 7 * a 4",
    ] {
        assert!(!ours.call(command).is_error(), "{command}");
    }
    let payload = dump(&mut ours, "s");
    restore(&mut ours, "own", &payload);
    assert_eq!(describe_stream(&mut ours, "own", &[]), describe_stream(&mut ours, "s", &[]));
    assert_eq!(dump(&mut ours, "own"), payload);
    let expected = describe_stream(&mut ours, "own", &[]);
    server.kill();
    server.restart();
    let mut ours = server.client();
    assert_eq!(describe_stream(&mut ours, "own", &[]), expected, "recovered");
    assert_eq!(dump(&mut ours, "own"), payload);
    let add = |key| format!("XADD {key} IDMP producer 7 * a 4");
    assert_eq!(ours.call(&add("own")), ours.call(&add("s")), "it is remembered");
    let claim = |key| format!("XREADGROUP GROUP g bob CLAIM 0 COUNT 2 STREAMS {key} >");
    // In a transaction, where the time stands still.
    ours.check("MULTI", "OK");
    ours.check(&claim("own"), "QUEUED");
    ours.check(&claim("s"), "QUEUED");
    let claimed = ours.call("EXEC");
    let [of_own, of_s] = claimed.elements() else { panic!("{claimed}") };
    assert_eq!(
        of_own.to_string().replace("\"own\"", "\"s\""),
        of_s.to_string(),
        "in the order in which they were handed back"
    );
    restore(&mut redis, "s", &payload);
    redis.check("XPENDING s g", "[1, \"2-1\", \"2-1\", [[\"alice\", \"1\"]]]");
}
