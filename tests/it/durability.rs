//! What was acknowledged is there after a crash; damage is told.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;

use crate::harness::{PATIENCE, Server, await_true, encode_request};

/// A server that was killed after 100 entries were acknowledged.
fn killed_server(appendfsync: &str) -> Server {
    let mut server = Server::millstream(&["--appendfsync", appendfsync]);
    let mut client = server.client();
    for number in 1..=100 {
        client.check(&format!("XADD s {number}-1 number {number}"), &format!("\"{number}-1\""));
    }
    server.kill();
    server
}

#[test]
fn a_torn_tail_is_dropped_with_a_warning() {
    for cut_bytes in [1, 2, 20] {
        let mut server = killed_server("everysec");
        let path = server.log_file();
        let len = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len - cut_bytes).unwrap();
        server.restart();
        let output = server.output();
        let warning = output.lines().find(|line| line.contains("torn")).unwrap_or_default();
        assert!(warning.contains("WARN") && warning.contains("dropped"), "{output}");
        server.client().check("XLEN s", "99");
        server.client().check("XADD s 100-1 a b", "\"100-1\"");
        server.kill();
        server.restart();
        assert!(!server.output().contains("torn"), "{}", server.output());
        server.client().check("XLEN s", "100");
    }
}

#[test]
fn garbage_behind_the_end_is_dropped_with_a_warning() {
    for garbage in [&b"\0\0\0\0\0\0\0\0"[..], b"*3\r\n$4\r\nXADD\r\n$1\r\ns\r\n", b"garbage"] {
        let mut server = killed_server("everysec");
        let mut file = OpenOptions::new().append(true).open(server.log_file()).unwrap();
        file.write_all(garbage).unwrap();
        server.restart();
        let output = server.output();
        let expected = format!("dropped {} bytes at offset", garbage.len());
        assert!(output.contains(&expected), "{expected:?} is to be told: {output}");
        server.client().check("XLEN s", "100");
    }
}

#[test]
fn a_torn_tail_is_refused_where_the_settings_say_so() {
    let mut server = killed_server("everysec");
    let path = server.log_file();
    let len = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
    server.add_arguments(&["--aof-load-truncated", "no"]);
    let exit = server.try_restart().expect_err("the tail is torn");
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(exit.stderr.contains("aof-load-truncated"), "{exit:?}");
}

/// What was synced when later writes followed cannot be torn.
#[test]
fn a_flipped_byte_in_the_middle_is_refused() {
    let mut server = killed_server("always");
    let path = server.log_file();
    let bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    OpenOptions::new().write(true).open(&path).unwrap().write_at(&[bytes[at] ^ 4], at as u64).unwrap();
    let exit = server.try_restart().expect_err("the file is damaged");
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert_eq!(exit.stderr.lines().count(), 1, "{exit:?}");
    let name = path.file_name().unwrap().to_string_lossy();
    let offset = exit.stderr.split("at offset ").nth(1).and_then(|text| {
        text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<usize>().ok())
    });
    assert!(exit.stderr.contains(&*name), "{exit:?}");
    assert!(
        offset.is_some_and(|offset| offset <= at && at - offset < 200),
        "byte {at} was changed: {exit:?}"
    );
    // It is as it was: nothing was cut off.
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64);
}

/// What redis-cli would ask to see everything about a stream and its groups; times as they are.
pub(crate) fn describe(server: &Server, keys: &[&str]) -> Vec<String> {
    let mut client = server.client();
    let mut texts = Vec::new();
    for key in keys {
        let commands = [
            format!("TYPE {key}"),
            format!("PEXPIRETIME {key}"),
            format!("XINFO STREAM {key} FULL COUNT 0"),
            format!("XINFO GROUPS {key}"),
            format!("XRANGE {key} - +"),
            format!("GET {key}"),
        ];
        texts.extend(commands.iter().map(|command| format!("{command}: {}", client.call(command))));
    }
    texts
}

/// Streams with all that a group can have: deliveries, repeated ones, claims, acknowledgements, deletions, counters.
const HISTORY: &[&str] = &[
    "XADD s 1-1 a b",
    "XADD s 1-2 a c d e",
    "XADD s 2-* a f",
    "XADD s 5-0 x y",
    "XADD s 6-0 x y",
    "XADD s MAXLEN = 5 7-0 x y",
    "XGROUP CREATE s g 0",
    "XGROUP CREATE s behind $ ENTRIESREAD 4",
    "XGROUP CREATECONSUMER s g idle",
    "XREADGROUP GROUP g one COUNT 2 STREAMS s >",
    "XREADGROUP GROUP g two COUNT 2 STREAMS s >",
    "XREADGROUP GROUP g one STREAMS s 0",
    "XREADGROUP GROUP g three NOACK COUNT 1 STREAMS s >",
    "XACK s g 1-2",
    "XCLAIM s g two 0 2-0 IDLE 5000 RETRYCOUNT 9",
    "XAUTOCLAIM s g three 0 0 COUNT 1",
    "XDEL s 5-0",
    "XADD empty 1-1 a b",
    "XDEL empty 1-1",
    "XSETID empty 9-9 ENTRIESADDED 12 MAXDELETEDID 8-0",
    "XGROUP CREATE made g $ MKSTREAM",
    "XGROUP CREATE gone g $ MKSTREAM",
    "XGROUP DESTROY gone g",
    "XADD renamed 1-1 a b",
    "RENAME renamed name",
    "COPY s copy",
    "XGROUP SETID copy g 1-2",
    "XGROUP DELCONSUMER copy g two",
    "PEXPIREAT copy 4000000000000",
    "SET k v EX 100000",
    "INCRBY number 7",
    "XADD deleted 1-1 a b",
    "DEL deleted",
];

pub(crate) const KEYS: &[&str] =
    &["s", "empty", "made", "gone", "name", "copy", "k", "number", "deleted", "renamed"];

/// Sends the history; every command has to succeed.
pub(crate) fn write_history(server: &Server) {
    let mut client = server.client();
    for command in HISTORY {
        let reply = client.call(command);
        assert!(!reply.is_error(), "{command}: {reply}");
    }
    // A transaction and a blocked read that is served.
    let mut waiting = server.client();
    waiting.send("XREADGROUP GROUP g one BLOCK 0 STREAMS made >");
    client.check("MULTI", "OK");
    client.check("XADD made 3-3 a b", "QUEUED");
    client.check("XADD name 3-3 a b", "QUEUED");
    client.check("EXEC", "[\"3-3\", \"3-3\"]");
    assert_eq!(waiting.read().to_string(), "[[\"made\", [[\"3-3\", [\"a\", \"b\"]]]]]");
}

/// A consumer's times are not in the log: they begin anew when it is loaded. (And 7.0 has but one of them.)
pub(crate) fn without_seen_times(texts: &[String]) -> Vec<String> {
    let drop_field = |text: &str, name: &str| {
        let head = format!("\"{name}\", ");
        let mut parts = text.split(head.as_str());
        let first = parts.next().unwrap_or_default().to_owned();
        let is_number = |c: char| c.is_ascii_digit() || c == '-';
        parts.fold(first, |text, part| text + part.trim_start_matches(is_number).trim_start_matches(", "))
    };
    texts.iter().map(|text| drop_field(&drop_field(text, "seen-time"), "active-time")).collect()
}

#[test]
fn everything_acknowledged_is_there_after_kill() {
    for policy in ["everysec", "always", "no"] {
        for threads in ["1", "4"] {
            let mut server = Server::millstream(&["--appendfsync", policy, "--worker-threads", threads]);
            write_history(&server);
            let before = describe(&server, KEYS);
            server.kill();
            server.restart();
            let after = describe(&server, KEYS);
            assert_eq!(
                without_seen_times(&after),
                without_seen_times(&before),
                "{policy}, {threads} threads"
            );
            // And once more: what was loaded is not loaded twice.
            server.kill();
            server.restart();
            assert_eq!(without_seen_times(&describe(&server, KEYS)), without_seen_times(&after));
        }
    }
}

/// A client writes without end; the server is killed at some moment; what was acknowledged by then is there.
#[test]
fn what_was_acknowledged_under_load_is_there_after_kill() {
    for policy in ["everysec", "always"] {
        let mut server = Server::millstream(&["--appendfsync", policy, "--worker-threads", "4"]);
        let acknowledged: Vec<u64> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|writer| {
                    let mut client = server.client();
                    scope.spawn(move || {
                        let mut count = 0;
                        loop {
                            client.try_send_raw(
                                &encode_request(&["XADD", &format!("s{writer}"), "*", "n", "v"]).repeat(10),
                            );
                            for _ in 0..10 {
                                match client.read_within(PATIENCE) {
                                    Ok(Some(_)) => count += 1,
                                    _ => return count,
                                }
                            }
                        }
                    })
                })
                .collect();
            let mut watcher = server.client();
            await_true("some hundred entries", || watcher.call("XLEN s0").integer() > 300);
            server.kill();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        server.restart();
        let mut client = server.client();
        for (writer, acknowledged) in acknowledged.iter().enumerate() {
            let len = client.call(&format!("XLEN s{writer}")).integer() as u64;
            assert!(len >= *acknowledged, "{policy}: {acknowledged} were acknowledged, {len} are there");
        }
    }
}
