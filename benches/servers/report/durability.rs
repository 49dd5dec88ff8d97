//! What is written of the cases about the append-only file as a whole.

use super::{Report, list_latencies_us, show_known, values_of, write_line};
use crate::Outcome;
use crate::durability::{DURABILITY_CASES, DurabilityCase, DurabilityRun};
use crate::peers::Peer;
use crate::statistics::Spread;
use serde_json::json;
use std::fmt::Write as _;

impl Report {
    pub(crate) fn add_durability(
        &mut self,
        case: &DurabilityCase,
        peer: &Peer,
        round: u32,
        run: DurabilityRun,
    ) -> Outcome<()> {
        write_line(
            &mut self.lines,
            &json!({
                "type": "durability", "case": case.name, "what": case.what, "peer": peer.name, "round": round,
                "entries": case.entries, "wall_s": run.wall.as_secs_f64(), "cpu_s": run.cpu_s,
                "latency_us_without": run.latency.as_ref().map(|[without, _]| list_latencies_us(without)),
                "latency_us_with": run.latency.as_ref().map(|[_, with]| list_latencies_us(with)),
                "resident_bytes_before": run.resident.map(|[before, _]| before),
                "resident_bytes_most": run.resident.map(|[_, most]| most),
            }),
        )?;
        self.durability.push((case.name, peer.name.clone(), round, run));
        Ok(())
    }

    pub(super) fn write_durability_table(&self, text: &mut String) -> Outcome<()> {
        writeln!(
            text,
            "\nThe log as a whole: medians of the rounds. Latency is that of XADDs that are due at a fixed rate, before / during the \
             rewrite; memory is resident, children's\nown included, and how much more there was at most during the rewrite.\n"
        )?;
        writeln!(
            text,
            "| case | peer | seconds | CPU s | p50 us | p99 us | greatest us | MiB before | most more |"
        )?;
        writeln!(text, "|---|---|---:|---:|---:|---:|---:|---:|---:|")?;
        for case in DURABILITY_CASES {
            for peer in &self.peers {
                let median = |figure: &dyn Fn(&DurabilityRun) -> f64| {
                    let values = values_of(&self.durability, case.name, peer, figure);
                    Spread::of(values.into_iter().map(|(_, value)| value)).map(|spread| spread.median)
                };
                let Some(wall) = median(&|run| run.wall.as_secs_f64()) else { continue };
                let latency = |at: usize, percentile: f64| {
                    median(&|run| {
                        run.latency.as_ref().map_or(f64::NAN, |latency| {
                            latency[at].value_at_percentile(percentile) as f64 / 1000.0
                        })
                    })
                };
                let pair = |percentile| {
                    format!(
                        "{} / {}",
                        show_known(latency(0, percentile), 0),
                        show_known(latency(1, percentile), 0)
                    )
                };
                let cpu = median(&|run| run.cpu_s.unwrap_or(f64::NAN));
                let before =
                    median(&|run| run.resident.map_or(f64::NAN, |[before, _]| before as f64 / 1_048_576.0));
                let more = median(&|run| {
                    run.resident
                        .map_or(f64::NAN, |[before, most]| 100.0 * (most as f64 / before as f64 - 1.0))
                });
                writeln!(
                    text,
                    "| {} | {peer} | {wall:.2} | {} | {} | {} | {} | {} | {} % |",
                    case.what,
                    show_known(cpu, 2),
                    pair(50.0),
                    pair(99.0),
                    pair(100.0),
                    show_known(before, 0),
                    show_known(more, 1),
                )?;
            }
        }
        Ok(())
    }
}
