//! INFO's section on the locks that threads share. Redis has none: it is told on demand.

use super::Lines;
use crate::command::context::Context;
use crate::metrics::LockCounts;

/// Each kind of lock: all threads together, then each that took one, in the order in which they began.
pub(super) fn write(context: &mut Context<'_, '_>, lines: &mut Lines) {
    let metrics = &context.shared.metrics;
    for (kind, counts) in metrics.locks_of_all() {
        write_counts(lines, &format!("lock_{kind}"), counts);
    }
    for (thread, of_thread) in metrics.locks().into_iter().enumerate() {
        for (kind, counts) in of_thread.into_iter().filter(|(_, counts)| counts.acquisitions > 0) {
            write_counts(lines, &format!("thread_{thread}_lock_{kind}"), counts);
        }
    }
}

fn write_counts(lines: &mut Lines, name: &str, counts: LockCounts) {
    let LockCounts { acquisitions, contended, wait_ns, timed, held_ns } = counts;
    lines.field(
        name,
        format_args!(
            "acquisitions={acquisitions},contended={contended},wait_ns={wait_ns},timed={timed},held_ns={held_ns}"
        ),
    );
}
