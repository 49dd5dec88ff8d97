//! LATENCY. Events and histograms are not kept: what asks for them finds none. SLOWLOG has the commands that took long.

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "latency",
    arity: -2,
    since: "2.8.13",
    group: Group::Server,
    summary: "Commands about what took long.",
    complexity: "Depends on subcommand.",
    subcommands: &[&DOCTOR, &GRAPH, &HELP, &HISTOGRAM, &HISTORY, &LATEST, &RESET],
    ..Spec::DEFAULT
};

const DOCTOR: Spec = Spec {
    name: "doctor",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns a report on what took long: nothing was kept.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    help: &["DOCTOR", "    A report. Nothing is kept for it yet."],
    handler: doctor,
    ..Spec::DEFAULT
};

const GRAPH: Spec = Spec {
    name: "graph",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Draws what took long of an event.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    arguments: &[Argument::new("event", ArgKind::String)],
    help: &["GRAPH <event>", "    A drawing. Nothing is kept for it yet."],
    handler: graph,
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

const HISTOGRAM: Spec = Spec {
    name: "histogram",
    arity: -2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "7.0.0",
    group: Group::Server,
    summary: "Returns how long commands took: it is not kept.",
    complexity: "O(N) for N commands told of",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    arguments: &[Argument::new("command", ArgKind::String).optional().multiple()],
    help: &["HISTOGRAM [COMMAND ...]", "    How long commands took. Nothing is kept for it yet."],
    handler: histogram,
    ..Spec::DEFAULT
};

const HISTORY: Spec = Spec {
    name: "history",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns when an event took how long: nothing was kept.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    arguments: &[Argument::new("event", ArgKind::String)],
    help: &["HISTORY <event>", "    When an event took how long. Nothing is kept for it yet."],
    handler: none_kept,
    ..Spec::DEFAULT
};

const LATEST: Spec = Spec {
    name: "latest",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns the last of each event that took long: nothing was kept.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    help: &["LATEST", "    The last of each event. Nothing is kept for it yet."],
    handler: none_kept,
    ..Spec::DEFAULT
};

const RESET: Spec = Spec {
    name: "reset",
    arity: -2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    summary: "Forgets events, and tells how many: there are none.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    arguments: &[Argument::new("event", ArgKind::String).optional().multiple()],
    help: &["RESET [<event> ...]", "    Forgets events."],
    handler: reset,
    ..Spec::DEFAULT
};

fn doctor(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.verbatim(b"Latency is not monitored yet. SLOWLOG GET has the commands that took long.\n");
    Ok(Outcome::Done)
}

fn graph(_: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    Err(CommandError::quoting("ERR No samples available for event '", request.arg(2), "'"))
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

fn histogram(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.map(0);
    Ok(Outcome::Done)
}

fn none_kept(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.array(0);
    Ok(Outcome::Done)
}

fn reset(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.integer(0);
    Ok(Outcome::Done)
}
