//! OBJECT ENCODING

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "encoding",
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    categories: Categories::KEYSPACE,
    since: "2.2.3",
    group: Group::Generic,
    summary: "Tells how a key's value is kept.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    help: &["ENCODING <key>", "    Return how the key's value is kept, under Redis's names."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    match context.keys.find_quietly(&Key::new(request.arg(2))) {
        Some(entry) => context.reply.text(entry.value.encoding()),
        None => context.reply.null(),
    }
    Ok(Outcome::Done)
}
