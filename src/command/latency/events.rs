//! LATENCY LATEST, HISTORY and RESET: the events that were kept.

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::metrics::LatencyEvent;
use crate::protocol::Request;

pub(super) const HISTORY: Spec = Spec {
    name: "history",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns when an event took how long.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    arguments: &[Argument::new("event", ArgKind::String)],
    help: &["HISTORY <event>", "    When an event took how long: times in seconds since 1970, milliseconds."],
    handler: history,
    ..Spec::DEFAULT
};

pub(super) const LATEST: Spec = Spec {
    name: "latest",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns the last of each event that took long.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    help: &[
        "LATEST",
        "    Of each event: its name, the time of the last one in seconds since 1970, how long that took in",
        "    milliseconds, and how long the longest one took.",
    ],
    handler: latest,
    ..Spec::DEFAULT
};

pub(super) const RESET: Spec = Spec {
    name: "reset",
    arity: -2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Forgets events, and tells of how many kinds.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    arguments: &[Argument::new("event", ArgKind::String).optional().multiple()],
    help: &["RESET [<event> ...]", "    Forgets events; all when none is named."],
    handler: reset,
    ..Spec::DEFAULT
};

fn history(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let history = LatencyEvent::find(request.arg(2)).and_then(|event| context.shared.latency.find(event));
    let samples = history.map(|history| history.samples).unwrap_or_default();
    context.reply.array(samples.len());
    for sample in samples {
        context.reply.array(2);
        context.reply.count(sample.time_s);
        context.reply.count(sample.duration_ms);
    }
    Ok(Outcome::Done)
}

fn latest(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let events = context.shared.latency.all();
    context.reply.array(events.len());
    for (event, history) in events {
        let last = history.samples.back();
        context.reply.array(4);
        context.reply.text(event.name());
        context.reply.count(last.map_or(0, |sample| sample.time_s));
        context.reply.count(last.map_or(0, |sample| sample.duration_ms));
        context.reply.count(history.max_ms);
    }
    Ok(Outcome::Done)
}

fn reset(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let named: Vec<LatencyEvent> = request.args_from(2).filter_map(LatencyEvent::find).collect();
    let events = if request.len() == 2 { LatencyEvent::ALL.to_vec() } else { named };
    let forgotten = events.into_iter().filter(|event| context.shared.latency.forget(*event)).count();
    context.reply.count(forgotten as u64);
    Ok(Outcome::Done)
}
