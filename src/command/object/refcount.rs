//! OBJECT REFCOUNT

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "refcount",
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    categories: Categories::KEYSPACE,
    since: "2.2.3",
    group: Group::Generic,
    summary: "Counts the references to a key's value.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    help: &["REFCOUNT <key>", "    Return the number of references to the key's value."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    match context.keys.find_quietly(&Key::new(request.arg(2))) {
        // Values are never shared between keys.
        Some(_) => context.reply.integer(1),
        None => context.reply.null(),
    }
    Ok(Outcome::Done)
}
