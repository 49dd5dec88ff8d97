//! KEYS

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::glob::{self, Case};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "keys",
    arity: 2,
    flags: Flags::READONLY.union(Flags::ALL_SHARDS),
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    since: "1.0.0",
    group: Group::Generic,
    summary: "Returns the names of the keys that match a pattern.",
    complexity: "O(N) for N keys in the database",
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    arguments: &[Argument::new("pattern", ArgKind::Pattern)],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let pattern = request.arg(1);
    let (db, now_ms) = (context.keys.db, context.keys.now_ms);
    let shards = context.keys.shards();
    context.reply.array_counted(|reply| {
        let mut count = 0;
        for (_, shard) in shards.iter_mut() {
            for entry in shard.dbs[db].iter() {
                if !entry.is_expired(now_ms) && glob::matches(pattern, entry.key(), Case::Sensitive) {
                    reply.bulk(entry.key());
                    count += 1;
                }
            }
        }
        count
    });
    Ok(Outcome::Done)
}
