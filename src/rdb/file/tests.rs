//! Files written by redis-server, files put together by hand, and files that are broken.

use std::io::{self, Read};

use super::*;
use crate::engine::Value;
use crate::rdb::payload::CRC64;

/// All types of values that redis-server 7.0 has, in the forms that it uses for small and for large ones, and a function.
const REDIS_7_0: &[u8] = include_bytes!("samples/redis-7.0.rdb");
/// The same from redis-server 8.6, with hashes whose fields expire, and a vector set.
const REDIS_8_6: &[u8] = include_bytes!("samples/redis-8.6.rdb");

fn describe(item: FileItem) -> String {
    match item {
        FileItem::Function(code) => format!("function {}", code.escape_ascii()),
        FileItem::ModuleData(name) => format!("module {name}"),
        FileItem::Key(FileKey { db, key, expires_at_ms, idle_s, content }) => {
            let content = match content {
                Content::Value(value) => match &value {
                    Value::String(string) => {
                        string.with_bytes(|bytes| format!("string {}", bytes.escape_ascii()))
                    }
                    Value::List(list) => {
                        format!(
                            "list {}",
                            list.iter()
                                .map(|text| text.escape_ascii().to_string())
                                .collect::<Vec<_>>()
                                .join(" ")
                        )
                    }
                    Value::Set(set) => {
                        let mut members: Vec<_> =
                            set.iter().map(|text| text.escape_ascii().to_string()).collect();
                        members.sort_unstable();
                        format!("set {}", members.join(" "))
                    }
                    Value::Stream(stream) => {
                        stream.check_invariants();
                        let pending: usize =
                            stream.groups().iter().map(|(_, group)| group.pending().len() as usize).sum();
                        format!("stream {} {} {pending}", stream.len(), stream.last_id())
                    }
                },
                Content::Foreign(name) => format!("foreign {name}"),
            };
            let expiry = expires_at_ms.map(|at| format!(" until {at}")).unwrap_or_default();
            let idle = idle_s.map(|idle| format!(" idle {idle}")).unwrap_or_default();
            format!("{db} {} {content}{expiry}{idle}", key.escape_ascii())
        }
    }
}

/// The items in alphabetical order, and how it ends.
fn read(input: impl Read) -> (Vec<String>, Result<u64, String>) {
    let mut items = Vec::new();
    let mut reader = match FileReader::new(input, 1 << 20) {
        Ok(reader) => reader,
        Err(error) => return (items, Err(error.to_string())),
    };
    let end = loop {
        match reader.read_item() {
            Ok(Some(item)) => items.push(describe(item)),
            Ok(None) => break Ok(reader.offset()),
            Err(error) => break Err(format!("{}: {error}", error.offset)),
        }
    };
    items.sort_unstable();
    (items, end)
}

const EXPECTED: &[&str] = &[
    "0 bighash foreign hash",
    "0 hash foreign hash",
    "0 integers set 1 70000",
    "0 list list a 1 bbbbbbbbb",
    "0 long string aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "0 longlist list a b c d e",
    "0 manyscores foreign zset",
    "0 manywords set a b c",
    "0 number string 12",
    "0 scores foreign zset",
    "0 stream stream 2 2-1 1",
    "0 text string hello until 4000000000000",
    "0 words set 12 a",
    "3 other string x",
    "function #!lua name=lib\\nredis.register_function(\\'f\\', function() return 1 end)",
];

#[test]
fn files_of_redis_are_read() {
    let (items, end) = read(REDIS_7_0);
    assert_eq!(
        (items, end),
        (EXPECTED.iter().map(|text| (*text).to_owned()).collect(), Ok(REDIS_7_0.len() as u64))
    );

    let (items, end) = read(REDIS_8_6);
    let newer = ["0 expiring foreign hash", "0 expiringsmall foreign hash", "0 vectors foreign vectorset"];
    let mut expected: Vec<String> = EXPECTED.iter().chain(&newer).map(|text| (*text).to_owned()).collect();
    expected.sort_unstable();
    assert_eq!((items, end), (expected, Ok(REDIS_8_6.len() as u64)));

    let mut reader = FileReader::new(REDIS_8_6, 1 << 20).unwrap();
    reader.read_item().unwrap();
    assert_eq!((reader.version(), reader.written_by()), (13, Some("8.6.3")));
}

/// A file with these bytes between head and end.
fn file(version: &str, body: &[u8], with_checksum: bool) -> Vec<u8> {
    let mut data = [b"REDIS", version.as_bytes(), body, b"\xff"].concat();
    let checksum = if with_checksum { CRC64.checksum(&data) } else { 0 };
    data.extend_from_slice(&checksum.to_le_bytes());
    data
}

#[track_caller]
fn check(body: &[u8], expected: &[&str]) {
    for with_checksum in [true, false] {
        let data = file("0009", body, with_checksum);
        // What follows is left alone: an append-only file goes on with commands.
        let len = data.len() as u64;
        let (items, end) = read(&[&data[..], b"*1\r\n"].concat()[..]);
        assert_eq!((items.iter().map(String::as_str).collect::<Vec<_>>(), end), (expected.to_vec(), Ok(len)));
    }
}

#[test]
fn forms_of_older_servers() {
    check(b"\xfd\x00\x10\x00\x00\x00\x01k\x01v", &["0 k string v until 4096000"]);
    check(b"\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01k\x01v", &["0 k string v until 0"]);
    check(b"\xf8\x07\x00\x01k\x01v\xf9\x09\x00\x01l\x01w", &["0 k string v idle 7", "0 l string w"]);
    check(
        b"\x03\x01z\x03\x01a\x031.5\x01b\xfe\x01c\xfd\x00\x01k\x01v",
        &["0 k string v", "0 z foreign zset"],
    );
    check(
        b"\x09\x01h\x02xy\x0c\x01z\x02xy\x0d\x01i\x02xy",
        &["0 h foreign hash", "0 i foreign hash", "0 z foreign zset"],
    );
    // A list of Redis 3.2 to 6.2 (nodes that are ziplists) and one before that.
    let ziplist = b"\x0f\x00\x00\x00\x0a\x00\x00\x00\x02\x00\x00\xf2\x02\xf3\xff";
    check(&[b"\x0a\x01l\x0f", &ziplist[..]].concat(), &["0 l list 1 2"]);
    check(&[b"\x0e\x01l\x02\x0f", &ziplist[..], b"\x0f", ziplist].concat(), &["0 l list 1 2 1 2"]);
    // A module's value with all kinds of parts, and data that a module keeps beside keys.
    let module = b"\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00";
    let parts = b"\x01\x05\x02\x06\x030123\x0401234567\x05\x03abc\x00";
    check(&[b"\x07\x01m", &module[..], parts].concat(), &["0 m foreign vectorset"]);
    check(&[b"\xf7", &module[..], b"\x02\x01", parts].concat(), &["module vectorset"]);
    check(b"\xf4\x01\x02\x03\xf3\x010123\x01\x05\x00\x00\x01k\x01v", &["0 k string v"]);
    // No checksum before version 5.
    assert_eq!(read(&b"REDIS0004\x00\x01k\x01v\xff"[..]), (vec!["0 k string v".to_owned()], Ok(15)));
}

#[test]
fn what_is_no_file_is_told() {
    let refused = |data: &[u8]| read(data).1.unwrap_err();
    assert_eq!(refused(b"*1\r\n$4\r\nPING\r\n"), "it is no RDB file");
    assert_eq!(refused(b"REDIS"), "it ends too early");
    assert_eq!(
        refused(&file("0099", b"", true)),
        "it is an RDB file of version 99; versions 1 to 13 are known"
    );
    assert_eq!(refused(b"REDIS+001\xff"), "it is no RDB file");
}

#[test]
fn damage_is_told_with_its_place() {
    let refused = |body: &[u8]| read(&file("0009", body, true)[..]).1.unwrap_err();
    assert_eq!(
        refused(b"\x00\x01k\x01v\x02\x01s\x02\x01a\x01a"),
        "14: a set has a member twice (in the value of the key \"s\")"
    );
    assert_eq!(
        refused(b"\x06\x01m\x01"),
        "9: a module's value in a form whose end cannot be found (in the value of the key \"m\")"
    );
    assert_eq!(
        refused(b"\x16\x01h\x01"),
        "9: a value of no known type, whose end cannot be found (in the value of the key \"h\")"
    );
    // A length that is claimed is not allocated.
    let claims = [b"REDIS0009\x00\x01k\x81\x00\x00\x7f\xff\xff\xff\xff\xff", &[b'x'; 100][..]].concat();
    assert_eq!(read(&claims[..]).1, Err("9: it ends too early (in the value of the key \"k\")".to_owned()));

    let mut data = REDIS_7_0.to_vec();
    let at = data.len() - 1;
    data[at] ^= 1;
    assert!(read(&data[..]).1.unwrap_err().ends_with("the checksum at its end is wrong"));
    for len in 0..REDIS_7_0.len() {
        assert!(read(&REDIS_7_0[..len]).1.is_err(), "cut to {len}");
    }
    for at in 9..REDIS_8_6.len() - 8 {
        let mut data = REDIS_8_6.to_vec();
        data[at] ^= 0x10;
        assert!(read(&data[..]).1.is_err(), "byte {at} changed");
    }
}

#[test]
fn a_failure_of_the_system_is_told_as_such() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err(io::Error::from_raw_os_error(5)) } else { self.0.read(buffer) }
        }
    }
    let mut reader = FileReader::new(Failing(&REDIS_7_0[..300]), 1 << 20).unwrap();
    let error = loop {
        match reader.read_item() {
            Ok(item) => assert!(item.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.cause, FileCause::System(_)), "{error}");
}

#[test]
fn broken_files_end_too() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..4000 {
        let mut data = if random.bool() { REDIS_7_0.to_vec() } else { REDIS_8_6.to_vec() };
        for _ in 0..random.usize(1..4) {
            let at = random.usize(9..data.len());
            data[at] = if random.bool() {
                random.u8(..)
            } else {
                [0x80, 0x81, 0xc3, 0xf7, 0xff][random.usize(0..5)]
            };
        }
        crate::rdb::exercise_file(&data);
    }
}
