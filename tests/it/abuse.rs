//! Clients that mean harm, or are broken: the server goes on answering others meanwhile, and has its memory back afterwards.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::{Authority, Client, PATIENCE, Server, await_true, encode_request, find_free_port};

/// So much more than before may be in use when all is over: what the allocator and the server keep for the next time.
const LEFT_BYTES_MAX: u64 = 6 << 20;
/// Others may have to wait so long for an answer, on a machine that is busy with other tests.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A server that is abused, and clients of it that do no harm, on each of its threads.
struct Abused {
    server: Server,
    password: Option<&'static str>,
    used_before: u64,
    stop: Arc<AtomicBool>,
    others: Vec<JoinHandle<(u64, Duration)>>,
}

impl Abused {
    fn start(arguments: &[&str]) -> Self {
        Self::start_with_password(arguments, None)
    }

    fn start_with_password(arguments: &[&str], password: Option<&'static str>) -> Self {
        let mut server = Server::prepare_millstream(&["--worker-threads", "2"]);
        server.add_arguments(arguments);
        if let Some(password) = password {
            server.add_arguments(&["--requirepass", password]);
        }
        server.restart();
        let mut abused = Self { server, password, used_before: 0, stop: Arc::default(), others: Vec::new() };
        abused.client().check("SET k v", "OK");
        abused.others = (0..2).map(|_| abused.start_other()).collect();
        abused.used_before = info(&mut abused.client(), "used_memory");
        abused
    }

    fn client(&self) -> Client {
        let mut client = self.server.client();
        if let Some(password) = self.password {
            client.check(&format!("AUTH {password}"), "OK");
        }
        client
    }

    fn start_other(&self) -> JoinHandle<(u64, Duration)> {
        let mut client = self.client();
        let stop = self.stop.clone();
        std::thread::spawn(move || {
            let (mut answers, mut longest) = (0, Duration::ZERO);
            while !stop.load(Relaxed) {
                let started = Instant::now();
                client.check("GET k", "\"v\"");
                longest = longest.max(started.elapsed());
                answers += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            (answers, longest)
        })
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.server.port()))).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn used(&self) -> u64 {
        info(&mut self.client(), "used_memory")
    }

    /// The abuse is over, and its connections are closed.
    #[track_caller]
    fn finish(self) {
        let mut client = self.client();
        let clients_left = self.others.len() as u64 + 1;
        await_true("all connections to be closed", || info(&mut client, "connected_clients") == clients_left);
        let mut used = 0;
        let bound = self.used_before + LEFT_BYTES_MAX;
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            used = info(&mut client, "used_memory");
            if used <= bound {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(used <= bound, "{} bytes were used before, {used} are now", self.used_before);
        self.stop.store(true, Relaxed);
        for other in self.others {
            let (answers, longest) = other.join().expect("it was answered rightly");
            assert!(answers > 0 && longest < WAIT_MAX, "{answers} answers, the latest after {longest:?}");
        }
    }
}

/// A field of INFO.
#[track_caller]
fn info(client: &mut Client, field: &str) -> u64 {
    let info = client.call("INFO everything").text();
    let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("INFO has no {field}")).parse().unwrap()
}

/// What the server says before it closes the connection; it may be lost when it closes before all was read.
fn last_words(stream: &mut TcpStream) -> String {
    let mut words = Vec::new();
    let _ = stream.read_to_end(&mut words);
    String::from_utf8_lossy(&words).into_owned()
}

#[test]
fn who_sends_slowly_or_not_at_all_takes_nothing() {
    let abused = Abused::start(&[]);
    let mut streams: Vec<TcpStream> = (0..600).map(|_| abused.connect()).collect();
    // A third says nothing; a third ends what it sends at once; a third claims half a gigabyte and sends it byte by byte.
    for stream in &streams[200..400] {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    for stream in &mut streams[400..] {
        stream.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$536870912\r\n").unwrap();
    }
    for _ in 0..30 {
        for stream in &mut streams[400..] {
            stream.write_all(b"x").unwrap();
        }
    }
    let used = abused.used();
    assert!(used < abused.used_before + (30 << 20), "{used} bytes for 600 clients");
    for stream in &mut streams[200..400] {
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "who ends is closed");
    }
    drop(streams);
    abused.finish();
}

#[test]
fn a_million_channels_take_bounded_memory_and_give_it_back() {
    const CHANNELS: usize = 1_000_000;
    let abused = Abused::start(&[]);
    let mut client = abused.client();
    let names: Vec<String> = (0..CHANNELS).map(|number| format!("channel:{number}")).collect();
    for names in names.chunks(CHANNELS / 4) {
        let mut request = vec!["SUBSCRIBE"];
        request.extend(names.iter().map(String::as_str));
        client.send_args(&request);
        for _ in names {
            client.read();
        }
    }
    let used = abused.used() - abused.used_before;
    assert!(used < 500 * CHANNELS as u64, "{used} bytes for {CHANNELS} channels");
    // They count as the client's.
    let mut other = abused.client();
    let list = other.call("CLIENT LIST TYPE pubsub").text();
    let told = list.split_whitespace().find_map(|word| word.strip_prefix("tot-mem=")).expect("it is told");
    let told: u64 = told.parse().unwrap();
    assert!(told > used / 2 && told < used * 2, "{told} bytes are told of {used}");
    other.check("PUBLISH channel:7 text", "1");
    // By maxmemory-clients, too, it is closed.
    other.check("CONFIG SET maxmemory-clients 50mb", "OK");
    assert!(client.read().to_string().contains("channel:7"));
    assert!(client.is_closed());
    drop(other);
    abused.finish();
}

#[test]
fn claims_of_giant_requests_are_refused_or_take_what_came() {
    let abused = Abused::start(&[]);
    for (bytes, expected) in [
        ("*2147483648\r\n", "-ERR Protocol error: invalid multibulk length"),
        ("*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length"),
        ("*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length"),
        ("*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'"),
        ("*99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length"),
    ] {
        let mut stream = abused.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        assert_eq!(last_words(&mut stream).trim_end(), expected, "{bytes:?}");
    }
    // Claims that are allowed, and of which little comes.
    let mut claims: Vec<TcpStream> = (0..100).map(|_| abused.connect()).collect();
    for (number, stream) in claims.iter_mut().enumerate() {
        let claim =
            if number % 2 == 0 { "*1048576\r\n$4\r\nMGET\r\n" } else { "*2\r\n$3\r\nGET\r\n$536870912\r\nx" };
        stream.write_all(claim.as_bytes()).unwrap();
    }
    let used = abused.used();
    assert!(used < abused.used_before + (10 << 20), "{used} bytes for claims");
    drop(claims);
    // One that comes as a whole.
    let mut client = abused.client();
    let args: Vec<&str> = std::iter::once("MGET").chain(std::iter::repeat_n("k", 300_000)).collect();
    client.send_args(&args);
    assert_eq!(client.read().to_string().matches("\"v\"").count(), 300_000);
    drop(client);
    // A line without an end.
    let mut stream = abused.connect();
    let _ = stream.write_all(&vec![b'x'; 200_000]);
    let words = last_words(&mut stream);
    assert!(words.is_empty() || words.contains("Protocol error: too big inline request"), "{words}");
    abused.finish();
}

#[test]
fn ten_thousand_connections_come_and_go() {
    let abused = Abused::start(&[]);
    let before = info(&mut abused.client(), "total_connections_received");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..2500 {
                    let mut stream = abused.connect();
                    // Some go without a word, some in the middle of one, some do not wait for the answer.
                    let words: &[u8] = match number % 4 {
                        0 => b"",
                        1 => b"*2\r\n$3\r\nGE",
                        2 => b"PING\r\nPING\r\n",
                        _ => b"SUBSCRIBE ch\r\nXREAD BLOCK 0 STREAMS s $\r\n",
                    };
                    // It may be refused while more than maxclients wait to be closed.
                    let _ = stream.write_all(words);
                }
            });
        }
    });
    let mut client = abused.client();
    await_true("all to be accepted", || {
        let fields = ["total_connections_received", "rejected_connections"];
        fields.map(|field| info(&mut client, field)).iter().sum::<u64>() >= before + 10_000
    });
    drop(client);
    abused.finish();
}

#[test]
fn who_never_reads_is_waited_for_alone() {
    let abused = Abused::start(&["--client-output-buffer-limit", "pubsub 4mb 1mb 60"]);
    let mut client = abused.client();
    client.check(&format!("SET large {}", "x".repeat(100_000)), "OK");
    // It asks for four gigabytes.
    let mut greedy: Vec<TcpStream> = (0..20).map(|_| abused.connect()).collect();
    for stream in &mut greedy {
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // It fails once the server takes no more of it.
        let _ = stream.write_all(&encode_request(&["GET", "large"]).repeat(2000));
    }
    let used = abused.used();
    assert!(used < abused.used_before + 20 * (2 << 20), "{used} bytes for 20 clients");
    // A subscriber that does not read is closed.
    let mut subscriber = abused.connect();
    subscriber.write_all(b"SUBSCRIBE ch\r\n").unwrap();
    await_true("the subscription", || client.call("PUBSUB NUMSUB ch").to_string().contains('1'));
    let text = "x".repeat(100_000);
    let mut sent = 0;
    await_true("its end", || {
        sent += 1;
        client.call_args(&["PUBLISH", "ch", &text]).to_string() == "0"
    });
    assert!(sent < 500, "{sent} messages of 100 kB were kept, or in the sockets");
    client.check("DEL large", "1");
    drop((greedy, subscriber, client));
    abused.finish();
}

#[test]
fn random_bytes_do_no_harm() {
    let tls_port = find_free_port();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = Authority::new("the authority").issue("server").write(dir.path(), "server");
    let [port, certificate, key] =
        [&tls_port.to_string(), certificate.to_str().unwrap(), key.to_str().unwrap()].map(str::to_owned);
    let abused = Abused::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..1500 {
        let port = if number % 3 == 0 { tls_port } else { abused.server.port() };
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut bytes: Vec<u8> = match number % 5 {
            // What looks like a request, or the beginning of TLS.
            0 => format!("*{}\r\n$", random.u32(..9)).into_bytes(),
            1 => vec![0x16, 3, 1],
            _ => Vec::new(),
        };
        bytes.extend((0..random.usize(..3000)).map(|_| {
            if random.u8(..4) == 0 {
                *b"\r\n$*0123456789".get(random.usize(..14)).unwrap_or(&0)
            } else {
                random.u8(..)
            }
        }));
        // The server may close in the middle.
        let _ = stream.write_all(&bytes);
    }
    abused.client().check("PING", "PONG");
    abused.finish();
}

#[test]
fn passwords_are_not_guessed() {
    let abused = Abused::start_with_password(&[], Some("the-one-that-is-right"));
    std::thread::scope(|scope| {
        for guesser in 0..8 {
            let abused = &abused;
            scope.spawn(move || {
                let mut client = abused.server.client();
                for number in 0..500 {
                    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
                    client.check(&format!("AUTH guess-{guesser}-{number}"), wrong);
                    client.check("GET k", "-NOAUTH Authentication required.");
                }
                client.check(
                    &format!("AUTH {}", "x".repeat(10_000)),
                    "-WRONGPASS invalid username-password pair or user is disabled.",
                );
            });
        }
    });
    let mut client = abused.client();
    assert_eq!(info(&mut client, "acl_access_denied_auth"), 8 * 501);
    let log = client.call("ACL LOG 1000").to_string();
    assert!(log.matches("\"reason\"").count() <= 128, "the log is bounded");
    // Without a password, not much may be claimed.
    let mut stream = abused.connect();
    stream.write_all(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n").unwrap();
    assert!(last_words(&mut stream).contains("unauthenticated bulk length"));
    drop(client);
    abused.finish();
}
