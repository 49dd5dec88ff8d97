//! MSETEX

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::set::{self, Condition, Expiry, OptionsForm, parse_options};
use super::spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, Flags, Group, KeyFlags, KeySpec, Spec,
};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::EventClass;

pub(super) const SPEC: Spec = Spec {
    name: "msetex",
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    keys: &[KeySpec {
        note: None,
        flags: KeyFlags::OW.union(KeyFlags::UPDATE),
        begin: BeginSearch::Index(1),
        find: FindKeys::Count { count: 0, first: 1, step: 2 },
    }],
    categories: Categories::STRING,
    since: "8.4.0",
    group: Group::String,
    summary: "Sets several keys to strings, all with one expiry time, if all of them are there or none is.",
    complexity: "O(N) for N keys",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    arguments: &[
        Argument::new("numkeys", ArgKind::Integer),
        Argument::new(
            "data",
            ArgKind::Block(&[Argument::new("key", ArgKind::Key(0)), Argument::new("value", ArgKind::String)]),
        )
        .multiple(),
        Argument::new("condition", ArgKind::OneOf(&[Argument::word("nx", "NX"), Argument::word("xx", "XX")]))
            .optional(),
        Argument::new(
            "expiration",
            ArgKind::OneOf(&[
                Argument::new("seconds", ArgKind::Integer).token("EX"),
                Argument::new("milliseconds", ArgKind::Integer).token("PX"),
                Argument::new("unix-time-seconds", ArgKind::UnixTime).token("EXAT"),
                Argument::new("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT"),
                Argument::word("keepttl", "KEEPTTL"),
            ]),
        )
        .optional(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// Where the first option stands, behind the pairs of key and value.
fn parse_pairs_end(request: Request<'_>) -> Result<usize, CommandError> {
    let pairs = parse_integer(request.arg(1))
        .ok()
        .and_then(|number| i32::try_from(number).ok())
        .and_then(|number| usize::try_from(number).ok())
        .filter(|&number| number > 0)
        .ok_or(CommandError::Other("ERR invalid numkeys value"))?;
    if pairs > (request.len() - 2) / 2 {
        return Err(CommandError::Other("ERR wrong number of key-value pairs"));
    }
    Ok(2 + 2 * pairs)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let first = parse_pairs_end(request)?;
    let keys = &mut *context.keys;
    let form = OptionsForm { command: "msetex", first, looks_at_value: false };
    let options = parse_options(request, form, keys.now_ms)?;
    let pairs = || (2..first).step_by(2).map(|at| (Key::new(request.arg(at)), request.arg(at + 1)));
    let is_met = options.condition.is_none_or(|condition| {
        pairs().all(|(key, _)| keys.find_for_write(&key).is_some() == (condition == Condition::Present))
    });
    if is_met {
        for (key, value) in pairs() {
            set::apply(keys, &key, value, options.expiry);
            // In the other order than SET, as in Redis.
            if matches!(options.expiry, Expiry::At(_)) {
                keys.notify(EventClass::GENERIC, "expire", &key);
            }
            keys.notify(EventClass::STRING, "set", &key);
        }
    }
    context.reply.integer(i64::from(is_met));
    Ok(Outcome::Done)
}
