//! The machine: which cores are used, what it is, and what else it was doing.

use crate::Outcome;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// The cores that the servers and the load are pinned to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) load: usize,
    /// Threads of the load in the cases where the servers may use all cores; several may use all cores, too.
    pub(crate) load_threads: usize,
}

/// Takes what was asked for; otherwise the last core this process may use for servers, the one before for the load, and as many
/// threads for it as half of the cores.
pub(crate) fn choose_cores(
    server: Option<usize>,
    load: Option<usize>,
    load_threads: Option<usize>,
) -> Outcome<Cores> {
    let usable = list_cores()?;
    for core in [server, load].into_iter().flatten() {
        if !usable.contains(&core) {
            return Err(format!("core {core} is not among those this process may use: {usable:?}").into());
        }
    }
    let last_but = |taken: Option<usize>| usable.iter().rev().copied().find(|core| Some(*core) != taken);
    let server = server.or_else(|| last_but(load)).unwrap_or(usable[0]);
    let load = load.or_else(|| last_but(Some(server))).unwrap_or(server);
    if server == load {
        eprintln!("bench: server and load share core {server}: throughput and latency mean little here");
    }
    let load_threads = load_threads.unwrap_or(usable.len() / 2).max(1);
    Ok(Cores { server, load, load_threads })
}

/// The cores that this process may use, whatever its threads are pinned to by now.
pub(crate) fn list_cores() -> Outcome<Vec<usize>> {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    if let Some(cores) = CORES.get() {
        return Ok(cores.clone());
    }
    let allowed = sched_getaffinity(None)?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    Ok(CORES.get_or_init(|| cores).clone())
}

/// Pins the calling thread, and with it whatever it starts from now on.
pub(crate) fn pin_to(cores: &[usize]) -> Outcome<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(None, &set).map_err(|error| format!("pinning to cores {cores:?}: {error}").into())
}

/// Nanoseconds of CPU that the calling thread has used.
pub(crate) fn read_own_cpu_ns() -> Outcome<u64> {
    Ok(parse_schedstat(&fs::read_to_string("/proc/thread-self/schedstat")?)?.0)
}

/// Time on the CPU, and time spent ready to run but waiting for it, both in nanoseconds.
pub(crate) fn parse_schedstat(text: &str) -> Outcome<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(run_ns)), Some(Ok(wait_ns))) => Ok((run_ns, wait_ns)),
        _ => Err(format!("not a schedstat line: {text:?}").into()),
    }
}

/// Clock ticks that the hypervisor gave to others while `core` wanted to run.
pub(crate) fn read_stolen_ticks(core: usize) -> u64 {
    let label = format!("cpu{core} ");
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(&label)).unwrap_or_default();
    line.split_whitespace().nth(8).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// Whether the process of this number, on this machine, listens at the port. A number that a server in a container or on
/// another machine tells is another process's here.
pub(crate) fn listens_at(process: u32, port: u16) -> bool {
    const LISTENING: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let suffix = format!(":{port:04X}");
    let lines = tables.iter().flat_map(|table| table.lines());
    let inodes: Vec<String> = lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&suffix) && fields[3] == LISTENING)
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    let mut links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    links.any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
}

/// What a reader must know of the machine to judge the figures.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) load_average: String,
    /// Of the directory that the servers write to.
    pub(crate) file_system: String,
}

impl Machine {
    pub(crate) fn describe(data: &Path) -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let meminfo = read("/proc/meminfo");
        let total_kib = meminfo.lines().next().and_then(|line| line.split_whitespace().nth(1));
        Machine {
            cpu: model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name).to_owned(),
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            memory_mib: total_kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease"),
            load_average: read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
            file_system: find_file_system(data, &read("/proc/self/mounts")),
        }
    }
}

/// The type of the innermost mount that `path` lies under. An append-only file in memory costs no sync.
fn find_file_system(path: &Path, mounts: &str) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let innermost = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            Some((fields.nth(1)?, fields.next()?))
        })
        .filter(|(mount, _)| path.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len());
    innermost.map_or("unknown", |(_, kind)| kind).to_owned()
}
