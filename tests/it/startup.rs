//! Starting and ending: what keeps the server from starting is told in one line, and it ends in order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Exit, Server, await_true, run_to_exit};

/// Exit code 1, one line on the standard error with these words, nothing else.
#[track_caller]
fn check_refused(exit: &Exit, words: &[&str]) {
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert_eq!(exit.stderr.lines().count(), 1, "{exit:?}");
    assert!(exit.stderr.starts_with("millstream: "), "{exit:?}");
    for word in words {
        assert!(exit.stderr.contains(word), "{word:?} is to be told: {exit:?}");
    }
}

#[test]
fn a_port_in_use_is_refused() {
    let server = Server::millstream(&[]);
    let dir = tempfile::tempdir().unwrap();
    let port = server.port().to_string();
    let exit = run_to_exit(dir.path(), &["--bind", "127.0.0.1", "--port", &port]);
    check_refused(&exit, &["127.0.0.1", &port, "Address already in use"]);
}

#[test]
fn a_directory_that_is_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let exit = run_to_exit(dir.path(), &["--port", "0", "--dir", "no/such"]);
    check_refused(&exit, &["no/such", "No such file or directory"]);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    // Where the tests run as root, permissions keep nobody out; a file in the place of the log's directory does.
    if rustix::process::geteuid().is_root() {
        fs::write(dir.path().join("appendonlydir"), "").unwrap();
    } else {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let exit = run_to_exit(dir.path(), &["--port", "0"]);
    check_refused(&exit, &["appendonlydir"]);
}

#[test]
fn a_directory_that_another_server_uses_is_refused() {
    let server = Server::millstream(&[]);
    let dir = server.data_dir();
    let exit = run_to_exit(&dir, &["--port", "0"]);
    check_refused(&exit, &["appendonlydir", "another server"]);
}

#[test]
fn bad_settings_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["--no-such-setting", "1"][..],
        &["--port", "65536"],
        &["--port", "x"],
        &["--appendfsync", "sometimes"],
        &["--maxclients"],
        &["--daemonize", "yes"],
        &["--logfile", "no/such/file"],
        &["no-such-file.conf"],
    ] {
        let exit = run_to_exit(dir.path(), arguments);
        check_refused(&exit, &[]);
    }
}

#[test]
fn version_and_help_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    for (argument, word) in [("--version", env!("CARGO_PKG_VERSION")), ("--help", "--NAME VALUE")] {
        let exit = run_to_exit(dir.path(), &[argument]);
        assert!(exit.status.success() && exit.stdout.contains(word) && exit.stderr.is_empty(), "{exit:?}");
    }
}

#[test]
fn a_file_of_settings_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.conf");
    fs::write(&path, "# a comment\nappendfsync never\n").unwrap();
    let exit = run_to_exit(dir.path(), &["m.conf", "--port", "0"]);
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(exit.stderr.contains("appendfsync"), "{exit:?}");
}

#[test]
fn the_log_file_and_the_pid_file_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["--port", "0", "--logfile", "server.log", "--pidfile", "server.pid"])
        .current_dir(&dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let log = || fs::read_to_string(file("server.log")).unwrap_or_default();
    await_true("the log file", || log().contains("Ready to accept connections"));
    assert_eq!(fs::read_to_string(file("server.pid")).unwrap(), format!("{}\n", child.id()));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(log().contains("bye"), "{}", log());
    assert!(!file("server.pid").exists());
}

#[test]
fn shutdown_ends_it_in_order() {
    let mut server = Server::millstream(&[]);
    let mut blocked = server.client();
    blocked.send("XREAD BLOCK 0 STREAMS s $");
    let mut client = server.client();
    client.check("XADD other 1-1 a b", "\"1-1\"");
    client.send("SHUTDOWN NOSAVE");
    assert!(client.is_closed());
    let exit = server.await_exit();
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    server.restart();
    server.client().check("XLEN other", "1");
}

#[test]
fn signals_end_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::millstream(&[]);
        let mut idle = server.client();
        let mut client = server.client();
        client.check("XADD s 1-1 a b", "\"1-1\"");
        let mut blocked = server.client();
        blocked.send("XREAD BLOCK 0 STREAMS s $");
        await_true("a blocked client", || client.call("INFO clients").text().contains("blocked_clients:1"));
        server.signal(signal);
        assert_eq!(blocked.read().to_string(), "-UNBLOCKED the server is shutting down");
        let exit = server.await_exit();
        assert_eq!(exit.status.code(), Some(0), "{exit:?}");
        assert!(idle.is_closed() && client.is_closed() && blocked.is_closed());
        server.restart();
        server.client().check("XLEN s", "1");
    }
}
