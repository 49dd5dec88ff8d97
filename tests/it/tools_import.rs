//! `millstream import`, as it is called from a shell.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::durability::write_history;
use crate::harness::{Exit, Program, Server, await_true, run_to_exit};
use crate::redis_files::{check_same, describe_all, rewrite, write_values};

#[track_caller]
fn import(arguments: &[&str], code: i32) -> Exit {
    let arguments: Vec<&str> = ["import"].iter().chain(arguments).copied().collect();
    let exit = run_to_exit(Path::new("."), &arguments);
    assert_eq!(exit.status.code(), Some(code), "{arguments:?}: {exit:?}");
    exit
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn url(server: &Server) -> String {
    format!("redis://127.0.0.1:{}", server.port())
}

/// What Millstream does not have.
fn write_foreign(server: &Server) {
    let mut client = server.client();
    for command in [
        "HSET map field value",
        "HSET map2 field value",
        "ZADD scores 1 a",
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"",
    ] {
        let reply = client.call(command);
        assert!(!reply.is_error(), "{command}: {reply}");
    }
}

/// A redis-server with all kinds of data, and what is to be found of them.
fn redis(arguments: &[&str]) -> (Server, Vec<String>) {
    let redis = Server::start(Program::Redis, arguments);
    write_values(&redis);
    write_history(&redis);
    let expected = describe_all(&redis);
    (redis, expected)
}

#[track_caller]
fn check_dir(dir: &Path, expected: &[String], what: &str) {
    let server = Server::start_on(Program::Millstream, dir, &["--aof-load-truncated", "no"]);
    check_same(&server, expected, what);
}

#[test]
fn an_rdb_file_is_imported_and_the_rest_is_reported() {
    let (redis, expected) = redis(&[]);
    write_foreign(&redis);
    redis.client().check("SAVE", "OK");
    let file = redis.data_dir().join("dump.rdb");
    let out = temporary();
    let dir = out.path().join("data");
    let exit = import(&[path_text(&file), "--into", path_text(&dir)], 1);
    for part in [
        "Imported: 18 keys (list: 2, set: 3, stream: 8, string: 5)",
        "  hash, a type that Millstream does not have: 2 (map",
        "  zset, a type that Millstream does not have: 1 (scores)",
        "Imported: 1 function libraries",
    ] {
        assert!(exit.stdout.contains(part), "{part:?} is missing in {}", exit.stdout);
    }
    check_dir(&dir, &expected, "from the file");
    // Not a second time, and not from a file that is cut off.
    let exit = import(&[path_text(&file), "--into", path_text(&dir)], 2);
    assert!(exit.stderr.contains("holds data already"), "{}", exit.stderr);
    let bytes = fs::read(&file).unwrap();
    let cut = out.path().join("cut.rdb");
    fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    let exit = import(&[path_text(&cut), "--into", path_text(&out.path().join("other"))], 2);
    assert!(exit.stderr.contains("cut.rdb at offset "), "{}", exit.stderr);
}

/// Libraries of functions come from a snapshot, from a log, before and after its rewrite, from a server, and go into a directory or a server.
#[test]
fn function_libraries_are_imported() {
    let library =
        "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 'of redis' end)\"";
    let mut redis = Server::start(Program::Redis, &["--appendonly", "yes"]);
    let mut client = redis.client();
    client.check(library, "\"lib\"");
    rewrite(&redis, &mut client);
    client.check(&library.replace("lib", "late").replace("'f'", "'g'"), "\"late\"");
    client.check("SET key value", "OK");
    client.check("SAVE", "OK");
    let out = temporary();
    let check = |server: &Server, what: &str| {
        let mut client = server.client();
        for function in ["f", "g"] {
            client.check(&format!("FCALL {function} 0"), "\"of redis\"");
        }
        client.check("GET key", "\"value\"");
        assert!(client.call("FUNCTION LIST").to_string().contains("late"), "{what}");
    };
    let import_into = |source: &str, name: &str| {
        let dir = out.path().join(name);
        let exit = import(&[source, "--into", path_text(&dir)], 0);
        assert!(exit.stdout.contains("Imported: 2 function libraries\n"), "{name}: {}", exit.stdout);
        check(&Server::start_on(Program::Millstream, &dir, &["--aof-load-truncated", "no"]), name);
        dir
    };
    import_into(path_text(&redis.data_dir().join("dump.rdb")), "snapshot");
    let dir = import_into(&url(&redis), "server");

    let millstream = Server::millstream(&[]);
    let to = format!("127.0.0.1:{}", millstream.port());
    // Who chooses keys wants these alone.
    let exit = import(&[&url(&redis), "--to", &to, "--match", "k*"], 0);
    assert!(!exit.stdout.contains("libraries"), "{}", exit.stdout);
    millstream.client().check(&library.replace("of redis", "of its own"), "\"lib\"");
    let exit = import(&[&url(&redis), "--to", &to, "--db", "0", "--replace"], 0);
    assert!(!exit.stdout.contains("libraries"), "{}", exit.stdout);
    millstream.client().check("DEL key", "1");
    // One that is there is kept, unless it is to be replaced.
    let exit = import(&[&url(&redis), "--to", &to], 1);
    for part in ["Imported: 1 function libraries", "refused: ERR Library 'lib' already exists: 1 (lib)"] {
        assert!(exit.stdout.contains(part), "{part:?} is missing in {}", exit.stdout);
    }
    millstream.client().check("FCALL f 0", "\"of its own\"");
    import(&[&url(&redis), "--to", &to, "--replace"], 0);
    check(&millstream, "server to server");

    assert_eq!(redis.terminate().status.code(), Some(0));
    import_into(path_text(&redis.data_dir()), "log");
    // What is exported has them, too.
    let file = out.path().join("exported.aof");
    let exported = run_to_exit(Path::new("."), &["export", path_text(&dir), "--output", path_text(&file)]);
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    import_into(path_text(&file), "what was exported");
}

#[test]
fn logs_are_imported() {
    let (mut redis, expected) = redis(&["--appendonly", "yes"]);
    write_foreign(&redis);
    rewrite(&redis, &mut redis.client());
    // In the increment, too.
    redis.client().check("HSET late f v", "1");
    assert_eq!(redis.terminate().status.code(), Some(0));
    let out = temporary();
    let dir = out.path().join("data");
    let exit = import(&[path_text(&redis.data_dir()), "--into", path_text(&dir)], 1);
    for part in
        ["Imported: 18 keys", "  hash, a type", "unknown command 'HSET': 1 (late)", "1 function libraries"]
    {
        assert!(exit.stdout.contains(part), "{part:?} is missing in {}", exit.stdout);
    }
    check_dir(&dir, &expected, "from the directory");

    // A log in one file, as Redis had it before 7.0.
    let file = out.path().join("appendonly.aof");
    let exported = run_to_exit(Path::new("."), &["export", path_text(&dir), "--output", path_text(&file)]);
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    let again = out.path().join("again");
    let exit = import(&[path_text(&file), "--into", path_text(&again)], 0);
    assert!(exit.stdout.contains("Everything was imported"), "{}", exit.stdout);
    check_dir(&again, &expected, "from one file");
}

#[test]
fn a_running_redis_is_imported_into_a_directory() {
    let (redis, expected) = redis(&[]);
    redis.client().check("CONFIG SET requirepass secret%", "OK");
    let out = temporary();
    let dir = out.path().join("data");
    let address = format!("redis://127.0.0.1:{}", redis.port());
    let exit = import(&[&address, "--into", path_text(&dir)], 2);
    assert!(exit.stderr.contains("NOAUTH"), "{}", exit.stderr);
    let exit = import(&[&address, "--password", "wrong", "--into", path_text(&dir)], 2);
    assert!(exit.stderr.contains("WRONGPASS"), "{}", exit.stderr);
    let address = format!("redis://default:secret%25@127.0.0.1:{}", redis.port());
    let exit = import(&[&address, "--into", path_text(&dir)], 0);
    assert!(
        exit.stdout.contains("Imported: 18 keys (list: 2, set: 3, stream: 8, string: 5)"),
        "{}",
        exit.stdout
    );
    check_dir(&dir, &expected, "from the server");
}

#[test]
fn a_running_server_is_imported_into_another() {
    let (redis, expected) = redis(&[]);
    write_foreign(&redis);
    let millstream = Server::millstream(&[]);
    let to = format!("127.0.0.1:{}", millstream.port());
    // Some keys only, and from one database only.
    let exit = import(&[&url(&redis), "--to", &to, "--match", "long*", "--db", "0"], 0);
    assert!(exit.stdout.contains("Imported: 3 keys"), "{}", exit.stdout);
    millstream.client().check("DBSIZE", "3");
    // What is there is kept, unless it is to be replaced.
    millstream.client().check("SET text other", "OK");
    let exit = import(&[&url(&redis), "--to", &to], 1);
    assert!(exit.stdout.contains("Imported: 14 keys"), "{}", exit.stdout);
    assert!(exit.stdout.contains("has the key already (--replace replaces it): 4 ("), "{}", exit.stdout);
    millstream.client().check("GET text", "\"other\"");
    import(&[&url(&redis), "--to", &to, "--replace"], 1);
    check_same(&millstream, &expected, "from server to server");

    // From Millstream to Millstream, with all that Redis does not know.
    let mut client = millstream.client();
    let id = client.call("XADD idmp IDMP producer 1 * a b").text();
    client.check("XGROUP CREATE idmp g 0", "OK");
    client.call("XREADGROUP GROUP g c STREAMS idmp >");
    client.check(&format!("XNACK idmp g FAIL IDS 1 {id}"), "1");
    let other = Server::millstream(&[]);
    import(&[&url(&millstream), "--to", &format!("127.0.0.1:{}", other.port())], 0);
    check_same(&other, &describe_all(&millstream), "between two of ours");
    let full = "XINFO STREAM idmp FULL";
    assert_eq!(other.client().call(full).to_string(), client.call(full).to_string());
}

/// An import is killed when it has come some way, and goes on.
#[test]
fn an_import_goes_on_where_it_was_interrupted() {
    let redis = Server::start(Program::Redis, &[]);
    let mut client = redis.client();
    for batch in 0..60 {
        let pairs: Vec<String> = (batch * 1000..(batch + 1) * 1000)
            .map(|number| format!("key:{number} {}", "x".repeat(20)))
            .collect();
        client.check(&format!("MSET {}", pairs.join(" ")), "OK");
    }
    for into_dir in [true, false] {
        let out = temporary();
        let (dir, state) = (out.path().join("data"), out.path().join("state"));
        let millstream = Server::millstream(&[]);
        let to = format!("127.0.0.1:{}", millstream.port());
        let source = url(&redis);
        let destination = if into_dir { ["--into", path_text(&dir)] } else { ["--to", &to] };
        let mut arguments = vec![source.as_str(), "--resume", path_text(&state)];
        arguments.extend(destination);
        let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .arg("import")
            .args(&arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        await_true("the state", || state.exists());
        child.kill().unwrap();
        child.wait().unwrap();
        let text = fs::read_to_string(&state).unwrap();
        assert!(
            text.contains("\ndb 0\n") && !text.contains("\ncursor 0\n"),
            "it had come to its end: {text}"
        );
        // Not to another place.
        let mut elsewhere = arguments.clone();
        let other = out.path().join("elsewhere");
        elsewhere.truncate(3);
        elsewhere.extend(["--into", path_text(&other)]);
        let exit = import(&elsewhere, 2);
        assert!(exit.stderr.contains("had the destination"), "{}", exit.stderr);
        // Keys that the last batch had already written are there.
        if !into_dir {
            arguments.push("--replace");
        }
        let exit = import(&arguments, 0);
        assert!(!exit.stdout.contains("Imported: 60000"), "it began anew: {}", exit.stdout);
        assert!(!state.exists());
        let copy = into_dir.then(|| Server::start_on(Program::Millstream, &dir, &[]));
        let server = copy.as_ref().unwrap_or(&millstream);
        server.client().check("DBSIZE", "60000");
        server.client().check("STRLEN key:59999", "20");
    }
}

/// Who comes with RDB files only is told what to do: redis-server would not load them either beside a log, but without one it would.
#[test]
fn an_rdb_file_beside_the_log_is_told_of() {
    for appendonly in ["yes", "no"] {
        let (mut redis, expected) = redis(&[]);
        redis.client().check("SAVE", "OK");
        redis.kill();
        let mut server =
            Server::start_on(Program::Millstream, &redis.data_dir(), &["--appendonly", appendonly]);
        let output = server.output();
        let warning = output.lines().find(|line| line.contains("dump.rdb")).unwrap_or_default();
        assert!(warning.contains("WARN") && warning.contains("`millstream import "), "{output}");
        server.client().check("DBSIZE", "0");
        server.terminate();
        let file = server.data_dir().join("dump.rdb");
        import(&[path_text(&file), "--into", path_text(&server.data_dir())], 0);
        server.add_arguments(&["--appendonly", "yes"]);
        server.restart();
        check_same(&server, &expected, "as the warning says");
        assert!(!server.output().contains("dump.rdb"), "{}", server.output());
    }
}

#[test]
fn sources_that_are_none_are_told() {
    let out = temporary();
    let into = path_text(out.path());
    for (arguments, expected) in [
        (&["nowhere.rdb", "--into", into][..], "cannot open nowhere.rdb"),
        (&["redis://127.0.0.1:1", "--into", into], "cannot connect to 127.0.0.1:1"),
        (&["rediss://127.0.0.1:1", "--into", into], "cannot connect to 127.0.0.1:1"),
        (&["nowhere.rdb"], "required"),
        (&["Cargo.toml", "--into", into], "a command is expected here"),
    ] {
        let exit = import(arguments, 2);
        assert!(exit.stderr.contains(expected), "{arguments:?}: {}", exit.stderr);
    }
}
