//! The port for metrics: what is told, how it is written, when the server is ready, what a scrape costs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Client, PATIENCE, Server, await_true, find_free_port};

/// A server with a port for metrics.
struct Scraped {
    server: Server,
    port: u16,
}

impl Scraped {
    fn start(arguments: &[&str]) -> Self {
        let port = find_free_port();
        let metrics_port = port.to_string();
        let arguments: Vec<&str> =
            ["--metrics-port", &metrics_port].iter().chain(arguments).copied().collect();
        Self { server: Server::millstream(&arguments), port }
    }

    #[track_caller]
    fn get(&self, path: &str) -> (u16, String) {
        get(self.port, path).expect("it answers")
    }

    #[track_caller]
    fn scrape(&self) -> Samples {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        Samples::parse(&text)
    }
}

/// Answers the status and the body.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    assert_eq!(length.unwrap(), body.len().to_string());
    Some((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// The values of a scrape by name and labels, as they are written.
struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// Each line is a comment or a sample, each sample is there once and belongs to the family that was named last.
    #[track_caller]
    fn parse(text: &str) -> Self {
        let mut samples = BTreeMap::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                family = kind.split(' ').next().unwrap().to_owned();
            }
            if line.starts_with('#') {
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&family), "{line} is not of {family}");
            assert_eq!(
                samples.insert(name.to_owned(), value.parse().unwrap()),
                None,
                "{name} is there twice"
            );
        }
        Self(samples)
    }

    #[track_caller]
    fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("{name} is not told: {:#?}", self.0.keys()))
    }

    #[track_caller]
    fn check(&self, name: &str, value: f64) {
        assert_eq!(self.get(name), value, "{name}");
    }

    fn count(&self, beginning: &str) -> usize {
        self.0.keys().filter(|name| name.starts_with(beginning)).count()
    }
}

#[test]
fn streams_groups_and_consumers_are_told_of() {
    let scraped = Scraped::start(&[]);
    let mut client = scraped.server.client();
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    for age_s in [500, 400, 300, 200, 100] {
        client.call(&format!("XADD orders {}-1 number 1", now_ms - age_s * 1000));
    }
    client.call("XGROUP CREATE orders billing 0");
    client.call("XGROUP CREATE orders idle $");
    client.call("XREADGROUP GROUP billing alice COUNT 3 STREAMS orders >");
    client.call(&format!("XACK orders billing {}-1", now_ms - 500_000));
    // One is delivered again, as of a minute ago.
    client.call(&format!("XCLAIM orders billing bob 0 {}-1 IDLE 60000", now_ms - 400_000));
    client.call("SET other value");
    let samples = scraped.scrape();
    let stream = "{db=\"0\",stream=\"orders\"}";
    samples.check(&format!("millstream_stream_entries{stream}"), 5.0);
    samples.check(&format!("millstream_stream_entries_added_total{stream}"), 5.0);
    samples.check(&format!("millstream_stream_groups{stream}"), 2.0);
    assert!(samples.get(&format!("millstream_stream_bytes{stream}")) > 100.0);
    let group = "{db=\"0\",stream=\"orders\",group=\"billing\"}";
    samples.check(&format!("millstream_group_lag{group}"), 2.0);
    samples.check(&format!("millstream_group_pending{group}"), 2.0);
    samples.check(&format!("millstream_group_consumers{group}"), 2.0);
    samples.check(&format!("millstream_group_redeliveries_total{group}"), 1.0);
    for (name, age_s) in [("oldest_pending_age", 400.0), ("oldest_unread_age", 200.0), ("longest_idle", 60.0)]
    {
        let found = samples.get(&format!("millstream_group_{name}_seconds{group}"));
        assert!((age_s..age_s + 30.0).contains(&found), "{name}: {found}");
    }
    let idle = group.replace("billing", "idle");
    for name in ["lag", "pending", "oldest_unread_age_seconds", "longest_idle_seconds", "consumers"] {
        samples.check(&format!("millstream_group_{name}{idle}"), 0.0);
    }
    let alice = group.replace('}', ",consumer=\"alice\"}");
    samples.check(&format!("millstream_consumer_pending{alice}"), 1.0);
    assert!(samples.get(&format!("millstream_consumer_idle_seconds{alice}")) < 30.0);
    samples.check("millstream_streams", 1.0);
    samples.check("millstream_streams_untold", 0.0);
    samples.check("millstream_keys{db=\"0\"}", 2.0);
}

#[test]
fn commands_and_the_log_are_told_of() {
    let scraped = Scraped::start(&["--appendfsync", "always", "--worker-threads", "2"]);
    let mut client = scraped.server.client();
    for _ in 0..20 {
        client.call("XADD s * a b");
    }
    client.call("XADD s 1-1 a b");
    client.call("XADD s");
    let samples = scraped.scrape();
    let xadd = "{command=\"xadd\"}";
    samples.check(&format!("millstream_command_calls_total{xadd}"), 21.0);
    samples.check(&format!("millstream_command_failed_total{xadd}"), 1.0);
    samples.check(&format!("millstream_command_rejected_total{xadd}"), 1.0);
    samples.check("millstream_error_replies_total{code=\"ERR\"}", 2.0);
    samples.check(&format!("millstream_command_duration_seconds_count{xadd}"), 21.0);
    samples.check("millstream_command_duration_seconds_bucket{command=\"xadd\",le=\"+Inf\"}", 21.0);
    let sum = samples.get(&format!("millstream_command_duration_seconds_sum{xadd}"));
    assert!(sum > 0.0 && sum < 30.0, "{sum}");
    assert!(samples.get("millstream_log_sync_duration_seconds_count") >= 20.0);
    assert!(samples.get("millstream_log_size_bytes") > 500.0);
    for (name, value) in
        [("enabled", 1.0), ("latched", 0.0), ("buffered_bytes", 0.0), ("unsynced_bytes", 0.0)]
    {
        samples.check(&format!("millstream_log_{name}"), value);
    }
    samples.check("millstream_connections", 1.0);
    assert!(samples.get("millstream_memory_used_bytes") > 100_000.0);
    client.call("CONFIG RESETSTAT");
    assert_eq!(scraped.scrape().count("millstream_command_duration_seconds_count{command=\"xadd\"}"), 0);
}

/// A count of a line of INFO's section on locks.
#[track_caller]
fn lock_count(client: &mut Client, lock: &str, count: &str) -> u64 {
    let text = client.call("INFO locks").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("lock_{lock}:")));
    let counts = line.unwrap_or_else(|| panic!("no lock_{lock} in {text}"));
    let value = counts.split(',').find_map(|pair| pair.strip_prefix(&format!("{count}=")));
    value.unwrap_or_else(|| panic!("no {count} in {counts}")).parse().unwrap()
}

#[test]
fn locks_are_told_of() {
    let scraped = Scraped::start(&["--worker-threads", "4"]);
    let mut client = scraped.server.client();
    for _ in 0..100 {
        client.call("XADD s * a b");
    }
    assert!(lock_count(&mut client, "shard", "acquisitions") >= 100);
    assert_eq!(lock_count(&mut client, "log_buffer", "acquisitions"), 100);
    assert_eq!(lock_count(&mut client, "log_file", "acquisitions"), 100);
    let samples = scraped.scrape();
    samples.check("millstream_lock_acquisitions_total{lock=\"log_buffer\"}", 100.0);
    samples.check("millstream_lock_wait_seconds_total{lock=\"log_buffer\"}", 0.0);
    assert!(samples.get("millstream_lock_acquisitions_total{lock=\"shard\"}") >= 100.0);
    let by_default = client.call("INFO").text();
    assert!(!by_default.contains("lock_shard"), "what parses INFO finds what Redis has there");

    // Threads that add to one stream meet.
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = scraped.server.client();
                while !is_over.load(Relaxed) {
                    (0..200).for_each(|_| client.send("XADD s * a b"));
                    (0..200).for_each(|_| drop(client.read()));
                }
            });
        }
        await_true("two threads meet", || {
            lock_count(&mut client, "shard", "wait_ns") > 0 && lock_count(&mut client, "shard", "held_ns") > 0
        });
        is_over.store(true, Relaxed);
    });
    assert!(lock_count(&mut client, "shard", "contended") > 0);
    client.call("CONFIG RESETSTAT");
    assert_eq!(lock_count(&mut client, "log_buffer", "acquisitions"), 0);
    assert!(lock_count(&mut client, "shard", "acquisitions") < 10_000, "those of INFO and the background");
}

#[test]
fn commands_of_a_pipeline_all_count() {
    let scraped = Scraped::start(&["--worker-threads", "1"]);
    let mut client = scraped.server.client();
    for _ in 0..500 {
        client.send("XADD s * a b");
        client.send("XLEN s");
        client.send("XLEN s");
    }
    for _ in 0..1500 {
        client.read();
    }
    let samples = scraped.scrape();
    for (command, count) in [("xadd", 500.0), ("xlen", 1000.0)] {
        samples.check(&format!("millstream_command_duration_seconds_count{{command=\"{command}\"}}"), count);
    }
}

#[test]
fn any_key_is_a_label() {
    let scraped = Scraped::start(&[]);
    let mut client = scraped.server.client();
    let long = vec![b'k'; 100_000];
    for key in [&b"plain"[..], b"a\"b", b"a\\b", b"a\nb", b"\xff\x00", b"\\xff\\x00", &long, "é".as_bytes()]
    {
        client.call_args(&[b"XADD", key, b"1-1", b"a", b"b"]);
    }
    let (_, text) = scraped.get("/metrics");
    assert!(text.len() < 200_000);
    assert_eq!(Samples::parse(&text).count("millstream_stream_entries{"), 8);
    for label in
        ["plain", "a\\\"b", "a\\\\\\\\b", "a\\\\x0ab", "\\\\xff\\\\x00", "\\\\\\\\xff\\\\\\\\x00", "é"]
    {
        assert!(text.contains(&format!("stream=\"{label}\"}}")), "{label}: {text}");
    }
}

#[test]
fn health_and_readiness() {
    let scraped = Scraped::start(&["--appendfsync", "always"]);
    assert_eq!(scraped.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(scraped.get("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(scraped.get("/other").0, 404);
    let mut stream = TcpStream::connect(("127.0.0.1", scraped.port)).unwrap();
    stream.write_all(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    // A log that cannot be written latches: the process is well, but not ready.
    scraped.server.limit_file_size(Some(1));
    scraped.server.client().send("XADD s * a b");
    await_true("it is not ready", || scraped.get("/readyz").0 == 503);
    assert!(scraped.get("/readyz").1.starts_with("writes are refused: "));
    assert_eq!(scraped.get("/healthz").0, 200);
    scraped.scrape().check("millstream_log_latched", 1.0);
    scraped.server.limit_file_size(None);
    await_true("it is ready again", || scraped.get("/readyz").0 == 200);
}

#[test]
fn there_is_no_port_unless_it_is_wanted() {
    let server = Server::millstream(&[]);
    assert!(!server.output().contains("metrics"), "{}", server.output());
}

fn fill(client: &mut Client, streams: usize) {
    const BATCH: usize = 1000;
    for start in (0..streams).step_by(BATCH) {
        for number in start..start + BATCH {
            client.send(&format!("XADD stream:{number} 1-1 a b"));
        }
        for _ in 0..BATCH {
            client.read();
        }
    }
}

#[test]
fn a_scrape_of_many_streams_is_bounded_and_holds_nobody_up() {
    const STREAMS: usize = 100_000;
    let scraped =
        Scraped::start(&["--worker-threads", "2", "--metrics-streams-max", "50", "--appendfsync", "no"]);
    let mut client = scraped.server.client();
    fill(&mut client, STREAMS);
    for number in 0..50 {
        client.call(&format!("XADD stream:{number} 2-1 a b"));
    }
    client.call("XGROUP CREATE stream:7 g 0");
    let used = |samples: &Samples| samples.get("millstream_memory_peak_bytes");
    let before = scraped.scrape();
    before.check("millstream_streams", STREAMS as f64);
    before.check("millstream_streams_untold", (STREAMS - 50) as f64);
    for number in 0..50 {
        before.check(&format!("millstream_stream_entries{{db=\"0\",stream=\"stream:{number}\"}}"), 2.0);
    }
    assert_eq!(before.count("millstream_stream_entries{"), 50);
    assert_eq!(before.count("millstream_group_lag{"), 1);
    // While it is scraped again and again, a client is not kept waiting.
    let port = scraped.port;
    let scraper = std::thread::spawn(move || {
        let started = Instant::now();
        let mut longest = Duration::ZERO;
        let mut count = 0;
        while started.elapsed() < Duration::from_secs(2) {
            let scrape = Instant::now();
            let (_, text) = get(port, "/metrics").unwrap();
            assert!(text.len() < 100_000, "{} bytes", text.len());
            longest = longest.max(scrape.elapsed());
            count += 1;
        }
        (count, longest)
    });
    let mut longest = Duration::ZERO;
    while !scraper.is_finished() {
        let call = Instant::now();
        client.check("XLEN stream:1", "2");
        longest = longest.max(call.elapsed());
    }
    let (count, longest_scrape) = scraper.join().unwrap();
    println!("{count} scrapes, the longest took {longest_scrape:?}; the longest XLEN meanwhile {longest:?}");
    assert!(longest_scrape < PATIENCE && longest < Duration::from_secs(5), "{longest_scrape:?} {longest:?}");
    let grown = used(&scraped.scrape()) - used(&before);
    assert!(grown < 16e6, "memory has grown by {grown} bytes");
}

#[test]
fn what_the_dashboard_and_the_alerts_name_is_told() {
    let scraped = Scraped::start(&[]);
    let mut client = scraped.server.client();
    for command in
        ["XADD s * a b", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >", "XADD s", "XADD s 1 a b"]
    {
        client.call(command);
    }
    let (_, text) = scraped.get("/metrics");
    let told = list_names(&text);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/monitoring");
    let read = |name: &str| fs::read_to_string(PathBuf::from(&dir).join(name)).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(queries.len() > 20);
    let documentation =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/monitoring/README.md"));
    let documentation = documentation.unwrap();
    for source in [queries.join("\n"), read("alerts.yml"), documentation.clone()] {
        let named = list_names(&source);
        assert!(named.len() > 8, "{named:?}");
        for name in named {
            assert!(told.contains(&name), "{name} is not told");
        }
    }
    // And all that is told is documented.
    let documented = list_names(&documentation);
    for name in
        told.iter().filter(|name| !["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end)))
    {
        assert!(documented.contains(name), "{name} is not documented");
    }
}

/// The words that are names of metrics.
fn list_names(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let mut names: Vec<String> =
        words.filter(|word| word.starts_with("millstream_")).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}
