//! LOLWUT

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "lolwut",
    arity: -1,
    flags: Flags::READONLY.union(Flags::FAST),
    since: "5.0.0",
    group: Group::Server,
    summary: "Shows a picture, and the version.",
    arguments: &[Argument::new("version", ArgKind::Integer).token("VERSION").optional()],
    handler: execute,
    ..Spec::DEFAULT
};

const WAVE: [&str; 5] = [
    "    ~~        ~~        ~~    ",
    "  ~~  ~~    ~~  ~~    ~~  ~~  ",
    "~~      ~~~~      ~~~~      ~~",
    "   o  o    o   o o     o  o   ",
    "------------------------------",
];

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    // A stretch of water that is never quite the same.
    let at = fastrand::usize(..WAVE[0].len());
    let mut text = String::new();
    for line in WAVE {
        text.push_str(&line[at..]);
        text.push_str(&line[..at]);
        text.push('\n');
    }
    text.push_str(&format!(
        "\nMillstream {}, Redis ver. {}\n",
        env!("CARGO_PKG_VERSION"),
        crate::REDIS_VERSION
    ));
    context.reply.verbatim(text.as_bytes());
    Ok(Outcome::Done)
}
