//! PING

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "ping",
    arity: -1,
    flags: Flags::FAST.union(Flags::SUBSCRIBED),
    categories: Categories::CONNECTION,
    since: "1.0.0",
    group: Group::Connection,
    summary: "Answers PONG, or the message it is given: a sign of life.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    arguments: &[Argument::new("message", ArgKind::String).optional()],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    // To a subscriber that speaks RESP2 the answer has the form of a message, or it would be taken for a confirmation.
    if request.len() <= 2 && context.session.is_subscriber() && !context.reply.is_resp3() {
        context.reply.array(2);
        context.reply.text("pong");
        context.reply.bulk(request.get(1).unwrap_or_default());
        return Ok(Outcome::Done);
    }
    match request.len() {
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(request.arg(1)),
        _ => return Err(CommandError::Arity("ping".into())),
    }
    Ok(Outcome::Done)
}
