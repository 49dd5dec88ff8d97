//! BGREWRITEAOF: what the rewritten log holds, here and in redis-server.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::harness::{Client, Program, Reply, Server, await_true, encode_request};

/// The names of the log's files.
fn log_files(server: &Server) -> Vec<String> {
    let entries = fs::read_dir(server.log_dir()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn await_rewrite(server: &Server, seq: u32) {
    let base = format!("appendonly.aof.{seq}.base.aof");
    await_true("the rewrite's end", || {
        let names = log_files(server);
        names.contains(&base) && names.len() == 3
    });
}

fn fill(client: &mut Client) {
    for line in [
        "SET text value",
        "SET number 12",
        "SET expiring soon PXAT 33000000000000",
        "LPUSH list c b a",
        "SADD set a",
        "XADD s 1-1 a 1",
        "XADD s 1-2 a 2 b x",
        "XADD s 2-0 a 3",
        "XADD s 3-0 a 4",
        "XADD s 4-0 a 5",
        "XGROUP CREATE s g 0",
        "XGROUP CREATE s behind 3-0 ENTRIESREAD 4",
        "XREADGROUP GROUP g alice COUNT 3 STREAMS s >",
        "XREADGROUP GROUP g bob COUNT 1 STREAMS s >",
        "XGROUP CREATECONSUMER s g carol",
        // Pending, and gone from the stream; the last one is above what XSETID leaves as the last ID.
        "XDEL s 1-2",
        "XADD t 5-0 a 1",
        "XADD t 6-0 a 1",
        "XADD t 9-0 a 1",
        "XGROUP CREATE t g 0",
        "XREADGROUP GROUP g alice STREAMS t >",
        "XTRIM t MAXLEN 0",
        "XSETID t 7-0",
        "XADD t 8-0 a b",
        "PEXPIREAT t 33000000000000",
        // A counter that is as great as can be.
        "XADD full 1-1 a b",
        "XSETID full 1-1 ENTRIESADDED 9223372036854775807",
        "XADD full 2-1 a b",
        "XADD emptied 1-1 a b",
        "XDEL emptied 1-1",
        "XGROUP CREATE new g $ MKSTREAM",
        "SELECT 3",
        "XADD u 1-1 a b",
        "SELECT 0",
    ] {
        assert!(!client.call(line).is_error(), "{line}");
    }
}

/// The elements of an array in a text, but for those that tell of how Redis keeps a stream and of what it does not keep, and for lag,
/// which Redis does not always know.
fn describe(reply: &Reply, text: &mut String) {
    let Reply::Array(elements) = reply else {
        text.push_str(&format!("{reply} "));
        return;
    };
    text.push('[');
    let mut elements = elements.iter();
    while let Some(element) = elements.next() {
        let is_left_out = matches!(element, Reply::Bulk(name) if matches!(
            &name[..],
            b"radix-tree-keys" | b"radix-tree-nodes" | b"seen-time" | b"active-time" | b"lag" | b"nacked-count"
                | b"idmp-duration" | b"idmp-maxsize" | b"pids-tracked" | b"iids-tracked" | b"iids-added" | b"iids-duplicates"
        ));
        if is_left_out {
            elements.next();
        } else {
            describe(element, text);
        }
    }
    text.push_str("] ");
}

fn describe_all(client: &mut Client) -> String {
    let mut text = String::new();
    for line in [
        "GET text",
        "GET number",
        "PEXPIRETIME expiring",
        "LRANGE list 0 -1",
        "SMEMBERS set",
        "XINFO STREAM s FULL COUNT 0",
        "XINFO STREAM t FULL COUNT 0",
        "XINFO STREAM emptied FULL COUNT 0",
        "XINFO STREAM new FULL COUNT 0",
        "PEXPIRETIME t",
        "DBSIZE",
        "SELECT 3",
        "XINFO STREAM u FULL COUNT 0",
        "DBSIZE",
        "SELECT 0",
    ] {
        text.push_str(line);
        text.push_str(": ");
        describe(&client.call(line), &mut text);
        text.push('\n');
    }
    text
}

/// A redis-server on a copy of the server's log.
fn start_redis_on(server: &Server) -> Server {
    let mut redis = Server::start(Program::Redis, &["--appendonly", "no"]);
    redis.terminate();
    let to = redis.log_dir();
    fs::create_dir(&to).unwrap();
    copy_files(&server.log_dir(), &to);
    redis.add_arguments(&["--appendonly", "yes"]);
    redis.restart();
    redis
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn the_rewritten_log_holds_the_same_here_and_in_redis() {
    let mut server = Server::millstream(&["--appendfsync", "no"]);
    let mut client = server.client();
    fill(&mut client);
    client.check("BGREWRITEAOF", "Background append only file rewriting started");
    await_rewrite(&server, 1);
    let expected = describe_all(&mut client);
    let full = client.call("XINFO STREAM s FULL COUNT 0");
    // What follows goes to the increment.
    client.check("SET after rewrite", "OK");

    let mut redis = start_redis_on(&server);
    redis.client().check("GETDEL after", "\"rewrite\"");
    assert_eq!(describe_all(&mut redis.client()), expected);
    redis.terminate();

    server.kill();
    server.restart();
    let mut client = server.client();
    client.check("GETDEL after", "\"rewrite\"");
    assert_eq!(describe_all(&mut client), expected);
    // The times of the consumers, too, which Redis does not keep.
    assert_eq!(client.call("XINFO STREAM s FULL COUNT 0"), full);
    // A second one replaces the first.
    client.check("BGREWRITEAOF", "Background append only file rewriting started");
    await_rewrite(&server, 2);
    assert_eq!(
        log_files(&server),
        ["appendonly.aof.2.base.aof", "appendonly.aof.3.incr.aof", "appendonly.aof.manifest"]
    );
    server.terminate();
    server.restart();
    assert_eq!(describe_all(&mut server.client()), expected);
}

#[test]
fn what_was_handed_back_keeps_its_order() {
    let mut server = Server::millstream(&[]);
    let mut client = server.client();
    for id in ["1-1", "2-1", "3-1"] {
        client.check(&format!("XADD s {id} f v"), &format!("\"{id}\""));
    }
    client.check("XGROUP CREATE s g 0", "OK");
    client.check("XNACK s g FAIL IDS 1 3-1 FORCE", "1");
    client.check("XNACK s g FAIL IDS 2 1-1 2-1 RETRYCOUNT 4294967294 FORCE", "2");
    client.check("BGREWRITEAOF", "Background append only file rewriting started");
    await_rewrite(&server, 1);
    server.kill();
    server.restart();
    let read = server.client().call("XREADGROUP GROUP g c CLAIM 9223372036854775807 COUNT 3 STREAMS s >");
    let delivered: Vec<_> = read.elements()[0].elements()[1]
        .elements()
        .iter()
        .map(|entry| (entry.elements()[0].text(), entry.elements()[3].integer()))
        .collect();
    let expected = [("3-1", 0), ("1-1", 4_294_967_294), ("2-1", 4_294_967_294)];
    assert_eq!(delivered, expected.map(|(id, count)| (id.to_owned(), count)));
}

#[test]
fn refusals() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    client.check("MULTI", "OK");
    client.check("BGREWRITEAOF", "QUEUED");
    client.check("EXEC", "[Background append only file rewriting scheduled]");
    await_rewrite(&server, 1);
    let server = Server::millstream(&["--appendonly", "no"]);
    let refusal = "-ERR There is no append only file to rewrite: appendonly is off";
    server.client().check("BGREWRITEAOF", refusal);
}

#[test]
fn a_log_that_has_grown_is_rewritten_by_itself() {
    let server = Server::millstream(&["--auto-aof-rewrite-min-size", "1mb"]);
    let mut client = server.client();
    let value = "v".repeat(100_000);
    for _ in 0..12 {
        client.check(&format!("SET k {value}"), "OK");
    }
    await_rewrite(&server, 1);
    let bytes: u64 =
        fs::read_dir(server.log_dir()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 1_000_000, "{bytes}");
    client.check("STRLEN k", "100000");
}

/// Sends commands in one go, and reads their replies, none of which is an error.
fn pipeline(client: &mut Client, commands: &[Vec<String>]) -> Vec<Reply> {
    client.send_raw(&commands.iter().flat_map(|command| encode_request(command)).collect::<Vec<_>>());
    let replies: Vec<_> = commands.iter().map(|_| client.read()).collect();
    assert!(!replies.iter().any(Reply::is_error), "{replies:?}");
    replies
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

/// Keys are copied little by little: those that change, come and go meanwhile, with whole databases too, are written as they were.
#[test]
fn many_keys_change_while_they_are_copied() {
    const KEYS: usize = 100_000;
    let mut server = Server::millstream(&["--appendfsync", "always", "--worker-threads", "2"]);
    let mut client = server.client();
    let mut random = fastrand::Rng::with_seed(11);
    // The number of entries of each stream, by database.
    let mut model = [HashMap::new(), HashMap::new()];
    for (db, streams) in model.iter_mut().enumerate() {
        let mut commands = vec![words(&["SELECT", &db.to_string()])];
        for n in 0..KEYS / (db + 1) {
            let key = format!("{db}:{n}");
            commands.push(words(&["XADD", &key, "1-1", "f", "v"]));
            streams.insert(key, 1);
        }
        pipeline(&mut client, &commands);
    }
    client.check("SELECT 0", "OK");
    assert!(!client.call("BGREWRITEAOF").is_error());
    for step in 0..60 {
        let commands: Vec<_> = (0..200)
            .map(|_| {
                let key = format!("{}:{}", random.u8(0..2), random.usize(0..KEYS + KEYS / 5));
                if random.u8(0..10) < 7 {
                    *model[0].entry(key.clone()).or_default() += 1;
                    words(&["XADD", &key, "*", "f", &"v".repeat(random.usize(0..30))])
                } else {
                    model[0].remove(&key);
                    words(&["DEL", &key])
                }
            })
            .collect();
        pipeline(&mut client, &commands);
        match step {
            2 | 40 => {
                client.check("SWAPDB 0 1", "OK");
                model.swap(0, 1);
            }
            5 => {
                client.check("FLUSHDB", "OK");
                model[0].clear();
            }
            _ => {}
        }
    }
    await_rewrite(&server, 1);
    server.kill();
    server.restart();
    let mut client = server.client();
    for (db, streams) in model.iter().enumerate() {
        client.check(&format!("SELECT {db}"), "OK");
        client.check("DBSIZE", &streams.len().to_string());
        let commands: Vec<_> = streams.keys().map(|key| words(&["XLEN", key])).collect();
        let found = pipeline(&mut client, &commands);
        for ((key, entries), found) in streams.iter().zip(found) {
            assert_eq!(found.integer(), *entries, "{key} in {db}");
        }
    }
}
