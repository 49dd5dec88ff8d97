//! CONFIG SET

use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::rewrite::{switch_log_off, switch_log_off_later, switch_log_on, switch_log_on_later};
use crate::command::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::config::{Handle, Origin, SetRefusal, SettingId, settings};
use crate::log::LogError;
use crate::protocol::Request;
use crate::state::Shared;
use crate::tls::{self, TlsSetup};
use crate::{logging, process};

pub(super) const SPEC: Spec = Spec {
    name: "set",
    arity: -4,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    since: "2.0.0",
    group: Group::Server,
    summary: "Changes settings: all of those that are given, or none.",
    complexity: "O(N) for N settings",
    history: &[("7.0.0", "Several settings may be given.")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "data",
        ArgKind::Block(&[
            Argument::new("parameter", ArgKind::String),
            Argument::new("value", ArgKind::String),
        ]),
    )
    .multiple()],
    help: &["SET <directive> <value> [<directive> <value> ...]", "    Sets settings to values."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if !request.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let names = request.args_from(2).step_by(2);
    let pairs: Vec<(&[u8], &[u8])> = names.zip(request.args_from(3).step_by(2)).collect();
    let is_local = context.session.handle.peer.is_local();
    let origin = if is_local { Origin::Local } else { Origin::Remote };
    let shared = context.shared;
    let holds_shards = context.session.in_exec;
    let result = shared.config.set(&pairs, origin, |changed| act(shared, changed, holds_shards));
    context.session.refresh_access();
    match result {
        Ok(_) => {
            // A transaction has shards locked: it is left to what runs by the clock.
            if !context.session.in_exec {
                shared.give_up_tracked();
            }
            context.reply.ok();
            Ok(Outcome::Done)
        }
        Err(error) => Err(CommandError::Text(format!("ERR {error}"))),
    }
}

/// Acts on settings that have changed. Others are read wherever they matter. What may be refused comes
/// before what is done.
fn act(shared: &Arc<Shared>, changed: &[SettingId], holds_shards: bool) -> Result<(), SetRefusal> {
    for &setting in changed {
        check(shared, setting).map_err(|reason| SetRefusal { setting, reason })?;
    }
    let tls = load_tls(shared, changed)?;
    let switching = changed.contains(&settings::APPENDONLY.id()).then(|| shared.switching_log.lock());
    // Once the log is read, it follows the setting.
    let is_switched = switching.is_some() && !shared.loading.load(Acquire);
    let wants_log = is_switched.then(|| shared.config.boolean(settings::APPENDONLY));
    // Nothing is opened or synced with shards held.
    match wants_log {
        Some(true) if holds_shards => switch_log_on_later(shared).map_err(refuse_log)?,
        Some(true) => switch_log_on(shared).map_err(refuse_log)?,
        _ => {}
    }
    if changed.iter().any(is_about_listening)
        && let Err(refusal) = shared.relisten.call(changed)
    {
        if wants_log == Some(true) {
            switch_log_off(shared);
        }
        return Err(refusal);
    }
    match wants_log {
        Some(false) if holds_shards => switch_log_off_later(shared).map_err(refuse_log)?,
        Some(false) => switch_log_off(shared),
        _ => {}
    }
    if let Some(setup) = tls {
        shared.tls.replace(setup);
    }
    for &setting in changed {
        if setting == settings::APPENDFSYNC.id() {
            shared.log().set_policy(shared.fsync_policy());
        } else if setting == settings::REQUIREPASS.id() {
            let password = shared.config.text(settings::REQUIREPASS);
            shared.users.set_default_password(password.as_bytes());
        } else if setting == settings::LOGLEVEL.id() {
            logging::set_level(shared.config.choice(settings::LOGLEVEL));
        } else if setting == settings::CLIENT_OUTPUT_BUFFER_LIMIT.id() {
            shared.note_output_limits();
        } else if setting == settings::NOTIFY_KEYSPACE_EVENTS.id() {
            shared.note_events();
        } else if setting == settings::LATENCY_MONITOR_THRESHOLD.id() {
            shared.note_latency_threshold();
        } else if setting == settings::MAXMEMORY.id() {
            shared.sample_memory();
        } else if setting == settings::MAXMEMORY_POLICY.id() {
            shared.warn_of_policy();
        }
    }
    Ok(())
}

fn refuse_log(error: Arc<LogError>) -> SetRefusal {
    tracing::error!("The append-only file cannot be switched: {error}");
    let reason = "Unable to turn on AOF. Check server logs.".to_owned();
    SetRefusal { setting: settings::APPENDONLY.id(), reason }
}

/// Whether a setting tells where the server listens.
fn is_about_listening(setting: &SettingId) -> bool {
    [settings::PORT.id(), settings::BIND.id(), settings::TLS_PORT.id()].contains(setting)
}

/// The new setup for TLS, where a setting asks for one.
fn load_tls(shared: &Shared, changed: &[SettingId]) -> Result<Option<TlsSetup>, SetRefusal> {
    let Some(&setting) = changed.iter().find(|setting| setting.setting().name.starts_with("tls-")) else {
        return Ok(None);
    };
    if !tls::is_wanted(&shared.config) {
        return Ok(None);
    }
    tls::load(&shared.config).map(Some).map_err(|error| {
        tracing::warn!("TLS stays as it was: {error}");
        let reason = "Unable to update TLS configuration. Check server logs.".to_owned();
        SetRefusal { setting, reason }
    })
}

/// Whether the server can act on a setting's new value while it runs.
fn check(shared: &Shared, setting: SettingId) -> Result<(), String> {
    if setting == settings::DIR.id() {
        return Err("dir cannot be changed while the server runs".into());
    }
    if setting == settings::MAXCLIENTS.id() {
        let clients = shared.config.integer(settings::MAXCLIENTS) as u64;
        let wanted = process::open_files_for_clients(clients);
        return process::raise_open_files(wanted).map_err(|allowed| {
            let spare = wanted - clients;
            format!(
                "The operating system is not able to handle the specified number of clients, try with {}",
                allowed.saturating_sub(spare)
            )
        });
    }
    Ok(())
}
