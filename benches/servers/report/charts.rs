//! Which charts are drawn of the figures.

use super::chart::{Bar, Chart, Scale};
use super::{BASELINE, Report, show_known, values_of};
use crate::memory::{MEMORY_CASES, MemoryRun};
use crate::open::{OPEN_CASES, OpenRun};
use crate::speed::SpeedRun;
use crate::speed_cases::SPEED_CASES;
use crate::statistics::Spread;

impl Report {
    /// File names and SVG texts; a chart without figures is left out.
    pub(super) fn draw_charts(&self) -> Vec<(String, String)> {
        let charts = [
            ("server-cpu-per-command.svg", self.chart_cpu()),
            ("throughput.svg", self.chart_throughput()),
            ("latency-at-a-fixed-rate.svg", self.chart_latency()),
            ("bytes-per-entry.svg", self.chart_memory()),
        ];
        let drawn = charts.into_iter().filter(|(_, chart)| !chart.groups.is_empty());
        drawn.map(|(name, chart)| (name.to_owned(), chart.draw())).collect()
    }

    /// Each case's figure relative to the baseline's in the same case.
    fn compare_speed(&self, figure: fn(&SpeedRun) -> f64, unit: &str) -> Vec<(String, Vec<Bar>)> {
        let median = |case: &str, peer: &str| median(values_of(&self.speed, case, peer, figure));
        let mut groups = Vec::new();
        for case in SPEED_CASES.iter().filter(|case| !case.alone) {
            let Some(base) = median(case.name, BASELINE) else { continue };
            let bars = self.peers.iter().filter_map(|peer| {
                let value = median(case.name, peer)?;
                let note = format!("{:.2}: {} {unit}", value / base, show_figure(value));
                Some(Bar { peer: peer.clone(), value: value / base, note })
            });
            groups.push((case.what.to_owned(), bars.collect()));
        }
        groups
    }

    fn chart_cpu(&self) -> Chart {
        Chart {
            title: "Server CPU per command (shorter is better)",
            axis: "redis = 1",
            scale: Scale::Linear,
            line_at: Some(1.0),
            groups: self.compare_speed(SpeedRun::cpu_us_per_command, "us"),
        }
    }

    fn chart_throughput(&self) -> Chart {
        Chart {
            title: "Throughput on one core (longer is better)",
            axis: "redis = 1; where Millstream is ahead, the load is often what limits it",
            scale: Scale::Linear,
            line_at: Some(1.0),
            groups: self.compare_speed(|run| run.commands_per_s() / 1000.0, "k/s"),
        }
    }

    fn chart_latency(&self) -> Chart {
        let mut groups = Vec::new();
        for case in OPEN_CASES {
            for (percentile, name) in [(50.0, "p50"), (99.0, "p99"), (99.9, "p99.9")] {
                let us = |run: &OpenRun| run.latency.value_at_percentile(percentile) as f64 / 1000.0;
                let bars: Vec<Bar> = self
                    .peers
                    .iter()
                    .filter_map(|peer| {
                        let value = self.open_median(case, peer, &us)?;
                        let note = format!("{} us", show_figure(value));
                        Some(Bar { peer: peer.clone(), value, note })
                    })
                    .collect();
                if !bars.is_empty() {
                    groups.push((format!("{}, {name}", case.what), bars));
                }
            }
        }
        Chart {
            title: "Latency at a fixed rate, from when each request was due (shorter is better)",
            axis: "microseconds, logarithmic",
            scale: Scale::Logarithmic,
            line_at: None,
            groups,
        }
    }

    fn chart_memory(&self) -> Chart {
        let mut groups = Vec::new();
        for case in MEMORY_CASES {
            let bars: Vec<Bar> = self
                .peers
                .iter()
                .filter_map(|peer| {
                    // Resident bytes; of a server elsewhere, what it says itself.
                    let resident =
                        median(values_of(&self.memory, case.name, peer, MemoryRun::resident_bytes_per_item));
                    let used =
                        median(values_of(&self.memory, case.name, peer, MemoryRun::used_bytes_per_item));
                    let value = resident.or(used)?.max(0.0);
                    Some(Bar { peer: peer.clone(), value, note: format!("{} bytes", show_figure(value)) })
                })
                .collect();
            if !bars.is_empty() {
                groups.push((case.what.to_owned(), bars));
            }
        }
        Chart {
            title: "Resident bytes (shorter is better)",
            axis: "bytes, logarithmic",
            scale: Scale::Logarithmic,
            line_at: None,
            groups,
        }
    }
}

fn median(values: Vec<(u32, f64)>) -> Option<f64> {
    Spread::of(values.into_iter().map(|(_, value)| value)).map(|spread| spread.median)
}

/// Three digits or so.
fn show_figure(value: f64) -> String {
    let digits = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    show_known(Some(value), digits)
}
