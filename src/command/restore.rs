//! DUMP and RESTORE

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::idempotency::{configure, write_settings};
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::config::settings;
use crate::engine::{Key, Value};
use crate::protocol::Request;
use crate::rdb::{self, Decoded, RdbError};
use crate::state::{Change, EventClass, Keys};

pub(super) const DUMP: Spec = Spec {
    name: "dump",
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::KEYSPACE,
    since: "2.6.0",
    group: Group::Generic,
    summary: "Returns what a key holds as a payload that RESTORE takes.",
    complexity: "O(N) with N the size of what the key holds",
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_dump,
    ..Spec::DEFAULT
};

pub(super) const RESTORE: Spec = Spec {
    name: "restore",
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    since: "2.6.0",
    group: Group::Generic,
    summary: "Creates a key from a payload that DUMP has returned.",
    complexity: "O(N) with N the size of the payload",
    history: &[
        ("3.0.0", "`REPLACE` came."),
        ("5.0.0", "`ABSTTL` came."),
        ("5.0.0", "`IDLETIME` and `FREQ` came."),
    ],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("ttl", ArgKind::Integer),
        Argument::new("serialized-value", ArgKind::String),
        Argument::word("replace", "REPLACE").optional().since("3.0.0"),
        Argument::word("absttl", "ABSTTL").optional().since("5.0.0"),
        Argument::new("seconds", ArgKind::Integer).token("IDLETIME").optional().since("5.0.0"),
        Argument::new("frequency", ArgKind::Integer).token("FREQ").optional().since("5.0.0"),
    ],
    handler: execute_restore,
    ..Spec::DEFAULT
};

/// RESTORE, as servers of a cluster send it to each other.
pub(super) const RESTORE_ASKING: Spec = Spec {
    name: "restore-asking",
    flags: RESTORE.flags.union(Flags::ASKING).union(Flags::SYSCMD),
    since: "3.0.0",
    group: Group::Server,
    history: &[
        ("3.0.0", "`REPLACE` came."),
        ("5.0.0", "`ABSTTL` came."),
        ("5.0.0", "`IDLETIME` and `FREQ` came."),
    ],
    summary: "Creates a key from a payload that DUMP has returned, for servers of a cluster.",
    ..RESTORE
};

/// The longest string that a payload in the log may come to: whatever the server once accepted.
pub(super) const LOGGED_STRING_BYTES_MAX: usize = 1 << 40;

impl From<RdbError> for CommandError {
    fn from(error: RdbError) -> Self {
        Self::Other(match error {
            RdbError::Footer => "ERR DUMP payload version or checksum are wrong",
            RdbError::Format(_) => "ERR Bad data format",
        })
    }
}

fn execute_dump(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    match context.keys.find(&Key::new(request.arg(1))) {
        None => context.reply.null(),
        Some(entry) => {
            let mut payload = Vec::new();
            rdb::encode(&entry.value, &mut payload);
            context.reply.bulk(&payload);
        }
    }
    Ok(Outcome::Done)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct RestoreOptions {
    replace: bool,
    is_absolute: bool,
    idle_s: Option<u64>,
    /// How often the key is used is taken and not kept: it is not counted here.
    frequency: Option<u8>,
}

fn parse_options(request: Request<'_>) -> Result<RestoreOptions, CommandError> {
    let mut options = RestoreOptions::default();
    let mut at = 4;
    while let Some(word) = request.get(at) {
        match (word.to_ascii_lowercase().as_slice(), request.get(at + 1)) {
            (b"replace", _) => options.replace = true,
            (b"absttl", _) => options.is_absolute = true,
            (b"idletime", Some(idle)) if options.frequency.is_none() => {
                let idle = u64::try_from(parse_integer(idle)?);
                options.idle_s =
                    Some(idle.map_err(|_| CommandError::Other("ERR Invalid IDLETIME value, must be >= 0"))?);
                at += 1;
            }
            (b"freq", Some(frequency)) if options.idle_s.is_none() => {
                let frequency = u8::try_from(parse_integer(frequency)?);
                options.frequency =
                    Some(frequency.map_err(|_| {
                        CommandError::Other("ERR Invalid FREQ value, must be >= 0 and <= 255")
                    })?);
                at += 1;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    Ok(options)
}

/// When the key is to expire, in milliseconds since the Unix epoch; `None` for never. A time beyond all times wraps around, as in
/// Redis: the key is taken as expired.
fn parse_ttl(text: &[u8], is_absolute: bool, now_ms: u64) -> Result<Option<i64>, CommandError> {
    match parse_integer(text)? {
        0 => Ok(None),
        ..0 => Err(CommandError::Other("ERR Invalid TTL value, must be >= 0")),
        at_ms if is_absolute => Ok(Some(at_ms)),
        ttl_ms => Ok(Some(ttl_ms.wrapping_add_unsigned(now_ms))),
    }
}

fn execute_restore(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let options = parse_options(request)?;
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    if !options.replace && keys.find_for_write(&key).is_some() {
        return Err(CommandError::Other("BUSYKEY Target key name already exists."));
    }
    let expires_at_ms = parse_ttl(request.arg(2), options.is_absolute, keys.now_ms)?;
    let string_bytes_max = if keys.replaying {
        LOGGED_STRING_BYTES_MAX
    } else {
        let bytes = context.shared.config.memory(settings::PROTO_MAX_BULK_LEN);
        usize::try_from(bytes).unwrap_or(LOGGED_STRING_BYTES_MAX)
    };
    let payload = request.arg(3);
    let mut decoded = rdb::decode(payload, string_bytes_max)?;
    // The log says by itself when a key was removed.
    if let Some(at_ms) = expires_at_ms
        && !keys.replaying
        && i128::from(at_ms) <= i128::from(keys.now_ms)
    {
        if keys.remove(&key).is_some() {
            keys.effect(&[b"DEL", key.bytes]);
            keys.notify(EventClass::GENERIC, "del", &key);
            keys.changed(&key, Change::Lost);
        }
    } else {
        let expires_at_ms = expires_at_ms.map(|at_ms| at_ms.max(0).cast_unsigned());
        let settings = match &mut decoded.value {
            // A payload that tells settings is taken by its word.
            Value::Stream(stream) if stream.idempotency().is_none() => {
                configure(stream, &context.shared.config, keys.replaying)
            }
            _ => None,
        };
        apply_restore(keys, &key, decoded, payload, (expires_at_ms, options.idle_s));
        if let Some(settings) = settings {
            let db = keys.db;
            write_settings(keys.effects(), db, key.bytes, settings);
        }
    }
    context.reply.ok();
    Ok(Outcome::Done)
}

fn apply_restore(
    keys: &mut Keys<'_>,
    key: &Key<'_>,
    decoded: Decoded,
    payload: &[u8],
    (expires_at_ms, idle_s): (Option<u64>, Option<u64>),
) {
    let Decoded { value, is_for_redis_7_0 } = decoded;
    let is_stream = matches!(value, Value::Stream(_));
    // What Redis 7.0 cannot read is logged as this server dumps it.
    let mut own_payload = Vec::new();
    if !is_for_redis_7_0 && !keys.replaying {
        rdb::encode(&value, &mut own_payload);
    }
    let accessed_s = (keys.now_ms / 1000).saturating_sub(idle_s.unwrap_or(0));
    let entry = keys.insert_anew(key, value, expires_at_ms);
    entry.accessed_s = accessed_s as u32;
    let effect = keys.begin_effect(6);
    effect.arg(b"RESTORE");
    effect.arg(key.bytes);
    effect.arg_unsigned(expires_at_ms.unwrap_or(0));
    effect.arg(if own_payload.is_empty() { payload } else { &own_payload });
    effect.arg(b"REPLACE");
    effect.arg(b"ABSTTL");
    keys.notify(EventClass::GENERIC, "restore", key);
    // To who reads a stream, any other value is none.
    keys.changed(key, if is_stream { Change::Updated } else { Change::Lost });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OwnedRequest;

    #[test]
    fn options_of_restore() {
        let parse = |options: &str| {
            let words = format!("RESTORE k 0 p {options}");
            let request = OwnedRequest::new(words.split_whitespace().map(str::as_bytes));
            parse_options(request.as_request())
        };
        let default = RestoreOptions::default();
        assert_eq!(parse(""), Ok(RestoreOptions { ..default }));
        assert_eq!(
            parse("absttl REPLACE idletime 5 IDLETIME 7"),
            Ok(RestoreOptions { replace: true, is_absolute: true, idle_s: Some(7), frequency: None })
        );
        assert_eq!(
            parse("FREQ 255"),
            Ok(RestoreOptions { frequency: Some(255), ..RestoreOptions::default() })
        );
        for (options, expected) in [
            ("FOO", CommandError::Syntax),
            ("IDLETIME", CommandError::Syntax),
            ("IDLETIME 1 FREQ 1", CommandError::Syntax),
            ("FREQ 1 IDLETIME 1", CommandError::Syntax),
            ("IDLETIME x", CommandError::NotAnInteger),
            ("IDLETIME -1", CommandError::Other("ERR Invalid IDLETIME value, must be >= 0")),
            ("FREQ 256", CommandError::Other("ERR Invalid FREQ value, must be >= 0 and <= 255")),
            ("FREQ -1", CommandError::Other("ERR Invalid FREQ value, must be >= 0 and <= 255")),
        ] {
            assert_eq!(parse(options), Err(expected), "{options}");
        }
    }

    #[test]
    fn times_to_live() {
        assert_eq!(parse_ttl(b"0", false, 700), Ok(None));
        assert_eq!(parse_ttl(b"0", true, 700), Ok(None));
        assert_eq!(parse_ttl(b"5", false, 700), Ok(Some(705)));
        assert_eq!(parse_ttl(b"5", true, 700), Ok(Some(5)));
        assert_eq!(parse_ttl(b"9223372036854775807", true, 700), Ok(Some(i64::MAX)));
        assert_eq!(parse_ttl(b"9223372036854775807", false, 1), Ok(Some(i64::MIN)));
        assert_eq!(parse_ttl(b"x", false, 700), Err(CommandError::NotAnInteger));
        let negative = CommandError::Other("ERR Invalid TTL value, must be >= 0");
        assert_eq!(parse_ttl(b"-1", true, 700), Err(negative));
    }
}
