//! SHUTDOWN

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "shutdown",
    arity: -1,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::NO_MULTI)
        .union(Flags::ALLOW_BUSY),
    since: "1.0.0",
    group: Group::Server,
    summary: "Ends the server, once its log is durable.",
    complexity: "O(1), or O(N) for N keys when they are saved",
    history: &[("7.0.0", "`NOW`, `FORCE` and `ABORT` came.")],
    arguments: &[
        Argument::new(
            "save-selector",
            ArgKind::OneOf(&[Argument::word("nosave", "NOSAVE"), Argument::word("save", "SAVE")]),
        )
        .optional(),
        Argument::word("now", "NOW").optional().since("7.0.0"),
        Argument::word("force", "FORCE").optional().since("7.0.0"),
        Argument::word("abort", "ABORT").optional().since("7.0.0"),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    save: bool,
    no_save: bool,
    now: bool,
    force: bool,
    abort: bool,
}

fn parse(request: Request<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    for option in request.args_from(1) {
        let given = match option.to_ascii_lowercase().as_slice() {
            b"save" => &mut options.save,
            b"nosave" => &mut options.no_save,
            b"now" => &mut options.now,
            b"force" => &mut options.force,
            b"abort" => &mut options.abort,
            _ => return Err(CommandError::Syntax),
        };
        *given = true;
    }
    let with_abort = options.save || options.no_save || options.now || options.force;
    if (options.abort && with_abort) || (options.save && options.no_save) {
        return Err(CommandError::Syntax);
    }
    Ok(options)
}

/// The log is synced in any case. When it cannot be, only NOSAVE and FORCE end the server. There are no replicas
/// to wait for, so that NOW changes nothing, and that an end is never far enough away to be called off.
fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let options = parse(request)?;
    if options.abort {
        return Err(CommandError::Other("ERR No shutdown in progress."));
    }
    let shared = context.shared;
    if !options.no_save && !options.force && shared.log().latched().is_some() {
        tracing::warn!(
            "SHUTDOWN is refused: the append-only file cannot be written. SHUTDOWN NOSAVE or FORCE ends the server all the same"
        );
        return Err(CommandError::Other("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    // Redis asks neither for NOSAVE here: only FORCE gives up what is in memory alone.
    if shared.log().awaits_base() && !options.force {
        tracing::warn!(
            "SHUTDOWN is refused: the append-only file was switched on and its first rewrite has not ended. SHUTDOWN FORCE ends the server all the same"
        );
        return Err(CommandError::Other("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    // Whoever asked for it is answered by the connection's end, and can count on being refused then.
    shared.relisten.end();
    shared.shutdown.notify_one();
    context.session.closing = true;
    Ok(Outcome::Done)
}
