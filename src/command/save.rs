//! SAVE, BGSAVE, LASTSAVE
//!
//! The append-only file holds all data at any time; what may be missing on disk is its end. To save is to sync it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Argument, Categories, Flags, Group, Spec};
use crate::log::{LogError, LogStatistics};
use crate::protocol::Request;
use crate::state::Shared;

pub(super) const SAVE: Spec = Spec {
    name: "save",
    arity: 1,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::NO_ASYNC_LOADING).union(Flags::NO_MULTI),
    since: "1.0.0",
    group: Group::Server,
    summary: "Makes all data durable, and answers then.",
    complexity: "O(N) for N keys in all databases",
    deviation: Some(
        "There is no RDB file: the append-only file is synced, and with `appendonly no` this is \
         refused.",
    ),
    handler: save,
    ..Spec::DEFAULT
};

pub(super) const BGSAVE: Spec = Spec {
    name: "bgsave",
    arity: -1,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::NO_ASYNC_LOADING),
    since: "1.0.0",
    group: Group::Server,
    summary: "Makes all data durable, in the background.",
    complexity: "O(1)",
    history: &[("3.2.2", "`SCHEDULE` came.")],
    arguments: &[Argument::word("schedule", "SCHEDULE").optional().since("3.2.2")],
    deviation: Some(
        "There is no RDB file: the append-only file is synced, and with `appendonly no` this is \
         refused.",
    ),
    handler: bgsave,
    ..Spec::DEFAULT
};

pub(super) const LASTSAVE: Spec = Spec {
    name: "lastsave",
    arity: 1,
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Categories::ADMIN.union(Categories::DANGEROUS),
    since: "1.0.0",
    group: Group::Server,
    summary: "Tells when all data was last made durable on request.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    handler: lastsave,
    ..Spec::DEFAULT
};

const NO_LOG: CommandError =
    CommandError::Other("ERR There is no append-only file to sync: appendonly is no");
const NOT_WHOLE: CommandError = CommandError::Other(
    "ERR The append-only file was switched on and is not whole yet: its first rewrite has not ended",
);
const IN_PROGRESS: CommandError = CommandError::Other("ERR Background save already in progress");

/// Whether there is a log that is worth a sync.
fn check_log(shared: &Shared) -> Result<(), CommandError> {
    match shared.log().statistics() {
        LogStatistics { is_enabled: false, .. } => Err(NO_LOG),
        LogStatistics { awaits_base: true, .. } => Err(NOT_WHOLE),
        _ => Ok(()),
    }
}

/// Makes durable what was changed before the call.
fn sync(shared: &Shared) -> Result<(), Arc<LogError>> {
    let changes = shared.changes();
    shared.log().sync_all()?;
    shared.set_saved(changes);
    Ok(())
}

fn save(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let shared = context.shared;
    check_log(shared)?;
    if shared.saving.load(Relaxed) {
        return Err(IN_PROGRESS);
    }
    sync(shared).map_err(|error| CommandError::Text(format!("ERR {error}")))?;
    context.reply.ok();
    Ok(Outcome::Done)
}

fn bgsave(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    match request.get(1) {
        None => {}
        // Nothing keeps a save from being started at once.
        Some(option) if request.len() == 2 && option.eq_ignore_ascii_case(b"schedule") => {}
        Some(_) => return Err(CommandError::Syntax),
    }
    let shared = context.shared;
    check_log(shared)?;
    if shared.saving.swap(true, Relaxed) {
        return Err(IN_PROGRESS);
    }
    let for_thread = shared.clone();
    let thread = std::thread::Builder::new().name("save".into()).spawn(move || {
        if let Err(error) = sync(&for_thread) {
            for_thread.last_save_failed.store(true, Relaxed);
            tracing::error!("A background save failed: {error}");
        }
        for_thread.saving.store(false, Relaxed);
    });
    if let Err(error) = thread {
        shared.saving.store(false, Relaxed);
        tracing::error!("A background save cannot be started: {error}");
        return Err(CommandError::Other("ERR Can't start the background save, check the server's log"));
    }
    context.reply.simple("Background saving started");
    Ok(Outcome::Done)
}

fn lastsave(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.count(context.shared.last_save_s.load(Relaxed));
    Ok(Outcome::Done)
}
