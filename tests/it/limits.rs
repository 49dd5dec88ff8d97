//! What a client may take of the server: memory, output, connections, time. Where Redis has the same bound, both servers are
//! held to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Client, PATIENCE, Program, Server, await_true, encode_request};

fn both(arguments: &[&str]) -> [Server; 2] {
    [Program::Redis, Program::Millstream].map(|program| Server::start(program, arguments))
}

/// A field of INFO.
#[track_caller]
fn info(client: &mut Client, field: &str) -> u64 {
    let info = client.call("INFO everything").text();
    let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("INFO has no {field}")).parse().unwrap()
}

/// A field of a client's line in CLIENT LIST.
fn client_field(client: &mut Client, id: i64, field: &str) -> u64 {
    let line = client.call(&format!("CLIENT LIST ID {id}")).text();
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(field)?.strip_prefix('='));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Puts a stream of so many entries of 100 kB each into `s`.
#[track_caller]
fn fill(client: &mut Client, entries: usize) {
    let value = "v".repeat(100_000);
    for _ in 0..entries {
        client.send_args(&["XADD", "s", "*", "f", &value]);
    }
    for _ in 0..entries {
        assert!(!client.read().is_error());
    }
}

#[test]
fn writers_stop_near_maxmemory_and_go_on_below_it() {
    const MAX: u64 = 24 << 20;
    for threads in ["1", "4"] {
        let server = Server::millstream(&["--worker-threads", threads, "--maxmemory", &MAX.to_string()]);
        let mut client = server.client();
        let request = encode_request(&["XADD", "s", "*", "f", &"v".repeat(100)]).repeat(1000);
        let mut refused = 0;
        for _ in 0..1000 {
            client.send_raw(&request);
            refused = (0..1000).filter(|_| client.read().is_error()).count();
            if refused > 0 {
                break;
            }
        }
        assert!(refused > 0, "no writer is refused");
        let used = info(&mut client, "used_memory");
        assert!((MAX - (2 << 20)..MAX + (1 << 20)).contains(&used), "used_memory:{used}");
        client.check("XADD s * f v", "-OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(info(&mut client, "evicted_keys"), 0);
        assert!(client.call("XRANGE s - + COUNT 1").elements().len() == 1);
        assert!(client.call("XTRIM s MAXLEN 10").integer() > 0);
        // At once.
        assert!(!client.call("XADD s * f v").is_error());
    }
}

/// A short command may take much memory: what it takes counts at once, not when the next sample is due.
#[test]
fn short_commands_that_take_much_stop_too() {
    let server = Server::millstream(&["--maxmemory", "64mb", "--appendonly", "no"]);
    let mut client = server.client();
    let requests: Vec<u8> = (0..100)
        .flat_map(|n| encode_request(&["SETRANGE", &format!("k{n}"), &(8 << 20).to_string(), "x"]))
        .collect();
    client.send_raw(&requests);
    let taken = (0..100).filter(|_| !client.read().is_error()).count();
    assert!((6..=8).contains(&taken), "{taken} of 8 MB each in 64 MB");
    client.check("DEL k0 k1", "2");
    client.check("COPY k2 c2", "1");
    for n in 3..100 {
        if client.call(&format!("COPY k2 c{n}")).is_error() {
            assert!(n < 6);
            return;
        }
    }
    panic!("copies are not refused");
}

#[test]
fn a_reply_beyond_the_hard_limit_closes_the_client() {
    for program in [Program::Redis, Program::Millstream] {
        let server = Server::start(program, &["--client-output-buffer-limit", "normal 1mb 0 0"]);
        let mut other = server.client();
        fill(&mut other, 64);
        let mut client = server.client();
        assert_eq!(client.call("XRANGE s - + COUNT 9").elements().len(), 9);
        client.send("XRANGE s - +");
        assert!(client.is_closed());
        // In a transaction the sum counts.
        let mut client = server.client();
        client.check("MULTI", "OK");
        for _ in 0..3 {
            client.check("XRANGE s - + COUNT 9", "QUEUED");
        }
        client.send("EXEC");
        assert!(client.is_closed());
        other.check("XLEN s", "64");
        // Redis tells it from 7.2 on.
        if program == Program::Millstream {
            assert_eq!(info(&mut other, "client_output_buffer_limit_disconnections"), 2);
        }
        other.check("CONFIG SET client-output-buffer-limit \"normal 0 0 0\"", "OK");
        assert_eq!(server.client().call("XRANGE s - +").elements().len(), 64);
    }
}

/// Beyond the soft limit a client has some time to read.
#[test]
fn a_client_that_does_not_read_is_closed_after_the_soft_limits_time() {
    const ENTRIES: usize = 200;
    for server in both(&["--client-output-buffer-limit", "normal 0 1mb 1"]) {
        let mut other = server.client();
        fill(&mut other, ENTRIES);
        let mut reader = server.client();
        let reader_id = reader.call("CLIENT ID").integer();
        reader.send("XRANGE s - +");
        assert_eq!(reader.read_bytes(ENTRIES * 100_000).len(), ENTRIES * 100_000);
        let mut client = server.client();
        let id = client.call("CLIENT ID").integer();
        client.send("XRANGE s - +");
        let started = Instant::now();
        await_true("a part waits", || client_field(&mut other, id, "omem") > 1 << 20);
        assert!(client_field(&mut other, id, "oll") > 0);
        await_true("it is closed", || client_field(&mut other, id, "omem") == 0);
        assert!(started.elapsed() > Duration::from_secs(1));
        let got = client.read_bytes(ENTRIES * 100_000).len();
        assert!(got < ENTRIES * 100_000, "{got}");
        assert!(client_field(&mut other, reader_id, "id") > 0, "who read is still there");
    }
}

/// One that never reads, asking again and again, on the only thread; two others work on, and no memory piles up.
#[test]
fn a_client_that_never_reads_stalls_nobody() {
    let server = Server::millstream(&["--worker-threads", "1"]);
    let mut clients = [server.client(), server.client()];
    fill(&mut clients[0], 100);
    let mut idler = server.client();
    let id = idler.call("CLIENT ID").integer();
    idler.send_raw(&encode_request(&["XRANGE", "s", "-", "+"]).repeat(500));
    await_true("a reply waits", || client_field(&mut clients[0], id, "omem") > 1 << 20);
    assert_eq!(client_field(&mut clients[0], id, "obl"), 16 * 1024);
    for count in 1..=500 {
        for client in &mut clients {
            assert!(!client.call("XADD t * f v").is_error());
        }
        clients[1].check("XLEN t", &(2 * count).to_string());
    }
    let used = info(&mut clients[0], "used_memory");
    assert!(used < 100 << 20, "used_memory:{used}");
}

#[test]
fn clients_that_take_too_much_together_are_closed_the_greatest_first() {
    for server in both(&["--maxmemory-clients", "16mb"]) {
        let mut other = server.client();
        let mut spared = server.client();
        spared.check("CLIENT NO-EVICT on", "OK");
        let head = b"*2\r\n$4\r\nECHO\r\n$20000000\r\n".to_vec();
        spared.send_raw(&[&head[..], &[b'x'; 3_000_000]].concat());
        let mut greatest = server.client();
        greatest.try_send_raw(&[&head[..], &[b'x'; 18_000_000]].concat());
        assert!(greatest.is_closed());
        await_true("it is counted", || info(&mut other, "evicted_clients") == 1);
        spared.send_raw(&[&[b'x'; 17_000_000], &b"\r\n"[..]].concat());
        assert_eq!(spared.read().text().len(), 20_000_000);
    }
}

#[test]
fn claims_are_answered_as_by_redis_and_cost_nothing() {
    for server in both(&[]) {
        let mut other = server.client();
        let before = info(&mut other, "used_memory");
        let mut many = server.client();
        many.send_raw(b"*1000000000\r\n$4\r\nPING\r\n");
        let mut long = server.client();
        long.send_raw(b"*2\r\n$4\r\nECHO\r\n$2000000000\r\n");
        assert_eq!(long.read().to_string(), "-ERR Protocol error: invalid bulk length");
        assert!(long.is_closed());
        other.check("PING", "PONG");
        let used = info(&mut other, "used_memory");
        assert!(used < before + (1 << 20), "used_memory: {before}, then {used}");
    }
}

#[test]
fn connections_leave_nothing_behind() {
    let server = Server::millstream(&[]);
    let mut other = server.client();
    let ends: [&[u8]; 4] =
        [b"", b"*2\r\n$4\r\nEC", b"MULTI\r\nGET k\r\n", b"WATCH k\r\nXREAD BLOCK 0 STREAMS s $\r\n"];
    let mut round = || {
        let mut clients: Vec<_> = (0..400).map(|_| server.client()).collect();
        for (client, sent) in clients.iter_mut().zip(ends.iter().cycle()) {
            client.send_raw(sent);
        }
        clients.iter_mut().for_each(|client| client.send_raw(b"\r\n"));
        await_true("all are there", || info(&mut other, "blocked_clients") == 100);
        drop(clients);
        await_true("all are gone", || info(&mut other, "connected_clients") == 1);
        info(&mut other, "used_memory")
    };
    let first = round();
    let last = (1..5).map(|_| round()).last().unwrap();
    assert!(last < first + 256 * 1024, "used_memory: {first}, then {last}");
}

#[test]
fn random_bytes_harm_nobody() {
    let server = Server::millstream(&[]);
    let mut other = server.client();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..300 {
        let mut client = server.client();
        let start: &[u8] = [&b"*3\r\n$4\r\nXADD\r\n$"[..], b"*", b"", b"XADD s "][random.usize(0..4)];
        let len = random.usize(1..5000);
        let bytes: Vec<u8> = start.iter().copied().chain((0..len).map(|_| random.u8(..))).collect();
        client.try_send_raw(&bytes);
        client.end_sending();
        client.read_bytes(1 << 20);
    }
    other.check("PING", "PONG");
    await_true("all are closed", || info(&mut other, "connected_clients") == 1);
}

#[test]
fn idle_clients_are_closed_and_those_that_wait_not() {
    for server in both(&["--timeout", "1"]) {
        let (mut idle, mut half, mut blocked) = (server.client(), server.client(), server.client());
        let (mut subscriber, mut monitor) = (server.client(), server.client());
        subscriber.call("SUBSCRIBE c");
        monitor.check("MONITOR", "OK");
        blocked.send("XREAD BLOCK 0 STREAMS s $");
        idle.check("PING", "PONG");
        half.send_raw(b"*2\r\n$4\r\nEC");
        let started = Instant::now();
        assert!(idle.is_closed());
        assert!(started.elapsed() > Duration::from_millis(900));
        assert!(half.is_closed());
        server.client().call("XADD s 1-1 f v");
        assert_eq!(blocked.read().to_string(), r#"[["s", [["1-1", ["f", "v"]]]]]"#);
        server.client().check("PUBLISH c last", "1");
        subscriber.read();
        while !monitor.read().text().contains("last") {}
    }
}

/// The system tells of the server's end of a connection that its timer is that of probes, and when it is due.
#[test]
fn silent_connections_are_probed() {
    for (seconds, expected) in [("0", None), ("100", Some(100))] {
        for server in both(&["--tcp-keepalive", seconds]) {
            let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()))).unwrap();
            let ports = (server.port(), stream.local_addr().unwrap().port());
            await_true("the timer is as it should be", || keepalive_seconds(ports) == expected);
        }
    }
}

/// When the end at the first port probes the other one, in seconds, rounded.
fn keepalive_seconds((local, remote): (u16, u16)) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table.lines().find(|line| {
        let mut ends = line.split_whitespace().skip(1).map(|end| end.rsplit(':').next().unwrap_or_default());
        ends.next() == Some(&format!("{local:04X}")) && ends.next() == Some(&format!("{remote:04X}"))
    })?;
    let (kind, ticks) = line.split_whitespace().nth(5)?.split_once(':')?;
    // 2 is the timer of probes; its ticks are hundredths of a second.
    (kind == "02").then(|| u64::from_str_radix(ticks, 16).unwrap().div_ceil(100))
}

/// A server that does not accept for a while gets as many connections as its backlog has room for.
#[test]
fn the_backlog_is_a_setting() {
    let count = |backlog: &str| {
        both(&["--tcp-backlog", backlog]).map(|server| {
            server.signal(Signal::STOP);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
            let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(300));
            let streams: Vec<_> = (0..12).map(connect).take_while(Result::is_ok).collect();
            server.signal(Signal::CONT);
            streams.len()
        })
    };
    let [theirs, ours] = count("3");
    assert_eq!(ours, theirs);
    assert!(ours < 12);
    assert_eq!(count("511"), [12, 12]);
}

/// A long argument comes in at the speed of the network, and its memory goes when the key does.
#[test]
fn a_long_arguments_memory_is_given_back() {
    let server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    let value = vec![b'x'; 100 << 20];
    assert_eq!(client.call_args(&[&b"SET"[..], b"k", &value]).to_string(), "OK");
    let used = info(&mut client, "used_memory");
    assert!(used < 110 << 20, "used_memory:{used}");
    let peak = info(&mut client, "used_memory_peak");
    assert!(peak < 330 << 20, "used_memory_peak:{peak}");
    client.check("DEL k", "1");
    await_true("the memory is back", || info(&mut client, "used_memory") < 5 << 20);
}

/// The other end vanishes without a word in the midst of a reply.
#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let server = Server::millstream(&[]);
    let mut other = server.client();
    fill(&mut other, 100);
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&encode_request(&["XRANGE", "s", "-", "+"]).repeat(5)).unwrap();
    let mut some = [0; 1000];
    let read = stream.read(&mut some);
    assert!(read.as_ref().is_ok_and(|read| *read > 0), "{read:?}");
    // What was sent and not read makes the system reset the connection.
    drop(stream);
    await_true("it is gone", || info(&mut other, "connected_clients") == 1);
    let used = info(&mut other, "used_memory");
    assert!(used < 30 << 20, "used_memory:{used}");
}
