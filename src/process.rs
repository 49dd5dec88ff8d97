//! What the process takes from the system: memory, CPU time, open files.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit, setrlimit};

/// What the allocator (jemalloc, where the program is built with it) holds, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllocatorBytes {
    /// Handed out.
    pub allocated: u64,
    /// In pages of which something is handed out.
    pub active: u64,
    /// In pages that the system backs with memory.
    pub resident: u64,
}

/// Fills a buffer with random bytes that nobody can foresee.
///
/// # Errors
/// The system has none to give.
pub fn fill_random(buffer: &mut [u8]) -> std::io::Result<()> {
    use std::io::Read;
    fs::File::open("/dev/urandom")?.read_exact(buffer)
}

/// What the allocator holds now; zeros where it does not say.
pub fn allocator() -> AllocatorBytes {
    use tikv_jemalloc_ctl::{epoch, stats};
    // The figures are those of the last time that the epoch was advanced.
    if epoch::advance().is_err() {
        return AllocatorBytes::default();
    }
    let bytes = |read: Result<usize, _>| read.map_or(0, |bytes: usize| bytes as u64);
    AllocatorBytes {
        allocated: bytes(stats::allocated::read()),
        active: bytes(stats::active::read()),
        resident: bytes(stats::resident::read()),
    }
}

/// Has the allocator give back to the system the pages of which nothing is handed out; whether it could be told to.
pub fn purge() -> bool {
    use tikv_jemalloc_ctl::{Access, AsName, arenas};
    let Ok(count) = arenas::narenas::read() else { return false };
    let mut is_done = false;
    for arena in 0..count {
        // To keep pages for no time at all gives them back now.
        let name = format!("arena.{arena}.dirty_decay_ms\0");
        let decay_ms = name.name();
        let before: Result<isize, _> = decay_ms.update(0);
        // An arena that no thread uses yet has no such setting.
        if let Ok(before) = before {
            is_done |= decay_ms.write(before).is_ok();
        }
    }
    is_done
}

/// The allocator's name and version.
pub fn allocator_name() -> String {
    let version = tikv_jemalloc_ctl::version::read().unwrap_or_default();
    format!("jemalloc-{}", version.split('-').next().unwrap_or_default())
}

/// Memory of the process that the system backs, in bytes; 0 where the system does not say.
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * page_size() as u64
}

/// The machine's memory, in bytes.
pub fn system_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}

/// CPU time, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CpuSeconds {
    /// In the program's own code.
    pub user: f64,
    /// In the system's.
    pub system: f64,
}

/// CPU time that was used, as far as the system tells, by the process, by its children that have
/// ended, and by its main thread.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CpuTimes {
    /// All threads.
    pub process: CpuSeconds,
    /// Children.
    pub children: CpuSeconds,
    /// The main thread.
    pub main_thread: CpuSeconds,
}

/// CPU time that was used until now.
pub fn cpu_times() -> CpuTimes {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let process = read("/proc/self/stat");
    let main_thread = read(&format!("/proc/self/task/{}/stat", std::process::id()));
    CpuTimes {
        process: cpu_seconds(&process, 11),
        children: cpu_seconds(&process, 13),
        main_thread: cpu_seconds(&main_thread, 11),
    }
}

/// CPU time that the process used, in seconds.
pub fn cpu_clock_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Two neighbouring fields of a `stat` file, counted from behind the name in parentheses.
fn cpu_seconds(stat: &str, at: usize) -> CpuSeconds {
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = |at: usize| {
        let ticks = fields.split(' ').nth(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
        ticks as f64 / clock_ticks_per_second() as f64
    };
    CpuSeconds { user: ticks(at), system: ticks(at + 1) }
}

/// How many files must be open at once for so many clients.
pub fn open_files_for_clients(clients: u64) -> u64 {
    // The log, the listeners, the event loops, the standard streams.
    const OTHERS: u64 = 64;
    clients.saturating_add(OTHERS)
}

/// Lets the process have so many open files.
///
/// # Errors
/// How many it may have, when the system allows no more.
pub fn raise_open_files(wanted: u64) -> Result<(), u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let before = limit.current;
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    let now = if setrlimit(Resource::Nofile, limit).is_ok() { limit.current } else { before };
    match now {
        Some(now) if now < wanted => Err(now),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_behind_a_name_with_spaces() {
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 300 50 7 8 0";
        let per_second = clock_ticks_per_second() as f64;
        let expected = CpuSeconds { user: 300.0 / per_second, system: 50.0 / per_second };
        assert_eq!(cpu_seconds(stat, 11), expected);
        assert_eq!(cpu_seconds("", 11), CpuSeconds::default());
    }

    #[test]
    fn the_system_tells() {
        assert!(resident_bytes() > 0);
        assert!(system_bytes() > resident_bytes());
        assert!(raise_open_files(1).is_ok());
    }
}
