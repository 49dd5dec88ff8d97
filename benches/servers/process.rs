//! A server during one run: starting it, what CPU and memory it used, stopping it.

use crate::Outcome;
use crate::control::Control;
use crate::machine::{self, Cores, parse_schedstat};
use crate::peers::{Origin, Peer};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to answer its first PING.
const START_LIMIT: Duration = Duration::from_secs(120);

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

/// What a case wants of the servers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setup {
    pub(crate) persistence: Persistence,
    /// Of millstream; the others take no such number.
    pub(crate) worker_threads: u32,
    /// Blocks behind the newest one are compressed, by millstream; the others cannot.
    pub(crate) is_compressed: bool,
}

impl Setup {
    pub(crate) const fn of(persistence: Persistence) -> Setup {
        Setup { persistence, worker_threads: 1, is_compressed: false }
    }

    /// What the servers are started with besides a port and a directory.
    pub(crate) fn list_arguments(self, peer: &Peer) -> Vec<String> {
        if !peer.is_started() {
            return Vec::new();
        }
        let mut arguments: Vec<String> =
            self.persistence.arguments().iter().map(|&argument| argument.to_owned()).collect();
        // Ten thousand connections and those that look on.
        arguments.extend(["--maxclients".to_owned(), "10100".to_owned()]);
        if peer.is_millstream() {
            arguments.extend(["--worker-threads".to_owned(), self.worker_threads.to_string()]);
            if self.is_compressed {
                arguments.extend(["--stream-compress-after".to_owned(), "1".to_owned()]);
            }
        }
        arguments
    }
}

/// CPU that a server's threads used up to some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuUse {
    /// Time on the CPU, by the scheduler's own account.
    pub(crate) run_ns: u64,
    /// Time ready to run while something else had the core: other programs' noise.
    pub(crate) wait_ns: u64,
    /// Time in user and in kernel mode, in the kernel's clock ticks of 10 ms.
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
}

/// How often a server's threads left a core.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Switches {
    /// They had nothing to do, or waited for a lock.
    pub(crate) voluntary: u64,
    /// Something else was to have the core.
    pub(crate) involuntary: u64,
}

impl Switches {
    pub(crate) fn since(self, earlier: Switches) -> Switches {
        Switches {
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }
}

impl CpuUse {
    pub(crate) fn plus(self, other: CpuUse) -> CpuUse {
        CpuUse {
            run_ns: self.run_ns + other.run_ns,
            wait_ns: self.wait_ns + other.wait_ns,
            user_ticks: self.user_ticks + other.user_ticks,
            system_ticks: self.system_ticks + other.system_ticks,
        }
    }

    pub(crate) fn since(self, earlier: CpuUse) -> CpuUse {
        CpuUse {
            run_ns: self.run_ns.saturating_sub(earlier.run_ns),
            wait_ns: self.wait_ns.saturating_sub(earlier.wait_ns),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
        }
    }
}

/// A running server. One that was started here is killed when this is dropped, and its directory removed; another is emptied.
pub(crate) struct Server {
    child: Option<Child>,
    /// Whose accounts are read; none of a server on another machine.
    process: Option<u32>,
    address: SocketAddr,
    /// Gone once it is kept beyond the server.
    directory: Option<TempDir>,
    copied_in: Duration,
}

impl Server {
    /// Starts `peer` on a free port of the loopback interface, in a copy of `data` or an empty directory, and waits until it answers.
    pub(crate) fn start(peer: &Peer, setup: Setup, placing: Placing, data: Option<&Path>) -> Outcome<Server> {
        let path = match &peer.origin {
            Origin::Started(path) => path,
            Origin::Running(address) => return Server::borrow(*address, placing),
        };
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
        let mut command = Command::new(path);
        command
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--dir"])
            .arg(directory.path());
        command.args(setup.list_arguments(peer));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A child starts with its parent's affinity, so every thread of the server has it from the first instruction.
        let (Placing::Pinned(cores) | Placing::Free(cores)) = placing;
        match placing {
            Placing::Pinned(cores) => machine::pin_to(&[cores.server])?,
            Placing::Free(_) => machine::pin_to(&machine::list_cores()?)?,
        }
        let spawned = command.spawn();
        machine::pin_to(&[cores.load])?;
        let child = spawned.map_err(|error| format!("{}: {error}", path.display()))?;
        let process = Some(child.id());
        let mut server =
            Server { child: Some(child), process, address, directory: Some(directory), copied_in };
        server.await_ready()?;
        Ok(server)
    }

    /// Takes a server that runs already, if nobody's data is in it.
    fn borrow(address: SocketAddr, placing: Placing) -> Outcome<Server> {
        let (Placing::Pinned(cores) | Placing::Free(cores)) = placing;
        machine::pin_to(&[cores.load])?;
        let mut control = Control::connect(address)?;
        let keys = control.call_integer("DBSIZE")?;
        if keys > 0 {
            return Err(format!(
                "the server at {address} holds {keys} keys; it is emptied after each run, so it must be empty"
            )
            .into());
        }
        let named = control.read_info("server", "process_id").ok().and_then(|id| id.parse().ok());
        let process = named.filter(|id| machine::listens_at(*id, address.port()));
        Ok(Server { child: None, process, address, directory: None, copied_in: Duration::ZERO })
    }

    fn await_ready(&mut self) -> Outcome<()> {
        let started = Instant::now();
        loop {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
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
        self.kill();
        self.directory.take().ok_or_else(|| "it has no directory to hand over".into())
    }

    /// Nothing that the server might still write is wanted. A failure means that it has already ended.
    fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The sum over the server's threads; none of a server on another machine.
    ///
    /// A sleeping thread's account is complete, a running one's up to its last tick: give a server a moment to
    /// go to sleep before reading this.
    pub(crate) fn read_cpu(&self) -> Outcome<Option<CpuUse>> {
        let Some(id) = self.process else { return Ok(None) };
        let process = format!("/proc/{id}");
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
        let mut ticks = after_name.split(' ').skip(11).map(|ticks| ticks.parse::<u64>().unwrap_or(0));
        let (user_ticks, system_ticks) = (ticks.next().unwrap_or(0), ticks.next().unwrap_or(0));
        Ok(Some(CpuUse { run_ns, wait_ns, user_ticks, system_ticks }))
    }

    /// The same, a few milliseconds after everything was answered: the server's threads sleep, and their accounts are complete.
    pub(crate) fn read_settled_cpu(&self) -> Outcome<Option<CpuUse>> {
        std::thread::sleep(Duration::from_millis(5));
        self.read_cpu()
    }

    /// The sum over the server's threads; zeros of a server on another machine.
    pub(crate) fn read_switches(&self) -> Outcome<Switches> {
        let mut switches = Switches::default();
        let Some(id) = self.process else { return Ok(switches) };
        for task in fs::read_dir(format!("/proc/{id}/task"))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            switches.voluntary += find_number(&status, "voluntary_ctxt_switches:").unwrap_or(0);
            switches.involuntary += find_number(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
        }
        Ok(switches)
    }

    /// Bytes of the server's memory that are in RAM; none of a server on another machine.
    pub(crate) fn read_resident_bytes(&self) -> Outcome<Option<u64>> {
        let Some(id) = self.process else { return Ok(None) };
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        Ok(Some(find_number(&status, "VmRSS:").ok_or("no resident size in the process's status")? * 1024))
    }

    /// The same, with what its child processes (a rewrite that was forked off) have for themselves alone.
    pub(crate) fn read_resident_bytes_with_children(&self) -> Outcome<u64> {
        let id = self.process.ok_or("its process is not known")?;
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let own = |child: &str| {
            // Gone meanwhile, it has nothing.
            let text = fs::read_to_string(format!("/proc/{child}/smaps_rollup")).unwrap_or_default();
            find_number(&text, "Private_Dirty:").unwrap_or(0) * 1024
        };
        let server = self.read_resident_bytes()?.unwrap_or(0);
        Ok(server + children.split_whitespace().map(own).sum::<u64>())
    }
}

/// A figure of one of the kernel's tables.
fn find_number(text: &str, label: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        } else if let Ok(mut control) = self.control() {
            // What is left in it makes the next run refuse it.
            let _ = control.call("FLUSHALL");
        }
    }
}
