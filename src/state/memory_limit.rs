//! `maxmemory`: whether more memory is used than that allows.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

/// Between two samples so many bytes may come in at least.
const INTERVAL_BYTES_MIN: u64 = 64 * 1024;
/// And so many at most.
const INTERVAL_BYTES_MAX: u64 = 1024 * 1024;
/// What comes in may take that many times its size once it is kept (a stream for each entry is the worst): so much closer to the bound
/// the next sample comes.
const GROWTH_FACTOR_MAX: u64 = 32;
/// While the bound is exceeded, a refusal is not made on the strength of a sample that is older than this.
const REFUSAL_SAMPLE_AGE_MAX: Duration = Duration::from_millis(1);

/// Knows whether too much memory is used, from samples: the allocator's account is too dear to be read for every command. A sample is due
/// by the clock, and when so much came in since the last one that the bound may be near.
#[derive(Debug, Default)]
pub struct MemoryLimit {
    /// The bound in force; 0 for none.
    max_bytes: AtomicU64,
    is_exceeded: AtomicBool,
    /// So many bytes may still come in until the next sample. All threads write it, with each read: on cache lines of its own, since the
    /// rest is looked at for each command.
    left_bytes: CachePadded<AtomicI64>,
    /// Memory may have been released since the last sample.
    is_stale: AtomicBool,
    /// When the last sample was taken; held while one is.
    sampled: Mutex<Option<Instant>>,
}

impl MemoryLimit {
    /// Whether the bound was exceeded when it was looked at last.
    #[inline]
    pub fn is_exceeded(&self) -> bool {
        self.is_exceeded.load(Relaxed)
    }

    /// Whether there is a bound.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.max_bytes.load(Relaxed) != 0
    }

    /// Notes that so many bytes came in, or were allocated for a command that is shorter than what it makes; whether a sample is due.
    #[inline]
    pub fn note_growth(&self, bytes: u64) -> bool {
        self.is_set() && {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / 2);
            self.left_bytes.fetch_sub(bytes, Relaxed) < bytes
        }
    }

    /// Notes that memory may have been released: the next writer is not refused without another look.
    pub fn note_release(&self) {
        self.is_stale.store(true, Relaxed);
    }

    /// Takes a sample: `used` bytes against a bound of `max_bytes`, 0 for none. While another thread takes one, it is left to that.
    pub fn sample(&self, max_bytes: u64, used: impl FnOnce() -> u64) {
        if let Some(mut sampled) = self.sampled.try_lock() {
            self.take_sample(&mut sampled, max_bytes, used);
        }
    }

    /// Whether a writer is to be refused, now that the bound was found exceeded: looks again if memory may have been released since.
    pub fn refuses(&self, max_bytes: u64, used: impl FnOnce() -> u64) -> bool {
        let mut sampled = self.sampled.lock();
        let is_recent = sampled.is_some_and(|sampled| sampled.elapsed() < REFUSAL_SAMPLE_AGE_MAX);
        if self.is_stale.swap(false, AcqRel) || !is_recent {
            self.take_sample(&mut sampled, max_bytes, used);
        }
        self.is_exceeded()
    }

    fn take_sample(&self, sampled: &mut Option<Instant>, max_bytes: u64, used: impl FnOnce() -> u64) {
        self.is_stale.store(false, Relaxed);
        self.max_bytes.store(max_bytes, Relaxed);
        if max_bytes == 0 {
            self.is_exceeded.store(false, Relaxed);
            return;
        }
        let used = used();
        self.is_exceeded.store(used > max_bytes, Relaxed);
        self.left_bytes.store(interval_bytes(used, max_bytes), Relaxed);
        *sampled = Some(Instant::now());
    }
}

/// How many bytes may come in until the next sample.
fn interval_bytes(used: u64, max_bytes: u64) -> i64 {
    let interval = if used > max_bytes {
        INTERVAL_BYTES_MAX
    } else {
        ((max_bytes - used) / GROWTH_FACTOR_MAX).clamp(INTERVAL_BYTES_MIN, INTERVAL_BYTES_MAX)
    };
    interval.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_sample_is_due_the_sooner_the_nearer_the_bound_is() {
        let check = |used: u64, expected: u64| {
            let limit = MemoryLimit::default();
            limit.sample(100 * MIB, || used);
            assert!(!limit.note_growth(expected), "used: {used}");
            assert!(limit.note_growth(1), "used: {used}");
        };
        check(0, MIB);
        check(84 * MIB, MIB / 2);
        check(100 * MIB, 64 * 1024);
        check(101 * MIB, MIB);
    }

    #[test]
    fn without_a_bound_nothing_is_sampled() {
        let limit = MemoryLimit::default();
        assert!(!limit.note_growth(u64::MAX));
        limit.sample(0, || unreachable!("there is no bound"));
        assert!(!limit.is_exceeded());
        limit.sample(1, || 2);
        assert!(limit.is_exceeded());
        limit.sample(0, || unreachable!("there is no bound"));
        assert!(!limit.is_exceeded());
        assert!(!limit.note_growth(u64::MAX));
    }

    #[test]
    fn a_writer_is_not_refused_for_what_was_released() {
        let limit = MemoryLimit::default();
        limit.sample(10, || 10);
        assert!(!limit.is_exceeded(), "the bound itself is allowed");
        limit.sample(10, || 11);
        assert!(limit.is_exceeded());
        limit.note_release();
        assert!(limit.refuses(10, || 11));
        limit.note_release();
        assert!(!limit.refuses(10, || 10));
        assert!(!limit.is_exceeded());
        limit.sample(10, || 11);
        std::thread::sleep(REFUSAL_SAMPLE_AGE_MAX);
        assert!(!limit.refuses(10, || 9), "a sample of before does not hold");
    }
}
