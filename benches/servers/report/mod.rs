//! What is written: a line of JSON per run as it ends, and the tables at the end.

mod chart;
mod charts;
mod contention;
mod durability;
mod memory;
mod open;
mod speed;

pub(crate) use chart::check_drawing;

use crate::Outcome;
use crate::docs;
use crate::durability::DurabilityRun;
use crate::machine::{Cores, Machine};
use crate::memory::MemoryRun;
use crate::open::OpenRun;
use crate::options::Options;
use crate::peers::{MILLSTREAM, Origin, Peer};
use crate::process::{Persistence, Setup};
use crate::speed::SpeedRun;
use crate::statistics::Spread;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

/// The peer that the others are compared with.
const BASELINE: &str = "redis";

pub(crate) struct Report {
    directory: PathBuf,
    lines: File,
    preamble: String,
    peers: Vec<String>,
    speed: Vec<(&'static str, String, u32, SpeedRun)>,
    memory: Vec<(&'static str, String, u32, MemoryRun)>,
    durability: Vec<(&'static str, String, u32, DurabilityRun)>,
    open: Vec<(&'static str, String, u32, OpenRun)>,
    docs: bool,
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
                "server_core": cores.server, "load_core": cores.load,
                "load_threads": cores.load_threads, "arguments": options.given,
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
            let arguments = match &peer.origin {
                Origin::Started(_) => quote(&Setup::of(Persistence::Off).list_arguments(peer)),
                Origin::Running(address) => format!("at {address}"),
            };
            write_line(
                &mut lines,
                &json!({
                    "type": "peer", "peer": peer.name, "origin": format!("{:?}", peer.origin), "version": peer.version, "arguments": arguments,
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
            open: Vec::new(),
            docs: options.docs,
        })
    }

    /// Prints the tables and keeps them next to the lines.
    pub(crate) fn finish(mut self) -> Outcome<()> {
        let mut text = std::mem::take(&mut self.preamble);
        if !self.speed.is_empty() {
            self.write_cpu_table(&mut text)?;
            self.write_latency_table(&mut text)?;
            self.write_contention_table(&mut text)?;
        }
        if !self.memory.is_empty() {
            self.write_memory_table(&mut text)?;
        }
        if !self.durability.is_empty() {
            self.write_durability_table(&mut text)?;
        }
        if !self.open.is_empty() {
            self.write_open_table(&mut text)?;
        }
        print!("{text}");
        let table = self.directory.join("table.md");
        fs::write(&table, &text)?;
        let charts = self.draw_charts();
        for (name, chart) in &charts {
            fs::write(self.directory.join(name), chart)?;
        }
        if self.docs {
            let mut shown = String::new();
            for (name, chart) in &charts {
                shown.push_str(&docs::write_chart(name, chart)?);
            }
            docs::replace_marked("servers", &(shown + &text))?;
        }
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
}

/// A figure of a case's runs on one peer, with their rounds, as far as it is known.
fn values_of<R>(
    runs: &[(&'static str, String, u32, R)],
    case: &str,
    peer: &str,
    figure: impl Fn(&R) -> f64,
) -> Vec<(u32, f64)> {
    let of_case = runs.iter().filter(|(name, runner, ..)| *name == case && runner == peer);
    of_case.map(|(_, _, round, run)| (*round, figure(run))).filter(|(_, value)| !value.is_nan()).collect()
}

/// Each round's ratio: neighbours in time are compared, so that what slowed both is not held against one.
fn spread_ratio(own: &[(u32, f64)], other: &[(u32, f64)]) -> Option<Spread> {
    let ratio_of = |(round, own): &(u32, f64)| {
        let (_, other) = other.iter().find(|(other_round, _)| other_round == round)?;
        Some(own / other)
    };
    Spread::of(own.iter().filter_map(ratio_of))
}

/// Latencies in microseconds.
fn list_latencies_us(latency: &Histogram<u64>) -> Value {
    let percentile = |percentile| latency.value_at_percentile(percentile) as f64 / 1000.0;
    json!({
        "p50": percentile(50.0), "p99": percentile(99.0), "p99.9": percentile(99.9),
        "max": latency.max() as f64 / 1000.0, "count": latency.len(),
    })
}

/// A figure, or a dash where it is not known.
fn show_known(value: Option<f64>, digits: usize) -> String {
    let value = value.filter(|value| !value.is_nan());
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

fn write_line(file: &mut File, value: &Value) -> Outcome<()> {
    writeln!(file, "{value}")?;
    Ok(())
}

/// As a shell would want them.
fn quote(arguments: &[String]) -> String {
    let quoted: Vec<&str> = arguments
        .iter()
        .map(|argument| if argument.is_empty() { "\"\"" } else { argument.as_str() })
        .collect();
    quoted.join(" ")
}

fn show_spread(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("-".to_owned(), |Spread { median, least, greatest }| {
        format!("{median:.digits$} ({least:.digits$} to {greatest:.digits$})")
    })
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
