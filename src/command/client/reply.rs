//! CLIENT REPLY

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use crate::state::ReplyMode;

pub(super) const SPEC: Spec = Spec {
    name: "reply",
    arity: 3,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "3.2.0",
    group: Group::Connection,
    summary: "Says which replies the connection wants.",
    complexity: "O(1)",
    arguments: &[Argument::new(
        "action",
        ArgKind::OneOf(&[
            Argument::word("on", "ON"),
            Argument::word("off", "OFF"),
            Argument::word("skip", "SKIP"),
        ]),
    )],
    help: &["REPLY (ON|OFF|SKIP)", "    Replies are sent, are not sent, or the next one is not."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mode = request.arg(2);
    let session = &mut *context.session;
    if mode.eq_ignore_ascii_case(b"on") {
        session.reply_mode = ReplyMode::On;
        context.reply.ok();
    } else if mode.eq_ignore_ascii_case(b"off") {
        session.reply_mode = ReplyMode::Off;
    } else if mode.eq_ignore_ascii_case(b"skip") {
        if session.reply_mode != ReplyMode::Off {
            session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(Outcome::Done)
}
