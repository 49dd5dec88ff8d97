//! How long something took, as a distribution.

use super::Counter;

/// Durations below 2 to this, in nanoseconds, are not told apart.
const EXPONENT_MIN: u32 = 6;
/// Nor are those from 2 to this on.
const EXPONENT_MAX: u32 = 36;
/// Each range from a power of two to the next is divided into 2 to this.
const PARTS_LOG2: u32 = 3;
const PARTS: usize = 1 << PARTS_LOG2;
/// One for what is below, and one for what is above.
const BUCKETS: usize = 2 + (EXPONENT_MAX - EXPONENT_MIN) as usize * PARTS;

/// Durations in nanoseconds, counted in buckets that are at most an eighth of their bound wide: from 64 ns to 69 s. One thread at a time
/// adds, any reads.
#[derive(Debug)]
pub struct Histogram {
    counts: [Counter; BUCKETS],
    sum_ns: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { Counter::new() }; BUCKETS], sum_ns: Counter::new() }
    }
}

/// The bucket of a duration.
#[inline]
fn bucket_of(ns: u64) -> usize {
    if ns < 1 << EXPONENT_MIN {
        return 0;
    }
    let exponent = ns.ilog2();
    if exponent >= EXPONENT_MAX {
        return BUCKETS - 1;
    }
    let part = (ns >> (exponent - PARTS_LOG2)) as usize & (PARTS - 1);
    1 + (exponent - EXPONENT_MIN) as usize * PARTS + part
}

/// The first duration above a bucket; `u64::MAX` for the last one.
fn end_ns(bucket: usize) -> u64 {
    if bucket == BUCKETS - 1 {
        return u64::MAX;
    }
    let exponent = EXPONENT_MIN + (bucket / PARTS) as u32;
    let part = (bucket % PARTS) as u64;
    (1 << exponent) + (part << (exponent - PARTS_LOG2))
}

impl Histogram {
    /// Adds `count` durations whose sum is `sum_ns`, each as their mean: what was not timed one by one. By one thread at a time.
    #[inline]
    pub fn add(&self, count: u64, sum_ns: u64) {
        let Some(mean_ns) = sum_ns.checked_div(count) else { return };
        self.counts[bucket_of(mean_ns)].add(count);
        self.sum_ns.add(sum_ns);
    }

    /// Forgets all. An addition at the same instant may be lost.
    pub fn reset(&self) {
        self.counts.iter().chain([&self.sum_ns]).for_each(Counter::reset);
    }
}

/// A histogram's counts at a time, or the sum of several's.
#[derive(Debug, Clone)]
pub struct HistogramCounts {
    counts: [u64; BUCKETS],
    sum_ns: u64,
}

impl Default for HistogramCounts {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum_ns: 0 }
    }
}

impl HistogramCounts {
    /// Adds what a histogram has.
    pub fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *sum = sum.wrapping_add(count.get());
        }
        self.sum_ns = self.sum_ns.wrapping_add(histogram.sum_ns.get());
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// For each power of two from `2^from` to `2^to` nanoseconds: it, and the number of durations below it. Exact from 2^6 to 2^36.
    pub fn below_powers(&self, from: u32, to: u32) -> Vec<(u64, u64)> {
        let mut below = Vec::new();
        let (mut bucket, mut count) = (0, 0);
        for exponent in from..=to {
            let bound = 1_u64 << exponent;
            while bucket < BUCKETS - 1 && end_ns(bucket) <= bound {
                count += self.counts[bucket];
                bucket += 1;
            }
            below.push((bound, count));
        }
        below
    }

    /// A duration, in nanoseconds, that `percentile` percent (0 to 100) of the durations do not exceed, up to an eighth too long; 0 when
    /// there is none.
    pub fn percentile_ns(&self, percentile: f64) -> u64 {
        let wanted = ((self.count() as f64 * percentile / 100.0).ceil() as u64).max(1);
        let mut count = 0;
        for (bucket, &in_bucket) in self.counts.iter().enumerate() {
            count += in_bucket;
            if count >= wanted {
                return end_ns(bucket).saturating_sub(1);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_in_its_bucket() {
        let near = |ns: u64| [ns.saturating_sub(1), ns, ns.saturating_add(1)];
        let powers = (0..64).map(|exponent| 1_u64 << exponent);
        let durations = powers.flat_map(|ns| [ns, ns / 8 * 9, ns / 8 * 15]).flat_map(near);
        for ns in durations.chain([0, u64::MAX]) {
            let bucket = bucket_of(ns);
            let start_ns = if bucket == 0 { 0 } else { end_ns(bucket - 1) };
            assert!(ns >= start_ns && (ns < end_ns(bucket) || bucket == BUCKETS - 1), "{ns} {bucket}");
            if bucket > 0 && bucket < BUCKETS - 1 {
                assert!(end_ns(bucket) - start_ns <= start_ns.div_ceil(8), "{ns} {bucket}");
            }
        }
    }

    #[test]
    fn counts_and_percentiles() {
        let histogram = Histogram::default();
        histogram.add(0, 0);
        for us in 1..=1000 {
            histogram.add(1, us * 1000);
        }
        histogram.add(1000, 100_000);
        let mut counts = HistogramCounts::default();
        counts.add(&histogram);
        assert_eq!((counts.count(), counts.sum_ns()), (2000, 500_500_000 + 100_000));
        assert_eq!(
            counts.below_powers(6, 10),
            [(64, 0), (128, 1000), (256, 1000), (512, 1000), (1024, 1001)]
        );
        assert_eq!(counts.below_powers(19, 20), [(524_288, 1524), (1_048_576, 2000)]);
        for (percentile, ns) in [(50.0, 100), (75.0, 500_000), (99.9, 998_000), (100.0, 1_000_000)] {
            let found = counts.percentile_ns(percentile);
            assert!(found >= ns && found <= ns + ns / 7, "{percentile}: {found}");
        }
        assert_eq!(HistogramCounts::default().percentile_ns(50.0), 0);
        histogram.reset();
        let mut counts = HistogramCounts::default();
        counts.add(&histogram);
        assert_eq!((counts.count(), counts.sum_ns()), (0, 0));
    }
}
