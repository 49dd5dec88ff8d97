//! The fuzz targets' bodies over seeded random inputs: those of `fuzz/`, without a fuzzer. What makes inputs here is random
//! changes of good ones.
//!
//! `MILLSTREAM_FUZZ_SECONDS` is the time for each; the inputs are the same each time, how far they come is not.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::harness::{Server, encode_request};

#[allow(unreachable_pub, reason = "it is a crate's root, for the fuzzer")]
#[path = "../../fuzz/src/lib.rs"]
mod bodies;

/// Gives a body inputs until the time is up; tells which one it failed on.
fn run(body: fn(&[u8]), mut make: impl FnMut(&mut Rng) -> Vec<u8>) {
    let seconds = std::env::var("MILLSTREAM_FUZZ_SECONDS").map_or(2.0, |text| text.parse().unwrap());
    let started = Instant::now();
    let mut inputs = 0_u64;
    while started.elapsed() < Duration::from_secs_f64(seconds) {
        let input = make(&mut Rng::with_seed(inputs));
        if let Err(what) = std::panic::catch_unwind(|| body(&input)) {
            eprintln!("seed {inputs}: \"{}\"", input.escape_ascii());
            std::panic::resume_unwind(what);
        }
        inputs += 1;
    }
    println!("{inputs} inputs");
    assert!(inputs > 20, "only {inputs} inputs in {seconds} s");
}

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(0..from.len())]
}

/// Changes some bytes, takes some out, puts some in, or repeats a piece.
fn damage(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(0..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(0..bytes.len());
        let end = (at + random.usize(0..12)).min(bytes.len());
        match random.u32(0..5) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] = *b"*$\r\n0123-\"' #\0"[..].get(random.usize(0..15)).unwrap_or(&b'*'),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.truncate(at),
        }
    }
}

#[test]
fn requests_are_decoded() {
    let words =
        ["", "a", "XADD", "\r\n", "*1\r\n", "\"a\\x41\"", "' '", "\"", "longer than the others", "\0"];
    run(bodies::decode_requests, |random| {
        let mut bytes = vec![random.u8(..)];
        for _ in 0..random.usize(1..4) {
            let args: Vec<&str> = (0..random.usize(1..5)).map(|_| pick(random, &words)).collect();
            match random.u32(0..4) {
                0 => bytes.extend_from_slice(format!("{}\r\n", args.join(" ")).as_bytes()),
                _ => bytes.extend(encode_request(&args)),
            }
            damage(random, &mut bytes);
        }
        bytes
    });
}

#[test]
fn payloads_are_decoded() {
    let bodies: Vec<Vec<u8>> = (0..20)
        .map(|seed| {
            let mut payload = crate::dump::make_payload(seed);
            payload.truncate(payload.len() - 10);
            payload
        })
        .collect();
    run(bodies::decode_payloads, |random| {
        let mut body = bodies[random.usize(0..bodies.len())].clone();
        damage(random, &mut body);
        body
    });
}

const RDB_FILES: [&[u8]; 2] = [
    include_bytes!("../../src/rdb/file/samples/redis-7.0.rdb"),
    include_bytes!("../../src/rdb/file/samples/redis-8.6.rdb"),
];

#[test]
fn rdb_files_are_read() {
    run(bodies::read_rdb_files, |random| {
        let mut bytes = RDB_FILES[random.usize(0..RDB_FILES.len())].to_vec();
        damage(random, &mut bytes);
        bytes
    });
}

#[test]
fn commands_are_executed() {
    let names: Vec<String> =
        millstream::command::table().iter().map(|command| command.full_name.clone()).collect();
    let words = [
        "a",
        "b",
        "g",
        "x",
        "0",
        "1",
        "2-1",
        "3-*",
        "*",
        "$",
        ">",
        "-",
        "+",
        "(1",
        "STREAMS",
        "COUNT",
        "GROUP",
        "MAXLEN",
        "MINID",
        "~",
        "=",
        "LIMIT",
        "MKSTREAM",
        "ENTRIESREAD",
        "IDLE",
        "TIME",
        "RETRYCOUNT",
        "FORCE",
        "JUSTID",
        "LASTID",
        "FULL",
        "NX",
        "XX",
        "GET",
        "EX",
        "PX",
        "REPLACE",
        "DB",
        "MATCH",
        "TYPE",
        "BLOCK",
        "NOACK",
        "KEEPTTL",
        "PERSIST",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551615-18446744073709551615",
        "9223372036854775808",
        "1e400",
        "0.1",
        "",
    ];
    run(bodies::execute_commands, |random| {
        let mut bytes = b"XGROUP CREATE a g 0 MKSTREAM\nXADD a 1-1 f v\nXADD a 2-1 f w\nXREADGROUP GROUP g x STREAMS a >\n".to_vec();
        for _ in 0..random.usize(1..20) {
            let name = names[random.usize(0..names.len())].replace('|', " ");
            let mut args: Vec<&str> = name.split(' ').collect();
            args.extend((0..random.usize(0..9)).map(|_| pick(random, &words)));
            bytes.extend(encode_request(&args));
        }
        bytes
    });
}

/// A log that a server wrote.
fn written_log() -> Vec<u8> {
    let mut server = Server::millstream(&["--appendfsync", "always"]);
    let mut client = server.client();
    client.check("XGROUP CREATE s g 0 MKSTREAM", "OK");
    for number in 1..20 {
        client.check(&format!("XADD s {number}-1 field value"), &format!("\"{number}-1\""));
    }
    client.call("XREADGROUP GROUP g c COUNT 5 STREAMS s >");
    client.check("MULTI", "OK");
    client.check("SET k v", "QUEUED");
    client.check("DEL k", "QUEUED");
    client.check("EXEC", "[OK, 1]");
    server.kill();
    std::fs::read(server.log_file()).unwrap()
}

#[test]
fn logs_are_recovered() {
    let (ours, plain) = (written_log(), encode_request(&["XADD", "s", "1-1", "a", "b"]).repeat(3));
    run(bodies::recover_log, |random| {
        let mut bytes = match random.u32(0..7) {
            0 => plain.clone(),
            1 => [&ours[..], &plain].concat(),
            6 => [RDB_FILES[0], &plain].concat(),
            2 => (0..random.usize(0..40)).map(|_| random.u8(..)).collect(),
            _ => ours.clone(),
        };
        damage(random, &mut bytes);
        bytes
    });
}
