//! The program under a service manager: what it tells systemd, SIGHUP, `--check-config`.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{PATIENCE, await_true, run_to_exit};

/// Stands for systemd: takes what the program tells.
struct Manager {
    socket: UnixDatagram,
    child: Child,
    heard: Vec<String>,
}

impl Manager {
    fn start(dir: &Path, environment: &[(&str, &str)]) -> Self {
        let path = dir.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["--port", "0"])
            .current_dir(dir)
            .env("NOTIFY_SOCKET", &path)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { socket, child, heard: Vec::new() }
    }

    /// Takes what is told until it is `wanted`.
    #[track_caller]
    fn await_told(&mut self, wanted: &str) {
        let started = Instant::now();
        let mut buffer = [0; 4096];
        while !self.heard.iter().any(|line| line.contains(wanted)) {
            assert!(started.elapsed() < PATIENCE, "{wanted} was not told: {:?}", self.heard);
            if let Ok(len) = self.socket.recv(&mut buffer) {
                self.heard.extend(String::from_utf8_lossy(&buffer[..len]).lines().map(str::to_owned));
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn place_of(&self, wanted: &str) -> usize {
        self.heard.iter().position(|line| line.contains(wanted)).expect("it was told")
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // It has ended, most often.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_service_manager_is_told_of_loading_readiness_and_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut manager = Manager::start(dir.path(), &[]);
    manager.await_told("READY=1");
    assert!(manager.place_of("STATUS=Loading the append-only file: ") < manager.place_of("READY=1"));
    assert!(manager.place_of("EXTEND_TIMEOUT_USEC=31000000") < manager.place_of("READY=1"));
    assert!(!manager.heard.iter().any(|line| line.starts_with("WATCHDOG")), "{:?}", manager.heard);
    manager.signal(Signal::TERM);
    manager.await_told("STOPPING=1");
    assert!(manager.child.wait().unwrap().success());
}

#[test]
fn a_log_that_cannot_be_loaded_is_never_told_to_be_ready() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("appendonlydir")).unwrap();
    fs::write(dir.path().join("appendonlydir/appendonly.aof.manifest"), "nonsense\n").unwrap();
    let mut manager = Manager::start(dir.path(), &[]);
    assert_eq!(manager.child.wait().unwrap().code(), Some(1));
    let mut buffer = [0; 4096];
    while let Ok(len) = manager.socket.recv(&mut buffer) {
        assert!(!String::from_utf8_lossy(&buffer[..len]).contains("READY"));
    }
}

#[test]
fn the_watchdog_is_fed() {
    let dir = tempfile::tempdir().unwrap();
    let mut manager = Manager::start(dir.path(), &[("WATCHDOG_USEC", "400000")]);
    for _ in 0..5 {
        manager.await_told("WATCHDOG=1");
        manager.heard.clear();
    }
    // One that is meant for another process is not fed.
    let dir = tempfile::tempdir().unwrap();
    let mut manager = Manager::start(dir.path(), &[("WATCHDOG_USEC", "400000"), ("WATCHDOG_PID", "1")]);
    manager.await_told("READY=1");
    manager.signal(Signal::TERM);
    manager.await_told("STOPPING=1");
    assert!(!manager.heard.iter().any(|line| line.starts_with("WATCHDOG")), "{:?}", manager.heard);
}

#[test]
fn a_hangup_opens_the_log_file_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    let file = |name: &str| dir.path().join(name);
    let read = |name: &str| fs::read_to_string(file(name)).unwrap_or_default();
    let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["--port", "0", "--dir", "data", "--logfile", "server.log"])
        .current_dir(&dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    await_true("the log file", || read("server.log").contains("Ready to accept connections"));
    fs::rename(file("server.log"), file("server.log.1")).unwrap();
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    await_true("the new log file", || read("server.log").contains("SIGHUP"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(read("server.log").contains("bye") && !read("server.log.1").contains("SIGHUP"));
}

#[test]
fn all_that_is_wrong_with_the_settings_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    fs::write(file("more.conf"), "\nmaxclients many\n").unwrap();
    let text =
        "port 7\nno-such-setting 1\n# a comment\ninclude more.conf\nappendfsync never\ndaemonize yes\n";
    fs::write(file("wrong.conf"), text).unwrap();
    let exit = run_to_exit(dir.path(), &["--check-config", "wrong.conf", "--tcp-backlog", "x"]);
    assert_eq!((exit.status.code(), exit.stdout.as_str()), (Some(1), ""), "{exit:?}");
    let lines: Vec<&str> = exit.stderr.lines().collect();
    let expected = [
        "millstream: wrong.conf:2: 'no-such-setting 1': ",
        "millstream: more.conf:2: 'maxclients many': ",
        "millstream: wrong.conf:5: 'appendfsync never': ",
        "millstream: command line: '--tcp-backlog x': ",
        "millstream: daemonize yes is not supported",
    ];
    assert_eq!(lines.len(), expected.len(), "{exit:?}");
    for (line, beginning) in lines.iter().zip(expected) {
        assert!(line.starts_with(beginning), "{line}");
    }

    fs::write(file("sound.conf"), "port 7\nappendfsync always\n").unwrap();
    for arguments in [&["--check-config", "sound.conf", "--port", "8"][..], &["--check-config"]] {
        let exit = run_to_exit(dir.path(), arguments);
        assert!(exit.status.success() && exit.stderr.is_empty(), "{exit:?}");
    }
    let exit = run_to_exit(dir.path(), &["--check-config", "no-such-file.conf"]);
    assert_eq!(exit.status.code(), Some(1));
    assert_eq!(exit.stderr.lines().count(), 1, "{exit:?}");
}

#[test]
fn users_and_renamed_commands_are_checked_too() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let check = |file: &str| run_to_exit(dir.path(), &["--check-config", file]);
    write(
        "wrong.conf",
        "user one on +nosuch\nuser two on >p ~* +@all\nuser three on (+get\nrename-command nosuch x\n",
    );
    let exit = check("wrong.conf");
    assert!(!exit.status.success());
    for expected in [
        "Error loading ACL rule '+nosuch' for the user named 'one'",
        "wrong.conf:3: 'user three on (+get': Error in user declaration",
        "wrong.conf:4: 'rename-command nosuch x': No such command in rename-command",
    ] {
        assert!(exit.stderr.contains(expected), "{expected} is not in {}", exit.stderr);
    }
    // Where the data are to be, which is where relative names lead to.
    std::fs::create_dir(dir.path().join("data")).unwrap();
    write("file.conf", "dir data\naclfile users.acl\n");
    assert!(check("file.conf").stderr.contains("Error loading ACLs, opening file 'users.acl': No such file"));
    write("data/users.acl", "user one on nopass ~* +@all\n");
    let exit = check("file.conf");
    assert!(exit.status.success(), "{}", exit.stderr);
    write("data/users.acl", "user one on nopass +nosuch\n");
    assert!(!check("file.conf").status.success());
}
