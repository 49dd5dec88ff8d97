//! PUBSUB

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::protocol::Request;
use crate::state::Topic;

pub(super) const SPEC: Spec = Spec {
    name: "pubsub",
    arity: -2,
    since: "2.8.0",
    group: Group::Pubsub,
    summary: "Commands about channels and their subscribers.",
    complexity: "Depends on subcommand.",
    subcommands: &[&CHANNELS, &HELP, &NUMPAT, &NUMSUB, &SHARDCHANNELS, &SHARDNUMSUB],
    ..Spec::DEFAULT
};

const FLAGS: Flags = Flags::PUBSUB.union(Flags::LOADING).union(Flags::STALE);

const CHANNELS: Spec = Spec {
    name: "channels",
    arity: -2,
    flags: FLAGS,
    since: "2.8.0",
    group: Group::Pubsub,
    summary: "Lists the channels that anybody is subscribed to.",
    complexity: "O(N) for N channels",
    arguments: &[Argument::new("pattern", ArgKind::Pattern).optional()],
    help: &[
        "CHANNELS [<pattern>]",
        "    The channels that anybody is subscribed to, all or those that match <pattern>.",
    ],
    handler: |context, request| list(context, request, Topic::Channel),
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "6.2.0",
    group: Group::Pubsub,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

const NUMPAT: Spec = Spec {
    name: "numpat",
    arity: 2,
    flags: FLAGS,
    since: "2.8.0",
    group: Group::Pubsub,
    summary: "Returns the number of patterns that anybody is subscribed to.",
    complexity: "O(1)",
    help: &["NUMPAT", "    How many patterns anybody is subscribed to."],
    handler: numpat,
    ..Spec::DEFAULT
};

const NUMSUB: Spec = Spec {
    name: "numsub",
    arity: -2,
    flags: FLAGS,
    since: "2.8.0",
    group: Group::Pubsub,
    summary: "Returns how many subscribers channels have.",
    complexity: "O(N) for N channels asked for",
    arguments: &[Argument::new("channel", ArgKind::String).optional().multiple()],
    help: &[
        "NUMSUB [<channel> ...]",
        "    How many subscribers each of the channels has; who is subscribed to a pattern is not counted.",
    ],
    handler: |context, request| count(context, request, Topic::Channel),
    ..Spec::DEFAULT
};

const SHARDCHANNELS: Spec = Spec {
    name: "shardchannels",
    arity: -2,
    flags: FLAGS,
    since: "7.0.0",
    group: Group::Pubsub,
    summary: "Lists the shard channels that anybody is subscribed to.",
    complexity: "O(N) for N shard channels",
    arguments: &[Argument::new("pattern", ArgKind::Pattern).optional()],
    help: &[
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that anybody is subscribed to, all or those that match <pattern>.",
    ],
    handler: |context, request| list(context, request, Topic::ShardChannel),
    ..Spec::DEFAULT
};

const SHARDNUMSUB: Spec = Spec {
    name: "shardnumsub",
    arity: -2,
    flags: FLAGS,
    since: "7.0.0",
    group: Group::Pubsub,
    summary: "Returns how many subscribers shard channels have.",
    complexity: "O(N) for N shard channels asked for",
    arguments: &[Argument::new("shardchannel", ArgKind::String).optional().multiple()],
    help: &["SHARDNUMSUB [<shardchannel> ...]", "    How many subscribers each of the shard channels has."],
    handler: |context, request| count(context, request, Topic::ShardChannel),
    ..Spec::DEFAULT
};

fn list(context: &mut Context<'_, '_>, request: Request<'_>, topic: Topic) -> Result<Outcome, CommandError> {
    if request.len() > 3 {
        return Err(CommandError::SubcommandSyntax {
            command: "pubsub",
            subcommand: request.arg(1).to_vec(),
        });
    }
    let names = context.shared.pubsub.names(topic, request.get(2));
    context.reply.array(names.len());
    names.iter().for_each(|name| context.reply.bulk(name));
    Ok(Outcome::Done)
}

fn count(context: &mut Context<'_, '_>, request: Request<'_>, topic: Topic) -> Result<Outcome, CommandError> {
    context.reply.array(2 * (request.len() - 2));
    for name in request.args_from(2) {
        context.reply.bulk(name);
        context.reply.count(context.shared.pubsub.subscribers(topic, name) as u64);
    }
    Ok(Outcome::Done)
}

fn numpat(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.count(context.shared.pubsub.len(Topic::Pattern) as u64);
    Ok(Outcome::Done)
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}
