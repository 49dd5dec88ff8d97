//! Servers as child processes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

use super::{Client, PATIENCE, await_true};

/// Which server is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The one that this repository builds.
    Millstream,
    /// Debian's redis-server, of version 7.0; or what `MILLSTREAM_REFERENCE` names, to look at what another version does.
    Redis,
}

impl Program {
    fn path(self) -> OsString {
        match self {
            Self::Millstream => env!("CARGO_BIN_EXE_millstream").into(),
            Self::Redis => std::env::var_os("MILLSTREAM_REFERENCE").unwrap_or_else(|| "redis-server".into()),
        }
    }

    /// The version of Redis that it says it is: major and minor.
    pub(crate) fn version(self) -> (u32, u32) {
        // Not by INFO, which a server with a password does not answer.
        let output = Command::new(self.path()).arg("--version").output().unwrap();
        parse_version(&String::from_utf8_lossy(&output.stdout))
    }
}

/// How a server ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A server on a port of its own, in a directory of its own. It is killed, and the directory removed, when this is dropped.
pub(crate) struct Server {
    program: Program,
    arguments: Vec<String>,
    child: Option<Child>,
    port: u16,
    dir: TempDir,
}

impl Server {
    /// Millstream with these arguments besides a port and a directory.
    #[track_caller]
    pub(crate) fn millstream(arguments: &[&str]) -> Self {
        Self::start(Program::Millstream, arguments)
    }

    /// Starts a server and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(program: Program, arguments: &[&str]) -> Self {
        let mut server = Self::prepare(program, arguments);
        server.restart();
        server
    }

    /// A server with an empty directory that is yet to be started.
    pub(crate) fn prepare_millstream(arguments: &[&str]) -> Self {
        Self::prepare(Program::Millstream, arguments)
    }

    /// Starts it and waits for nothing.
    #[track_caller]
    pub(crate) fn start_without_waiting(&mut self) {
        assert!(self.child.is_none(), "it runs");
        self.port = find_free_port();
        self.spawn();
    }

    fn prepare(program: Program, arguments: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("it-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { program, arguments, child: None, port: 0, dir }
    }

    /// Starts a server on a copy of another's data.
    #[track_caller]
    pub(crate) fn start_on(program: Program, data_dir: &Path, arguments: &[&str]) -> Self {
        let mut server = Self::prepare(program, arguments);
        let copied = Command::new("cp").arg("-rT").arg(data_dir).arg(server.data_dir()).status();
        assert!(copied.is_ok_and(|status| status.success()), "the data can be copied");
        server.restart();
        server
    }

    /// Starts a server that has ended again, on the same directory.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        if let Err(exit) = self.try_restart() {
            panic!("{:?} did not start: {exit:?}", self.program);
        }
    }

    /// Gives it further arguments from its next start on.
    pub(crate) fn add_arguments(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }

    /// Starts a server that has ended again; how it ended if it did not come to be ready.
    pub(crate) fn try_restart(&mut self) -> Result<(), Exit> {
        assert!(self.child.is_none(), "it runs");
        for attempt in 0.. {
            self.port = find_free_port();
            self.spawn();
            match self.await_ready() {
                Ok(()) => break,
                // Somebody was faster.
                Err(exit) if is_port_taken(&exit) && attempt < 20 => {}
                Err(exit) => return Err(exit),
            }
        }
        Ok(())
    }

    fn spawn(&mut self) {
        let mut command = Command::new(self.program.path());
        // A configuration file stands before the settings.
        let is_file = |first: &&String| !first.starts_with("--");
        let files = usize::from(self.arguments.first().filter(is_file).is_some());
        command.args(&self.arguments[..files]);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"]).arg(self.data_dir());
        if self.program == Program::Redis {
            command.args(["--save", ""]);
        }
        command.args(&self.arguments[files..]).stdin(Stdio::null());
        command.stdout(File::create(self.dir.path().join("stdout")).unwrap());
        command.stderr(File::create(self.dir.path().join("stderr")).unwrap());
        let child = command.spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("{:?}: {error}", self.program.path())));
    }

    /// Waits for the line that tells it, which no other server on the port can have written.
    fn await_ready(&mut self) -> Result<(), Exit> {
        let started = Instant::now();
        while !self.output().contains("Ready to accept connections") {
            let child = self.child.as_mut().expect("it was started");
            if let Some(status) = child.try_wait().unwrap() {
                self.child = None;
                return Err(self.exit(status));
            }
            assert!(started.elapsed() < PATIENCE, "it does not come to be ready: {}", self.output());
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn exit(&self, status: ExitStatus) -> Exit {
        let read =
            |name| String::from_utf8_lossy(&fs::read(self.dir.path().join(name)).unwrap()).into_owned();
        Exit { status, stdout: read("stdout"), stderr: read("stderr") }
    }

    /// What it has written to its standard output since it was started.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("stdout")).unwrap_or_default()).into_owned()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The version of Redis that it says it is: major and minor.
    pub(crate) fn version(&self) -> (u32, u32) {
        self.program.version()
    }

    /// The directory that it keeps its data in.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The directory of the append-only file.
    pub(crate) fn log_dir(&self) -> PathBuf {
        self.data_dir().join("appendonlydir")
    }

    /// The file of the log that is written to: the one with the highest number.
    #[track_caller]
    pub(crate) fn log_file(&self) -> PathBuf {
        let files = fs::read_dir(self.log_dir()).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
        files.max_by_key(|path| path.to_string_lossy().into_owned()).expect("a log has an increment")
    }

    /// A connection that speaks RESP2.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error says that it has ended already.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Has writes fail that make a file larger than this (a disk that is full, to the server); `None`: no longer.
    #[track_caller]
    pub(crate) fn limit_file_size(&self, bytes: Option<u64>) {
        let child = self.child.as_ref().expect("it runs");
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn await_exit(&mut self) -> Exit {
        let mut child = self.child.take().expect("it runs");
        let mut status = None;
        await_true("the server's end", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        self.exit(status.expect("it was awaited"))
    }

    /// Ends it with SIGTERM.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> Exit {
        self.signal(Signal::TERM);
        self.await_exit()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() && self.program == Program::Millstream {
            let exit =
                (self.output(), fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default());
            eprintln!("the server's output was:\n{}\n{}", exit.0, exit.1);
        }
    }
}

/// Major and minor from what a redis-server says on `--version`: `Redis server v=7.0.15 sha=...`.
#[track_caller]
fn parse_version(text: &str) -> (u32, u32) {
    let version =
        text.split_whitespace().find_map(|word| word.strip_prefix("v=")).expect("it tells its version");
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn is_port_taken(exit: &Exit) -> bool {
    [&exit.stdout, &exit.stderr].iter().any(|text| text.contains("ddress already in use"))
}

/// A port that nobody listened on a moment ago. Below those that the system gives to outgoing connections, and never the
/// same twice in a process, so that the test binaries of several checkouts rarely meet and tests of one never do.
pub(crate) fn find_free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = NEXT.fetch_add(1, Relaxed).wrapping_add((std::process::id() % 190) as u16 * 100);
        let port = 11_000 + number % 20_000;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return port,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
        }
    }
}

/// Runs millstream with exactly these arguments in a directory until it ends by itself.
#[track_caller]
pub(crate) fn run_to_exit(dir: &Path, arguments: &[&str]) -> Exit {
    let mut child = Command::new(Program::Millstream.path())
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            // It is the one that is told of, and must not stay.
            let _ = child.kill();
            panic!("it does not end by itself: {arguments:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Exit { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
