//! SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their opposites

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::protocol::Request;
use crate::state::Topic;

const FLAGS: Flags =
    Flags::PUBSUB.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE).union(Flags::SUBSCRIBED);

/// The names behind SSUBSCRIBE and SUNSUBSCRIBE stand where keys would: a cluster finds their node by them.
const SHARD_CHANNELS: &[KeySpec] = &[KeySpec::to_end(1, 1, KeyFlags::NOT_KEY)];

pub(super) const SUBSCRIBE: Spec = Spec {
    name: "subscribe",
    arity: -2,
    flags: FLAGS.union(Flags::DENYOOM),
    since: "2.0.0",
    group: Group::Pubsub,
    summary: "Has messages of channels sent to this connection.",
    complexity: "O(N) for N channels",
    arguments: &[Argument::new("channel", ArgKind::String).multiple()],
    handler: |context, request| subscribe(context, request, Topic::Channel, "subscribe"),
    ..Spec::DEFAULT
};

pub(super) const UNSUBSCRIBE: Spec = Spec {
    name: "unsubscribe",
    arity: -1,
    flags: FLAGS,
    since: "2.0.0",
    group: Group::Pubsub,
    summary: "Ends subscriptions to channels: those named, or all.",
    complexity: "O(N) for N channels",
    arguments: &[Argument::new("channel", ArgKind::String).optional().multiple()],
    handler: |context, request| unsubscribe(context, request, Topic::Channel, "unsubscribe"),
    ..Spec::DEFAULT
};

pub(super) const PSUBSCRIBE: Spec = Spec {
    name: "psubscribe",
    arity: -2,
    flags: FLAGS.union(Flags::DENYOOM),
    since: "2.0.0",
    group: Group::Pubsub,
    summary: "Has messages of all channels that match a pattern sent to this connection.",
    complexity: "O(N) for N patterns",
    arguments: &[Argument::new("pattern", ArgKind::Pattern).multiple()],
    handler: |context, request| subscribe(context, request, Topic::Pattern, "psubscribe"),
    ..Spec::DEFAULT
};

pub(super) const PUNSUBSCRIBE: Spec = Spec {
    name: "punsubscribe",
    arity: -1,
    flags: FLAGS,
    since: "2.0.0",
    group: Group::Pubsub,
    summary: "Ends subscriptions to patterns: those named, or all.",
    complexity: "O(N) for N patterns",
    arguments: &[Argument::new("pattern", ArgKind::Pattern).optional().multiple()],
    handler: |context, request| unsubscribe(context, request, Topic::Pattern, "punsubscribe"),
    ..Spec::DEFAULT
};

pub(super) const SSUBSCRIBE: Spec = Spec {
    name: "ssubscribe",
    arity: -2,
    flags: FLAGS.union(Flags::DENYOOM),
    keys: SHARD_CHANNELS,
    since: "7.0.0",
    group: Group::Pubsub,
    summary: "Has messages of shard channels sent to this connection.",
    complexity: "O(N) for N shard channels",
    arguments: &[Argument::new("shardchannel", ArgKind::String).multiple()],
    handler: |context, request| subscribe(context, request, Topic::ShardChannel, "ssubscribe"),
    ..Spec::DEFAULT
};

pub(super) const SUNSUBSCRIBE: Spec = Spec {
    name: "sunsubscribe",
    arity: -1,
    flags: FLAGS,
    keys: SHARD_CHANNELS,
    since: "7.0.0",
    group: Group::Pubsub,
    summary: "Ends subscriptions to shard channels: those named, or all.",
    complexity: "O(N) for N shard channels",
    arguments: &[Argument::new("shardchannel", ArgKind::String).optional().multiple()],
    handler: |context, request| unsubscribe(context, request, Topic::ShardChannel, "sunsubscribe"),
    ..Spec::DEFAULT
};

fn subscribe(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    topic: Topic,
    kind: &str,
) -> Result<Outcome, CommandError> {
    for name in request.args_from(1) {
        context.shared.pubsub.subscribe(context.session, topic, name);
        confirm(context, topic, kind, Some(name));
    }
    Ok(Outcome::Done)
}

fn unsubscribe(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    topic: Topic,
    kind: &str,
) -> Result<Outcome, CommandError> {
    let all;
    let names: Vec<&[u8]> = if request.len() > 1 {
        request.args_from(1).collect()
    } else {
        all = context.session.subscribed_names(topic);
        all.iter().map(|name| &**name).collect()
    };
    if names.is_empty() {
        confirm(context, topic, kind, None);
    }
    for name in names {
        context.shared.pubsub.unsubscribe(context.session, topic, name);
        // What came before the subscription's end is read before its confirmation.
        context.session.handle.outbox.take(context.reply.buffer_mut(), usize::MAX);
        confirm(context, topic, kind, Some(name));
    }
    Ok(Outcome::Done)
}

/// Tells of a subscription's beginning or end, and how many there are now.
fn confirm(context: &mut Context<'_, '_>, topic: Topic, kind: &str, name: Option<&[u8]>) {
    let session = &*context.session;
    let count = match topic {
        Topic::Channel | Topic::Pattern => {
            session.subscribed(Topic::Channel) + session.subscribed(Topic::Pattern)
        }
        Topic::ShardChannel => session.subscribed(Topic::ShardChannel),
    };
    let reply = &mut *context.reply;
    reply.push(3);
    reply.text(kind);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.count(count as u64);
}
