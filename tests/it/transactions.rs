//! What WATCH sees.

use crate::harness::{Program, Reply, Server};

/// What is there when `k` and `none` are watched.
const BEFORE: &[&str] = &[
    "FLUSHALL",
    "XADD k 1-1 a b",
    "XADD k 2-1 a b",
    "XADD k 3-1 a b",
    "XADD other 1-1 a b",
    "XGROUP CREATE k g 0",
    "XGROUP CREATE k h 3-1",
    "XREADGROUP GROUP g c COUNT 2 STREAMS k >",
    "SET s 1",
];

/// Commands that another connection sends then.
const COMMANDS: &[&str] = &[
    "XADD k 9-9 a b",
    "XADD none NOMKSTREAM * a b",
    "XTRIM k MAXLEN 100",
    "XTRIM k MAXLEN 1",
    "XDEL k 1-1",
    "XDEL k 7-7",
    "XSETID k 9-9",
    "XGROUP CREATE k new 0",
    "XGROUP CREATE none g 0 MKSTREAM",
    "XGROUP SETID k g 0",
    "XGROUP CREATECONSUMER k g new",
    "XGROUP DELCONSUMER k g c",
    "XGROUP DESTROY k g",
    "XREADGROUP GROUP g c STREAMS k >",
    "XREADGROUP GROUP g c NOACK STREAMS k >",
    "XREADGROUP GROUP h new STREAMS k >",
    "XREADGROUP GROUP g c STREAMS k 0",
    "XACK k g 1-1",
    "XCLAIM k g d 0 1-1",
    "XAUTOCLAIM k g d 0 0",
    "XREAD STREAMS k 0",
    "XINFO STREAM k FULL",
    "TOUCH k",
    "EXPIRE k 1000",
    "EXPIRE k 1000 XX",
    "EXPIRE k -1",
    "PERSIST k",
    "COPY k none",
    "COPY other none",
    "COPY other k",
    "COPY other k REPLACE",
    "RENAME k none",
    "RENAME other k",
    "RENAMENX other none",
    "SET k v",
    "SET k v NX",
    "GETDEL k",
    "APPEND none x",
    "INCR none",
    "DEL k",
    "DEL none",
    "UNLINK k",
    "MOVE k 1",
    "FLUSHDB",
    "FLUSHALL",
    "SWAPDB 0 1",
    "SWAPDB 2 3",
];

/// Whether EXEC fails after another connection sent this.
fn is_seen(server: &Server, command: &str) -> bool {
    let (mut client, mut other) = (server.client(), server.client());
    for before in BEFORE {
        assert!(!client.call(before).is_error(), "{before}");
    }
    client.check("WATCH k none", "OK");
    other.call(command);
    client.check("MULTI", "OK");
    client.check("PING", "QUEUED");
    client.call("EXEC") == Reply::NullArray
}

#[test]
fn watch_sees_what_it_sees_in_redis() {
    let redis = Server::start(Program::Redis, &[]);
    let expected: Vec<bool> = COMMANDS.iter().map(|command| is_seen(&redis, command)).collect();
    assert!(expected.contains(&true) && expected.contains(&false));
    for threads in ["1", "4"] {
        let millstream = Server::millstream(&["--worker-threads", threads]);
        for (command, expected) in COMMANDS.iter().zip(&expected) {
            assert_eq!(is_seen(&millstream, command), *expected, "{command}, {threads} threads");
        }
    }
}

#[test]
fn others_and_its_own_commands_see_a_client_in_its_transaction() {
    for program in [Program::Millstream, Program::Redis] {
        let server = Server::start(program, &["--appendonly", "no"]);
        let (mut client, mut other) = (server.client(), server.client());
        let shown = |text: &str| {
            let line = text.lines().find(|line| line.contains(" name=it ")).unwrap().to_owned();
            let fields = line.split(' ').filter(|field| {
                ["flags", "multi", "cmd"]
                    .iter()
                    .any(|name| field.split_once('=').is_some_and(|f| f.0 == *name))
            });
            fields.collect::<Vec<_>>().join(" ")
        };
        client.check("CLIENT SETNAME it", "OK");
        client.check("MULTI", "OK");
        assert_eq!(shown(&other.call("CLIENT LIST").text()), "flags=x multi=0 cmd=multi");
        client.check("CLIENT INFO", "QUEUED");
        client.check("PING", "QUEUED");
        assert_eq!(shown(&other.call("CLIENT LIST").text()), "flags=x multi=2 cmd=ping");
        let replies = client.call("EXEC");
        assert_eq!(shown(&replies.elements()[0].text()), "flags=x multi=2 cmd=exec");
        assert_eq!(shown(&other.call("CLIENT LIST").text()), "flags=N multi=-1 cmd=exec");
    }
}
