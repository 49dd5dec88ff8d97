//! RANDOMKEY

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::Keys;

pub(super) const SPEC: Spec = Spec {
    name: "randomkey",
    arity: 1,
    flags: Flags::READONLY.union(Flags::ALL_SHARDS),
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Returns the name of a random key.",
    complexity: "O(S) for S shards",
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let mut random = fastrand::Rng::new();
    let keys = &mut *context.keys;
    // Each turn returns or removes a key: the loop ends.
    while let Some(name) = find_random(keys, &mut random) {
        let key = Key::new(&name);
        if keys.find_for_write(&key).is_some() {
            context.reply.bulk(&name);
            return Ok(Outcome::Done);
        }
    }
    context.reply.null();
    Ok(Outcome::Done)
}

/// A random key, possibly one whose time is up: each shard as likely as it has keys.
fn find_random(keys: &mut Keys<'_>, random: &mut fastrand::Rng) -> Option<Box<[u8]>> {
    let db = keys.db;
    let total: usize = keys.shards().iter_mut().map(|(_, shard)| shard.dbs[db].len()).sum();
    let mut at = (total > 0).then(|| random.usize(..total))?;
    for (_, shard) in keys.shards().iter_mut() {
        let part = &shard.dbs[db];
        if at < part.len() {
            return part.find_random(random).map(|entry| entry.key().into());
        }
        at -= part.len();
    }
    None
}
