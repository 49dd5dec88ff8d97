//! CLIENT PAUSE

use std::sync::atomic::Ordering::Relaxed;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use crate::command::argument::parse_timeout_ms;
use crate::state::{Pause, PauseMode};

pub(super) const SPEC: Spec = Spec {
    name: "pause",
    arity: -3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "3.0.0",
    group: Group::Connection,
    summary: "Holds commands back for a while.",
    complexity: "O(1)",
    history: &[("6.2.0", "The mode may be given.")],
    arguments: &[
        Argument::new("timeout", ArgKind::Integer),
        Argument::new(
            "mode",
            ArgKind::OneOf(&[Argument::word("write", "WRITE"), Argument::word("all", "ALL")]),
        )
        .optional()
        .since("6.2.0"),
    ],
    help: &[
        "PAUSE <timeout> [WRITE|ALL]",
        "    Holds all commands back, or those that write, for <timeout> milliseconds.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mode = match request.get(3) {
        _ if request.len() > 4 => {
            let subcommand = request.arg(1).to_vec();
            return Err(CommandError::SubcommandSyntax { command: "client", subcommand });
        }
        None => PauseMode::All,
        Some(mode) if mode.eq_ignore_ascii_case(b"all") => PauseMode::All,
        Some(mode) if mode.eq_ignore_ascii_case(b"write") => PauseMode::Write,
        Some(_) => return Err(CommandError::Other("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let now_ms = context.keys.now_ms;
    let until_ms = now_ms + parse_timeout_ms(request.arg(2), now_ms)?.unwrap_or(0);
    let mut pause = context.shared.pause.lock();
    // A pause that is in force is never weakened by another: the later end holds, and the stricter mode.
    let current = pause.filter(|current| current.until_ms > now_ms);
    *pause = Some(match current {
        None => Pause { mode, until_ms },
        Some(current) => Pause {
            mode: if current.mode == PauseMode::All { PauseMode::All } else { mode },
            until_ms: until_ms.max(current.until_ms),
        },
    });
    context.shared.paused.store(true, Relaxed);
    drop(pause);
    context.reply.ok();
    Ok(Outcome::Done)
}
