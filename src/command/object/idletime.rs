//! OBJECT IDLETIME

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "idletime",
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    categories: Categories::KEYSPACE,
    since: "2.2.3",
    group: Group::Generic,
    summary: "Tells for how long a key was not used, in seconds.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    help: &["IDLETIME <key>", "    Return for how many seconds the key was not used."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let now_s = context.keys.now_ms / 1000;
    match context.keys.find_quietly(&Key::new(request.arg(2))) {
        Some(entry) => context.reply.count(now_s.saturating_sub(u64::from(entry.accessed_s))),
        None => context.reply.null(),
    }
    Ok(Outcome::Done)
}
