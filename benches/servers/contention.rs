//! What the server's threads cost each other: the locks that they share, and how often they left a core.

use crate::Outcome;
use crate::control::Control;
use crate::process::{Server, Switches};
use serde_json::{Value, json};

/// What was counted of one kind of lock, up to some moment or between two.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LockUse {
    pub(crate) acquisitions: u64,
    /// Those for which another thread was waited for.
    pub(crate) contended: u64,
    pub(crate) wait_ns: u64,
    /// Those that were timed until their release, and how long they held.
    pub(crate) timed: u64,
    pub(crate) held_ns: u64,
}

/// All of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contention {
    pub(crate) shard: LockUse,
    pub(crate) log_buffer: LockUse,
    pub(crate) log_file: LockUse,
    pub(crate) switches: Switches,
}

impl LockUse {
    fn read(control: &mut Control, kind: &str) -> Outcome<LockUse> {
        let names = ["acquisitions", "contended", "wait_ns", "timed", "held_ns"];
        let field = format!("lock_{kind}");
        let [acquisitions, contended, wait_ns, timed, held_ns] =
            control.read_info_numbers("locks", &field, names)?;
        Ok(LockUse { acquisitions, contended, wait_ns, timed, held_ns })
    }

    fn since(self, earlier: LockUse) -> LockUse {
        LockUse {
            acquisitions: self.acquisitions - earlier.acquisitions,
            contended: self.contended - earlier.contended,
            wait_ns: self.wait_ns - earlier.wait_ns,
            timed: self.timed - earlier.timed,
            held_ns: self.held_ns - earlier.held_ns,
        }
    }

    /// How long a lock was held, by the acquisitions that were timed; not a number where none was.
    pub(crate) fn held_ns_per_acquisition(self) -> f64 {
        if self.timed == 0 { f64::NAN } else { self.held_ns as f64 / self.timed as f64 }
    }

    fn to_json(self) -> Value {
        json!({
            "acquisitions": self.acquisitions, "contended": self.contended, "wait_ns": self.wait_ns,
            "timed": self.timed, "held_ns": self.held_ns,
        })
    }
}

impl Contention {
    /// `None` of a server that does not count its locks.
    pub(crate) fn read(server: &Server, control: &mut Control) -> Outcome<Option<Contention>> {
        let Ok(shard) = LockUse::read(control, "shard") else { return Ok(None) };
        Ok(Some(Contention {
            shard,
            log_buffer: LockUse::read(control, "log_buffer")?,
            log_file: LockUse::read(control, "log_file")?,
            switches: server.read_switches()?,
        }))
    }

    pub(crate) fn since(self, earlier: Contention) -> Contention {
        Contention {
            shard: self.shard.since(earlier.shard),
            log_buffer: self.log_buffer.since(earlier.log_buffer),
            log_file: self.log_file.since(earlier.log_file),
            switches: self.switches.since(earlier.switches),
        }
    }

    pub(crate) fn to_json(self) -> Value {
        json!({
            "shard": self.shard.to_json(), "log_buffer": self.log_buffer.to_json(),
            "log_file": self.log_file.to_json(), "voluntary_switches": self.switches.voluntary,
            "involuntary_switches": self.switches.involuntary,
        })
    }
}
