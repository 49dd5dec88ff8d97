//! SET, SETNX, SETEX, PSETEX and GETSET

use super::comparison::Comparison;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::expiry::{TimeForm, parse_expiry_ms};
use super::get::reply_string;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::{Key, StringValue, Value};
use crate::protocol::Request;
use crate::state::{Change, EventClass, Keys};

pub(super) const SET: Spec = Spec {
    name: "set",
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(
        1,
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE).union(KeyFlags::VARIABLE_FLAGS),
    )
    .note("With `GET` it reads what it replaces: so RW and ACCESS.")],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Sets a key to a string, whatever it held before.",
    complexity: "O(1)",
    history: &[
        ("2.6.12", "`EX`, `PX`, `NX` and `XX` came."),
        ("6.0.0", "`KEEPTTL` came."),
        ("6.2.0", "`GET`, `EXAT` and `PXAT` came."),
        ("7.0.0", "`NX` and `GET` may go together."),
        ("8.4.0", "`IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` came."),
    ],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("value", ArgKind::String),
        Argument::new(
            "condition",
            ArgKind::OneOf(&[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::new("ifeq-value", ArgKind::String).token("IFEQ").since("8.4.0"),
                Argument::new("ifne-value", ArgKind::String).token("IFNE").since("8.4.0"),
                Argument::new("ifdeq-digest", ArgKind::Integer).token("IFDEQ").since("8.4.0"),
                Argument::new("ifdne-digest", ArgKind::Integer).token("IFDNE").since("8.4.0"),
            ]),
        )
        .optional()
        .since("2.6.12"),
        Argument::word("get", "GET").optional().since("6.2.0"),
        Argument::new(
            "expiration",
            ArgKind::OneOf(&[
                Argument::new("seconds", ArgKind::Integer).token("EX").since("2.6.12"),
                Argument::new("milliseconds", ArgKind::Integer).token("PX").since("2.6.12"),
                Argument::new("unix-time-seconds", ArgKind::UnixTime).token("EXAT").since("6.2.0"),
                Argument::new("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT").since("6.2.0"),
                Argument::word("keepttl", "KEEPTTL").since("6.0.0"),
            ]),
        )
        .optional(),
    ],
    key_flags: Some(key_flags),
    handler: execute_set,
    ..Spec::DEFAULT
};

/// With GET it returns what it overwrites.
fn key_flags(request: Request<'_>) -> KeyFlags {
    if request.args_from(3).any(|option| option.eq_ignore_ascii_case(b"get")) {
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE)
    } else {
        KeyFlags::OW.union(KeyFlags::UPDATE)
    }
}

pub(super) const SETNX: Spec = Spec {
    name: "setnx",
    arity: 3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::INSERT))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    summary: "Sets a key to a string if the key is not there.",
    deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("value", ArgKind::String)],
    handler: execute_setnx,
    ..Spec::DEFAULT
};

pub(super) const SETEX: Spec = Spec {
    name: "setex",
    arity: 4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "2.0.0",
    group: Group::String,
    summary: "Sets a key to a string and its time to live in seconds.",
    deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
    complexity: "O(1)",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("seconds", ArgKind::Integer),
        Argument::new("value", ArgKind::String),
    ],
    handler: execute_setex,
    ..Spec::DEFAULT
};

pub(super) const PSETEX: Spec = Spec {
    name: "psetex",
    arity: 4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "2.6.0",
    group: Group::String,
    summary: "Sets a key to a string and its time to live in milliseconds.",
    deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
    complexity: "O(1)",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("milliseconds", ArgKind::Integer),
        Argument::new("value", ArgKind::String),
    ],
    handler: execute_psetex,
    ..Spec::DEFAULT
};

pub(super) const GETSET: Spec = Spec {
    name: "getset",
    arity: 3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    categories: Categories::STRING,
    since: "1.0.0",
    group: Group::String,
    deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
    summary: "Sets a key to a string and returns the one it held.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0)), Argument::new("value", ArgKind::String)],
    handler: execute_getset,
    ..Spec::DEFAULT
};

/// Whether SET wants the key to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// `NX`: the key is not there.
    Absent,
    /// `XX`: the key is there.
    Present,
}

/// What becomes of the key's expiry time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It has none.
    Lift,
    /// It stays as it is.
    Keep,
    /// This one, in milliseconds since the Unix epoch.
    At(u64),
}

/// The options of SET, and of MSETEX, which has fewer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options<'a> {
    pub(super) condition: Option<Condition>,
    comparison: Option<Comparison<'a>>,
    get: bool,
    pub(super) expiry: Expiry,
}

/// Which options a command has, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionsForm {
    /// The command's name, for errors.
    pub(super) command: &'static str,
    /// The first argument that may be an option.
    pub(super) first: usize,
    /// Whether there are GET and comparisons.
    pub(super) looks_at_value: bool,
}

impl OptionsForm {
    const SET: Self = Self { command: "set", first: 3, looks_at_value: true };
}

pub(super) fn parse_options<'a>(
    request: Request<'a>,
    form: OptionsForm,
    now_ms: u64,
) -> Result<Options<'a>, CommandError> {
    let OptionsForm { command, first, looks_at_value } = form;
    let mut options = Options { condition: None, comparison: None, get: false, expiry: Expiry::Lift };
    let mut time = None;
    let mut at = first;
    while let Some(word) = request.get(at) {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"nx") && options.condition != Some(Condition::Present) {
            options.condition = Some(Condition::Absent);
        } else if is(b"xx") && options.condition != Some(Condition::Absent) {
            options.condition = Some(Condition::Present);
        } else if looks_at_value && let Some(comparison) = Comparison::find(word, request.get(at + 1)) {
            // As in Redis, NX or XX may follow one, but not come before it.
            let is_other = |other: Comparison<'_>| !other.is_of_same_kind(comparison);
            if options.condition.is_some() || options.comparison.is_some_and(is_other) {
                return Err(CommandError::Syntax);
            }
            options.comparison = Some(comparison);
            at += 1;
        } else if looks_at_value && is(b"get") {
            options.get = true;
        } else if is(b"keepttl") && time.is_none() {
            options.expiry = Expiry::Keep;
        } else {
            let form = TimeForm::find(word).ok_or(CommandError::Syntax)?;
            let is_other = time.is_some_and(|(other, _)| other != form);
            if is_other || options.expiry == Expiry::Keep {
                return Err(CommandError::Syntax);
            }
            time = Some((form, request.get(at + 1).ok_or(CommandError::Syntax)?));
            at += 1;
        }
        at += 1;
    }
    if let Some((form, text)) = time {
        options.expiry = Expiry::At(parse_expiry_ms(text, form, now_ms, command)?);
    }
    Ok(options)
}

/// Sets the key and writes the effect.
pub(super) fn apply(keys: &mut Keys<'_>, key: &Key<'_>, value: &[u8], expiry: Expiry) {
    let expires_at_ms = match expiry {
        Expiry::Lift => None,
        Expiry::Keep => keys.find_for_write(key).and_then(|entry| entry.expires_at_ms()),
        Expiry::At(at_ms) => Some(at_ms),
    };
    keys.insert(key, Value::String(StringValue::new(value)), expires_at_ms);
    match expiry {
        Expiry::Lift => keys.effect(&[b"SET", key.bytes, value]),
        Expiry::Keep => keys.effect(&[b"SET", key.bytes, value, b"KEEPTTL"]),
        Expiry::At(at_ms) => {
            let effect = keys.begin_effect(5);
            effect.arg(b"SET");
            effect.arg(key.bytes);
            effect.arg(value);
            effect.arg(b"PXAT");
            effect.arg_unsigned(at_ms);
        }
    }
    // Whoever waits for a stream in it has lost it.
    keys.changed(key, Change::Lost);
}

/// [`apply`], and tells subscribers of it.
fn set(keys: &mut Keys<'_>, key: &Key<'_>, value: &[u8], expiry: Expiry) {
    apply(keys, key, value, expiry);
    keys.notify(EventClass::STRING, "set", key);
    if matches!(expiry, Expiry::At(_)) {
        keys.notify(EventClass::GENERIC, "expire", key);
    }
}

fn execute_set(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    let options = parse_options(request, OptionsForm::SET, context.keys.now_ms)?;
    if options.get {
        reply_string(context, &key)?;
    }
    let is_there = context.keys.find_for_write(&key).is_some();
    let mut is_met = options.condition.is_none_or(|condition| is_there == (condition == Condition::Present));
    if is_met && let Some(comparison) = options.comparison {
        is_met = comparison.is_met(context.keys, &key)?;
    }
    if !is_met {
        if !options.get {
            context.reply.null();
        }
        return Ok(Outcome::Done);
    }
    set(context.keys, &key, request.arg(2), options.expiry);
    if !options.get {
        context.reply.ok();
    }
    Ok(Outcome::Done)
}

fn execute_setnx(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    let is_absent = context.keys.find_for_write(&key).is_none();
    if is_absent {
        set(context.keys, &key, request.arg(2), Expiry::Lift);
    }
    context.reply.integer(i64::from(is_absent));
    Ok(Outcome::Done)
}

fn execute_setex(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    set_with_time(context, request, TimeForm::Seconds, "setex")
}

fn execute_psetex(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    set_with_time(context, request, TimeForm::Milliseconds, "psetex")
}

fn set_with_time(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    form: TimeForm,
    command: &'static str,
) -> Result<Outcome, CommandError> {
    let at_ms = parse_expiry_ms(request.arg(2), form, context.keys.now_ms, command)?;
    set(context.keys, &Key::new(request.arg(1)), request.arg(3), Expiry::At(at_ms));
    context.reply.ok();
    Ok(Outcome::Done)
}

fn execute_getset(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let key = Key::new(request.arg(1));
    reply_string(context, &key)?;
    set(context.keys, &key, request.arg(2), Expiry::Lift);
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OwnedRequest;

    #[track_caller]
    fn check(words: &str, expected: Result<(Option<Condition>, bool, Expiry), CommandError>) {
        let request =
            OwnedRequest::new("SET k v".split(' ').chain(words.split_whitespace()).map(str::as_bytes));
        let found = parse_options(request.as_request(), OptionsForm::SET, 700);
        let expected =
            expected.map(|(condition, get, expiry)| Options { condition, comparison: None, get, expiry });
        assert_eq!(found, expected, "{words}");
    }

    #[test]
    fn options() {
        let syntax = || Err(CommandError::Syntax);
        check("", Ok((None, false, Expiry::Lift)));
        check("nx Get", Ok((Some(Condition::Absent), true, Expiry::Lift)));
        check("XX keepttl KEEPTTL", Ok((Some(Condition::Present), false, Expiry::Keep)));
        check("EX 1 EX 2", Ok((None, false, Expiry::At(2700))));
        check("PXAT 5 NX NX", Ok((Some(Condition::Absent), false, Expiry::At(5))));
        check("NX XX", syntax());
        check("IFEQ a IFNE b", syntax());
        check("NX IFEQ a", syntax());
        check("IFDNE", syntax());
        check("XX NX", syntax());
        check("EX 1 PX 1", syntax());
        check("EX 1 KEEPTTL", syntax());
        check("KEEPTTL EX 1", syntax());
        check("EX", syntax());
        check("EX 1 foo", syntax());
        check("PERSIST", syntax());
        check("EX 0", Err(CommandError::InvalidExpireTime("set")));
        check("EX x", Err(CommandError::NotAnInteger));
        check("EX x foo", syntax());
    }
}
