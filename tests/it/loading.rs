//! What clients see while the server reads its log.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use rustix::process::Signal;

use crate::harness::{Client, Server, await_true, encode_request};

/// So many that reading them takes a good part of a second at least.
const ENTRIES: usize = 1_000_000;

/// Puts a log of plain commands, as redis-server writes it, into a server's directory.
fn write_long_log(data_dir: &Path) {
    let dir = data_dir.join("appendonlydir");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("appendonly.aof.manifest"), "file appendonly.aof.1.incr.aof seq 1 type i\n").unwrap();
    let mut file = BufWriter::new(File::create(dir.join("appendonly.aof.1.incr.aof")).unwrap());
    file.write_all(&encode_request(&["SELECT", "0"])).unwrap();
    for number in 1..=ENTRIES {
        let (key, id) = (format!("s{}", number % 100), format!("{number}-1"));
        file.write_all(&encode_request(&["XADD", &key, &id, "field", "value"])).unwrap();
    }
    file.flush().unwrap();
}

/// Connects as soon as the server listens.
fn connect_early(server: &Server) -> Client {
    let mut client = None;
    await_true("the port's being open", || {
        client = Client::try_connect(server.port());
        client.is_some()
    });
    client.expect("it was awaited")
}

#[test]
fn clients_are_told_to_wait_while_the_log_is_read() {
    for threads in ["1", "4"] {
        let mut server =
            Server::prepare_millstream(&["--worker-threads", threads, "--enable-debug-command", "yes"]);
        write_long_log(&server.data_dir());
        server.start_without_waiting();
        let mut client = connect_early(&server);
        let loading = "-LOADING Redis is loading the dataset in memory";
        for refused in
            ["PING", "GET k", "XADD s1 * a b", "XLEN s1", "DBSIZE", "KEYS *", "BGREWRITEAOF", "FLUSHALL"]
        {
            client.check(refused, loading);
        }
        client.check("MULTI", "OK");
        client.check("XADD s1 * a b", loading);
        client.check("EXEC", "-EXECABORT Transaction discarded because of previous errors.");
        client.check("SELECT 3", "OK");
        client.check("SELECT 0", "OK");
        client.check("CONFIG SET appendfsync always", "OK");
        client.check("DEBUG LOADAOF", loading);
        let info = client.call("INFO").to_string();
        for field in ["loading:1", "loading_start_time:", "loading_total_bytes:", "loading_eta_seconds:"] {
            assert!(info.contains(field), "{field}: {info}");
        }
        // A pipeline that spans the end of the loading: what is taken is also kept.
        let mut taken = 0;
        let mut last_percentage = 0.0;
        while taken == 0 {
            client.send_raw(&encode_request(&["XADD", "new", "*", "a", "b"]).repeat(50));
            for _ in 0..50 {
                let reply = client.read();
                match reply.is_error() {
                    true => assert!(taken == 0 && reply.to_string() == loading, "{reply}"),
                    false => taken += 1,
                }
            }
            let info = client.call("INFO persistence").to_string();
            if let Some((_, rest)) = info.split_once("loading_loaded_perc:") {
                let percentage: f64 =
                    rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap().parse().unwrap();
                assert!((last_percentage..=100.0).contains(&percentage), "{last_percentage} to {percentage}");
                last_percentage = percentage;
            }
        }
        assert!(client.call("INFO persistence").to_string().contains("loading:0"));
        client.check("XLEN s1", &(ENTRIES / 100).to_string());
        client.check("CONFIG GET appendfsync", "[\"appendfsync\", \"always\"]");
        server.kill();
        server.restart();
        server.client().check("XLEN new", &taken.to_string());
    }
}

#[test]
fn a_server_that_reads_its_log_can_be_ended() {
    let mut server = Server::prepare_millstream(&[]);
    write_long_log(&server.data_dir());
    let size = fs::metadata(server.log_file()).unwrap().len();
    server.start_without_waiting();
    let mut client = connect_early(&server);
    client.check("XLEN s1", "-LOADING Redis is loading the dataset in memory");
    server.signal(Signal::TERM);
    let exit = server.await_exit();
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert!(exit.stdout.contains("not read to its end"), "{exit:?}");
    assert_eq!(fs::metadata(server.log_file()).unwrap().len(), size);
    server.restart();
    server.client().check("XLEN s1", &(ENTRIES / 100).to_string());
}

/// Once the log is read, it is on or off as the settings have it by then.
#[test]
fn the_log_can_be_switched_off_while_it_is_read() {
    let mut server = Server::prepare_millstream(&[]);
    write_long_log(&server.data_dir());
    server.start_without_waiting();
    let mut client = connect_early(&server);
    client.check("PING", "-LOADING Redis is loading the dataset in memory");
    client.check("CONFIG SET appendonly no", "OK");
    await_true("the data", || !client.call("PING").is_error());
    await_true("the log's end", || client.call("INFO persistence").to_string().contains("aof_enabled:0"));
    client.check("XLEN s1", &(ENTRIES / 100).to_string());
    client.check("SET k off", "OK");
    client.check("CONFIG SET appendonly yes", "OK");
    client.check("SET k on", "OK");
    await_true("the first rewrite's end", || {
        client.call("INFO persistence").to_string().contains("aof_rewrite_in_progress:0")
    });
    server.kill();
    server.restart();
    server.client().check("GET k", "\"on\"");
}
