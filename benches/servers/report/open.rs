//! What is written of the cases whose figure is latency at a given rate.

use super::{Report, list_latencies_us, show_known, values_of, write_line};
use crate::Outcome;
use crate::open::{OPEN_CASES, OpenCase, OpenRun};
use crate::peers::Peer;
use crate::statistics::Spread;
use serde_json::json;
use std::fmt::Write as _;

impl Report {
    pub(crate) fn add_open(&mut self, case: &OpenCase, peer: &Peer, round: u32, run: OpenRun) -> Outcome<()> {
        write_line(
            &mut self.lines,
            &json!({
                "type": "open", "case": case.name, "what": case.what, "peer": peer.name, "round": round,
                "rate_per_s": run.rate_per_s, "requests": run.requests,
                "server_cpu_us_per_request": run.cpu.map(|_| run.cpu_us_per_request()),
                "latency_us": list_latencies_us(&run.latency),
                "acknowledged_us": run.acknowledged.as_ref().map(list_latencies_us),
                "load_lateness_us": list_latencies_us(&run.lateness),
            }),
        )?;
        self.open.push((case.name, peer.name.clone(), round, run));
        Ok(())
    }

    /// The median of the rounds.
    pub(super) fn open_median(
        &self,
        case: &OpenCase,
        peer: &str,
        figure: &dyn Fn(&OpenRun) -> f64,
    ) -> Option<f64> {
        let values = values_of(&self.open, case.name, peer, figure);
        Spread::of(values.into_iter().map(|(_, value)| value)).map(|spread| spread.median)
    }

    pub(super) fn write_open_table(&self, text: &mut String) -> Outcome<()> {
        writeln!(
            text,
            "\nLatency at a fixed rate, in microseconds from when each request was due: medians of the rounds. XADD: until its \
             reply. Work queue: from the XADD until the entry is\ndelivered to a blocked XREADGROUP (of 8 consumers), and in the \
             last column until its XACK is answered. Load late: the 99th percentile of how late the load itself sent.\n"
        )?;
        writeln!(
            text,
            "| case | peer | requests/s | p50 | p99 | p99.9 | greatest | load late | CPU us | p50, p99 until XACK |"
        )?;
        writeln!(text, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for case in OPEN_CASES {
            for peer in &self.peers {
                let median = |figure: &dyn Fn(&OpenRun) -> f64| self.open_median(case, peer, figure);
                let Some(rate) = median(&|run| run.rate_per_s) else { continue };
                let latency = |percentile| {
                    show_known(median(&|run| run.latency.value_at_percentile(percentile) as f64 / 1000.0), 0)
                };
                let acknowledged = |percentile| {
                    let us = |run: &OpenRun| {
                        run.acknowledged.as_ref().map_or(f64::NAN, |latency| {
                            latency.value_at_percentile(percentile) as f64 / 1000.0
                        })
                    };
                    show_known(median(&us), 0)
                };
                writeln!(
                    text,
                    "| {} | {peer} | {rate:.0} | {} | {} | {} | {} | {} | {} | {}, {} |",
                    case.what,
                    latency(50.0),
                    latency(99.0),
                    latency(99.9),
                    latency(100.0),
                    show_known(median(&|run| run.lateness.value_at_percentile(99.0) as f64 / 1000.0), 0),
                    show_known(median(&OpenRun::cpu_us_per_request), 2),
                    acknowledged(50.0),
                    acknowledged(99.0),
                )?;
            }
        }
        Ok(())
    }
}
