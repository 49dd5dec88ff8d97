//! EXISTS and TOUCH

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const EXISTS: Spec = Spec {
    name: "exists",
    arity: -2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::to_end(1, 1, KeyFlags::RO)],
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Counts those of the keys that are there.",
    complexity: "O(N) for N keys",
    history: &[("3.0.3", "Several keys may be given.")],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    arguments: &[Argument::new("key", ArgKind::Key(0)).multiple()],
    handler: execute_exists,
    ..Spec::DEFAULT
};

pub(super) const TOUCH: Spec = Spec {
    name: "touch",
    arity: -2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::to_end(1, 1, KeyFlags::RO)],
    categories: Categories::KEYSPACE,
    since: "3.2.1",
    group: Group::Generic,
    summary: "Counts those of the keys that are there, and marks them as used now.",
    complexity: "O(N) for N keys",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    arguments: &[Argument::new("key", ArgKind::Key(0)).multiple()],
    handler: execute_touch,
    ..Spec::DEFAULT
};

fn execute_exists(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let there =
        request.args_from(1).filter(|key| context.keys.find_untouched(&Key::new(key)).is_some()).count();
    context.reply.count(there as u64);
    Ok(Outcome::Done)
}

fn execute_touch(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    // It means to touch, whatever CLIENT NO-TOUCH says.
    context.keys.no_touch = false;
    let there = request.args_from(1).filter(|key| context.keys.find(&Key::new(key)).is_some()).count();
    context.reply.count(there as u64);
    Ok(Outcome::Done)
}
