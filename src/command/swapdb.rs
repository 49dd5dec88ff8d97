//! SWAPDB

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::number::parse_i64;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "swapdb",
    arity: 3,
    flags: Flags::WRITE.union(Flags::FAST).union(Flags::ALL_SHARDS),
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    since: "4.0.0",
    group: Group::Server,
    summary: "Exchanges two databases.",
    complexity: "O(N) for N keys that are watched or waited for in them",
    arguments: &[Argument::new("index1", ArgKind::Integer), Argument::new("index2", ArgKind::Integer)],
    handler: execute,
    ..Spec::DEFAULT
};

fn parse_db(text: &[u8], refusal: &'static str) -> Result<i32, CommandError> {
    parse_i64(text).and_then(|db| i32::try_from(db).ok()).ok_or(CommandError::Other(refusal))
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let first = parse_db(request.arg(1), "ERR invalid first DB index")?;
    let second = parse_db(request.arg(2), "ERR invalid second DB index")?;
    let databases = context.shared.store.databases();
    let in_range =
        |db: i32| usize::try_from(db).ok().filter(|&db| db < databases).ok_or(CommandError::DbOutOfRange);
    let (first, second) = (in_range(first)?, in_range(second)?);
    if first != second {
        context.keys.swap(first, second);
        let effect = context.keys.begin_effect(3);
        effect.arg(b"SWAPDB");
        effect.arg_unsigned(first as u64);
        effect.arg_unsigned(second as u64);
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
