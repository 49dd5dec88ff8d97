//! XCFGSET

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::idempotency::write_settings;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{IdempotencySettings, Key};
use crate::protocol::Request;
use crate::state::Change;

pub(super) const SPEC: Spec = Spec {
    name: "xcfgset",
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STREAM,
    since: "8.6.0",
    group: Group::Stream,
    summary: "Sets for how long, and how many of each producer, a stream remembers what it got from idempotent producers.",
    complexity: "O(1)",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new(
            "idmp-duration-block",
            ArgKind::Block(&[
                Argument::word("idmp-duration-token", "IDMP-DURATION"),
                Argument::new("duration", ArgKind::Integer),
            ]),
        )
        .optional(),
        Argument::new(
            "idmp-maxsize-block",
            ArgKind::Block(&[
                Argument::word("idmp-maxsize-token", "IDMP-MAXSIZE"),
                Argument::new("maxsize", ArgKind::Integer),
            ]),
        )
        .optional(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// What is set: seconds, and entries of a producer.
#[derive(Debug, Default)]
struct Options {
    duration_s: Option<u32>,
    size_max: Option<u32>,
}

fn parse(request: Request<'_>) -> Result<Options, CommandError> {
    if request.len() == 2 {
        return Err(CommandError::Other("ERR At least one parameter must be specified"));
    }
    let mut options = Options::default();
    for at in (2..request.len()).step_by(2) {
        let Some(value) = request.get(at + 1) else {
            return Err(CommandError::Syntax);
        };
        if request.arg(at).eq_ignore_ascii_case(b"idmp-duration") {
            if options.duration_s.is_some() {
                return Err(CommandError::Other("ERR IDMP-DURATION specified multiple times"));
            }
            options.duration_s = Some(parse_within(
                value,
                IdempotencySettings::DURATION_S_MAX,
                "ERR IDMP-DURATION must be between 1 and 86400 seconds",
            )?);
        } else if request.arg(at).eq_ignore_ascii_case(b"idmp-maxsize") {
            if options.size_max.is_some() {
                return Err(CommandError::Other("ERR IDMP-MAXSIZE specified multiple times"));
            }
            options.size_max = Some(parse_within(
                value,
                IdempotencySettings::SIZE_MAX_MAX,
                "ERR IDMP-MAXSIZE must be between 1 and 10000 entries",
            )?);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(options)
}

/// An integer from 1 to `max`.
fn parse_within(text: &[u8], max: u32, refusal: &'static str) -> Result<u32, CommandError> {
    let value = parse_integer(text)?;
    let within = u32::try_from(value).ok().filter(|value| (1..=max).contains(value));
    within.ok_or(CommandError::Other(refusal))
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    let stream = keys.find_stream_for_write(&key)?.ok_or(CommandError::NoSuchKey)?;
    let options = parse(request)?;
    let before = stream.idempotency_settings();
    let settings = IdempotencySettings {
        duration_s: options.duration_s.unwrap_or(before.duration_s),
        size_max: options.size_max.unwrap_or(before.size_max),
    };
    if settings != before {
        stream.idempotency_mut().set_settings(settings);
        let db = keys.db;
        write_settings(keys.effects(), db, key.bytes, settings);
        keys.changed(&key, Change::Metadata);
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
