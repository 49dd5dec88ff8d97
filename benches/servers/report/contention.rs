//! What is written of the cases with several threads: what they cost each other.

use super::{Report, show_known, values_of};
use crate::Outcome;
use crate::contention::{Contention, LockUse};
use crate::speed::SpeedRun;
use crate::speed_cases::{SPEED_CASES, SpeedCase, Work};
use crate::statistics::Spread;
use std::fmt::Write as _;

/// A figure of a run and of what was counted in it.
type Figure = fn(&SpeedRun, &Contention) -> f64;

impl Report {
    /// The median of the rounds.
    fn contention_median(&self, case: &SpeedCase, peer: &str, figure: Figure) -> Option<f64> {
        let figure =
            |run: &SpeedRun| run.contention.as_ref().map_or(f64::NAN, |counted| figure(run, counted));
        let values = values_of(&self.speed, case.name, peer, figure);
        Spread::of(values.into_iter().map(|(_, value)| value)).map(|spread| spread.median)
    }

    pub(super) fn write_contention_table(&self, text: &mut String) -> Outcome<()> {
        if self.speed.iter().all(|(.., run)| run.contention.is_none()) {
            return Ok(());
        }
        writeln!(
            text,
            "\nWhat worker threads cost each other: medians of the rounds. Per 1000 commands: how often they took a lock that they share, in how \
             many of these another thread had it,\nand how often they left a core (because they had nothing to do or waited for a lock; because something \
             else was to have it). Per command, in nanoseconds: how long they waited for a lock,\nand how long a shard was locked (of a sample). Log: its \
             buffer's lock and its file's.\n"
        )?;
        writeln!(
            text,
            "| case | peer | thousand commands/s | CPU us | shard locks | contended | waited ns | locked ns | log locks | contended | waited ns | \
             left a core |"
        )?;
        writeln!(text, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for case in SPEED_CASES {
            for peer in &self.peers {
                self.write_contention_of(text, case, peer)?;
            }
        }
        self.write_bounds(text)
    }

    fn write_contention_of(&self, text: &mut String, case: &SpeedCase, peer: &str) -> Outcome<()> {
        let median = |figure: Figure| self.contention_median(case, peer, figure);
        let Some(rate) = median(|run, _| run.commands_per_s() / 1000.0) else { return Ok(()) };
        let show = |figure: Figure, digits: usize| show_known(median(figure), digits);
        writeln!(
            text,
            "| {} | {peer} | {rate:.1} | {} | {} | {} | {} | {} | {} | {} | {} | {}, {} |",
            case.what,
            show(|run, _| run.cpu_us_per_command(), 3),
            show(|run, counted| run.per_thousand(counted.shard.acquisitions), 1),
            show(|run, counted| run.per_thousand(counted.shard.contended), 2),
            show(|run, counted| counted.shard.wait_ns as f64 / run.commands as f64, 1),
            show(|run, counted| locked_ns(run, counted.shard), 0),
            show(|run, counted| run.per_thousand(log_locks(counted, |lock| lock.acquisitions)), 1),
            show(|run, counted| run.per_thousand(log_locks(counted, |lock| lock.contended)), 2),
            show(|run, counted| log_locks(counted, |lock| lock.wait_ns) as f64 / run.commands as f64, 1),
            show(|run, counted| run.per_thousand(counted.switches.voluntary), 1),
            show(|run, counted| run.per_thousand(counted.switches.involuntary), 1),
        )?;
        Ok(())
    }

    /// What one stream can take, by how long its lock is held.
    fn write_bounds(&self, text: &mut String) -> Outcome<()> {
        let is_alone = |case: &&SpeedCase| {
            case.work == Work::AddBy { own_keys: false } && case.setup.worker_threads == 1
        };
        for case in SPEED_CASES.iter().filter(is_alone) {
            for peer in &self.peers {
                let locked = self.contention_median(case, peer, |run, counted| locked_ns(run, counted.shard));
                let Some(locked) = locked else { continue };
                writeln!(
                    text,
                    "\n{peer}, {}: its shard is locked for {locked:.0} ns for each command. So one stream takes at most {:.1} million \
                     of them a second, however many threads send them.",
                    case.what,
                    1000.0 / locked
                )?;
            }
        }
        Ok(())
    }
}

impl SpeedRun {
    fn per_thousand(&self, count: u64) -> f64 {
        count as f64 * 1000.0 / self.commands as f64
    }
}

/// How long locks of a kind were held for each command, by the acquisitions that were timed.
fn locked_ns(run: &SpeedRun, lock: LockUse) -> f64 {
    lock.held_ns_per_acquisition() * lock.acquisitions as f64 / run.commands as f64
}

/// A count of the log's locks together.
fn log_locks(counted: &Contention, count: fn(LockUse) -> u64) -> u64 {
    count(counted.log_buffer) + count(counted.log_file)
}
