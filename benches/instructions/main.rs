//! Instructions per command of the hot paths, counted by valgrind: `cargo bench --bench instructions`.
//!
//! The program runs itself under `valgrind --tool=callgrind`, once for each case, and reads what that wrote. What the
//! figures are, and what they depend on, is said in `benches/README.md`.

mod callgrind;
mod cases;
mod layers;
mod report;

// What the servers are sent is what is executed here, and the figures go to the same page.
#[allow(dead_code)]
#[path = "../servers/docs.rs"]
mod docs;
#[allow(dead_code)]
#[path = "../servers/entries.rs"]
mod entries;
#[allow(dead_code)]
#[path = "../servers/requests.rs"]
mod requests;

use crate::callgrind::Profile;
use crate::cases::{CASES, Case};
use std::process::ExitCode;

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Any failure ends the program with one line; nobody matches on the kinds.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const HELP: &str = "\
cargo bench --bench instructions [-- VERB] [--only CASE]

  (no verb)     count, and show where the instructions go
  check         count, and compare with benches/instructions/baseline.json: fails where more than 5 % are added
  docs          count, and put the table into docs/performance.md
  update        count, and write that file
  --only CASE   the cases whose names contain CASE
  --list        name the cases and end
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome<ExitCode> {
    let (mut verb, mut only) = (None, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            // What runs under valgrind.
            "--measured" => {
                let name = rest.next().ok_or("--measured wants a case")?;
                find_case(name)?.run_measured()?;
                return Ok(ExitCode::SUCCESS);
            }
            "--only" => only = Some(rest.next().ok_or("--only wants a case")?.as_str()),
            "check" | "docs" | "update" => verb = Some(argument.as_str()),
            "--list" => {
                CASES.iter().for_each(|case| println!("{:<24} {}", case.name, case.what));
                return Ok(ExitCode::SUCCESS);
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            _ => return Err(format!("unknown argument {argument}; --help shows them").into()),
        }
    }
    let selected = CASES.iter().filter(|case| only.is_none_or(|only| case.name.contains(only)));
    let counts = selected
        .map(|case| {
            eprintln!("{}", case.name);
            Ok((case, callgrind::profile(case)?))
        })
        .collect::<Outcome<Vec<(&Case, Profile)>>>()?;
    if counts.is_empty() {
        return Err("no case has such a name; --list shows them".into());
    }
    match verb {
        Some("check") => report::check(&counts),
        Some("docs") if only.is_none() => report::show(&counts, true),
        Some("update") if only.is_none() => report::update(&counts),
        Some(verb) => Err(format!("{verb} wants all cases").into()),
        None => report::show(&counts, false),
    }
}

fn find_case(name: &str) -> Outcome<&'static Case> {
    CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("no case {name}").into())
}
