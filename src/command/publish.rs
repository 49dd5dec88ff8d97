//! PUBLISH and SPUBLISH

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::protocol::Request;

const FLAGS: Flags =
    Flags::PUBSUB.union(Flags::LOADING).union(Flags::STALE).union(Flags::FAST).union(Flags::MAY_REPLICATE);

pub(super) const PUBLISH: Spec = Spec {
    name: "publish",
    arity: 3,
    flags: FLAGS,
    since: "2.0.0",
    group: Group::Pubsub,
    summary: "Sends a message to a channel.",
    complexity: "O(N+M) for N subscribers of the channel and M patterns that anybody is subscribed to",
    arguments: &[Argument::new("channel", ArgKind::String), Argument::new("message", ArgKind::String)],
    handler: publish,
    ..Spec::DEFAULT
};

pub(super) const SPUBLISH: Spec = Spec {
    name: "spublish",
    arity: 3,
    flags: FLAGS,
    keys: &[KeySpec::one(1, KeyFlags::NOT_KEY)],
    since: "7.0.0",
    group: Group::Pubsub,
    summary: "Sends a message to a shard channel.",
    complexity: "O(N) for N subscribers of the shard channel",
    arguments: &[Argument::new("shardchannel", ArgKind::String), Argument::new("message", ArgKind::String)],
    handler: publish_to_shard,
    ..Spec::DEFAULT
};

fn publish(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let sent = context.shared.pubsub.publish(request.arg(1), request.arg(2));
    context.reply.count(sent as u64);
    Ok(Outcome::Done)
}

fn publish_to_shard(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let sent = context.shared.pubsub.publish_to_shard(request.arg(1), request.arg(2));
    context.reply.count(sent as u64);
    Ok(Outcome::Done)
}
