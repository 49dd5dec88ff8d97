//! OBJECT FREQ

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::config::{MaxmemoryPolicy, settings};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "freq",
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    categories: Categories::KEYSPACE,
    since: "4.0.0",
    group: Group::Generic,
    summary: "Tells how often a key was used, by the logarithm.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    help: &["FREQ <key>", "    Return a logarithm of how often the key was used, with an LFU policy."],
    handler: execute,
    ..Spec::DEFAULT
};

/// Refuses, unless the key is not there: how often keys are used is not counted, whatever the policy.
fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if context.keys.find_quietly(&Key::new(request.arg(2))).is_none() {
        context.reply.null();
        return Ok(Outcome::Done);
    }
    let policy = context.shared.config.choice(settings::MAXMEMORY_POLICY);
    let is_lfu = matches!(policy, MaxmemoryPolicy::AllKeysLfu | MaxmemoryPolicy::VolatileLfu);
    Err(CommandError::Other(if is_lfu {
        "ERR access frequency is not tracked"
    } else {
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
         switching between policies at runtime LRU and LFU data will take some time to adjust."
    }))
}
