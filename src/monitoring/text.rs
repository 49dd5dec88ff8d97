//! Families of metrics as text.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use crate::metrics::HistogramCounts;

/// The buckets of durations end at the powers of two nanoseconds from 2 to this (a quarter of a microsecond)
const BUCKET_FROM: u32 = 8;
/// up to 2 to this (4.3 seconds).
const BUCKET_TO: u32 = 32;

/// The names and values of a metric's labels.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// A text that families are written to as they come.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: Vec<u8>,
}

/// A family while its metrics come.
#[derive(Debug)]
pub(super) struct Family<'a> {
    exposition: &'a mut Exposition,
    family: MetricFamily,
    metrics: Vec<Metric>,
}

impl Exposition {
    /// Begins a family of gauges.
    pub(super) fn gauges(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::GAUGE)
    }

    /// Begins a family of counters.
    pub(super) fn counters(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::COUNTER)
    }

    /// Begins a family of durations.
    pub(super) fn histograms(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::HISTOGRAM)
    }

    /// A gauge that is its whole family.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help).add(&[], value);
    }

    /// A counter that is its whole family.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help).add(&[], value as f64);
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType) -> Family<'_> {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Family { exposition: self, family, metrics: Vec::new() }
    }

    /// All that was written.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }
}

impl Family<'_> {
    /// Adds a gauge or a counter, as the family is.
    pub(super) fn add(&mut self, labels: Labels<'_>, value: f64) {
        let mut metric = metric(labels);
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    /// Adds durations.
    pub(super) fn add_durations(&mut self, labels: Labels<'_>, counts: &HistogramCounts) {
        let buckets = counts.below_powers(BUCKET_FROM, BUCKET_TO).into_iter().map(|(bound_ns, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(seconds(bound_ns));
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(counts.count());
        histogram.set_sample_sum(seconds(counts.sum_ns()));
        let mut metric = metric(labels);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }
}

/// Written when it ends; a family of nothing is left out.
impl Drop for Family<'_> {
    fn drop(&mut self) {
        if !self.metrics.is_empty() {
            self.family.set_metric(std::mem::take(&mut self.metrics));
            let family = std::slice::from_ref(&self.family);
            // It fails for a family without name or metrics, and when the text cannot be written to.
            let encoded = TextEncoder::new().encode(family, &mut self.exposition.text);
            debug_assert!(encoded.is_ok(), "{encoded:?}");
        }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn metric(labels: Labels<'_>) -> Metric {
    let labels = labels.iter().map(|(name, value)| {
        let mut label = LabelPair::default();
        label.set_name((*name).to_owned());
        label.set_value((*value).to_owned());
        label
    });
    Metric::from_label(labels.collect())
}
