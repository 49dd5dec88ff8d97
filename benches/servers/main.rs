//! Millstream and its peers under the same load, in the same run: `cargo bench --bench servers`.
//!
//! The program starts each server itself, pinned to one core, and drives it from another. What it measures, how
//! the figures are computed and what they may be used for is said in `benches/README.md`.
//!
//! Under `cargo test` (that is, without the `--bench` argument that `cargo bench` passes) it measures nothing: it
//! checks its own parts, since a load generator that miscounts replies makes every figure worthless.

mod contention;
mod control;
mod docs;
mod durability;
mod entries;
mod fanout;
mod fill;
mod load;
mod machine;
mod memory;
mod open;
mod options;
mod peers;
mod process;
mod rate;
mod replies;
mod report;
mod requests;
mod speed;
mod speed_cases;
mod statistics;

use crate::durability::{DURABILITY_CASES, DurabilityRun};
use crate::machine::Cores;
use crate::memory::{MEMORY_CASES, MemoryRun};
use crate::open::{CALIBRATION, OPEN_CASES, OpenRun};
use crate::options::Options;
use crate::peers::Peer;
use crate::report::Report;
use crate::speed::SpeedRun;
use crate::speed_cases::SPEED_CASES;
use std::process::ExitCode;

/// Any failure ends the program with one line; nobody matches on the kinds.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        check_self();
        return ExitCode::SUCCESS;
    }
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check_self() {
    replies::check_counting();
    requests::check_encoding();
    entries::check_shapes();
    statistics::check_medians();
    load::check_sharing();
    options::check_parsing();
    rate::check_deliveries();
    report::check_drawing();
    println!("bench servers: own checks passed (run `cargo bench --bench servers` to measure)");
}

fn measure(arguments: &[String]) -> Outcome<()> {
    let options = Options::parse(arguments)?;
    if options.help {
        print!("{}", options::HELP);
        return Ok(());
    }
    let names: Vec<(&str, &str)> = list_cases();
    if options.list {
        names.iter().for_each(|(name, what)| println!("{name:<24} {what}"));
        return Ok(());
    }
    let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let is_wanted = |name: &str| options.selects(name, &all);
    if !all.iter().any(|name| is_wanted(name)) {
        return Err("no case has such a name; --list shows them".into());
    }
    let peers = peers::find_peers(&options)?;
    let cores = machine::choose_cores(options.server_core, options.load_core, options.load_threads)?;
    let mut report = Report::create(&options, &peers, cores)?;
    measure_speed(&options, &is_wanted, &peers, cores, &mut report)?;
    measure_open(&options, &is_wanted, &peers, cores, &mut report)?;
    // Bytes do not depend on what else runs: two rounds show that they repeat.
    for case in MEMORY_CASES.iter().filter(|case| is_wanted(case.name)) {
        for round in 0..options.rounds.min(2) {
            for peer in &peers {
                announce(case.name, round, peer);
                let run = MemoryRun::measure(case, peer, cores, options.scale())
                    .map_err(naming(case.name, peer))?;
                report.add_memory(case, peer, round, run)?;
            }
        }
    }
    // What redis-server wrote is read by all; without one, each peer reads what the first wrote.
    let started: Vec<&Peer> = peers.iter().filter(|peer| peer.is_started()).collect();
    let writer = started.iter().find(|peer| peer.name == "redis").or(started.first());
    for case in DURABILITY_CASES.iter().filter(|case| is_wanted(case.name)) {
        let mut written = None;
        for round in 0..options.rounds.min(3) {
            for peer in &started {
                announce(case.name, round, peer);
                let writer = writer.ok_or("nobody can write")?;
                let run = DurabilityRun::measure(case, peer, cores, options.scale(), &mut written, writer)
                    .map_err(naming(case.name, peer))?;
                report.add_durability(case, peer, round, run)?;
            }
        }
    }
    report.finish()
}

fn measure_speed(
    options: &Options,
    is_wanted: &dyn Fn(&str) -> bool,
    peers: &[Peer],
    cores: Cores,
    report: &mut Report,
) -> Outcome<()> {
    for case in SPEED_CASES.iter().filter(|case| is_wanted(case.name)) {
        // A B A B: neighbours in time share whatever else the machine was doing, and are compared with each other.
        for round in 0..options.rounds {
            for peer in peers {
                announce(case.name, round, peer);
                let run =
                    SpeedRun::measure(case, peer, cores, options.scale()).map_err(naming(case.name, peer))?;
                if let Some(run) = run {
                    report.add_speed(case, peer, round, run)?;
                }
            }
        }
    }
    Ok(())
}

fn measure_open(
    options: &Options,
    is_wanted: &dyn Fn(&str) -> bool,
    peers: &[Peer],
    cores: Cores,
    report: &mut Report,
) -> Outcome<()> {
    if !OPEN_CASES.iter().any(|case| is_wanted(case.name)) {
        return Ok(());
    }
    // All get the same rates: shares of what redis-server, or else the last peer, reaches now.
    let base = peers.iter().find(|peer| peer.name == "redis").or(peers.last()).ok_or("nobody to measure")?;
    let closed = SPEED_CASES.iter().find(|case| case.name == CALIBRATION).ok_or("no such case")?;
    eprintln!("the rate of {} in a closed loop", base.name);
    let run = SpeedRun::measure(closed, base, cores, options.scale()).map_err(naming(closed.name, base))?;
    let rate_per_s = run.ok_or("it cannot be measured")?.commands_per_s();
    for case in OPEN_CASES.iter().filter(|case| is_wanted(case.name)) {
        for round in 0..options.rounds {
            for peer in peers {
                announce(case.name, round, peer);
                let run = OpenRun::measure(case, peer, cores, options.scale(), rate_per_s)
                    .map_err(naming(case.name, peer))?;
                report.add_open(case, peer, round, run)?;
            }
        }
    }
    Ok(())
}

/// Names, and what they are.
fn list_cases() -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<_> = SPEED_CASES.iter().map(|case| (case.name, case.what)).collect();
    names.extend(OPEN_CASES.iter().map(|case| (case.name, case.what)));
    names.extend(MEMORY_CASES.iter().map(|case| (case.name, case.what)));
    names.extend(DURABILITY_CASES.iter().map(|case| (case.name, case.what)));
    names
}

fn announce(case: &str, round: u32, peer: &Peer) {
    eprintln!("{case} round {}: {}", round + 1, peer.name);
}

/// Says which run an error is of.
fn naming(case: &str, peer: &Peer) -> impl Fn(Box<dyn std::error::Error>) -> Box<dyn std::error::Error> {
    let (case, peer) = (case.to_owned(), peer.name.clone());
    move |error| format!("{case} on {peer}: {error}").into()
}
