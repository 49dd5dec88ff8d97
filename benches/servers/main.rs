//! Millstream and its peers under the same load, in the same run: `cargo bench --bench servers`.
//!
//! The program starts each server itself, pinned to one core, and drives it from another. What it measures, how
//! the figures are computed and what they may be used for is said in `benches/README.md`.
//!
//! Under `cargo test` (that is, without the `--bench` argument that `cargo bench` passes) it measures nothing: it
//! checks its own parts, since a load generator that miscounts replies makes every figure worthless.

mod control;
mod durability;
mod entries;
mod fill;
mod load;
mod machine;
mod memory;
mod options;
mod process;
mod replies;
mod report;
mod requests;
mod speed;
mod statistics;

use crate::durability::{DURABILITY_CASES, DurabilityRun};
use crate::memory::{MEMORY_CASES, MemoryRun};
use crate::options::Options;
use crate::report::Report;
use crate::speed::{SPEED_CASES, SpeedRun};
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
    options::check_parsing();
    println!("bench servers: own checks passed (run `cargo bench --bench servers` to measure)");
}

fn measure(arguments: &[String]) -> Outcome<()> {
    let options = Options::parse(arguments)?;
    if options.help {
        print!("{}", options::HELP);
        return Ok(());
    }
    if options.list {
        for case in SPEED_CASES {
            println!("{:<24} {}", case.name, case.what);
        }
        for case in MEMORY_CASES {
            println!("{:<24} {}", case.name, case.what);
        }
        for case in DURABILITY_CASES {
            println!("{:<24} {}", case.name, case.what);
        }
        return Ok(());
    }
    let speed_names = SPEED_CASES.iter().map(|case| case.name);
    let names: Vec<&str> = speed_names
        .chain(MEMORY_CASES.iter().map(|case| case.name))
        .chain(DURABILITY_CASES.iter().map(|case| case.name))
        .collect();
    let speed_cases: Vec<_> = SPEED_CASES.iter().filter(|case| options.selects(case.name, &names)).collect();
    let memory_cases: Vec<_> =
        MEMORY_CASES.iter().filter(|case| options.selects(case.name, &names)).collect();
    let durability_cases: Vec<_> =
        DURABILITY_CASES.iter().filter(|case| options.selects(case.name, &names)).collect();
    if speed_cases.is_empty() && memory_cases.is_empty() && durability_cases.is_empty() {
        return Err("no case has such a name; --list shows them".into());
    }

    let peers = process::find_peers(&options)?;
    let cores = machine::choose_cores(options.server_core, options.load_core)?;
    let mut report = Report::create(&options, &peers, cores)?;

    // A B A B: neighbours in time share whatever else the machine was doing, and are compared with each other.
    for case in speed_cases {
        for round in 0..options.rounds {
            for peer in &peers {
                eprintln!("{} round {} of {}: {}", case.name, round + 1, options.rounds, peer.name);
                let run = SpeedRun::measure(case, peer, cores, options.scale())
                    .map_err(|error| format!("{} on {}: {error}", case.name, peer.name))?;
                report.add_speed(case, peer, round, run)?;
            }
        }
    }
    // Bytes do not depend on what else runs: two rounds show that they repeat.
    for case in memory_cases {
        for round in 0..options.rounds.min(2) {
            for peer in &peers {
                eprintln!("{} round {}: {}", case.name, round + 1, peer.name);
                let run = MemoryRun::measure(case, peer, cores, options.scale())
                    .map_err(|error| format!("{} on {}: {error}", case.name, peer.name))?;
                report.add_memory(case, peer, round, run)?;
            }
        }
    }
    for case in durability_cases {
        // What redis-server wrote is read by all; without one, each peer reads what the first wrote.
        let writer = peers.iter().find(|peer| peer.name == "redis").unwrap_or(&peers[0]);
        let mut written = None;
        for round in 0..options.rounds.min(3) {
            for peer in &peers {
                eprintln!("{} round {}: {}", case.name, round + 1, peer.name);
                let run = DurabilityRun::measure(case, peer, cores, options.scale(), &mut written, writer)
                    .map_err(|error| format!("{} on {}: {error}", case.name, peer.name))?;
                report.add_durability(case, peer, round, run)?;
            }
        }
    }
    report.finish()
}
