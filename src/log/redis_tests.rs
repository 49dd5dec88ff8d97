//! redis-server loads what we write, and we load what it writes. Debian's redis-server 7 is the peer; that it is not
//! installed is a failure.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::testing::*;
use super::*;

/// A redis-server on a directory, reached through a socket in it.
struct RedisServer {
    process: Process,
    connection: BufReader<UnixStream>,
}

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl RedisServer {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("socket");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--save", ""])
            .args(["--appendfsync", "no", "--logfile", "log", "--unixsocket", "socket"])
            .arg("--dir")
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is to be installed");
        let mut process = Process(child);
        let started = Instant::now();
        let connection = loop {
            let log = || fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(process.0.try_wait().unwrap().is_none(), "redis-server ended: {}", log());
            assert!(started.elapsed() < Duration::from_secs(30), "redis-server does not listen: {}", log());
            match UnixStream::connect(&socket) {
                Ok(connection) => break connection,
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut server = Self { process, connection: BufReader::new(connection) };
        while server.ask("PING") != "PONG" {
            assert!(started.elapsed() < Duration::from_secs(30), "redis-server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// Sends an inline command and answers the reply as redis-cli would show it, elements apart by commas.
    fn ask(&mut self, command: &str) -> String {
        self.connection.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.read_reply()
    }

    fn read_reply(&mut self) -> String {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let (kind, text) = line.trim_end().split_at(1);
        match kind {
            "$" if text == "-1" => "nil".into(),
            "$" => {
                let mut bytes = vec![0; text.parse::<usize>().unwrap() + 2];
                self.connection.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                String::from_utf8(bytes).unwrap()
            }
            "*" => (0..text.parse().unwrap()).map(|_| self.read_reply()).collect::<Vec<_>>().join(","),
            _ => text.to_owned(),
        }
    }

    #[track_caller]
    fn check(&mut self, command: &str, expected: &str) {
        assert_eq!(self.ask(command), expected, "to {command}");
    }

    /// Ends it as SIGTERM does.
    fn stop(mut self) {
        self.connection.get_mut().write_all(b"SHUTDOWN\r\n").unwrap();
        assert!(self.process.0.wait().unwrap().success());
    }
}

fn check_redis_accepts(paths: &LogPaths) {
    let output = Command::new("redis-check-aof")
        .arg(paths.manifest())
        .output()
        .expect("redis-check-aof is to be installed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("All AOF files and manifest are valid"), "{text}");
}

fn append_and_close(paths: &LogPaths, batches: &[Effects]) -> Vec<String> {
    let (texts, result) = recover_texts(&DiskStorage, paths);
    let recovered = result.unwrap();
    assert_eq!(recovered.replayed.torn_tail, None);
    let log = Log::start(&DiskStorage, recovered, LogSettings::new(FsyncPolicy::EverySecond)).unwrap();
    for effects in batches {
        log.append(effects);
        log.write_out().unwrap();
    }
    log.close().unwrap();
    texts
}

fn temporary() -> (tempfile::TempDir, LogPaths) {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths_in(PathBuf::from(dir.path()));
    (dir, paths)
}

#[test]
fn redis_loads_what_we_write_and_we_load_what_it_appends() {
    let (dir, paths) = temporary();
    let mut transaction = Effects::new();
    transaction.begin_transaction();
    for (db, key) in [(2, "t1"), (5, "t2")] {
        transaction.begin(db, 3);
        transaction.arg(b"SET");
        transaction.arg(key.as_bytes());
        transaction.arg(b"yes");
    }
    let note = "skipped\r\n*1\r\n$8\r\nFLUSHALL\r\n by redis-server, whose lines are not as long as this";
    transaction.hidden(5, &[b"#NOTE", note.as_bytes()]);
    transaction.end_transaction();
    let large = "x".repeat(5 << 20);
    append_and_close(
        &paths,
        &[
            effects_of(0, &["XADD s 1-1 f a", "XADD s 2-1 f b", "XGROUP CREATE s g 0"]),
            effects_of(0, &["XGROUP CREATECONSUMER s g c"]),
            effects_of(
                0,
                &["XCLAIM s g c 0 1-1 2-1 TIME 1700000000000 RETRYCOUNT 3 FORCE JUSTID LASTID 2-1"],
            ),
            effects_of(2, &["SET k v", &format!("SET large {large}")]),
            transaction,
        ],
    );
    check_redis_accepts(&paths);
    append_and_close(&paths, &[effects_of(0, &["XADD s 3-1 f c"])]);
    check_redis_accepts(&paths);

    let mut redis = RedisServer::start(dir.path());
    redis.check("XRANGE s - +", "1-1,f,a,2-1,f,b,3-1,f,c");
    redis.check("XPENDING s g", "2,1-1,2-1,c,2");
    redis.check(
        "XINFO GROUPS s",
        "name,g,consumers,1,pending,2,last-delivered-id,2-1,entries-read,nil,lag,nil",
    );
    redis.check("SELECT 2", "OK");
    redis.check("GET k", "v");
    redis.check("STRLEN large", &large.len().to_string());
    redis.check("GET t1", "yes");
    redis.check("SELECT 5", "OK");
    redis.check("GET t2", "yes");
    redis.check("SET from redis", "OK");
    redis.stop();

    let texts = append_and_close(&paths, &[effects_of(0, &["XADD s 4-1 f d"])]);
    assert_eq!(texts.last().unwrap(), "SET from redis");
    assert_eq!(texts.iter().filter(|text| text.starts_with("XADD")).count(), 3);
    assert!(texts.contains(&format!("#NOTE {note}")));
    check_redis_accepts(&paths);
    let mut redis = RedisServer::start(dir.path());
    redis.check("XLEN s", "4");
    redis.check("SELECT 5", "OK");
    redis.check("GET from", "redis");
    redis.stop();
}

#[test]
fn we_load_what_redis_writes() {
    let (dir, paths) = temporary();
    let mut redis = RedisServer::start(dir.path());
    redis.check("SET a 1", "OK");
    // The base, which was empty, is written anew.
    redis.check("BGREWRITEAOF", "Background append only file rewriting started");
    let started = Instant::now();
    while redis.ask("INFO persistence").contains("aof_rewrite_in_progress:1") {
        assert!(started.elapsed() < Duration::from_secs(30), "the rewrite does not end");
        thread::sleep(Duration::from_millis(5));
    }
    redis.check("MULTI", "OK");
    redis.check("SET b 2", "QUEUED");
    redis.check("SET c 3", "QUEUED");
    redis.check("EXEC", "OK,OK");
    redis.stop();

    let texts = append_and_close(&paths, &[effects_of(0, &["SET d 4"])]);
    let sets: Vec<_> = texts.iter().filter(|text| text.starts_with("SET ")).collect();
    assert_eq!(sets, ["SET a 1", "SET b 2", "SET c 3"]);
    check_redis_accepts(&paths);
    let mut redis = RedisServer::start(dir.path());
    redis.check("MGET a b c d", "1,2,3,4");
    redis.stop();
}
