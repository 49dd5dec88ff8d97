//! MONITOR: what it shows, of which connections, and what a monitor that does not read costs.

use crate::harness::{Client, Server, await_true};

/// The next line that a monitor is shown, without its time and its port.
fn shown(monitor: &mut Client) -> String {
    let line = monitor.read().text();
    let (time, rest) = line.split_once(' ').unwrap();
    let (seconds, micros) = time.split_once('.').unwrap();
    assert!(seconds.len() >= 10 && micros.len() == 6, "{line}");
    let (source, command) = rest.split_once("] ").unwrap();
    let (db, address) = source.strip_prefix('[').unwrap().split_once(' ').unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    format!("{db} {command}")
}

#[test]
fn commands_of_all_threads_are_shown_and_secrets_are_not() {
    let server = Server::millstream(&["--worker-threads", "4", "--appendonly", "no"]);
    let mut monitors: Vec<Client> = (0..5).map(|_| server.client()).collect();
    monitors.iter_mut().for_each(|monitor| monitor.check("MONITOR", "OK"));
    for number in 0..8 {
        let mut client = server.client();
        client.check(&format!("SELECT {number}"), "OK");
        client.call("XADD s 1-1 f \"a\\\"b\\r\\n\\x01\"");
        client.call("AUTH user secret");
        client.call("HELLO 2 AUTH user secret SETNAME joe");
        client.check("CONFIG SET requirepass \"\"", "OK");
        client.check("MULTI", "OK");
        client.check("GET a", "QUEUED");
        client.call("EXEC");
        for monitor in &mut monitors {
            for expected in [
                format!("\"SELECT\" \"{number}\""),
                r#""XADD" "s" "1-1" "f" "a\"b\r\n\x01""#.to_owned(),
                r#""AUTH" "(redacted)" "(redacted)""#.to_owned(),
                r#""HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "joe""#.to_owned(),
                r#""MULTI""#.to_owned(),
                r#""GET" "a""#.to_owned(),
                r#""EXEC""#.to_owned(),
            ] {
                assert_eq!(shown(monitor), format!("{number} {expected}"));
            }
        }
    }
    // They touch no keys themselves, and RESET ends it.
    let monitor = &mut monitors[0];
    monitor.check("GET a", "-ERR Replica can't interact with the keyspace");
    monitor.check("RESET", "RESET");
    monitor.check("GET a", "nil");
}

#[test]
fn a_monitor_that_does_not_read_is_closed_and_stalls_nobody() {
    let server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    client.check("CONFIG SET client-output-buffer-limit \"normal 4mb 0 0\"", "OK");
    let mut monitor = server.client();
    monitor.check("MONITOR", "OK");
    let value = "x".repeat(64 * 1024);
    let closings = |client: &mut Client| {
        let stats = client.call("INFO stats").text();
        stats.contains("client_output_buffer_limit_disconnections:1")
    };
    for sent in 0.. {
        client.check(&format!("SET key {value}"), "OK");
        if sent % 16 == 0 && closings(&mut client) {
            break;
        }
        assert!(sent < 4000, "it is never closed");
    }
    await_true("nothing is shown any more", || !client.call("CLIENT LIST").text().contains("flags=O"));
}
