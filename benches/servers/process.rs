//! Servers as child processes: which there are, starting, what CPU and memory they used, stopping.

use crate::Outcome;
use crate::control::Control;
use crate::machine::{self, Cores, parse_schedstat};
use crate::options::Options;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The name of the server that this repository builds.
pub(crate) const MILLSTREAM: &str = "millstream";

/// How long a server may take to answer its first PING.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A server program that takes redis-server's arguments.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

/// Millstream, redis-server, valkey-server if there is one, and those that were given. The order is that of the runs.
pub(crate) fn find_peers(options: &Options) -> Outcome<Vec<Peer>> {
    let mut wanted: Vec<(String, PathBuf)> = Vec::new();
    if !options.no_millstream {
        wanted.push((MILLSTREAM.to_owned(), env!("CARGO_BIN_EXE_millstream").into()));
    }
    for (name, program) in [("redis", "redis-server"), ("valkey", "valkey-server")] {
        wanted.extend(find_in_path(program).map(|path| (name.to_owned(), path)));
    }
    for (name, path) in &options.peers {
        match wanted.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = path.clone(),
            None => wanted.push((name.clone(), path.clone())),
        }
    }
    if wanted.is_empty() {
        return Err("no server to measure: redis-server is not in PATH and no --peer was given".into());
    }
    wanted
        .into_iter()
        .map(|(name, path)| {
            let version = read_version(&path)?;
            Ok(Peer { name, path, version })
        })
        .collect()
}

fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn read_version(path: &Path) -> Outcome<String> {
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// What a server keeps on disk during a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Persistence {
    Off,
    /// A log that is never synced.
    AofNoSync,
    AofEverysec,
    AofAlways,
}

/// Where a server's threads run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Placing {
    /// All on the servers' core.
    Pinned(Cores),
    /// On any core; the load has its own all the same.
    Free(Cores),
}

impl Persistence {
    /// The same words for every server. The automatic rewrite is off: it would run in some rounds and not in others.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Persistence::Off => &["--save", "", "--appendonly", "no"],
            // Plain commands, which every server reads.
            Persistence::AofNoSync => &[
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "no",
                "--auto-aof-rewrite-percentage",
                "0",
                "--aof-use-rdb-preamble",
                "no",
            ],
            Persistence::AofEverysec => &[
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
                "--auto-aof-rewrite-percentage",
                "0",
            ],
            Persistence::AofAlways => &[
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--auto-aof-rewrite-percentage",
                "0",
            ],
        }
    }
}

/// What the servers are started with besides a port and a directory.
pub(crate) fn list_arguments(peer: &Peer, persistence: Persistence) -> Vec<&'static str> {
    let mut arguments = persistence.arguments().to_vec();
    // Also another build of it, given under another name.
    if peer.name == MILLSTREAM || peer.version.starts_with(MILLSTREAM) {
        arguments.extend(["--worker-threads", "1"]);
    }
    arguments
}

/// CPU that a server's threads used up to some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuUse {
    /// Time on the CPU, by the scheduler's own account.
    pub(crate) run_ns: u64,
    /// Time ready to run while something else had the core: other programs' noise.
    pub(crate) wait_ns: u64,
    /// User and system time in the kernel's clock ticks of 10 ms, as a cross-check of `run_ns`.
    pub(crate) ticks: u64,
}

impl CpuUse {
    pub(crate) fn since(self, earlier: CpuUse) -> CpuUse {
        CpuUse {
            run_ns: self.run_ns.saturating_sub(earlier.run_ns),
            wait_ns: self.wait_ns.saturating_sub(earlier.wait_ns),
            ticks: self.ticks.saturating_sub(earlier.ticks),
        }
    }
}

/// A running server in a directory of its own. It is killed, and the directory removed, when this is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Gone once it is kept beyond the server.
    directory: Option<TempDir>,
    copied_in: Duration,
}

impl Server {
    /// Starts `peer` on a free port of the loopback interface, in a copy of `data` or an empty directory, and waits until it answers.
    pub(crate) fn start(
        peer: &Peer,
        persistence: Persistence,
        placing: Placing,
        data: Option<&Path>,
    ) -> Outcome<Server> {
        let directory = tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let copying = Instant::now();
        if let Some(data) = data {
            let status = Command::new("cp").arg("-rT").arg(data).arg(directory.path()).status()?;
            if !status.success() {
                return Err("the data could not be copied".into());
            }
        }
        let copied_in = copying.elapsed();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let output = File::create(directory.path().join("output"))?;
        let mut command = Command::new(&peer.path);
        command
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--dir"])
            .arg(directory.path());
        command.args(list_arguments(peer, persistence));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A child starts with its parent's affinity, so every thread of the server has it from the first instruction.
        let (Placing::Pinned(cores) | Placing::Free(cores)) = placing;
        match placing {
            Placing::Pinned(cores) => machine::pin_to(&[cores.server])?,
            Placing::Free(_) => machine::pin_to(&machine::list_cores()?)?,
        }
        let spawned = command.spawn();
        machine::pin_to(&[cores.load])?;
        let child = spawned.map_err(|error| format!("{}: {error}", peer.path.display()))?;
        let mut server = Server { child, address, directory: Some(directory), copied_in };
        server.await_ready()?;
        Ok(server)
    }

    fn await_ready(&mut self) -> Outcome<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended at once ({status}); it said:\n{}", self.read_output()).into());
            }
            if self.control().is_ok_and(|mut control| control.call("PING").is_ok()) {
                return Ok(());
            }
            if started.elapsed() > START_LIMIT {
                return Err(format!("it does not answer; it said:\n{}", self.read_output()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The last lines of what the server printed.
    fn read_output(&self) -> String {
        let output = self.directory.as_ref().map(|directory| directory.path().join("output"));
        let text = output.and_then(|output| fs::read(output).ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn control(&self) -> io::Result<Control> {
        Control::connect(self.address)
    }

    /// How long its data was copied before it was started.
    pub(crate) fn copied_in(&self) -> Duration {
        self.copied_in
    }

    /// Kills it, and hands its directory over.
    pub(crate) fn kill_and_keep(mut self) -> Outcome<TempDir> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.directory.take().ok_or_else(|| "it was handed over before".into())
    }

    /// The sum over the server's threads, and the whole process's ticks.
    ///
    /// A sleeping thread's account is complete, a running one's up to its last tick: give a server a moment to
    /// go to sleep before reading this.
    pub(crate) fn read_cpu(&self) -> Outcome<CpuUse> {
        let process = format!("/proc/{}", self.child.id());
        let (mut run_ns, mut wait_ns) = (0, 0);
        for task in fs::read_dir(format!("{process}/task"))? {
            let (run, wait) = parse_schedstat(&fs::read_to_string(task?.path().join("schedstat"))?)?;
            run_ns += run;
            wait_ns += wait;
        }
        let stat = fs::read_to_string(format!("{process}/stat"))?;
        // The second field is the program's name in parentheses and may hold anything; user and system time are the
        // 14th and 15th fields, the 12th and 13th after it.
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks =
            after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(CpuUse { run_ns, wait_ns, ticks })
    }

    /// Bytes of the server's memory that are in RAM.
    pub(crate) fn read_resident_bytes(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        Ok(find_kib(&status, "VmRSS:").ok_or("no resident size in the process's status")? * 1024)
    }

    /// The same, with what its child processes (a rewrite that was forked off) have for themselves alone.
    pub(crate) fn read_resident_bytes_with_children(&self) -> Outcome<u64> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let own = |child: &str| {
            // Gone meanwhile, it has nothing.
            let text = fs::read_to_string(format!("/proc/{child}/smaps_rollup")).unwrap_or_default();
            find_kib(&text, "Private_Dirty:").unwrap_or(0) * 1024
        };
        Ok(self.read_resident_bytes()? + children.split_whitespace().map(own).sum::<u64>())
    }
}

/// A figure of one of the kernel's tables.
fn find_kib(text: &str, label: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing that the server might still write is wanted. A failure means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
