//! DEL and UNLINK

use smallvec::SmallVec;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const DEL: Spec = Spec {
    name: "del",
    arity: -2,
    flags: Flags::WRITE,
    keys: &[KeySpec::to_end(1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Removes keys.",
    complexity: "O(N) for N keys, and for each that is no string O(M) for its M elements",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    arguments: &[Argument::new("key", ArgKind::Key(0)).multiple()],
    handler: execute,
    ..Spec::DEFAULT
};

pub(super) const UNLINK: Spec = Spec {
    name: "unlink",
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::to_end(1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
    categories: Categories::KEYSPACE,
    since: "4.0.0",
    group: Group::Generic,
    summary: "Removes keys, as DEL does.",
    complexity: "O(N) for N keys, and for each that is no string O(M) for its M elements",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    arguments: &[Argument::new("key", ArgKind::Key(0)).multiple()],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let keys = &mut *context.keys;
    let removed: SmallVec<[Key<'_>; 8]> =
        request.args_from(1).map(Key::new).filter(|key| keys.remove(key).is_some()).collect();
    if !removed.is_empty() {
        let effect = keys.begin_effect(1 + removed.len());
        effect.arg(b"DEL");
        removed.iter().for_each(|key| effect.arg(key.bytes));
        for key in &removed {
            keys.notify(EventClass::GENERIC, "del", key);
            keys.changed(key, Change::Lost);
        }
    }
    context.reply.count(removed.len() as u64);
    Ok(Outcome::Done)
}
