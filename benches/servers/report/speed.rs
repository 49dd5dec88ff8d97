//! What is written of the cases whose figure is server CPU per command.

use super::{
    BASELINE, Report, judge, list_latencies_us, quote, show_known, show_spread, spread_ratio, values_of,
    write_line,
};
use crate::Outcome;
use crate::peers::{MILLSTREAM, Peer};
use crate::speed::SpeedRun;
use crate::speed_cases::{SPEED_CASES, SpeedCase};
use crate::statistics::Spread;
use serde_json::json;
use std::fmt::Write as _;

/// A share of a run's time that something else had the servers' core, past which the run is marked.
const DISTURBED_SHARE: f64 = 0.05;

impl Report {
    pub(crate) fn add_speed(
        &mut self,
        case: &SpeedCase,
        peer: &Peer,
        round: u32,
        run: SpeedRun,
    ) -> Outcome<()> {
        write_line(
            &mut self.lines,
            &json!({
                "type": "speed", "case": case.name, "what": case.what, "peer": peer.name, "round": round,
                "arguments": quote(&case.setup.list_arguments(peer)),
                "commands": run.commands, "pipeline": case.pipeline,
                "wall_s": run.wall.as_secs_f64(), "commands_per_s": run.commands_per_s(),
                "server_cpu_us_per_command": run.cpu.map(|_| run.cpu_us_per_command()),
                "server_cpu_s": run.cpu.map(|cpu| cpu.run_ns as f64 / 1e9),
                "server_user_ticks": run.cpu.map(|cpu| cpu.user_ticks),
                "server_system_ticks": run.cpu.map(|cpu| cpu.system_ticks),
                "server_wait_s": run.cpu.map(|cpu| cpu.wait_ns as f64 / 1e9), "stolen_ticks": run.stolen_ticks,
                "load_cpu_s": run.load_cpu_ns as f64 / 1e9, "latency_us": list_latencies_us(&run.latency),
                "contention": run.contention.map(|counted| counted.to_json()),
            }),
        )?;
        self.speed.push((case.name, peer.name.clone(), round, run));
        Ok(())
    }

    pub(super) fn write_cpu_table(&mut self, text: &mut String) -> Outcome<()> {
        writeln!(
            text,
            "\nServer CPU per command in microseconds: median (least to greatest) of the rounds.\n"
        )?;
        self.write_heading(text, "case")?;
        let mut disturbed_any = false;
        for case in SPEED_CASES {
            let values = |peer: &str| values_of(&self.speed, case.name, peer, SpeedRun::cpu_us_per_command);
            if case.alone || self.peers.iter().all(|peer| values(peer).is_empty()) {
                continue;
            }
            write!(text, "| {} |", case.what)?;
            for peer in &self.peers {
                let spread = Spread::of(values(peer).into_iter().map(|(_, us)| us));
                let disturbed = self.speed.iter().any(|(name, runner, _, run)| {
                    *name == case.name && runner == peer && share_disturbed(run) > DISTURBED_SHARE
                });
                disturbed_any |= disturbed;
                write!(text, " {}{} |", show_spread(spread, 3), if disturbed { " *" } else { "" })?;
            }
            let ratio = spread_ratio(&values(MILLSTREAM), &values(BASELINE));
            let verdict = judge(ratio.map(|ratio| ratio.median), case.target, case.goal);
            if let Some(ratio) = ratio {
                write_line(
                    &mut self.lines,
                    &json!({
                        "type": "ratio", "case": case.name, "figure": "server_cpu_us_per_command",
                        "peer": MILLSTREAM, "baseline": BASELINE, "median": ratio.median, "least": ratio.least,
                        "greatest": ratio.greatest, "target": case.target, "goal": case.goal, "verdict": verdict,
                    }),
                )?;
            }
            let limit = |limit: Option<f64>| limit.map_or("-".to_owned(), |limit| format!("{limit:.2}"));
            let (target, goal) = (limit(case.target), limit(case.goal));
            writeln!(text, " {} | {target} | {goal} | {verdict} |", show_spread(ratio, 2))?;
        }
        if disturbed_any {
            writeln!(
                text,
                "\n\\* In some round other programs held the servers' core for over 5 % of the time."
            )?;
        }
        Ok(())
    }

    pub(super) fn write_latency_table(&self, text: &mut String) -> Outcome<()> {
        writeln!(
            text,
            "\nThroughput and latency: medians of the rounds. Latency is that of a batch, from its write to its last \
             reply, with all connections\nwaiting in turn; of the fan-out, that of each delivery. Busy: the share of the time that the server's core and \
             the load's were at work; a load near 100 % was the bottleneck.\n"
        )?;
        writeln!(
            text,
            "| case | peer | thousand commands/s | p50 us | p99 us | p99.9 us | server busy | of it kernel | load busy |"
        )?;
        writeln!(text, "|---|---|---:|---:|---:|---:|---:|---:|---:|")?;
        for case in SPEED_CASES {
            for peer in &self.peers {
                let median = |figure: &dyn Fn(&SpeedRun) -> f64| {
                    let values = values_of(&self.speed, case.name, peer, figure);
                    Spread::of(values.into_iter().map(|(_, value)| value)).map(|spread| spread.median)
                };
                let Some(rate) = median(&|run| run.commands_per_s() / 1000.0) else { continue };
                let latency_us = |percentile: f64| {
                    median(&|run| run.latency.value_at_percentile(percentile) as f64 / 1000.0)
                        .unwrap_or(f64::NAN)
                };
                let busy = |cpu_ns: &dyn Fn(&SpeedRun) -> Option<u64>| {
                    let share = |run: &SpeedRun| {
                        cpu_ns(run).map_or(f64::NAN, |ns| 100.0 * ns as f64 / run.wall.as_nanos() as f64)
                    };
                    show_known(median(&share), 0)
                };
                let [p50, p99, p999] = [50.0, 99.0, 99.9].map(latency_us);
                let server = busy(&|run| run.cpu.map(|cpu| cpu.run_ns));
                let load = busy(&|run| Some(run.load_cpu_ns));
                let kernel = show_known(median(&|run| 100.0 * run.kernel_share()), 0);
                writeln!(
                    text,
                    "| {} | {peer} | {rate:.1} | {p50:.0} | {p99:.0} | {p999:.0} | {server} % | {kernel} % | {load} % |",
                    case.what
                )?;
            }
        }
        Ok(())
    }
}

fn share_disturbed(run: &SpeedRun) -> f64 {
    let stolen_s = run.stolen_ticks as f64 / 100.0;
    let wait_s = run.cpu.map_or(0.0, |cpu| cpu.wait_ns as f64 / 1e9);
    (wait_s + stolen_s) / run.wall.as_secs_f64()
}
