//! GETDEL

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::get::reply_string;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "getdel",
    arity: 2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    categories: Categories::STRING,
    since: "6.2.0",
    group: Group::String,
    summary: "Returns a key's string and removes the key.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    if reply_string(context, &key)? {
        context.keys.remove(&key);
        context.keys.effect(&[b"DEL", key.bytes]);
        context.keys.notify(EventClass::GENERIC, "del", &key);
        context.keys.changed(&key, Change::Lost);
    }
    Ok(Outcome::Done)
}
