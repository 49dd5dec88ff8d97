//! INFO's sections on commands and on errors.

use super::Lines;
use crate::command::context::Context;
use crate::command::table::table;
use crate::metrics::{CommandCounters, Counter};

/// Commands that were called or refused, with counts and times.
pub(super) fn write_commands(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let metrics = &context.shared.metrics;
    for command in table().iter() {
        let sum = |counter: fn(&CommandCounters) -> &Counter| {
            metrics.sum(|worker| counter(&worker.commands[command.index]).get())
        };
        let calls = sum(|counters| &counters.calls);
        let rejected = sum(|counters| &counters.rejected);
        let failed = sum(|counters| &counters.failed);
        if calls == 0 && rejected == 0 && failed == 0 {
            continue;
        }
        let us = sum(|counters| &counters.ns) as f64 / 1000.0;
        let us_per_call = if calls == 0 { 0.0 } else { us / calls as f64 };
        lines.field(
            &format!("cmdstat_{}", command.full_name),
            format_args!(
                "calls={calls},usec={us:.0},usec_per_call={us_per_call:.2},rejected_calls={rejected},\
                 failed_calls={failed}"
            ),
        );
    }
}

/// Errors that were answered, by their code.
pub(super) fn write_errors(context: &mut Context<'_, '_>, lines: &mut Lines) {
    for (code, count) in context.shared.metrics.errors() {
        lines.field(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}
