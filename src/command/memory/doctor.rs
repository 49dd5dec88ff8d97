//! MEMORY DOCTOR

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{Group, Spec};
use super::figures::{MemoryFigures, ratio};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "doctor",
    arity: 2,
    since: "4.0.0",
    group: Group::Server,
    summary: "Returns a report on what is odd about the memory.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    help: &["DOCTOR", "    A report on what is odd about the memory."],
    handler: execute,
    ..Spec::DEFAULT
};

/// With less than this there is nothing to judge.
const USED_BYTES_MIN: u64 = 5 << 20;
/// The differences that are told are larger than this.
const DIFFERENCE_BYTES_MIN: u64 = 10 << 20;

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let figures = MemoryFigures::measure(context.shared);
    context.reply.verbatim(report(&figures).as_bytes());
    Ok(Outcome::Done)
}

fn report(figures: &MemoryFigures) -> String {
    let used = figures.used();
    if used < USED_BYTES_MIN {
        return "There is too little in memory for a report.\n".into();
    }
    let is_odd = |more: u64, less: u64, ratio_max: f64| {
        ratio(more, less) > ratio_max && more.saturating_sub(less) > DIFFERENCE_BYTES_MIN
    };
    let mut report = String::new();
    if is_odd(figures.peak, used, 1.5) {
        report.push_str(&format!(
            "* The peak of {} bytes was far above the {used} bytes that are used now. What the allocator had then may \
             not all have gone back to the system.\n",
            figures.peak
        ));
    }
    if is_odd(figures.allocator.active, used, 1.4) {
        report
            .push_str("* The allocator is fragmented: pages of which little is used cannot be given back.\n");
    }
    if is_odd(figures.resident, figures.allocator.resident, 1.4) {
        report.push_str("* Much of the process's memory is not the allocator's.\n");
    }
    if is_odd(figures.clients, 0, 0.0) && figures.clients > used / 5 {
        report.push_str("* The buffers of connections take more than a fifth of the memory.\n");
    }
    if report.is_empty() { "Nothing is odd about the memory.\n".into() } else { report }
}
