//! XINFO CONSUMERS

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::find_stream;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "consumers",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Lists the consumers of a group.",
    complexity: "O(1)",
    history: &[("7.2.0", "`inactive` came, and `idle` came to tell of attempts.")],
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("group", ArgKind::String)],
    help: &["CONSUMERS <key> <groupname>", "    Tell of the group's consumers."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let now_ms = context.keys.now_ms;
    let stream = find_stream(context.keys, request.arg(2))?;
    let group = stream.groups().find(request.arg(3)).ok_or_else(|| CommandError::NoGroup {
        key: request.arg(2).to_vec(),
        group: request.arg(3).to_vec(),
    })?;
    let reply = &mut *context.reply;
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers().iter() {
        reply.map(4);
        reply.text("name");
        reply.bulk(consumer.name());
        reply.text("pending");
        reply.count(consumer.pending());
        reply.text("idle");
        reply.count(now_ms.saturating_sub(consumer.seen_ms));
        reply.text("inactive");
        match consumer.active_ms {
            Some(active_ms) => reply.count(now_ms.saturating_sub(active_ms)),
            None => reply.integer(-1),
        }
    }
    Ok(Outcome::Done)
}
