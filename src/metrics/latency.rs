//! What took long, and when (LATENCY): the last events of each kind that took at least `latency-monitor-threshold`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock;

/// So many seconds with events are kept of each kind.
const SAMPLES_MAX: usize = 160;

/// What may take long. The order is that of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LatencyEvent {
    /// A sync of the log for which writers wait.
    AofFsyncAlways,
    /// A write to the log.
    AofWrite,
    /// The execution of a command.
    Command,
    /// The removal of keys whose time was up, in the background.
    ExpireCycle,
    /// The execution of a command that is to be fast.
    FastCommand,
}

impl LatencyEvent {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::AofFsyncAlways, Self::AofWrite, Self::Command, Self::ExpireCycle, Self::FastCommand];

    /// Redis's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AofFsyncAlways => "aof-fsync-always",
            Self::AofWrite => "aof-write",
            Self::Command => "command",
            Self::ExpireCycle => "expire-cycle",
            Self::FastCommand => "fast-command",
        }
    }

    /// The event of this name.
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// The longest event of its kind in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencySample {
    /// The second, since the Unix epoch.
    pub time_s: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// What is known of a kind of event.
#[derive(Debug, Clone, Default)]
pub struct LatencyHistory {
    /// The last samples, the oldest first; never empty.
    pub samples: VecDeque<LatencySample>,
    /// The longest one ever, in milliseconds.
    pub max_ms: u64,
}

/// Keeps what took long.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    threshold_ms: AtomicU64,
    events: Mutex<BTreeMap<LatencyEvent, LatencyHistory>>,
}

impl LatencyMonitor {
    /// Keeps events that take so long, in milliseconds, from now on; 0: none.
    pub fn set_threshold_ms(&self, threshold_ms: u64) {
        self.threshold_ms.store(threshold_ms, Relaxed);
    }

    /// Whether events are kept: whether it is worth the while to time them.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.threshold_ms.load(Relaxed) != 0
    }

    /// Keeps an event if it took long.
    pub fn note(&self, event: LatencyEvent, duration: Duration) {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if self.is_on() && duration_ms >= self.threshold_ms.load(Relaxed) {
            self.keep(event, LatencySample { time_s: clock::unix_ms() / 1000, duration_ms });
        }
    }

    fn keep(&self, event: LatencyEvent, sample: LatencySample) {
        let mut events = self.events.lock();
        let history = events.entry(event).or_default();
        history.max_ms = history.max_ms.max(sample.duration_ms);
        if let Some(last) = history.samples.back_mut()
            && last.time_s == sample.time_s
        {
            last.duration_ms = last.duration_ms.max(sample.duration_ms);
            return;
        }
        if history.samples.len() == SAMPLES_MAX {
            history.samples.pop_front();
        }
        history.samples.push_back(sample);
    }

    /// The kinds of events of which any was kept, with what is known of each.
    pub fn all(&self) -> Vec<(LatencyEvent, LatencyHistory)> {
        self.events.lock().iter().map(|(event, history)| (*event, history.clone())).collect()
    }

    /// What is known of a kind of event.
    pub fn find(&self, event: LatencyEvent) -> Option<LatencyHistory> {
        self.events.lock().get(&event).cloned()
    }

    /// Forgets a kind of event; whether there was anything to forget.
    pub fn forget(&self, event: LatencyEvent) -> bool {
        self.events.lock().remove(&event).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_is_kept() {
        let monitor = LatencyMonitor::default();
        monitor.note(LatencyEvent::Command, Duration::from_secs(1));
        monitor.set_threshold_ms(10);
        monitor.note(LatencyEvent::Command, Duration::from_millis(9));
        assert!(monitor.all().is_empty());
        monitor.note(LatencyEvent::AofWrite, Duration::from_millis(10));
        assert_eq!(monitor.find(LatencyEvent::AofWrite).unwrap().max_ms, 10);
        assert!(monitor.forget(LatencyEvent::AofWrite) && !monitor.forget(LatencyEvent::AofWrite));
    }

    #[test]
    fn of_each_second_the_longest_is_kept_and_not_all_seconds_are() {
        let monitor = LatencyMonitor::default();
        for (time_s, duration_ms) in [(1, 50), (1, 70), (1, 60), (2, 20)] {
            monitor.keep(LatencyEvent::Command, LatencySample { time_s, duration_ms });
        }
        let samples = |monitor: &LatencyMonitor| monitor.find(LatencyEvent::Command).unwrap().samples;
        let seconds: Vec<(u64, u64)> =
            samples(&monitor).iter().map(|sample| (sample.time_s, sample.duration_ms)).collect();
        assert_eq!(seconds, [(1, 70), (2, 20)]);
        for time_s in 3..1000 {
            monitor.keep(LatencyEvent::Command, LatencySample { time_s, duration_ms: 1 });
        }
        assert_eq!(samples(&monitor).len(), SAMPLES_MAX);
        assert_eq!(samples(&monitor).back().unwrap().time_s, 999);
        assert_eq!(monitor.find(LatencyEvent::Command).unwrap().max_ms, 70);
    }

    #[test]
    fn names_find_events() {
        let names = LatencyEvent::ALL.map(LatencyEvent::name);
        assert!(names.is_sorted());
        for event in LatencyEvent::ALL {
            assert_eq!(LatencyEvent::find(event.name().as_bytes()), Some(event));
        }
        assert_eq!(LatencyEvent::find(b"nosuch"), None);
    }
}
