//! LATENCY DOCTOR: what took long, in words, and what can be done about it.

use std::fmt::Write as _;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Flags, Group, Spec};
use crate::config::settings;
use crate::metrics::{LatencyEvent, LatencyHistory};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "doctor",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns a report on what took long.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    help: &["DOCTOR", "    What took long, in words, and what can be done about it."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let shared = context.shared;
    let events = shared.latency.all();
    let slow_us = shared.config.integer(settings::SLOWLOG_LOG_SLOWER_THAN);
    let threshold_ms = shared.config.integer(settings::LATENCY_MONITOR_THRESHOLD);
    let text = match (events.is_empty(), threshold_ms) {
        (true, 0) => "Events are not kept. CONFIG SET latency-monitor-threshold with a number of milliseconds has those kept \
             that take longer.\n"
            .to_owned(),
        (true, _) => format!("Nothing has taken {threshold_ms} ms or longer.\n"),
        _ => report(&events, threshold_ms, slow_us),
    };
    context.reply.verbatim(text.as_bytes());
    Ok(Outcome::Done)
}

fn report(events: &[(LatencyEvent, LatencyHistory)], threshold_ms: i64, slow_us: i64) -> String {
    let mut text = "What has taken long:\n\n".to_owned();
    for (number, (event, history)) in events.iter().enumerate() {
        let _ = writeln!(text, "{}. {}: {}", number + 1, event.name(), describe(history));
    }
    text.push_str("\nWhat can be done:\n\n");
    let has = |wanted: &[LatencyEvent]| events.iter().any(|(event, _)| wanted.contains(event));
    let mut advise = |advice: &str| {
        let _ = writeln!(text, "- {advice}");
    };
    if has(&[LatencyEvent::Command, LatencyEvent::FastCommand]) {
        let slow_is_kept = slow_us >= 0 && slow_us <= threshold_ms.saturating_mul(1000);
        if slow_is_kept {
            advise("SLOWLOG GET tells which commands took long.");
        } else {
            advise(&format!(
                "SLOWLOG GET tells which commands took long, once it keeps them: CONFIG SET slowlog-log-slower-than {}.",
                threshold_ms.max(1).saturating_mul(1000)
            ));
        }
        advise(
            "A command holds up those that need the same shard: ask for less at once (COUNT), and remove large keys by XTRIM in steps.",
        );
    }
    if has(&[LatencyEvent::ExpireCycle]) {
        advise("Many keys expire at once: spread their times.");
    }
    if has(&[LatencyEvent::AofWrite, LatencyEvent::AofFsyncAlways]) {
        advise(
            "The disk is slow, or shared with others: see how long its syncs take (the metrics' millstream_log_sync_duration_seconds, iostat).",
        );
        advise(
            "appendfsync everysec lets nobody wait for a sync, and may lose a second when the machine stops.",
        );
    }
    text
}

/// How many, how long, how far apart.
fn describe(history: &LatencyHistory) -> String {
    let count = history.samples.len() as u64;
    let sum: u64 = history.samples.iter().map(|sample| sample.duration_ms).sum();
    let mean = sum / count.max(1);
    let deviation =
        history.samples.iter().map(|sample| sample.duration_ms.abs_diff(mean)).sum::<u64>() / count.max(1);
    let period = match (history.samples.front(), history.samples.back()) {
        (Some(first), Some(last)) if count > 1 => {
            let seconds = last.time_s.saturating_sub(first.time_s) as f64 / (count - 1) as f64;
            format!(", one in {seconds:.1} s")
        }
        _ => String::new(),
    };
    format!(
        "{count} seconds with such events{period}; {mean} ms on average, mean deviation {deviation} ms, the longest ever {} ms",
        history.max_ms
    )
}
