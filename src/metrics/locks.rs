//! What threads cost each other at the locks that they share.

use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use super::Counter;

/// Of so many acquisitions one is timed until the release. A prime: loads that repeat themselves do so after other numbers of steps.
const TIMED_ONE_IN: u64 = 61;

/// What one thread counts of one kind of lock. Only what it waited for is timed in full: an acquisition that meets nobody costs a
/// few instructions more than the lock alone.
#[derive(Debug, Default)]
pub struct LockCounters {
    /// Acquisitions.
    pub acquisitions: Counter,
    /// Acquisitions for which another thread had to be waited for.
    pub contended: Counter,
    /// How long these waited, in nanoseconds.
    pub wait_ns: Counter,
    /// Acquisitions that were timed until their release: a sample.
    pub timed: Counter,
    /// How long these held what they had taken, in nanoseconds.
    pub held_ns: Counter,
}

/// The sum of [`LockCounters`] over threads.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct LockCounts {
    /// Acquisitions.
    pub acquisitions: u64,
    /// Acquisitions for which another thread had to be waited for.
    pub contended: u64,
    /// How long these waited, in nanoseconds.
    pub wait_ns: u64,
    /// Acquisitions that were timed until their release.
    pub timed: u64,
    /// How long these held what they had taken, in nanoseconds.
    pub held_ns: u64,
}

impl LockCounters {
    /// Takes a lock, and counts that; to be called by the owning thread only.
    #[inline]
    pub fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        self.acquisitions.add(1);
        match mutex.try_lock() {
            Some(guard) => guard,
            None => self.wait(mutex),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        let since = Instant::now();
        let guard = mutex.lock();
        self.contended.add(1);
        self.wait_ns.add(since.elapsed().as_nanos() as u64);
        guard
    }

    /// Now, if what was just taken is one that is to be timed until its release.
    #[inline]
    pub fn begin_hold(&self) -> Option<Instant> {
        self.acquisitions.get().is_multiple_of(TIMED_ONE_IN).then(Instant::now)
    }

    /// What was held since then, if it was timed, is about to be released.
    #[inline]
    pub fn end_hold(&self, since: Option<Instant>) {
        if let Some(since) = since {
            self.timed.add(1);
            self.held_ns.add(since.elapsed().as_nanos() as u64);
        }
    }

    /// The counts now.
    pub fn counts(&self) -> LockCounts {
        LockCounts {
            acquisitions: self.acquisitions.get(),
            contended: self.contended.get(),
            wait_ns: self.wait_ns.get(),
            timed: self.timed.get(),
            held_ns: self.held_ns.get(),
        }
    }

    pub(super) fn reset(&self) {
        [&self.acquisitions, &self.contended, &self.wait_ns, &self.timed, &self.held_ns]
            .iter()
            .for_each(|counter| counter.reset());
    }
}

impl LockCounts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            acquisitions: self.acquisitions + other.acquisitions,
            contended: self.contended + other.contended,
            wait_ns: self.wait_ns + other.wait_ns,
            timed: self.timed + other.timed,
            held_ns: self.held_ns + other.held_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_who_meets_somebody_waits() {
        let (mutex, counters) = (Mutex::new(0), LockCounters::default());
        for _ in 0..2 * TIMED_ONE_IN {
            let _guard = counters.lock(&mutex);
            counters.end_hold(counters.begin_hold());
        }
        let LockCounts { acquisitions, contended, wait_ns, timed, .. } = counters.counts();
        assert_eq!((acquisitions, contended, wait_ns, timed), (2 * TIMED_ONE_IN, 0, 0, 2));
        counters.reset();
        assert_eq!(counters.counts(), LockCounts::default());

        let held = Duration::from_millis(20);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _guard = mutex.lock();
                sender.send(()).expect("the other waits for it");
                thread::sleep(held);
            });
            receiver.recv().expect("the lock is taken");
            drop(counters.lock(&mutex));
        });
        let LockCounts { acquisitions, contended, wait_ns, .. } = counters.counts();
        assert_eq!((acquisitions, contended), (1, 1));
        assert!(wait_ns > 0, "it waited");
    }
}
