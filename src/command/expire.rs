//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT and PERSIST

use bitflags::bitflags;

use super::argument::parse_integer;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::expiry::TimeForm;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass, Keys};

pub(super) const EXPIRE: Spec = Spec {
    name: "expire",
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::KEYSPACE,
    since: "1.0.0",
    group: Group::Generic,
    summary: "Sets a key's time to live, in seconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT` came.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("seconds", ArgKind::Integer),
        Argument::new(
            "condition",
            ArgKind::OneOf(&[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ]),
        )
        .optional()
        .since("7.0.0"),
    ],
    handler: execute_expire,
    ..Spec::DEFAULT
};

pub(super) const PEXPIRE: Spec = Spec {
    name: "pexpire",
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::KEYSPACE,
    since: "2.6.0",
    group: Group::Generic,
    summary: "Sets a key's time to live, in milliseconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT` came.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("milliseconds", ArgKind::Integer),
        Argument::new(
            "condition",
            ArgKind::OneOf(&[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ]),
        )
        .optional()
        .since("7.0.0"),
    ],
    handler: execute_pexpire,
    ..Spec::DEFAULT
};

pub(super) const EXPIREAT: Spec = Spec {
    name: "expireat",
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::KEYSPACE,
    since: "1.2.0",
    group: Group::Generic,
    summary: "Sets when a key expires, as a Unix time in seconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT` came.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("unix-time-seconds", ArgKind::UnixTime),
        Argument::new(
            "condition",
            ArgKind::OneOf(&[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ]),
        )
        .optional()
        .since("7.0.0"),
    ],
    handler: execute_expireat,
    ..Spec::DEFAULT
};

pub(super) const PEXPIREAT: Spec = Spec {
    name: "pexpireat",
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::KEYSPACE,
    since: "2.6.0",
    group: Group::Generic,
    summary: "Sets when a key expires, as a Unix time in milliseconds.",
    complexity: "O(1)",
    history: &[("7.0.0", "`NX`, `XX`, `GT` and `LT` came.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("unix-time-milliseconds", ArgKind::UnixTime),
        Argument::new(
            "condition",
            ArgKind::OneOf(&[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ]),
        )
        .optional()
        .since("7.0.0"),
    ],
    handler: execute_pexpireat,
    ..Spec::DEFAULT
};

pub(super) const PERSIST: Spec = Spec {
    name: "persist",
    arity: 2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::KEYSPACE,
    since: "2.2.0",
    group: Group::Generic,
    summary: "Lifts a key's expiry time.",
    complexity: "O(1)",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute_persist,
    ..Spec::DEFAULT
};

bitflags! {
    /// On what the new expiry time depends.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Conditions: u8 {
        /// The key has none.
        const NX = 1 << 0;
        /// The key has one.
        const XX = 1 << 1;
        /// It is later than the present one; none is the latest.
        const GT = 1 << 2;
        /// It is earlier than the present one.
        const LT = 1 << 3;
    }
}

impl Conditions {
    fn parse(request: Request<'_>) -> Result<Self, CommandError> {
        let mut conditions = Self::empty();
        for word in request.args_from(3) {
            conditions |= match word.to_ascii_lowercase().as_slice() {
                b"nx" => Self::NX,
                b"xx" => Self::XX,
                b"gt" => Self::GT,
                b"lt" => Self::LT,
                _ => return Err(CommandError::quoting("ERR Unsupported option ", word, "")),
            };
        }
        if conditions.contains(Self::NX) && conditions != Self::NX {
            return Err(CommandError::Other(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.contains(Self::GT | Self::LT) {
            return Err(CommandError::Other("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether the time `at_ms` may take the place of the present one.
    fn hold(self, at_ms: i64, present_ms: Option<u64>) -> bool {
        let present = present_ms.map_or(i128::MAX, i128::from);
        let at = i128::from(at_ms);
        (!self.contains(Self::NX) || present_ms.is_none())
            && (!self.contains(Self::XX) || present_ms.is_some())
            && (!self.contains(Self::GT) || at > present)
            && (!self.contains(Self::LT) || at < present)
    }
}

fn execute_expire(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    expire(context, request, TimeForm::Seconds, "expire")
}

fn execute_pexpire(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    expire(context, request, TimeForm::Milliseconds, "pexpire")
}

fn execute_expireat(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    expire(context, request, TimeForm::UnixSeconds, "expireat")
}

fn execute_pexpireat(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    expire(context, request, TimeForm::UnixMilliseconds, "pexpireat")
}

fn expire(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    form: TimeForm,
    command: &'static str,
) -> Result<Outcome, CommandError> {
    let conditions = Conditions::parse(request)?;
    let keys = &mut *context.keys;
    let at_ms = form
        .resolve_ms(parse_integer(request.arg(2))?, keys.now_ms)
        .ok_or(CommandError::InvalidExpireTime(command))?;
    let key = Key::new(request.arg(1));
    let Some(entry) = keys.find_for_write(&key) else {
        context.reply.integer(0);
        return Ok(Outcome::Done);
    };
    let is_set = conditions.hold(at_ms, entry.expires_at_ms());
    if is_set {
        apply_expiry(keys, &key, at_ms);
    }
    context.reply.integer(i64::from(is_set));
    Ok(Outcome::Done)
}

/// Sets when a key that is there expires; removes it if that time is past.
pub(super) fn apply_expiry(keys: &mut Keys<'_>, key: &Key<'_>, at_ms: i64) {
    // The log says by itself when a key was removed.
    if !keys.replaying && i128::from(at_ms) <= i128::from(keys.now_ms) {
        keys.remove(key);
        keys.effect(&[b"DEL", key.bytes]);
        keys.notify(EventClass::GENERIC, "del", key);
        keys.changed(key, Change::Lost);
        return;
    }
    let at_ms = at_ms.max(0).cast_unsigned();
    keys.db_of(key).set_expiry(key, Some(at_ms));
    let effect = keys.begin_effect(3);
    effect.arg(b"PEXPIREAT");
    effect.arg(key.bytes);
    effect.arg_unsigned(at_ms);
    keys.notify(EventClass::GENERIC, "expire", key);
    keys.changed(key, Change::Touched);
}

fn execute_persist(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let lifted = apply_persist(context.keys, &Key::new(request.arg(1)));
    context.reply.integer(i64::from(lifted));
    Ok(Outcome::Done)
}

/// Lifts a key's expiry time; whether it had one.
pub(super) fn apply_persist(keys: &mut Keys<'_>, key: &Key<'_>) -> bool {
    let has_expiry = keys.find_for_write(key).is_some_and(|entry| entry.expires_at_ms().is_some());
    if has_expiry {
        keys.db_of(key).set_expiry(key, None);
        keys.effect(&[b"PERSIST", key.bytes]);
        keys.notify(EventClass::GENERIC, "persist", key);
        keys.changed(key, Change::Touched);
    }
    has_expiry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_on_the_present_time() {
        for (conditions, at_ms, present_ms, expected) in [
            (Conditions::empty(), 5, Some(5), true),
            (Conditions::NX, 5, None, true),
            (Conditions::NX, 5, Some(9), false),
            (Conditions::XX, 5, None, false),
            (Conditions::XX, 5, Some(9), true),
            (Conditions::GT, 5, None, false),
            (Conditions::GT, 5, Some(5), false),
            (Conditions::GT, 6, Some(5), true),
            (Conditions::LT, 5, None, true),
            (Conditions::LT, 5, Some(5), false),
            (Conditions::LT, -6, Some(5), true),
            (Conditions::XX | Conditions::LT, 5, None, false),
        ] {
            assert_eq!(conditions.hold(at_ms, present_ms), expected, "{conditions:?} {at_ms} {present_ms:?}");
        }
    }
}
