//! The tables, and the comparison with what is committed.

use crate::Outcome;
use crate::callgrind::Profile;
use crate::cases::Case;
use crate::docs;
use crate::layers::Layer;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// So much more than the committed count is a failure, so much less wants a new one.
const SLACK: f64 = 0.05;

/// Functions that are listed for each case.
const FUNCTIONS: usize = 12;

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/baseline.json")
}

/// Prints the split over the layers and keeps it, with the functions, in `target/bench-instructions/`.
pub(crate) fn show(counts: &[(&Case, Profile)], in_docs: bool) -> Outcome<ExitCode> {
    let mut text = format!(
        "Instructions per command in user space; {}, {}, {}.\n\n| case | total |",
        std::env::consts::ARCH,
        first_line("rustc", "--version"),
        first_line("valgrind", "--version"),
    );
    Layer::ALL.iter().try_for_each(|layer| write!(text, " {} |", layer.name()))?;
    writeln!(text, "\n|---|{}", "---:|".repeat(Layer::ALL.len() + 1))?;
    for (case, profile) in counts {
        write!(text, "| {} | {:.0} |", case.what, profile.total)?;
        for layer in Layer::ALL {
            write!(text, " {:.0} |", profile.layers.get(&layer).unwrap_or(&0.0))?;
        }
        writeln!(text)?;
    }
    print!("{text}");
    if in_docs {
        docs::replace_marked("instructions", &text)?;
    }
    for (case, profile) in counts {
        writeln!(text, "\n{}:\n", case.name)?;
        for (function, cost) in profile.functions.iter().take(FUNCTIONS) {
            writeln!(text, "    {cost:10.1}  {function}")?;
        }
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-instructions");
    fs::create_dir_all(&directory)?;
    let table = directory.join("table.md");
    fs::write(&table, text)?;
    eprintln!("written, with the functions: {}", table.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the file that later counts are compared with.
pub(crate) fn update(counts: &[(&Case, Profile)]) -> Outcome<ExitCode> {
    let per_command: serde_json::Map<String, Value> =
        counts.iter().map(|(case, profile)| (case.name.to_owned(), json!(profile.total.round()))).collect();
    let baseline = json!({
        "architecture": std::env::consts::ARCH,
        "rustc": first_line("rustc", "--version"),
        "valgrind": first_line("valgrind", "--version"),
        "instructions_per_command": per_command,
    });
    fs::write(baseline_path(), format!("{baseline:#}\n"))?;
    eprintln!("written: {}", baseline_path().display());
    Ok(ExitCode::SUCCESS)
}

/// Compares with that file.
pub(crate) fn check(counts: &[(&Case, Profile)]) -> Outcome<ExitCode> {
    let baseline: Value = serde_json::from_str(&fs::read_to_string(baseline_path())?)?;
    for (name, now) in [
        ("architecture", std::env::consts::ARCH.to_owned()),
        ("rustc", first_line("rustc", "--version")),
        ("valgrind", first_line("valgrind", "--version")),
    ] {
        if baseline[name] != json!(now) {
            println!("note: the baseline was counted with {name} {}, this with {now}", baseline[name]);
        }
    }
    println!("| case | baseline | now | ratio | |\n|---|---:|---:|---:|---|");
    let mut failed = false;
    for (case, profile) in counts {
        let Some(before) = baseline["instructions_per_command"][case.name].as_f64() else {
            println!("| {} | - | {:.0} | - | not in the baseline |", case.name, profile.total);
            failed = true;
            continue;
        };
        let ratio = profile.total / before;
        let verdict = match ratio {
            _ if ratio > 1.0 + SLACK => "slower",
            _ if ratio < 1.0 - SLACK => "faster: update the baseline",
            _ => "",
        };
        failed |= ratio > 1.0 + SLACK;
        println!("| {} | {before:.0} | {:.0} | {ratio:.3} | {verdict} |", case.name, profile.total);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn first_line(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}
