//! LATENCY HISTOGRAM: how long the executions of commands took.

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::command::table::{Command, table};
use crate::metrics::HistogramCounts;
use crate::protocol::{Reply, Request};

pub(super) const SPEC: Spec = Spec {
    name: "histogram",
    arity: -2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "7.0.0",
    group: Group::Server,
    summary: "Returns how long commands took, as distributions.",
    complexity: "O(N) for N commands told of",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    arguments: &[Argument::new("command", ArgKind::String).optional().multiple()],
    help: &[
        "HISTOGRAM [COMMAND ...]",
        "    Of each command, or those that are named: the number of calls, and how many of them took no longer than",
        "    so many microseconds. Without what blocked ones waited.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// The buckets that are told of end at these powers of two, in nanoseconds: a microsecond and 69 seconds.
const EXPONENTS: (u32, u32) = (10, 36);

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let commands: Vec<&Command> = if request.len() == 2 {
        table().iter().collect()
    } else {
        request.args_from(2).flat_map(find).collect()
    };
    let called: Vec<(&Command, HistogramCounts)> = commands
        .into_iter()
        .map(|command| (command, context.shared.metrics.durations(command.index)))
        .filter(|(_, counts)| counts.count() > 0)
        .collect();
    context.reply.map(called.len());
    for (command, counts) in called {
        context.reply.text(&command.full_name);
        write(&counts, context.reply);
    }
    Ok(Outcome::Done)
}

/// The command of a name, or the subcommands of one that has any; none where there is no such command.
fn find(name: &[u8]) -> Vec<&'static Command> {
    match table().find_full_name(name) {
        Some(command) if !command.spec.subcommands.is_empty() => table().subcommands(command).collect(),
        found => found.into_iter().collect(),
    }
}

fn write(counts: &HistogramCounts, reply: &mut Reply) {
    let mut told = 0;
    let mut lines: Vec<(u64, u64)> = Vec::new();
    for (bound_ns, count) in counts.below_powers(EXPONENTS.0, EXPONENTS.1) {
        if count > told {
            lines.push((bucket_end_us(bound_ns), count));
            told = count;
        }
    }
    if counts.count() > told {
        lines.push((bucket_end_us(1 << (EXPONENTS.1 + 1)), counts.count()));
    }
    reply.map(2);
    reply.text("calls");
    reply.count(counts.count());
    reply.text("histogram_usec");
    reply.map(lines.len());
    for (end_us, count) in lines {
        reply.count(end_us);
        reply.count(count);
    }
}

/// What Redis writes for the bucket that ends at a power of two nanoseconds: its histograms have two digits, and round up by that.
fn bucket_end_us(bound_ns: u64) -> u64 {
    (bound_ns + bound_ns / 128 - 1) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As redis-server 7.0.15 writes them.
    #[test]
    fn bounds_are_redis_s() {
        let found: Vec<u64> = (10..=26).map(|exponent| bucket_end_us(1 << exponent)).collect();
        let expected =
            [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16_908, 33_816, 67_633];
        assert_eq!(found, expected);
    }
}
