//! `cjson`, `cmsgpack`, `struct` and `bit` with random values: the answers are redis-server's.

use fastrand::Rng;

use crate::harness::{Program, Server};

const CASES: usize = 3000;

fn number(random: &mut Rng) -> String {
    match random.u8(..8) {
        0 => "0".into(),
        1 => random.i64(-200..200).to_string(),
        2 => random.i64(i64::from(i32::MIN) * 2..i64::from(i32::MAX) * 2).to_string(),
        3 => format!("{:.3}", random.f64() * 1000.0 - 500.0),
        4 => format!("{:e}", (random.f64() - 0.5) * 10_f64.powi(random.i32(-30..30))),
        5 => format!("2^{}", random.u8(..63)),
        6 => format!("-2^{}+1", random.u8(..53)),
        _ => random.u8(..).to_string(),
    }
}

fn text(random: &mut Rng, bytes_max: usize) -> String {
    let bytes = random.usize(..=bytes_max);
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b' ' | b'/' | b'%' => char::from(byte).to_string(),
        _ => format!("\\{byte:03}"),
    };
    let bytes = (0..bytes).map(|_| if random.bool() { random.u8(b'a'..=b'z') } else { random.u8(..) });
    format!("'{}'", bytes.map(escape).collect::<String>())
}

/// A value of Lua. Tables have one key at most that is no index: the order of more is chance.
fn value(random: &mut Rng, depth: usize) -> String {
    match random.u8(..if depth > 3 { 5 } else { 8 }) {
        0 => "nil".into(),
        1 => random.bool().to_string(),
        2 | 3 => number(random),
        4 => text(random, 40),
        5 | 6 => {
            let elements: Vec<String> = (0..random.usize(..20)).map(|_| value(random, depth + 1)).collect();
            format!("{{{}}}", elements.join(","))
        }
        _ => format!("{{[{}]={}}}", text(random, 5), value(random, depth + 1)),
    }
}

fn json(random: &mut Rng) -> String {
    if random.bool() {
        return format!("return cjson.encode({})", value(random, 0));
    }
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\\\u00e9\"",
        "\"\\\\ud83d\\\\ude00\"",
        "\"\\\\ud83d\"",
        "1",
        "-0.5",
        "1e5",
        "0x1f",
        "nan",
        "-inf",
        "true",
        "false",
        "null",
        "tru",
        " ",
        "\"",
        "\\\\",
        "01",
    ];
    let text: String = match random.bool() {
        true => (0..random.usize(1..6)).map(|_| PIECES[random.usize(..PIECES.len())]).collect(),
        false => {
            let inner: Vec<&str> = (0..random.usize(1..5)).map(|_| PIECES[random.usize(6..20)]).collect();
            format!("[{}]", inner.join(","))
        }
    };
    format!("return tostring(cjson.encode(cjson.decode('{text}')))")
}

fn msgpack(random: &mut Rng) -> String {
    match random.u8(..3) {
        0 => format!("return cmsgpack.pack({})", value(random, 0)),
        1 => format!(
            "return cjson.encode({{cmsgpack.unpack(cmsgpack.pack({},{}))}})",
            value(random, 0),
            value(random, 1)
        ),
        _ => {
            // What is claimed to be long would be refused for different reasons.
            let bytes: Vec<String> = (0..random.usize(1..6)).map(|_| random.u8(..0xc4).to_string()).collect();
            format!("return cjson.encode({{cmsgpack.unpack(string.char({}))}})", bytes.join(","))
        }
    }
}

fn structs(random: &mut Rng) -> String {
    const OPTIONS: &[&str] = &[
        "b", "B", "h", "H", "i", "I", "l", "L", "f", "d", "i3", "I5", "s", "c4", "x", "<", ">", "!4", "!",
        " ",
    ];
    let options: Vec<&str> =
        (0..random.usize(1..6)).map(|_| OPTIONS[random.usize(..OPTIONS.len())]).collect();
    let args: Vec<String> = options
        .iter()
        .filter(|option| !["x", "<", ">", "!4", "!", " "].contains(option))
        .map(|option| match *option {
            "s" => "'abc'".to_owned(),
            "c4" => "'abcdef'".to_owned(),
            _ => random.i32(-100_000..100_000).to_string(),
        })
        .collect();
    let format = options.concat();
    match random.u8(..3) {
        0 => format!(
            "return struct.pack('{format}'{}{})",
            if args.is_empty() { "" } else { "," },
            args.join(",")
        ),
        1 => format!(
            "local p = struct.pack('{format}'{}{}) return cjson.encode({{struct.unpack('{format}', p)}})",
            if args.is_empty() { "" } else { "," },
            args.join(",")
        ),
        _ => format!("return struct.size('{format}')"),
    }
}

fn bits(random: &mut Rng) -> String {
    const FUNCTIONS: &[&str] = &[
        "tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap", "tohex",
    ];
    let function = FUNCTIONS[random.usize(..FUNCTIONS.len())];
    let second = if function == "tohex" { random.i32(-9..9).to_string() } else { number(random) };
    format!("return tostring(bit.{function}({}, {second}))", number(random))
}

/// What is no fault: an address within a text.
fn is_comparable(script: &str) -> bool {
    !script.contains("tostring(nil)")
}

#[track_caller]
fn check(seed: u64, script: fn(&mut Rng) -> String) {
    let (redis, server) = (Server::start(Program::Redis, &[]), Server::millstream(&[]));
    let (mut expected, mut client) = (redis.client(), server.client());
    let mut random = Rng::with_seed(seed);
    for _ in 0..CASES {
        let script = script(&mut random);
        if is_comparable(&script) {
            let command = ["EVAL", script.as_str(), "0"];
            assert_eq!(client.call_args(&command), expected.call_args(&command), "{script}");
        }
    }
}

#[test]
fn json_is_that_of_redis() {
    check(1, json);
}

#[test]
fn message_pack_is_that_of_redis() {
    check(2, msgpack);
}

#[test]
fn structs_are_those_of_redis() {
    check(3, structs);
}

#[test]
fn bits_are_those_of_redis() {
    check(4, bits);
}
