//! Running a case under valgrind, and reading what callgrind wrote.

use crate::Outcome;
use crate::cases::Case;
use crate::layers::Layer;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

/// Instructions per command.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) total: f64,
    pub(crate) layers: BTreeMap<Layer, f64>,
    /// Source file, function and instructions, the greatest first.
    pub(crate) functions: Vec<(String, f64)>,
}

/// Runs this program with `case` under valgrind.
pub(crate) fn profile(case: &Case) -> Outcome<Profile> {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let out = directory.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*execute_measured*"])
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["--measured", case.name])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} under valgrind: {}\n{text}", case.name, output.status).into());
    }
    parse(&fs::read_to_string(out)?, case.commands())
}

/// Sums the cost lines. A line that follows `calls=` is the callee's cost, and counted where it arises.
fn parse(text: &str, commands: u64) -> Outcome<Profile> {
    let (mut file, mut function) = ("", "");
    let mut is_callee = false;
    let mut costs: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('=')
            && name.bytes().all(|byte| byte.is_ascii_lowercase())
        {
            match name {
                "fl" | "fi" | "fe" => file = value,
                "fn" => function = value,
                "calls" => is_callee = true,
                _ => {}
            }
            continue;
        }
        let mut numbers = line.split(' ').map(str::parse::<u64>);
        if let (Some(Ok(_)), Some(Ok(cost))) = (numbers.next(), numbers.next())
            && !std::mem::take(&mut is_callee)
        {
            *costs.entry((file, function)).or_default() += cost;
        }
    }
    let sum: u64 = costs.values().sum();
    let summary = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let expected: u64 =
        summary.and_then(|text| text.trim().parse().ok()).ok_or("callgrind wrote no totals")?;
    if sum != expected || sum == 0 {
        return Err(format!("the parts of callgrind's file sum up to {sum}, its total is {expected}").into());
    }
    let per_command = |cost: u64| cost as f64 / commands as f64;
    let mut layers = BTreeMap::new();
    for ((file, function), cost) in &costs {
        *layers.entry(Layer::of(file, function)).or_default() += per_command(*cost);
    }
    let mut functions: Vec<(String, f64)> = costs
        .iter()
        .map(|((file, function), cost)| (format!("{}: {function}", shorten(file)), per_command(*cost)))
        .collect();
    functions.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Profile { total: per_command(sum), layers, functions })
}

/// Without what differs between machines.
fn shorten(file: &str) -> &str {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let file = file.strip_prefix(own).unwrap_or(file);
    for root in ["/library/", "/registry/src/"] {
        if let Some((_, rest)) = file.split_once(root) {
            return rest;
        }
    }
    file
}
