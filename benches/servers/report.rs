//! What is written: a line of JSON per run as it ends, and the tables at the end.

use crate::Outcome;
use crate::durability::{DURABILITY_CASES, DurabilityCase, DurabilityRun};
use crate::machine::{Cores, Machine};
use crate::memory::{Limit, MEMORY_CASES, MemoryCase, MemoryRun};
use crate::options::Options;
use crate::process::{MILLSTREAM, Peer, Persistence, list_arguments};
use crate::speed::{SPEED_CASES, SpeedCase, SpeedRun};
use crate::statistics::Spread;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

/// The peer that the others are compared with.
const BASELINE: &str = "redis";

/// A share of a run's time that something else had the servers' core, past which the run is marked.
const DISTURBED_SHARE: f64 = 0.05;

pub(crate) struct Report {
    directory: PathBuf,
    lines: File,
    preamble: String,
    peers: Vec<String>,
    speed: Vec<(&'static str, String, u32, SpeedRun)>,
    memory: Vec<(&'static str, String, u32, MemoryRun)>,
    durability: Vec<(&'static str, String, u32, DurabilityRun)>,
}

impl Report {
    /// Makes the files, and writes what the machine and the peers are.
    pub(crate) fn create(options: &Options, peers: &[Peer], cores: Cores) -> Outcome<Report> {
        let directory = match &options.out {
            Some(directory) => directory.clone(),
            None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-servers"),
        };
        fs::create_dir_all(&directory)?;
        let machine = Machine::describe(env!("CARGO_TARGET_TMPDIR").as_ref());
        let mut lines = File::create(directory.join("runs.jsonl"))?;
        write_line(
            &mut lines,
            &json!({
                "type": "machine", "cpu": machine.cpu, "cores": machine.cores, "memory_mib": machine.memory_mib,
                "kernel": machine.kernel, "load_average": machine.load_average, "file_system": machine.file_system,
                "server_core": cores.server, "load_core": cores.load, "arguments": options.given,
            }),
        )?;
        let mut preamble = format!(
            "Machine: {}, {} cores, {} MiB, Linux {}; load average at the start {}; the servers write to {}.\n\
             Servers on core {}, load on core {}. Arguments: `{}`. {} rounds.\n\n",
            machine.cpu,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            machine.load_average,
            machine.file_system,
            cores.server,
            cores.load,
            options.given.join(" "),
            options.rounds,
        );
        for peer in peers {
            let arguments = quote(&list_arguments(peer, Persistence::Off));
            write_line(
                &mut lines,
                &json!({
                    "type": "peer", "peer": peer.name, "path": peer.path.display().to_string(),
                    "version": peer.version, "arguments": arguments,
                }),
            )?;
            writeln!(preamble, "- {}: {}; `{arguments}`", peer.name, peer.version)?;
        }
        Ok(Report {
            directory,
            lines,
            preamble,
            peers: peers.iter().map(|peer| peer.name.clone()).collect(),
            speed: Vec::new(),
            memory: Vec::new(),
            durability: Vec::new(),
        })
    }

    pub(crate) fn add_speed(
        &mut self,
        case: &SpeedCase,
        peer: &Peer,
        round: u32,
        run: SpeedRun,
    ) -> Outcome<()> {
        let percentile_us = |percentile| run.latency.value_at_percentile(percentile) as f64 / 1000.0;
        write_line(
            &mut self.lines,
            &json!({
                "type": "speed", "case": case.name, "what": case.what, "peer": peer.name, "round": round,
                "arguments": quote(&list_arguments(peer, case.persistence)),
                "commands": run.commands, "pipeline": case.pipeline,
                "wall_s": run.wall.as_secs_f64(), "commands_per_s": run.commands_per_s(),
                "server_cpu_us_per_command": run.cpu_us_per_command(),
                "server_cpu_s": run.cpu.run_ns as f64 / 1e9, "server_cpu_ticks": run.cpu.ticks,
                "server_wait_s": run.cpu.wait_ns as f64 / 1e9, "stolen_ticks": run.stolen_ticks,
                "load_cpu_s": run.load_cpu_ns as f64 / 1e9,
                "batch_latency_us": {
                    "p50": percentile_us(50.0), "p99": percentile_us(99.0), "p99.9": percentile_us(99.9),
                    "max": run.latency.max() as f64 / 1000.0,
                },
            }),
        )?;
        self.speed.push((case.name, peer.name.clone(), round, run));
        Ok(())
    }

    pub(crate) fn add_memory(
        &mut self,
        case: &MemoryCase,
        peer: &Peer,
        round: u32,
        run: MemoryRun,
    ) -> Outcome<()> {
        write_line(
            &mut self.lines,
            &json!({
                "type": "memory", "case": case.name, "what": case.what, "peer": peer.name, "round": round,
                "items": run.items, "used_bytes_per_item": run.used_bytes_per_item(),
                "resident_bytes_per_item": run.resident_bytes_per_item(),
            }),
        )?;
        self.memory.push((case.name, peer.name.clone(), round, run));
        Ok(())
    }

    pub(crate) fn add_durability(
        &mut self,
        case: &DurabilityCase,
        peer: &Peer,
        round: u32,
        run: DurabilityRun,
    ) -> Outcome<()> {
        let us = |latency: &Histogram<u64>| {
            let percentile = |percentile| latency.value_at_percentile(percentile) as f64 / 1000.0;
            json!({
                "p50": percentile(50.0), "p99": percentile(99.0), "p99.9": percentile(99.9),
                "max": latency.max() as f64 / 1000.0, "count": latency.len(),
            })
        };
        write_line(
            &mut self.lines,
            &json!({
                "type": "durability", "case": case.name, "what": case.what, "peer": peer.name, "round": round,
                "entries": case.entries, "wall_s": run.wall.as_secs_f64(), "cpu_s": run.cpu_s,
                "latency_us_without": run.latency.as_ref().map(|[without, _]| us(without)),
                "latency_us_with": run.latency.as_ref().map(|[_, with]| us(with)),
                "resident_bytes_before": run.resident.map(|[before, _]| before),
                "resident_bytes_most": run.resident.map(|[_, most]| most),
            }),
        )?;
        self.durability.push((case.name, peer.name.clone(), round, run));
        Ok(())
    }

    /// Prints the tables and keeps them next to the lines.
    pub(crate) fn finish(mut self) -> Outcome<()> {
        let mut text = std::mem::take(&mut self.preamble);
        if !self.speed.is_empty() {
            self.write_cpu_table(&mut text)?;
            self.write_latency_table(&mut text)?;
        }
        if !self.memory.is_empty() {
            self.write_memory_table(&mut text)?;
        }
        if !self.durability.is_empty() {
            self.write_durability_table(&mut text)?;
        }
        print!("{text}");
        let table = self.directory.join("table.md");
        fs::write(&table, &text)?;
        eprintln!("written: {} and {}", table.display(), self.directory.join("runs.jsonl").display());
        Ok(())
    }

    fn write_heading(&self, text: &mut String, first: &str) -> Outcome<()> {
        write!(text, "| {first} |")?;
        for peer in &self.peers {
            write!(text, " {peer} |")?;
        }
        writeln!(text, " {MILLSTREAM}/{BASELINE} | target | goal | |")?;
        writeln!(text, "|---|{}---:|---:|---:|---|", "---:|".repeat(self.peers.len()))?;
        Ok(())
    }

    fn write_cpu_table(&mut self, text: &mut String) -> Outcome<()> {
        writeln!(
            text,
            "\nServer CPU per command in microseconds: median (least to greatest) of the rounds.\n"
        )?;
        self.write_heading(text, "case")?;
        let mut disturbed_any = false;
        for case in SPEED_CASES {
            let values = |peer: &str| values_of(&self.speed, case.name, peer, SpeedRun::cpu_us_per_command);
            if self.peers.iter().all(|peer| values(peer).is_empty()) {
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

    fn write_latency_table(&self, text: &mut String) -> Outcome<()> {
        writeln!(
            text,
            "\nThroughput and latency: medians of the rounds. Latency is that of a batch, from its write to its last \
             reply, with all 50 connections\nwaiting in turn. Busy: the share of the time that the server's core and \
             the load's were at work; a load near 100 % was the bottleneck.\n"
        )?;
        writeln!(text, "| case | peer | thousand commands/s | p50 us | p99 us | server busy | load busy |")?;
        writeln!(text, "|---|---|---:|---:|---:|---:|---:|")?;
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
                let busy = |cpu_ns: &dyn Fn(&SpeedRun) -> u64| {
                    median(&|run| 100.0 * cpu_ns(run) as f64 / run.wall.as_nanos() as f64).unwrap_or(f64::NAN)
                };
                let (p50, p99) = (latency_us(50.0), latency_us(99.0));
                let (server, load) = (busy(&|run| run.cpu.run_ns), busy(&|run| run.load_cpu_ns));
                writeln!(
                    text,
                    "| {} | {peer} | {rate:.1} | {p50:.0} | {p99:.0} | {server:.0} % | {load:.0} % |",
                    case.what
                )?;
            }
        }
        Ok(())
    }

    fn write_durability_table(&self, text: &mut String) -> Outcome<()> {
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
                let show = |value: Option<f64>, digits: usize| {
                    let value = value.filter(|value| !value.is_nan());
                    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
                };
                let latency = |at: usize, percentile: f64| {
                    median(&|run| {
                        run.latency.as_ref().map_or(f64::NAN, |latency| {
                            latency[at].value_at_percentile(percentile) as f64 / 1000.0
                        })
                    })
                };
                let pair = |percentile| {
                    format!("{} / {}", show(latency(0, percentile), 0), show(latency(1, percentile), 0))
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
                    show(cpu, 2),
                    pair(50.0),
                    pair(99.0),
                    pair(100.0),
                    show(before, 0),
                    show(more, 1),
                )?;
            }
        }
        Ok(())
    }

    fn write_memory_table(&mut self, text: &mut String) -> Outcome<()> {
        writeln!(text, "\nBytes: growth of used_memory (of resident memory).\n")?;
        self.write_heading(text, "case")?;
        for case in MEMORY_CASES {
            let median = |peer: &str, figure: fn(&MemoryRun) -> f64| {
                let values = values_of(&self.memory, case.name, peer, figure);
                Spread::of(values.into_iter().map(|(_, value)| value)).map(|spread| spread.median)
            };
            let used = |peer: &str| median(peer, MemoryRun::used_bytes_per_item);
            if self.peers.iter().all(|peer| used(peer).is_none()) {
                continue;
            }
            write!(text, "| {} |", case.what)?;
            for peer in &self.peers {
                match (used(peer), median(peer, MemoryRun::resident_bytes_per_item)) {
                    (Some(used), Some(resident)) => write!(text, " {used:.1} ({resident:.1}) |")?,
                    _ => write!(text, " - |")?,
                }
            }
            let ratio = used(MILLSTREAM).zip(used(BASELINE)).map(|(own, other)| own / other);
            // Limits in bytes are on the figure itself.
            let judged = match case.target.or(case.goal) {
                Some(Limit::Bytes(_)) => used(MILLSTREAM),
                _ => ratio,
            };
            let number =
                |limit: Option<Limit>| limit.map(|(Limit::Ratio(number) | Limit::Bytes(number))| number);
            let verdict = judge(judged, number(case.target), number(case.goal));
            if let Some(judged) = judged {
                write_line(
                    &mut self.lines,
                    &json!({
                        "type": "ratio", "case": case.name, "figure": "used_bytes_per_item", "peer": MILLSTREAM,
                        "baseline": BASELINE, "median": ratio, "judged": judged, "target": number(case.target),
                        "goal": number(case.goal), "verdict": verdict,
                    }),
                )?;
            }
            let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            let (target, goal) = (show_limit(case.target), show_limit(case.goal));
            writeln!(text, " {ratio} | {target} | {goal} | {verdict} |")?;
        }
        Ok(())
    }
}

/// A figure of a case's runs on one peer, with their rounds.
fn values_of<R>(
    runs: &[(&'static str, String, u32, R)],
    case: &str,
    peer: &str,
    figure: impl Fn(&R) -> f64,
) -> Vec<(u32, f64)> {
    let of_case = runs.iter().filter(|(name, runner, ..)| *name == case && runner == peer);
    of_case.map(|(_, _, round, run)| (*round, figure(run))).collect()
}

/// Each round's ratio: neighbours in time are compared, so that what slowed both is not held against one.
fn spread_ratio(own: &[(u32, f64)], other: &[(u32, f64)]) -> Option<Spread> {
    let ratio_of = |(round, own): &(u32, f64)| {
        let (_, other) = other.iter().find(|(other_round, _)| other_round == round)?;
        Some(own / other)
    };
    Spread::of(own.iter().filter_map(ratio_of))
}

fn write_line(file: &mut File, value: &Value) -> Outcome<()> {
    writeln!(file, "{value}")?;
    Ok(())
}

/// As a shell would want them.
fn quote(arguments: &[&str]) -> String {
    let quoted: Vec<&str> =
        arguments.iter().map(|argument| if argument.is_empty() { "\"\"" } else { argument }).collect();
    quoted.join(" ")
}

fn share_disturbed(run: &SpeedRun) -> f64 {
    let stolen_s = run.stolen_ticks as f64 / 100.0;
    (run.cpu.wait_ns as f64 / 1e9 + stolen_s) / run.wall.as_secs_f64()
}

fn show_spread(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("-".to_owned(), |Spread { median, least, greatest }| {
        format!("{median:.digits$} ({least:.digits$} to {greatest:.digits$})")
    })
}

fn show_limit(limit: Option<Limit>) -> String {
    match limit {
        Some(Limit::Ratio(ratio)) => format!("{ratio:.2}"),
        Some(Limit::Bytes(bytes)) => format!("{bytes:.0} bytes"),
        None => "-".to_owned(),
    }
}

/// In words, how a figure stands to its limits.
fn judge(figure: Option<f64>, target: Option<f64>, goal: Option<f64>) -> &'static str {
    let Some(figure) = figure else { return "" };
    let within = |limit: Option<f64>| limit.is_some_and(|limit| figure <= limit);
    match (target, goal) {
        _ if within(goal) => "goal met",
        (Some(_), _) if within(target) => "target met",
        (None, None) => "",
        (Some(_), _) => "behind",
        (None, Some(_)) => "short of the goal",
    }
}
