//! Directories that redis-server wrote are loaded, and redis-server loads ours; the data are the same.
//!
//! With `MILLSTREAM_REFERENCE` naming another redis-server these tests look at what that one does.

use std::fs;

use crate::durability::{KEYS, describe, without_seen_times, write_history};
use crate::harness::{Client, Program, Server, await_true};

/// Besides streams: strings with and without expiry, lists and sets, each in its small and its large form.
const VALUES: &[&str] = &[
    "SET text hello PXAT 4000000000000",
    "SET long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "SET -5 -5",
    "LPUSH list a 1 bbbbbbbbb",
    "SADD integers 1 70000 -4",
    "SADD words a 12",
];

const VALUE_KEYS: &[&str] = &["text", "long", "-5", "list", "integers", "words"];

pub(crate) fn write_values(server: &Server) {
    let mut client = server.client();
    VALUES.iter().for_each(|command| assert!(!client.call(command).is_error(), "{command}"));
    for number in 0..3000 {
        client.call(&format!("LPUSH longlist {number}"));
        client.call(&format!("SADD manywords word{number}"));
        client.call(&format!("XADD longstream {number}-1 number {number} same text"));
    }
    client.check("SELECT 3", "OK");
    client.check("XADD elsewhere 1-1 a b", "\"1-1\"");
    client.check("PEXPIREAT elsewhere 4000000000000", "1");
}

/// All data, as far as Redis 7.0 has it too.
pub(crate) fn describe_all(server: &Server) -> Vec<String> {
    let mut texts = describe(server, KEYS);
    texts.extend(describe(server, &["longstream"]));
    let mut client = server.client();
    for key in VALUE_KEYS.iter().chain(&["longlist", "manywords"]) {
        for command in ["TYPE", "PEXPIRETIME", "OBJECT ENCODING"] {
            texts.push(format!("{command} {key}: {}", client.call(&format!("{command} {key}"))));
        }
    }
    texts.push(client.call("LRANGE list 0 -1").to_string());
    texts.push(client.call("LRANGE longlist 0 -1").to_string());
    for key in ["integers", "words", "manywords"] {
        let mut members: Vec<_> =
            client.call(&format!("SMEMBERS {key}")).elements().iter().map(ToString::to_string).collect();
        members.sort_unstable();
        texts.push(members.join(" "));
    }
    for key in ["text", "long", "-5"] {
        texts.push(client.call(&format!("GET {key}")).to_string());
    }
    texts.push(client.call("DBSIZE").to_string());
    client.check("SELECT 3", "OK");
    texts.push(client.call("XINFO STREAM elsewhere FULL").to_string());
    texts.push(client.call("PEXPIRETIME elsewhere").to_string());
    without_newer(without_seen_times(&texts))
}

/// Without the fields that Redis has since 8.6 and 8.8, how it packs small sets since 7.2, and the lag, which is not counted from
/// what a client said there.
fn without_newer(mut texts: Vec<String>) -> Vec<String> {
    for text in &mut texts {
        let mut parts = text.split(", \"lag\", ");
        let first = parts.next().unwrap_or_default().to_owned();
        *text = parts.fold(first, |text, part| text + part.trim_start_matches(|c| c != ','));
    }
    for newer in [
        ", \"nacked-count\", 0",
        ", \"idmp-duration\", 100, \"idmp-maxsize\", 100",
        ", \"pids-tracked\", 0, \"iids-tracked\", 0, \"iids-added\", 0, \"iids-duplicates\", 0",
    ] {
        texts.iter_mut().for_each(|text| *text = text.replace(newer, ""));
    }
    texts.retain(|text| !text.starts_with("OBJECT ENCODING"));
    texts
}

#[track_caller]
pub(crate) fn check_same(server: &Server, expected: &[String], what: &str) {
    let found = describe_all(server);
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        // They are long: what is different, and a little around it.
        let same = found.bytes().zip(expected.bytes()).take_while(|(one, other)| one == other).count();
        let start = same.saturating_sub(200);
        let part = |text: &str| text.get(start..text.len().min(same + 200)).unwrap_or_default().to_owned();
        assert!(found == expected, "{what}:\n{}\ninstead of\n{}", part(found), part(expected));
    }
}

pub(crate) fn rewrite(server: &Server, client: &mut Client) {
    assert!(!client.call("BGREWRITEAOF").is_error());
    await_true("the rewrite's end", || {
        let info = client.call("INFO persistence").text();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    });
    assert!(
        client.call("INFO persistence").text().contains("aof_last_bgrewrite_status:ok"),
        "{}",
        server.output()
    );
}

/// A redis-server's directory: a base in the RDB format with half of the data, and the rest in an increment.
fn written_by_redis(preamble: &str) -> (Server, Vec<String>) {
    let mut redis =
        Server::start(Program::Redis, &["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]);
    write_values(&redis);
    rewrite(&redis, &mut redis.client());
    write_history(&redis);
    assert_eq!(redis.terminate().status.code(), Some(0));
    // What it reads of its own files: its log does not tell how far a group has read that was served while it waited.
    redis.restart();
    let described = describe_all(&redis);
    assert_eq!(redis.terminate().status.code(), Some(0));
    (redis, described)
}

fn has_file(server: &Server, end: &str) -> bool {
    let names = fs::read_dir(server.log_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    names.into_iter().any(|name| name.to_string_lossy().ends_with(end))
}

#[test]
fn we_load_what_redis_wrote() {
    for (preamble, base) in [("yes", ".base.rdb"), ("no", ".base.aof")] {
        let (redis, expected) = written_by_redis(preamble);
        assert!(has_file(&redis, base));
        let mut server = Server::start_on(Program::Millstream, &redis.data_dir(), &[]);
        check_same(&server, &expected, &format!("after {base}"));
        // The files stay as they are; what is new goes to an increment of ours.
        server.client().check("XADD longstream 5000-1 a b", "\"5000-1\"");
        let expected = describe_all(&server);
        server.kill();
        server.restart();
        check_same(&server, &expected, "with an increment of ours");
        rewrite(&server, &mut server.client());
        assert!(!has_file(&server, ".base.rdb"));
        server.kill();
        server.restart();
        check_same(&server, &expected, "after a rewrite");
        // And back: redis-server goes on with all of it.
        assert_eq!(server.terminate().status.code(), Some(0));
        let redis = Server::start_on(Program::Redis, &server.data_dir(), &["--appendonly", "yes"]);
        check_same(&redis, &expected, "back in redis-server");
    }
}

#[test]
fn redis_loads_what_we_wrote() {
    for with_rewrite in [false, true] {
        let mut server = Server::millstream(&[]);
        write_values(&server);
        if with_rewrite {
            write_history(&server);
            rewrite(&server, &mut server.client());
            server.client().check("SET k v EX 100000", "OK");
        } else {
            write_history(&server);
        }
        let expected = describe_all(&server);
        let exit = server.terminate();
        assert_eq!(exit.status.code(), Some(0), "{exit:?}");
        let redis = Server::start_on(Program::Redis, &server.data_dir(), &["--appendonly", "yes"]);
        check_same(&redis, &expected, &format!("with a rewrite: {with_rewrite}"));
    }
}

/// What Millstream has no type for keeps it from starting: nothing is dropped in silence.
#[test]
fn what_millstream_does_not_have_is_told_by_name() {
    for (command, expected) in [
        (
            "HSET map field value",
            "the key \"map\" of database 2 holds a hash, a type that Millstream does not have",
        ),
        (
            "ZADD scores 1 a",
            "the key \"scores\" of database 2 holds a zset, a type that Millstream does not have",
        ),
    ] {
        let mut redis = Server::start(Program::Redis, &["--appendonly", "yes"]);
        let mut client = redis.client();
        client.check("SELECT 2", "OK");
        let reply = client.call(command);
        assert!(!reply.is_error(), "{reply}");
        rewrite(&redis, &mut client);
        assert_eq!(redis.terminate().status.code(), Some(0));

        let mut server = Server::millstream(&[]);
        server.kill();
        fs::remove_dir_all(server.log_dir()).unwrap();
        fs::create_dir(server.log_dir()).unwrap();
        for entry in fs::read_dir(redis.log_dir()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), server.log_dir().join(entry.file_name())).unwrap();
        }
        let exit = server.try_restart().expect_err("it holds what Millstream does not have");
        assert_eq!((exit.status.code(), exit.stderr.lines().count()), (Some(1), 1), "{exit:?}");
        for part in [".base.rdb at offset ", expected, "`millstream import` takes over what it has"] {
            assert!(exit.stderr.contains(part), "{part:?} is missing in {exit:?}");
        }
    }
}
