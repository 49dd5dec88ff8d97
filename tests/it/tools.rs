//! The tools: `millstream check`, `backup`, `export`, as they are called from a shell.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::durability::write_history;
use crate::harness::{Exit, Program, Server, await_true, run_to_exit};
use crate::redis_files::{check_same, describe_all, rewrite, write_values};

#[track_caller]
fn tool(arguments: &[&str], code: i32) -> Exit {
    let exit = run_to_exit(Path::new("."), arguments);
    assert_eq!(exit.status.code(), Some(code), "{arguments:?}: {exit:?}");
    exit
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server that was killed; its stream `s` has 100 entries.
fn killed_server(appendfsync: &str) -> (Server, String) {
    let mut server = Server::millstream(&["--appendfsync", appendfsync]);
    let mut client = server.client();
    for number in 1..=100 {
        client.check(&format!("XADD s {number}-1 number {number}"), &format!("\"{number}-1\""));
    }
    server.kill();
    let dir = path_text(&server.data_dir()).to_owned();
    (server, dir)
}

/// Files whose names have this in them.
fn files_with(server: &Server, part: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(server.log_dir()).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path_text(path).contains(part)).collect()
}

#[test]
fn a_sound_directory_is_described() {
    let (mut server, dir) = killed_server("everysec");
    for dir in [&dir, path_text(&server.log_dir())] {
        let exit = tool(&["check", dir], 0);
        assert!(exit.stdout.contains("increment appendonly.aof.1.incr.aof: "), "{}", exit.stdout);
        assert!(
            exit.stdout.contains("101 commands, with checksums\n    XADD 100, SELECT 1\nSound: 1 files, "),
            "{}",
            exit.stdout
        );
    }
    server.restart();
    rewrite(&server, &mut server.client());
    let exit = tool(&["check", &dir], 0);
    assert!(exit.stdout.starts_with("A server uses the directory"), "{}", exit.stdout);
    assert!(exit.stdout.contains("  base appendonly.aof.1.base.aof: "), "{}", exit.stdout);
    let exit = tool(&["check", "--fix", &dir], 2);
    assert!(exit.stderr.contains("another server uses it"), "{}", exit.stderr);
}

#[test]
fn what_keeps_the_server_from_starting_is_told() {
    let mut redis = Server::start(Program::Redis, &["--appendonly", "yes"]);
    redis.client().check("HSET map f v", "1");
    redis.client().check("SET a 1", "OK");
    rewrite(&redis, &mut redis.client());
    redis.client().check("ZADD scores 1 a", "1");
    redis.terminate();
    let exit = tool(&["check", path_text(&redis.data_dir())], 1);
    for part in [
        "    hash keys 1, string keys 1\n",
        "does not have: ",
        "the type hash (first: map)",
        "the command ZADD (first: scores)",
        "`millstream import` takes over the rest",
    ] {
        assert!(exit.stdout.contains(part), "{part:?} is missing in {}", exit.stdout);
    }
}

#[test]
fn a_torn_tail_is_told_and_cut_on_demand() {
    let (mut server, dir) = killed_server("everysec");
    let path = server.log_file();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    let sound_len = fs::metadata(&path).unwrap().len();
    let torn = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n";
    file.write_all(torn).unwrap();
    let exit = tool(&["check", &dir], 1);
    for part in [
        &format!("appendonly.aof.1.incr.aof: damaged at offset {sound_len}: "),
        &format!("behind that place: {} bytes; no whole command is in them", torn.len()),
        "--fix drops it now",
    ] {
        assert!(exit.stdout.contains(part), "{part:?} is missing in {}", exit.stdout);
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), sound_len + torn.len() as u64, "nothing is changed");

    let exit = tool(&["check", "--fix", &dir], 0);
    assert!(exit.stdout.contains("Repaired: "), "{}", exit.stdout);
    assert_eq!(fs::metadata(&path).unwrap().len(), sound_len);
    let kept = files_with(&server, ".cut-");
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(&kept[0]).unwrap(), torn);
    tool(&["check", &dir], 0);
    server.add_arguments(&["--aof-load-truncated", "no"]);
    server.restart();
    server.client().check("XLEN s", "100");
}

#[test]
fn what_a_cut_write_held_is_told() {
    let (server, dir) = killed_server("everysec");
    let path = server.log_file();
    // The last write is damaged, not cut: its command can still be read.
    let len = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().write_at(b"#", len - 80).unwrap();
    let exit = tool(&["check", &dir], 1);
    assert!(exit.stdout.contains(" whole command can be read in them: XADD s"), "{}", exit.stdout);
}

#[test]
fn damage_in_the_middle_is_cut_only_when_a_loss_is_allowed() {
    let (mut server, dir) = killed_server("always");
    let path = server.log_file();
    let bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    OpenOptions::new().write(true).open(&path).unwrap().write_at(&[bytes[at] ^ 4], at as u64).unwrap();
    for arguments in [&["check", &dir][..], &["check", "--fix", &dir]] {
        let exit = tool(arguments, 1);
        for part in [
            "this is no torn tail",
            "whole commands can be read in them, the first one: XADD s",
            "--fix --lossy",
        ] {
            assert!(exit.stdout.contains(part), "{part:?} is missing in {}", exit.stdout);
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64, "nothing is cut");
    }
    assert!(server.try_restart().is_err());
    tool(&["check", "--fix", "--lossy", &dir], 0);
    let kept = files_with(&server, ".cut-");
    let left = fs::metadata(&path).unwrap().len() as usize;
    assert_eq!(fs::read(&kept[0]).unwrap().len(), bytes.len() - left);
    server.restart();
    let len = server.client().call("XLEN s").integer();
    assert!((40..60).contains(&len), "{len} of 100 are left");
    // An option alone is refused.
    tool(&["check", "--lossy", &dir], 2);
}

/// Two increments, the first of which is damaged: the second one cannot follow what is left of it.
#[test]
fn files_behind_the_damage_are_set_aside() {
    let mut redis = Server::start(Program::Redis, &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    redis.client().check("SET a 1", "OK");
    redis.client().check("SET b 1", "OK");
    redis.terminate();
    let mut server = Server::start_on(Program::Millstream, &redis.data_dir(), &[]);
    server.client().check("SET c 1", "OK");
    server.kill();
    let path = server.log_dir().join("appendonly.aof.1.incr.aof");
    let len = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 3).unwrap();
    let dir = path_text(&server.data_dir()).to_owned();
    let exit = tool(&["check", &dir], 1);
    assert!(exit.stdout.contains("the server does not start with it"), "{}", exit.stdout);
    assert!(server.try_restart().is_err());
    let exit = tool(&["check", "--fix", "--lossy", &dir], 0);
    assert!(exit.stdout.contains("Set aside: "), "{}", exit.stdout);
    assert_eq!(files_with(&server, "appendonly.aof.2.incr.aof.aside").len(), 1);
    server.restart();
    server.client().check("MGET a b c", "[\"1\", nil, nil]");
}

/// An increment that is missing takes the later ones with it.
#[test]
fn a_missing_increment_is_left_out_when_a_loss_is_allowed() {
    let mut redis = Server::start(Program::Redis, &["--appendonly", "yes"]);
    redis.client().check("SET a 1", "OK");
    rewrite(&redis, &mut redis.client());
    redis.client().check("SET b 1", "OK");
    redis.terminate();
    let mut server = Server::start_on(Program::Millstream, &redis.data_dir(), &[]);
    server.client().check("SET c 1", "OK");
    server.kill();
    fs::remove_file(server.log_dir().join("appendonly.aof.2.incr.aof")).unwrap();
    let exit = server.try_restart().expect_err("a file is missing");
    assert!(
        exit.stderr.contains("appendonly.aof.2.incr.aof: the manifest names it, but it is not there"),
        "{exit:?}"
    );
    let dir = path_text(&server.data_dir()).to_owned();
    let exit = tool(&["check", &dir], 1);
    assert!(exit.stdout.contains("takes it and all later files out of the log"), "{}", exit.stdout);
    tool(&["check", "--fix", &dir], 1);
    let exit = tool(&["check", "--fix", "--lossy", &dir], 0);
    assert!(exit.stdout.contains("appendonly.aof.3.incr.aof.aside"), "{}", exit.stdout);
    server.restart();
    server.client().check("MGET a b c", "[\"1\", nil, nil]");
    // A base is not left out.
    server.kill();
    fs::remove_file(server.log_dir().join("appendonly.aof.2.base.rdb")).unwrap();
    let exit = tool(&["check", "--fix", "--lossy", &dir], 1);
    assert!(exit.stdout.contains("it cannot be repaired: a backup is the way back"), "{}", exit.stdout);

    // The only file there is.
    let (mut server, dir) = killed_server("everysec");
    fs::remove_file(server.log_file()).unwrap();
    tool(&["check", "--fix", "--lossy", &dir], 0);
    server.restart();
    server.client().check("DBSIZE", "0");
}

#[test]
fn an_old_manifest_is_told() {
    let (mut server, dir) = killed_server("everysec");
    let manifest = server.log_dir().join("appendonly.aof.manifest");
    let old = fs::read(&manifest).unwrap();
    server.restart();
    rewrite(&server, &mut server.client());
    server.client().check("SET later 1", "OK");
    server.kill();
    let last = fs::read(&manifest).unwrap();
    fs::write(&manifest, old).unwrap();
    // What it names was replaced, and is gone.
    fs::write(server.log_dir().join("appendonly.aof.1.incr.aof"), "").unwrap();
    let exit = server.try_restart().expect_err("the manifest is an old one");
    let expected = "appendonly.aof.2.incr.aof: it holds data, but the manifest does not name it; the manifest is an old one";
    assert!(exit.stderr.contains(expected), "{exit:?}");
    let exit = tool(&["check", &dir], 1);
    assert!(
        exit.stdout.contains("appendonly.aof.2.incr.aof holds data, and is later than all"),
        "{}",
        exit.stdout
    );
    fs::write(&manifest, last).unwrap();
    server.restart();
    server.client().check("MGET later", "[\"1\"]");
    server.client().check("XLEN s", "100");
}

/// Files that their owner may not read. Root may, unless its capabilities are dropped.
#[test]
fn wrong_permissions_are_told_with_the_user() {
    let (server, dir) = killed_server("everysec");
    for path in [server.log_file(), server.log_dir().join("appendonly.aof.manifest")] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let user = rustix::process::geteuid();
        let mut command = if user.is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--inh-caps=-all", "--bounding-set=-all", env!("CARGO_BIN_EXE_millstream")]);
            command
        } else {
            Command::new(env!("CARGO_BIN_EXE_millstream"))
        };
        let output = command.args(["--port", "0", "--dir", &dir]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let expected = format!(
            "cannot open {}: Permission denied; the server runs as the user {}, who is to have access to it",
            path.display(),
            user.as_raw()
        );
        assert!(text.contains(&expected), "{expected} is not told: {text}");
    }
}

#[test]
fn what_is_missing_is_told() {
    let (server, dir) = killed_server("everysec");
    fs::rename(server.log_file(), server.log_dir().join("elsewhere")).unwrap();
    let exit = tool(&["check", &dir], 1);
    assert!(exit.stdout.contains("the manifest names it, but it is not there"), "{}", exit.stdout);
    fs::rename(server.log_dir().join("elsewhere"), server.log_dir().join("appendonly.aof.1.incr.aof"))
        .unwrap();
    fs::remove_file(server.log_dir().join("appendonly.aof.manifest")).unwrap();
    let exit = tool(&["check", &dir], 2);
    assert!(exit.stderr.contains("there is no manifest that names it"), "{}", exit.stderr);
    let empty = tempfile::tempdir().unwrap();
    let exit = tool(&["check", path_text(empty.path())], 2);
    assert!(exit.stderr.contains("holds no append-only file"), "{}", exit.stderr);
}

#[test]
fn command_lines() {
    let exit = tool(&["--help"], 0);
    assert!(exit.stdout.contains("check DIR"), "{}", exit.stdout);
    for name in ["check", "backup", "export"] {
        let exit = tool(&[name, "--help"], 0);
        assert!(exit.stdout.contains("Usage: millstream "), "{}", exit.stdout);
        let exit = tool(&[name], 2);
        assert!(exit.stderr.contains("required arguments were not provided"), "{}", exit.stderr);
    }
}

/// Copies are taken while three clients write and the log is rewritten again and again. Each holds what was acknowledged before it began.
#[test]
fn a_backup_is_consistent_while_the_server_writes() {
    for policy in ["always", "everysec"] {
        let server = Server::millstream(&[
            "--appendfsync",
            policy,
            "--worker-threads",
            "2",
            "--auto-aof-rewrite-percentage",
            "0",
        ]);
        let (done, counts) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 3]);
        let dir = path_text(&server.data_dir()).to_owned();
        let copies = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut taken = Vec::new();
        std::thread::scope(|scope| {
            for (writer, count) in counts.iter().enumerate() {
                let (mut client, done) = (server.client(), &done);
                scope.spawn(move || {
                    // Each entry's ID is its number, and a counter says the same.
                    for number in 1.. {
                        client.check("MULTI", "OK");
                        client.call(&format!("XADD s{writer} {number}-1 number {number}"));
                        client.call(&format!("SET n{writer} {number}"));
                        assert!(!client.call("EXEC").is_error());
                        count.store(number, SeqCst);
                        if done.load(SeqCst) {
                            break;
                        }
                    }
                });
            }
            let (mut client, is_done) = (server.client(), &done);
            scope.spawn(move || {
                while !is_done.load(SeqCst) {
                    client.call("BGREWRITEAOF");
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
            });
            await_true("some entries", || counts.iter().all(|count| count.load(SeqCst) > 50));
            for number in 0..15 {
                let before: Vec<u64> = counts.iter().map(|count| count.load(SeqCst)).collect();
                let dest = copies.path().join(format!("copy{number}"));
                let mut arguments = vec!["backup", &dir, path_text(&dest)];
                arguments.extend((number % 2 == 1).then_some("--link"));
                let exit = run_to_exit(Path::new("."), &arguments);
                taken.push((dest, before, exit));
            }
            done.store(true, SeqCst);
        });
        for (dest, before, exit) in taken {
            assert_eq!(exit.status.code(), Some(0), "{exit:?}");
            tool(&["check", path_text(&dest)], 0);
            let copy = Server::start_on(Program::Millstream, &dest, &["--aof-load-truncated", "no"]);
            let mut client = copy.client();
            for (writer, before) in before.iter().enumerate() {
                let len = client.call(&format!("XLEN s{writer}")).integer() as u64;
                assert!(len >= *before, "{policy}: {before} were acknowledged before, {len} are in the copy");
                client.check(&format!("GET n{writer}"), &format!("\"{len}\""));
                let last = client.call(&format!("XREVRANGE s{writer} + - COUNT 1")).to_string();
                assert!(last.starts_with(&format!("[[\"{len}-1\"")), "{last}");
            }
        }
    }
}

#[test]
fn a_backup_does_not_overwrite() {
    let (server, dir) = killed_server("everysec");
    let exit = tool(&["backup", &dir, path_text(&server.data_dir())], 2);
    assert!(exit.stderr.contains("is not empty"), "{}", exit.stderr);
}

/// What is exported comes to the same data in redis-server, by either way.
#[test]
fn exports_are_loaded_by_redis() {
    let server = Server::millstream(&["--appendfsync", "always"]);
    write_values(&server);
    rewrite(&server, &mut server.client());
    write_history(&server);
    let expected = describe_all(&server);
    let dir = path_text(&server.data_dir()).to_owned();
    let out = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (commands, redis_dir) = (out.path().join("commands"), out.path().join("redis"));
    // The server goes on meanwhile.
    tool(&["export", &dir, "--output", path_text(&commands)], 0);
    let exit = tool(&["export", &dir, "--format", "redis", "-o", path_text(&redis_dir)], 0);
    assert!(exit.stderr.contains("Exported 18 keys"), "{}", exit.stderr);

    let redis = Server::start_on(Program::Redis, &redis_dir, &["--appendonly", "yes"]);
    check_same(&redis, &expected, "the directory");

    let redis = Server::start(Program::Redis, &[]);
    let piped = Command::new("redis-cli")
        .args(["-p", &redis.port().to_string(), "--pipe"])
        .stdin(fs::File::open(&commands).unwrap())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&piped.stdout);
    assert!(text.contains("errors: 0"), "{text}");
    check_same(&redis, &expected, "the commands");

    // To the standard output, and into a file that is there.
    let output = Command::new(env!("CARGO_BIN_EXE_millstream")).args(["export", &dir]).output().unwrap();
    // Members of sets are in no order.
    assert_eq!(output.stdout.len() as u64, fs::metadata(&commands).unwrap().len());
    let exit = tool(&["export", &dir, "--output", path_text(&commands)], 2);
    assert!(exit.stderr.contains("cannot make"), "{}", exit.stderr);
}
