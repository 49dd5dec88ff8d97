//! The wire: requests however they arrive, and what is refused.

use std::time::Duration;

use crate::harness::{Program, Reply, Server, encode_request};

/// Both servers with the same settings.
fn both(arguments: &[&str]) -> [Server; 2] {
    [Program::Redis, Program::Millstream].map(|program| Server::start(program, arguments))
}

#[test]
fn requests_cut_at_every_byte_are_answered() {
    let server = Server::millstream(&[]);
    let requests = [
        encode_request(&["XADD", "s", "*", "field", "a value\r\n$3\r\n"]),
        b"PING\r\n".to_vec(),
        b"*0\r\n\r\n".to_vec(),
        b"ECHO \"a b\"\n".to_vec(),
        encode_request(&["ECHO", ""]),
    ]
    .concat();
    let mut client = server.client();
    for cut in 1..requests.len() {
        client.send_raw(&requests[..cut]);
        // Now and then the first part is surely read alone.
        if cut % 8 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        client.send_raw(&requests[cut..]);
        assert!(client.read().text().contains('-'));
        let rest: Vec<String> = (0..3).map(|_| client.read().to_string()).collect();
        assert_eq!(rest, ["PONG", "\"a b\"", "\"\""], "cut at {cut}");
    }
    for byte in &requests {
        client.send_raw(&[*byte]);
    }
    assert!(client.read().text().contains('-'));
    assert_eq!(client.read().to_string(), "PONG");
}

#[test]
fn long_pipelines_are_answered_in_order() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    let count = 10_000;
    let requests: Vec<u8> = (1..=count)
        .flat_map(|n| {
            [
                encode_request(&["XADD", "s", &format!("{n}-1"), "n", "1"]),
                encode_request(&["ECHO", &n.to_string()]),
            ]
        })
        .flatten()
        .collect();
    client.send_raw(&requests);
    for n in 1..=count {
        assert_eq!(client.read(), Reply::Bulk(format!("{n}-1").into_bytes()));
        assert_eq!(client.read(), Reply::Bulk(n.to_string().into_bytes()));
    }
    client.check("XLEN s", &count.to_string());
}

/// More replies than any buffer between holds, to a client that does not read until all is sent.
#[test]
fn a_client_that_reads_late_gets_everything() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    let value = "v".repeat(50_000);
    client.check(&format!("SET k {value}"), "OK");
    let request = encode_request(&["GET", "k"]);
    client.send_raw(&request.repeat(1000));
    for _ in 0..1000 {
        assert_eq!(client.read().text().len(), value.len());
    }
    client.check("PING", "PONG");
}

#[test]
fn a_huge_argument_is_taken() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    let value = vec![b'x'; 40 << 20];
    assert_eq!(client.call_args(&[&b"SET"[..], b"k", &value]).to_string(), "OK");
    client.check("STRLEN k", &value.len().to_string());
    assert_eq!(client.call("GET k"), Reply::Bulk(value));
}

/// What is sent, to a connection of its own; both servers say the same and close, or go on.
#[test]
fn what_is_no_request_is_refused_as_by_redis() {
    let long = 64 * 1024 + 10;
    let inputs: Vec<Vec<u8>> = vec![
        b"*abc\r\n".to_vec(),
        b"*2147483648\r\n".to_vec(),
        b"*9223372036854775808\r\n".to_vec(),
        b"*1\r\nPING\r\n".to_vec(),
        b"*1\r\n\r\n".to_vec(),
        b"*1\r\n$abc\r\n".to_vec(),
        b"*1\r\n$-1\r\n".to_vec(),
        b"*1\r\n$536870913\r\n".to_vec(),
        b"*1\r\n$\r\n".to_vec(),
        [b"*".to_vec(), vec![b'1'; long]].concat(),
        [b"*1\r\n$".to_vec(), vec![b'1'; long]].concat(),
        vec![b'a'; long],
        b"ECHO \"a\r\n".to_vec(),
        b"ECHO 'a'b\r\n".to_vec(),
        b"ECHO \"\\x41\\n\"\r\n".to_vec(),
        b"\r\n\r\nPING\r\n".to_vec(),
        b"*-5\r\nPING\r\n".to_vec(),
        b"*0\r\nPING\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        // Not with a zero first, behind which Redis finds no line's end.
        b"\x01\x02\xff\r\n".to_vec(),
        b"nosuchcommand a\r\n".to_vec(),
        b"PING a b\r\n".to_vec(),
    ];
    let servers = both(&[]);
    for input in &inputs {
        let [theirs, ours] = servers.each_ref().map(|server| {
            let mut client = server.client();
            client.try_send_raw(input);
            // It fails where the first was an error of the protocol. Nothing may follow a line that is too long: whether that
            // is noticed before or after its end comes is chance.
            if input.len() < long {
                client.try_send_raw(b"ECHO end\r\n");
            }
            client.end_sending();
            client.read_bytes(1 << 20).escape_ascii().to_string()
        });
        assert_eq!(ours, theirs, "sent: {}", input[..input.len().min(60)].escape_ascii());
        assert!(!ours.is_empty());
    }
}

#[test]
fn bounds_before_authentication_are_rediss() {
    let servers = both(&["--requirepass", "secret"]);
    let inputs = [
        encode_request(&["PING"]),
        b"*11\r\n".to_vec(),
        b"*1\r\n$16385\r\n".to_vec(),
        encode_request(&["AUTH", "wrong"]),
        [
            encode_request(&["AUTH", "secret"]),
            encode_request(&vec!["DEL"; 20]),
            encode_request(&["PING", &"x".repeat(20_000)]),
        ]
        .concat(),
        encode_request(&["HELLO", "3", "AUTH", "default", "wrong"]),
    ];
    for input in inputs {
        let [theirs, ours] = servers.each_ref().map(|server| {
            let mut client = server.client();
            client.try_send_raw(&input);
            client.try_send_raw(b"ECHO end\r\n");
            client.end_sending();
            client.read_bytes(1 << 20).escape_ascii().to_string()
        });
        assert_eq!(ours, theirs, "sent: {}", input[..input.len().min(60)].escape_ascii());
    }
}

/// The bound is a setting.
#[test]
fn the_longest_argument_is_a_setting() {
    for server in both(&["--proto-max-bulk-len", "1mb"]) {
        let mut client = server.client();
        let value = vec![b'x'; 1 << 20];
        assert_eq!(client.call_args(&[&b"SET"[..], b"k", &value]).to_string(), "OK");
        client.send_raw(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n");
        assert_eq!(client.read().to_string(), "-ERR Protocol error: invalid bulk length");
        assert!(client.is_closed());
    }
}

/// A claim of a length is not room for it: hundreds of connections that each claim the most leave the server as it was.
#[test]
fn claims_of_length_cost_nothing() {
    let server = Server::millstream(&[]);
    let mut clients: Vec<_> = (0..200).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send_raw(b"*2147483647\r\n$536870912\r\nabc");
    }
    let mut other = server.client();
    other.check("PING", "PONG");
    let info = other.call("INFO memory").text();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    assert!(used.parse::<u64>().unwrap() < 100 << 20, "used_memory:{used}");
}

#[test]
fn connections_beyond_the_bound_are_refused() {
    let server = Server::millstream(&["--maxclients", "3"]);
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.check("PING", "PONG"));
    let mut refused = server.client();
    assert_eq!(refused.read().to_string(), "-ERR max number of clients reached");
    assert!(refused.is_closed());
    clients.pop();
    crate::harness::await_true("a place is free again", || {
        let mut client = server.client();
        client.try_send_raw(b"PING\r\n");
        client
            .read_within(Duration::from_secs(1))
            .is_ok_and(|reply| reply == Some(Reply::Simple("PONG".into())))
    });
}
