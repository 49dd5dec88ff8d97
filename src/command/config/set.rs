//! CONFIG SET

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::config::{Handle, Origin, SetRefusal, SettingId, settings};
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
    let result = shared.config.set(&pairs, origin, |changed| act(shared, changed));
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
fn act(shared: &Shared, changed: &[SettingId]) -> Result<(), SetRefusal> {
    for &setting in changed {
        check(shared, setting).map_err(|reason| SetRefusal { setting, reason })?;
    }
    let tls = load_tls(shared, changed)?;
    if changed.iter().any(is_about_listening) {
        shared.relisten.call(changed)?;
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
    if setting == settings::APPENDONLY.id() {
        return Err("the append-only file cannot be switched on or off while the server runs".into());
    }
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
