//! Scripts and functions: what they answer, what they leave in the log, and how long ones are dealt with.

mod values;

use std::time::Duration;

use crate::harness::{Client, Program, Reply, Server, await_true};

/// Commands of which redis-server 7.0 and 8.6 answer the same.
const ANSWERS: &str = include_str!("answers.txt");
const LIBRARY: &str = "#!lua name=lib\n\
    local function add(key) return redis.call('incr', key) end\n\
    redis.register_function('add', function(keys) return add(keys[1]) end)\n\
    redis.register_function{function_name='read', callback=function(keys) return redis.call('get', keys[1]) end, \
    flags={'no-writes'}, description='reads'}";

fn load(client: &mut Client, code: &str) -> Reply {
    client.call_args(&["FUNCTION", "LOAD", "REPLACE", code])
}

fn eval(client: &mut Client, script: &str) -> Reply {
    client.call_args(&["EVAL", script, "0"])
}

#[test]
fn answers_are_those_of_redis() {
    let redis = Server::start(Program::Redis, &[]);
    let mut expected = [redis.client(), redis.client()];
    expected[1].switch_to(3);
    for threads in ["1", "4"] {
        let server = Server::millstream(&["--worker-threads", threads]);
        let mut clients = [server.client(), server.client()];
        clients[1].switch_to(3);
        expected[0].check("FLUSHALL", "OK");
        expected[0].check("FUNCTION FLUSH", "OK");
        expected[0].check("SCRIPT FLUSH", "OK");
        for line in ANSWERS.lines() {
            for (client, expected) in clients.iter_mut().zip(&mut expected) {
                assert_eq!(client.call(line), expected.call(line), "{line}, {threads} threads");
            }
        }
    }
}

#[test]
fn a_script_is_in_the_log_by_what_it_did() {
    let mut server = Server::millstream(&[]);
    let mut client = server.client();
    client.check("EVAL \"redis.call('set', KEYS[1], 'x'); redis.call('incr', 'n'); return 1\" 1 a", "1");
    client.check("EVAL \"return redis.call('get', KEYS[1])\" 1 a", "\"x\"");
    client.check("MULTI", "OK");
    client.check("EVAL \"redis.call('select', 3); return redis.call('incr', 'n')\" 0", "QUEUED");
    client.check("INCR n", "QUEUED");
    client.check("EXEC", "[1, 2]");
    client.check(
        "EVALSHA 0000000000000000000000000000000000000000 0",
        "-NOSCRIPT No matching script. Please use EVAL.",
    );
    // What was done before an error stays, as in Redis.
    assert!(eval(&mut client, "redis.call('incr', 'n'); error('x')").is_error());
    server.kill();
    let log = std::fs::read(server.log_file()).unwrap();
    let log = String::from_utf8_lossy(&log);
    let commands: Vec<&str> =
        log.lines().filter(|line| line.chars().all(|c| c.is_ascii_uppercase())).collect();
    let transactions = commands.iter().filter(|command| **command == "MULTI").count();
    assert_eq!(transactions, commands.iter().filter(|command| **command == "EXEC").count());
    assert_eq!(transactions, 3, "{commands:?}");
    assert!(!log.contains("EVAL"), "{log}");
    server.kill();
    server.restart();
    let mut client = server.client();
    client.check("GET a", "\"x\"");
    client.check("GET n", "\"3\"");
    client.check("SELECT 3", "OK");
    client.check("GET n", "\"1\"");
}

#[test]
fn functions_outlast_restarts_and_rewrites() {
    let mut server = Server::millstream(&[]);
    let mut client = server.client();
    assert_eq!(load(&mut client, LIBRARY).to_string(), "\"lib\"");
    assert_eq!(
        load(&mut client, "#!lua name=gone\nredis.register_function('f', function() return 1 end)")
            .to_string(),
        "\"gone\""
    );
    client.check("FCALL add 1 n", "1");
    client.check("FUNCTION DELETE gone", "OK");
    let payload = client.call("FUNCTION DUMP");
    server.kill();
    server.restart();
    let mut client = server.client();
    client.check("FCALL ADD 1 n", "2");
    client.check("FCALL f 0", "-ERR Function not found");
    assert_eq!(client.call("FUNCTION DUMP"), payload);
    client.call("BGREWRITEAOF");
    await_true("the rewrite ends", || {
        server.client().call("INFO persistence").to_string().contains("aof_rewrite_in_progress:0")
    });
    server.kill();
    server.restart();
    let mut client = server.client();
    client.check("FCALL add 1 n", "3");
    client.check("FCALL_RO read 1 n", "\"3\"");
    client.check("FUNCTION FLUSH ASYNC", "OK");
    server.kill();
    server.restart();
    server.client().check("FCALL add 1 n", "-ERR Function not found");
}

#[test]
fn functions_go_to_redis_and_come_from_it() {
    for (from, to) in [(Program::Millstream, Program::Redis), (Program::Redis, Program::Millstream)] {
        for rewrites in [false, true] {
            let mut server = Server::start(from, &["--appendonly", "yes"]);
            let mut client = server.client();
            load(&mut client, LIBRARY);
            client.check("FCALL add 1 n", "1");
            if rewrites {
                client.call("BGREWRITEAOF");
                await_true("the rewrite ends", || {
                    let info = server.client().call("INFO persistence").to_string();
                    info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
                });
            }
            let payload = match client.call("FUNCTION DUMP") {
                Reply::Bulk(payload) => payload,
                other => panic!("{other}"),
            };
            assert_eq!(server.terminate().status.code(), Some(0));
            let other = Server::start_on(to, &server.data_dir(), &["--appendonly", "yes"]);
            let mut client = other.client();
            client.check("FCALL add 1 n", "2");
            client.check("FUNCTION FLUSH", "OK");
            let restore = [&b"FUNCTION"[..], b"RESTORE", &payload];
            assert_eq!(client.call_args(&restore).to_string(), "OK");
            client.check("FCALL_RO read 1 n", "\"2\"");
        }
    }
}

#[test]
fn who_waits_is_served_after_a_script() {
    let server = Server::millstream(&[]);
    let (mut waiting, mut client, mut watching) = (server.client(), server.client(), server.client());
    waiting.send("XREAD BLOCK 0 STREAMS s $");
    await_true("it waits", || server.client().call("INFO clients").to_string().contains("blocked_clients:1"));
    watching.check("WATCH s", "OK");
    watching.check("MULTI", "OK");
    eval(&mut client, "redis.call('xadd', 's', '1-1', 'a', 'b'); redis.call('xadd', 's', '2-1', 'a', 'b')");
    assert_eq!(
        waiting.read().to_string(),
        "[[\"s\", [[\"1-1\", [\"a\", \"b\"]], [\"2-1\", [\"a\", \"b\"]]]]]"
    );
    watching.check("PING", "QUEUED");
    watching.check("EXEC", "nil-array");
}

#[test]
fn access_is_checked_for_each_command() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    client.check("ACL SETUSER bob on >pw +@scripting +set +get ~x* %R~r*", "OK");
    client.check("AUTH bob pw", "OK");
    client.check("EVAL \"return redis.call('set', KEYS[1], 1)\" 1 x1", "OK");
    for (script, expected) in [
        (
            "return redis.call('del', 'x1')",
            "ERR The user executing the script can't run this command or subcommand",
        ),
        (
            "return redis.call('set', 'r1', 1)",
            "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
        ),
    ] {
        let answer = eval(&mut client, script).to_string();
        assert!(answer.contains(expected), "{answer}");
    }
    client.check("EVAL \"return redis.acl_check_cmd('set', 'r1', 1)\" 0", "nil");
    client.check(
        "EVAL \"return 1\" 1 y",
        "-NOPERM this user has no permissions to access one of the keys used as arguments",
    );
    server.client().check("ACL LOG RESET", "OK");
    eval(&mut client, "return redis.call('del', 'x1')");
    let log = server.client().call("ACL LOG");
    assert_eq!(log.elements()[0].field("context").unwrap().to_string(), "\"lua\"");
}

#[test]
fn memory_is_looked_at_as_a_script_says() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    client.check("CONFIG SET maxmemory 1", "OK");
    let answer = eval(&mut client, "return redis.call('set', 'k', 'v')").to_string();
    assert!(
        answer.starts_with("-OOM command not allowed when used memory > 'maxmemory'. script: "),
        "{answer}"
    );
    eval(&mut client, "return redis.call('get', 'k')");
    let refused =
        "-OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";
    for (flags, expected) in [("", refused), ("no-writes", "1"), ("allow-oom", "1")] {
        assert_eq!(
            eval(&mut client, &format!("#!lua flags={flags}\nreturn 1")).to_string(),
            expected,
            "{flags}"
        );
    }
    eval(&mut client, "#!lua flags=allow-oom\nreturn redis.call('set', 'k', 'v')");
    client.check("GET k", "\"v\"");
}

/// Starts a script that does not end by itself, and waits until it is busy.
fn keep_busy(server: &Server, command: &[&str]) -> Client {
    let mut client = server.client();
    client.send_args(command);
    await_true("it is busy", || server.client().call("GET k").to_string().starts_with("-BUSY"));
    client
}

#[test]
fn a_long_script_leaves_the_server_reachable() {
    for threads in ["1", "4"] {
        let server = Server::millstream(&["--worker-threads", threads, "--busy-reply-threshold", "50"]);
        let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
        clients[0].check("SET k v PX 60", "OK");
        for endless in [
            "while true do end",
            "while true do pcall(function() while true do redis.call('ping') end end) end",
        ] {
            let mut running = keep_busy(&server, &["EVAL", endless, "0"]);
            for client in &mut clients {
                let busy =
                    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
                client.check("PING", busy);
                client.check("WATCH k", "OK");
                client.check("UNWATCH", "OK");
                client.check("FUNCTION KILL", busy);
            }
            clients[0].check("SCRIPT KILL", "OK");
            let answer = running.read().to_string();
            assert!(
                answer.starts_with("-ERR Script killed by user with SCRIPT KILL... script: "),
                "{answer}"
            );
            running.check("PING", "PONG");
            clients[7].check("PING", "PONG");
        }
        load(
            &mut clients[0],
            "#!lua name=long\nredis.register_function('long', function() while true do end end)",
        );
        let mut running = keep_busy(&server, &["FCALL", "long", "1", "k"]);
        clients[1].check(
            "SCRIPT KILL",
            "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
        );
        let stats = clients[1].call("FUNCTION STATS");
        let told = stats.field("running_script").unwrap();
        assert_eq!(told.field("command").unwrap().to_string(), "[\"FCALL\", \"long\", \"1\", \"k\"]");
        clients[2].check("FUNCTION KILL", "OK");
        let answer = running.read().to_string();
        assert!(
            answer.starts_with("-ERR Script killed by user with FUNCTION KILL... script: long"),
            "{answer}"
        );
        clients[3].check("GET k", "nil");
    }
}

#[test]
fn a_script_that_has_written_is_not_killed_and_not_seen_half() {
    let mut server = Server::millstream(&["--worker-threads", "4", "--busy-reply-threshold", "20"]);
    let mut blocked = server.client();
    blocked.send("XREAD BLOCK 0 STREAMS s $");
    await_true("it waits", || server.client().call("INFO clients").to_string().contains("blocked_clients:1"));
    // It ends by itself, after a time in which others were refused.
    let script = "redis.call('xadd', 's', '1-1', 'a', 'b') for i = 1, 300000000 do end redis.call('xadd', 's', '2-1', 'a', 'b') return 'done'";
    let mut running = keep_busy(&server, &["EVAL", script, "0"]);
    let unkillable = server.client().call("SCRIPT KILL").to_string();
    assert!(unkillable.starts_with("-UNKILLABLE "), "{unkillable}");
    assert_eq!(blocked.has_reply_within(Duration::from_millis(30)), Ok(false));
    assert_eq!(running.read().to_string(), "\"done\"");
    assert_eq!(blocked.read().elements()[0].elements()[1].elements().len(), 2);
    server.kill();
    server.restart();
    server.client().check("XLEN s", "2");
    // One that does not end is ended with the server, and nothing of it is in the log.
    server.client().check("CONFIG SET busy-reply-threshold 20", "OK");
    keep_busy(&server, &["EVAL", "redis.call('set', 'half', 1) while true do end", "0"]);
    server.client().send("SHUTDOWN NOSAVE");
    let exit = server.await_exit();
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    server.kill();
    server.restart();
    server.client().check("GET half", "nil");
}

#[test]
fn a_client_that_leaves_does_not_end_its_script() {
    let server = Server::millstream(&["--worker-threads", "1", "--busy-reply-threshold", "10"]);
    drop(keep_busy(&server, &["EVAL", "for i = 1, 20000000 do end redis.call('set', 'k', 'v')", "0"]));
    await_true("it ends", || server.client().call("GET k").to_string() == "\"v\"");
}

#[test]
fn no_script_ends_the_server() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    for script in [
        "local function f() coroutine.wrap(f)() end f()",
        "local function f() return coroutine.resume(coroutine.create(f)) end return tostring(f())",
        "local function f() return pcall(f) end return tostring(f())",
        "local function f() string.gsub('a', 'a', f) end f()",
        "local function f() table.sort({1, 2, 3}, function() f() end) end f()",
        "return string.find(string.rep('a', 100000), string.rep('a?', 100000))",
        "return string.find(string.rep('a', 100000), string.rep('.?', 2048))",
        "return string.rep('x', 2^31)",
        "return loadstring(string.dump(function() end))",
        "return load(function() return '\\27Lua' end)",
        "return cjson.decode(string.rep('[', 1e6))",
        "cjson.decode_max_depth(1e6) return cjson.decode(string.rep('[', 1e6))",
        "cjson.encode_max_depth(1e6) local t = {} t[1] = t return cjson.encode(t)",
        "return cmsgpack.unpack(string.rep(string.char(0x91), 1e6))",
        "return cmsgpack.unpack(string.char(0xdd, 255, 255, 255, 255))",
        "return struct.pack('i32', 1e300)",
        "return struct.unpack('i', 'abcd', 1e300)",
        "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x",
        "error(setmetatable({}, {__tostring = function() error('x') end}))",
        "error(redis)",
        "local t = {} t[1] = t return t",
        "return unpack({}, 1, 1e8)",
        "collectgarbage('stop') for i = 1, 100 do local x = string.rep('x', 1e7) .. i end return 1",
    ] {
        eval(&mut client, script);
        client.check("PING", "PONG");
    }
}

#[test]
fn random_scripts_do_not_end_the_server() {
    const WORDS: &[&str] = &[
        "redis",
        ".call",
        ".pcall",
        ".setresp",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "'get'",
        "'k'",
        "1",
        "-1",
        "1e300",
        "nil",
        "true",
        ",",
        "=",
        "local",
        "x",
        "return",
        "function",
        "end",
        "if",
        "then",
        "for",
        "in",
        "pairs",
        "ipairs",
        "next",
        "_G",
        "KEYS",
        "ARGV",
        "string",
        ".rep",
        ".format",
        ".gsub",
        "'%s'",
        "table",
        ".concat",
        "cjson",
        ".encode",
        ".decode",
        "cmsgpack",
        ".pack",
        ".unpack",
        "struct",
        ".size",
        "bit",
        ".tohex",
        "coroutine",
        ".wrap",
        ".yield",
        "pcall",
        "error",
        "setmetatable",
        "getmetatable",
        "rawset",
        "rawget",
        "..",
        "+",
        "#",
        "==",
        "not",
        "unpack",
        "tostring",
        "load",
        "loadstring",
        "select",
        "math",
        ".random",
        ";",
    ];
    let server = Server::millstream(&["--busy-reply-threshold", "1"]);
    let mut client = server.client();
    let mut random = fastrand::Rng::with_seed(7);
    let mut compiled = 0;
    for _ in 0..20_000 {
        let words: Vec<&str> = (0..random.usize(1..12)).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        let script = words.join(" ");
        compiled += usize::from(!eval(&mut client, &script).to_string().contains("Error compiling"));
    }
    client.check("PING", "PONG");
    assert!(compiled > 100, "only {compiled} scripts were any");
}
