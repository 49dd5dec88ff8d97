//! CONFIG SET appendonly while the server runs.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crate::harness::{Client, PATIENCE, Program, Server, await_true, encode_request};

const REFUSED: &str = "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.";
const WRITERS: usize = 4;

/// What INFO says of the log, line by line.
fn info(client: &mut Client) -> Vec<(String, String)> {
    let text = client.call("INFO persistence").text();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn field(client: &mut Client, name: &str) -> Option<String> {
    info(client).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Switches the log on, and waits until its first rewrite has come to its end.
#[track_caller]
fn switch_on(client: &mut Client) {
    client.check("CONFIG SET appendonly yes", "OK");
    await_first_rewrite(client);
}

#[track_caller]
fn await_first_rewrite(client: &mut Client) {
    await_true("the first rewrite's end", || {
        field(client, "aof_rewrite_in_progress").unwrap() == "0"
            && field(client, "aof_rewrite_scheduled").unwrap() == "0"
    });
    assert_eq!(field(client, "aof_enabled").unwrap(), "1");
}

/// Counts what writers had answered, each in a stream of its own.
#[derive(Default)]
struct Answered([AtomicU64; WRITERS]);

impl Answered {
    fn all(&self) -> [u64; WRITERS] {
        std::array::from_fn(|writer| self.0[writer].load(SeqCst))
    }
}

/// Adds entries to a stream until the server is gone, or as long as `goes_on`.
fn write(mut client: Client, writer: usize, answered: &Answered, goes_on: &AtomicBool) {
    let key = format!("s{writer}");
    let count = [1, 3, 20, 1][writer];
    let mut request = Vec::new();
    for _ in 0..count {
        request.extend(encode_request(&["XADD", &key, "*", "field", "value"]));
    }
    while goes_on.load(SeqCst) {
        if !client.try_send_raw(&request) {
            return;
        }
        for _ in 0..count {
            match client.read_within(PATIENCE) {
                Ok(Some(reply)) => assert!(!reply.is_error(), "{reply}"),
                _ => return,
            }
            answered.0[writer].fetch_add(1, SeqCst);
        }
    }
}

#[track_caller]
fn check_there(server: &Server, promised: &[u64], context: &str) {
    let mut client = server.client();
    for (writer, promised) in promised.iter().enumerate() {
        let there = client.call(&format!("XLEN s{writer}")).integer() as u64;
        assert!(there >= *promised, "{context}: {there} entries of {promised} are in s{writer}");
    }
}

#[test]
fn what_was_answered_is_there_once_the_first_rewrite_has_ended() {
    for policy in ["always", "everysec", "no"] {
        let arguments = ["--appendonly", "no", "--appendfsync", policy, "--worker-threads", "2"];
        let mut server = Server::millstream(&arguments);
        let (answered, goes_on) = (Answered::default(), AtomicBool::new(true));
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (client, answered, goes_on) = (server.client(), &answered, &goes_on);
                    scope.spawn(move || write(client, writer, answered, goes_on))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(200));
            switch_on(&mut server.client());
            std::thread::sleep(Duration::from_millis(100));
            server.kill();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
        });
        server.add_arguments(&["--appendonly", "yes"]);
        server.restart();
        check_there(&server, &answered.all(), policy);
        assert!(!server.output().contains("Removing"), "{}", server.output());
    }
}

/// Switches the log off and on until the server is gone. Answers what was answered when it was switched off last, or nothing when it
/// was on to the end.
fn switch(mut client: Client, answered: &Answered, mut random: fastrand::Rng) -> Option<[u64; WRITERS]> {
    let exchange = |client: &mut Client, args: &[&str]| {
        client
            .try_send_raw(&encode_request(args))
            .then(|| client.read_within(PATIENCE).ok().flatten())
            .flatten()
    };
    let mut stays = random.fork();
    let mut pause = |ms| std::thread::sleep(Duration::from_millis(random.u64(..ms)));
    loop {
        pause(40);
        let before = answered.all();
        let Some(reply) = exchange(&mut client, &["CONFIG", "SET", "appendonly", "no"]) else {
            // It may not have come to the server.
            return Some(before);
        };
        assert!(!reply.is_error(), "{reply}");
        pause(20);
        let Some(reply) = exchange(&mut client, &["CONFIG", "SET", "appendonly", "yes"]) else {
            return Some(before);
        };
        assert!(!reply.is_error(), "{reply}");
        loop {
            let Some(reply) = exchange(&mut client, &["INFO", "persistence"]) else { return Some(before) };
            if reply.text().contains("aof_rewrite_in_progress:0") {
                break;
            }
        }
        if stays.u8(..8) == 0 {
            while exchange(&mut client, &["PING"]).is_some() {
                std::thread::sleep(Duration::from_millis(1));
            }
            return None;
        }
    }
}

#[test]
fn a_log_that_is_switched_under_load_survives_kills() {
    let wanted = std::env::var("MILLSTREAM_CAMPAIGN_KILLS");
    let kills = wanted.map_or(4, |kills| kills.parse().expect("MILLSTREAM_CAMPAIGN_KILLS is a number"));
    for policy in ["always", "everysec"] {
        let mut random = fastrand::Rng::with_seed(kills);
        let mut server = Server::millstream(&["--appendfsync", policy, "--worker-threads", "2"]);
        let (mut entries, mut when_on) = (0, 0);
        for round in 0..kills {
            let (answered, goes_on) = (Answered::default(), AtomicBool::new(true));
            let before = std::thread::scope(|scope| {
                for writer in 0..WRITERS {
                    let (client, answered, goes_on) = (server.client(), &answered, &goes_on);
                    scope.spawn(move || write(client, writer, answered, goes_on));
                }
                let (client, answered, random_of_switch) = (server.client(), &answered, random.fork());
                let switcher = scope.spawn(move || switch(client, answered, random_of_switch));
                std::thread::sleep(Duration::from_millis(random.u64(50..400)));
                server.kill();
                switcher.join().unwrap()
            });
            server.restart();
            when_on += u64::from(before.is_none());
            let promised = before.unwrap_or_else(|| answered.all());
            check_there(&server, &promised, &format!("{policy}, round {round}"));
            entries += answered.all().iter().sum::<u64>();
            server.client().check("FLUSHALL", "OK");
        }
        println!(
            "{kills} kills while the log was switched, appendfsync {policy}: {entries} entries, {when_on} times on to the end"
        );
        assert!(entries > 0);
    }
}

/// Both servers are asked the same and answer the same, but for figures.
#[test]
fn answers_and_fields_are_those_of_redis() {
    let arguments = ["--appendonly", "no", "--save", "", "--appendfsync", "always"];
    let described = [Program::Millstream, Program::Redis].map(|program| {
        let mut server = Server::start(program, &arguments);
        let mut client = server.client();
        let mut text = String::new();
        let mut say = |client: &mut Client, line: &str| {
            let reply = client.call(line);
            text += &format!("{line}: {reply}\n");
        };
        let mut fields = Vec::new();
        let mut note_fields = |client: &mut Client| {
            let names = info(client).into_iter().filter(|(name, _)| name.starts_with("aof_"));
            fields.push(
                names
                    .map(|(name, value)| match name.as_str() {
                        "aof_last_cow_size"
                        | "aof_last_rewrite_time_sec"
                        | "aof_current_size"
                        | "aof_base_size"
                        | "aof_pending_bio_fsync" => name,
                        "aof_rewrites_consecutive_failures" => name,
                        _ => format!("{name}:{value}"),
                    })
                    .collect::<Vec<_>>(),
            );
        };
        say(&mut client, "XADD s 1-1 a b");
        say(&mut client, "CONFIG SET appendonly no");
        note_fields(&mut client);
        say(&mut client, "CONFIG SET appendonly yes");
        await_first_rewrite(&mut client);
        note_fields(&mut client);
        say(&mut client, "CONFIG SET appendonly yes");
        say(&mut client, "XADD s 2-1 a b");
        say(&mut client, "CONFIG GET appendonly");
        say(&mut client, "CONFIG SET appendonly no timeout 7");
        note_fields(&mut client);
        say(&mut client, "CONFIG GET appendonly");
        say(&mut client, "CONFIG GET timeout");
        say(&mut client, "XADD s 3-1 a b");
        for line in ["MULTI", "SET k 1", "CONFIG SET appendonly yes", "SET k 2", "EXEC"] {
            say(&mut client, line);
        }
        await_first_rewrite(&mut client);
        say(&mut client, "CONFIG GET appendonly");
        for line in ["MULTI", "SET k 3", "CONFIG SET appendonly no", "SET k 4", "EXEC"] {
            say(&mut client, line);
        }
        await_true("the log's end", || field(&mut client, "aof_enabled").unwrap() == "0");
        note_fields(&mut client);
        let script = "EVAL \"return redis.call('CONFIG', 'SET', 'appendonly', 'yes')\" 0";
        assert!(client.call(script).to_string().contains("not allowed from script"));
        say(&mut client, "CONFIG SET appendonly maybe");
        // A file is where the directory would be.
        fs::rename(server.log_dir(), server.data_dir().join("away")).unwrap();
        fs::write(server.log_dir(), "").unwrap();
        say(&mut client, "CONFIG SET appendonly yes");
        say(&mut client, "CONFIG SET timeout 8 appendonly yes");
        say(&mut client, "CONFIG GET appendonly");
        say(&mut client, "CONFIG GET timeout");
        note_fields(&mut client);
        fs::remove_file(server.log_dir()).unwrap();
        switch_on(&mut client);
        say(&mut client, "SET k 5");
        note_fields(&mut client);
        client.send("SHUTDOWN NOSAVE");
        server.await_exit();
        (text, fields)
    });
    let [(text, fields), (redis_text, redis_fields)] = described;
    assert_eq!(text, redis_text);
    assert_eq!(fields, redis_fields);
}

#[test]
fn redis_loads_what_was_switched_on() {
    let mut server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    client.check("XADD s 1-1 a b", "\"1-1\"");
    client.check("XGROUP CREATE s g 0", "OK");
    for number in 2..4 {
        switch_on(&mut client);
        client.check(&format!("XADD s {number}-1 a b"), &format!("\"{number}-1\""));
        client.check("CONFIG SET appendonly no", "OK");
        client.check(&format!("SET lost {number}"), "OK");
    }
    client.check("DEL lost", "1");
    // The other way round, too: its files are replaced by ours.
    let mut redis =
        Server::start_on(Program::Redis, &server.data_dir(), &["--appendonly", "yes", "--save", ""]);
    let mut redis_client = redis.client();
    redis_client.check("XLEN s", "3");
    redis_client.check("DBSIZE", "2");
    redis_client.check("GET lost", "\"2\"");
    redis_client.check("BGREWRITEAOF", "Background append only file rewriting started");
    await_first_rewrite(&mut redis_client);
    redis_client.send("SHUTDOWN");
    redis.await_exit();
    server.kill();
    let mut server = Server::start_on(Program::Millstream, &redis.data_dir(), &["--appendonly", "no"]);
    let mut client = server.client();
    client.check("SET k v", "OK");
    switch_on(&mut client);
    assert!(server.output().contains("will be replaced"), "{}", server.output());
    let mut names: Vec<_> = fs::read_dir(server.log_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "what was replaced is removed: {names:?}");
    server.kill();
    let redis = Server::start_on(Program::Redis, &server.data_dir(), &["--appendonly", "yes", "--save", ""]);
    redis.client().check("KEYS *", "[\"k\"]");
}

#[test]
fn a_log_that_cannot_be_switched_on_stays_off() {
    let mut first = Server::millstream(&[]);
    first.client().check("SET k first", "OK");
    let dir = first.data_dir();
    let server = Server::millstream(&["--appendonly", "no", "--dir", dir.to_str().unwrap()]);
    let mut client = server.client();
    client.check("SET k second", "OK");
    client.check("CONFIG SET appendonly yes", REFUSED);
    assert!(server.output().contains("another server uses it"), "{}", server.output());
    client.check("CONFIG GET appendonly", "[\"appendonly\", \"no\"]");
    client.check("SET k third", "OK");
    first.kill();
    // A manifest that cannot be understood is not replaced.
    let manifest = first.log_dir().join("appendonly.aof.manifest");
    let before = fs::read(&manifest).unwrap();
    fs::write(&manifest, "nonsense").unwrap();
    client.check("CONFIG SET appendonly yes", REFUSED);
    fs::write(&manifest, before).unwrap();
    switch_on(&mut client);
    client.check("SET k fourth", "OK");
    // Now it is the other one that is kept out.
    assert!(first.try_restart().unwrap_err().stderr.contains("another server uses it"));
    client.check("CONFIG SET appendonly no", "OK");
    first.restart();
    first.client().check("GET k", "\"fourth\"");
}

#[test]
fn it_is_switched_with_other_settings_or_not_at_all() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port();
    let config_dir = tempfile::tempdir().unwrap();
    let config = config_dir.path().join("m.conf");
    fs::write(&config, "appendonly no\nbind 127.0.0.1\n").unwrap();
    let mut server = Server::millstream(&[config.to_str().unwrap()]);
    let mut client = server.client();
    let refusal = client.call(&format!("CONFIG SET appendonly yes port {taken}"));
    assert!(refusal.to_string().contains("'port'"), "{refusal}");
    assert_eq!(field(&mut client, "aof_enabled").unwrap(), "0");
    assert_eq!(field(&mut client, "aof_rewrite_in_progress").unwrap(), "0");
    client.check("CONFIG SET appendonly yes appendfsync always timeout 9", "OK");
    await_first_rewrite(&mut client);
    let refusal = client.call(&format!("CONFIG SET appendonly no port {taken}"));
    assert!(refusal.to_string().contains("'port'"), "{refusal}");
    client.check("CONFIG GET appendonly", "[\"appendonly\", \"yes\"]");
    client.check("SET k v", "OK");
    client.check("WAITAOF 1 0 0", "[1, 0]");
    client.check("CONFIG REWRITE", "OK");
    drop(listener);
    let text = fs::read_to_string(&config).unwrap();
    assert!(!text.contains("appendonly no"), "{text}");
    server.kill();
    server.restart();
    let mut client = server.client();
    client.check("GET k", "\"v\"");
    client.check("CONFIG SET appendonly no", "OK");
    client.check("CONFIG REWRITE", "OK");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("appendonly no"), "{text}");
}

/// A full disk refuses writers until the log is switched off; and a log that cannot begin refuses nobody.
#[test]
fn switching_off_is_a_way_out_of_a_full_disk() {
    for policy in ["always", "everysec"] {
        let mut server = Server::millstream(&["--appendfsync", policy]);
        let mut client = server.client();
        client.check("SET k first", "OK");
        let mut blocked = server.client();
        blocked.send("XREAD BLOCK 0 STREAMS s 0");
        let size = fs::metadata(server.log_file()).unwrap().len();
        server.limit_file_size(Some(size + 10));
        client.send("SET k a-value-that-is-longer-than-what-is-left-of-the-disk");
        assert!(client.is_closed());
        let mut client = server.client();
        assert!(client.call("SET k refused").to_string().starts_with("-MISCONF"));
        client.check("CONFIG SET appendonly no", "OK");
        client.check("SET k second", "OK");
        client.check("XADD s 1-1 a b", "\"1-1\"");
        assert_eq!(blocked.read().to_string(), "[[\"s\", [[\"1-1\", [\"a\", \"b\"]]]]]");
        assert_eq!(field(&mut client, "aof_last_write_status").unwrap(), "ok");

        // The base does not fit: its first lines do.
        server.limit_file_size(Some(150));
        client.check(&format!("SET large {}", "x".repeat(1000)), "OK");
        client.check("CONFIG SET appendonly yes", "OK");
        await_true("the failure", || field(&mut client, "aof_last_bgrewrite_status").unwrap() == "err");
        for (name, value) in
            [("aof_enabled", "1"), ("aof_rewrite_in_progress", "0"), ("aof_last_write_status", "ok")]
        {
            assert_eq!(field(&mut client, name).unwrap(), value, "{name}");
        }
        client.check("SET k third", "OK");
        client.check("WAITAOF 0 0 0", "[0, 0]");
        assert!(client.call("SAVE").is_error() && client.call("BGSAVE").is_error());
        client.check("SHUTDOWN", "-ERR Errors trying to SHUTDOWN. Check logs.");
        server.limit_file_size(None);
        // It would be tried again by itself, in a minute.
        client.check("BGREWRITEAOF", "Background append only file rewriting started");
        await_first_rewrite(&mut client);
        client.check("SET k fourth", "OK");
        client.check("WAITAOF 1 0 0", "[1, 0]");
        server.kill();
        server.restart();
        let mut client = server.client();
        client.check("GET k", "\"fourth\"");
        client.check("DBSIZE", "3");
    }
}

/// Until the first rewrite has ended, what was there before is what a start finds.
#[test]
fn a_kill_during_the_first_rewrite_leaves_the_files_of_before() {
    let mut server = Server::millstream(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    client.check("SET k before", "OK");
    client.check("CONFIG SET appendonly no", "OK");
    client.check("SET k later", "OK");
    client.check("DEBUG POPULATE 300000", "OK");
    client.check("CONFIG SET appendonly yes", "OK");
    client.check("SET k last", "OK");
    let is_through = field(&mut client, "aof_rewrite_in_progress").unwrap() == "0";
    server.kill();
    server.restart();
    assert!(!is_through, "300000 keys are written in no time");
    server.client().check("GET k", "\"before\"");
    let names = fs::read_dir(server.log_dir()).unwrap().count();
    assert_eq!(names, 2, "the increment and the manifest; nothing is left behind");
}

#[test]
fn an_orderly_end_waits_for_the_first_rewrite() {
    let mut server = Server::millstream(&["--appendonly", "no", "--enable-debug-command", "yes"]);
    let mut client = server.client();
    client.check("DEBUG POPULATE 300000", "OK");
    client.check("CONFIG SET appendonly yes", "OK");
    client.check("SHUTDOWN", "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(server.terminate().status.code(), Some(0));
    server.add_arguments(&["--appendonly", "yes"]);
    server.restart();
    server.client().check("DBSIZE", "300000");
}
