//! LATENCY GRAPH: an event's samples, drawn with letters.

use std::fmt::Write as _;

use crate::clock;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::metrics::{LatencyEvent, LatencyHistory};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "graph",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Draws what took long of an event.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    arguments: &[Argument::new("event", ArgKind::String)],
    help: &[
        "GRAPH <event>",
        "    A drawing of when an event took how long; below each, how long ago it was.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

const ROWS: u64 = 4;

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let event = LatencyEvent::find(request.arg(2));
    let Some((event, history)) = event.and_then(|event| Some((event, context.shared.latency.find(event)?)))
    else {
        return Err(CommandError::quoting("ERR No samples available for event '", request.arg(2), "'"));
    };
    let drawing = draw(event.name(), &history, clock::unix_ms() / 1000);
    context.reply.verbatim(drawing.as_bytes());
    Ok(Outcome::Done)
}

fn draw(name: &str, history: &LatencyHistory, now_s: u64) -> String {
    let durations = || history.samples.iter().map(|sample| sample.duration_ms);
    let (high, low) = (durations().max().unwrap_or(0), durations().min().unwrap_or(0));
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = writeln!(text, "{name} - high {high} ms, low {low} ms (all time high {} ms)", history.max_ms);
    let _ = writeln!(text, "{}", "-".repeat(80));
    // The lowest sample has a bar of one row, the highest one of all.
    let height = |ms: u64| 1 + (ms - low).saturating_mul(ROWS - 1) / (high - low).max(1);
    for row in (1..=ROWS).rev() {
        let line: String = durations()
            .map(|ms| match height(ms) {
                height if height > row => '|',
                height if height == row => '#',
                _ => ' ',
            })
            .collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let ages: Vec<String> =
        history.samples.iter().map(|sample| age(now_s.saturating_sub(sample.time_s))).collect();
    let len_max = ages.iter().map(String::len).max().unwrap_or(0);
    text.push('\n');
    for at in 0..len_max {
        let line: String =
            ages.iter().map(|age| age[at.min(age.len())..].chars().next().unwrap_or(' ')).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// How long ago something was, in the largest unit of which it is one at least.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::LatencySample;

    #[test]
    fn bars_are_as_high_as_the_samples() {
        let sample = |(time_s, duration_ms)| LatencySample { time_s, duration_ms };
        let samples = [(1000, 100), (4000, 400), (4590, 250), (4600, 100)].into_iter().map(sample).collect();
        let drawing = draw("command", &LatencyHistory { samples, max_ms: 900 }, 4600);
        let lines: Vec<&str> = drawing.lines().collect();
        assert_eq!(lines[0], "command - high 400 ms, low 100 ms (all time high 900 ms)");
        assert_eq!(lines[2..], [" #", " |", " |#", "#||#", "", "1110", "h00s", " ms"]);
        let one = [(4600, 50)].into_iter().map(sample).collect();
        let drawing = draw("command", &LatencyHistory { samples: one, max_ms: 50 }, 4600);
        assert_eq!(drawing.lines().skip(2).collect::<Vec<_>>(), ["", "", "", "#", "", "0", "s"]);
    }
}
