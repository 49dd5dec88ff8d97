//! DBSIZE

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "dbsize",
    arity: 1,
    flags: Flags::READONLY.union(Flags::FAST).union(Flags::ALL_SHARDS),
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Server,
    summary: "Counts the keys of the selected database.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let db = context.keys.db;
    let keys: usize = context.keys.shards().iter_mut().map(|(_, shard)| shard.dbs[db].len()).sum();
    context.reply.count(keys as u64);
    Ok(Outcome::Done)
}
