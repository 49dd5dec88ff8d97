//! INFO's section on how long commands took.

use super::Lines;
use crate::command::context::Context;
use crate::command::table::table;
use crate::config::settings;

/// Of each command that was called, the percentiles that `latency-tracking-info-percentiles` asks for, in microseconds.
pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let shared = context.shared;
    if !shared.config.boolean(settings::LATENCY_TRACKING) {
        return;
    }
    let setting = shared.config.text(settings::LATENCY_TRACKING_INFO_PERCENTILES);
    let percentiles: Vec<(&str, f64)> =
        setting.split_ascii_whitespace().filter_map(|text| Some((text, text.parse().ok()?))).collect();
    for command in table().iter() {
        let counts = shared.metrics.durations(command.index);
        if counts.count() == 0 {
            continue;
        }
        let values: Vec<String> = percentiles
            .iter()
            .map(|(text, percentile)| {
                format!("p{text}={:.3}", counts.percentile_ns(*percentile) as f64 / 1000.0)
            })
            .collect();
        lines.field(&format!("latency_percentiles_usec_{}", command.full_name), values.join(","));
    }
}
