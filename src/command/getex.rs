//! GETEX

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::expire::{apply_expiry, apply_persist};
use super::expiry::{TimeForm, parse_expiry_ms};
use super::get::reply_string;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "getex",
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))
        .note("It may set when the key expires: so RW and UPDATE.")],
    categories: Categories::STRING,
    since: "6.2.0",
    group: Group::String,
    summary: "Returns a key's string and sets or lifts the key's expiry time.",
    complexity: "O(1)",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new(
            "expiration",
            ArgKind::OneOf(&[
                Argument::new("seconds", ArgKind::Integer).token("EX"),
                Argument::new("milliseconds", ArgKind::Integer).token("PX"),
                Argument::new("unix-time-seconds", ArgKind::UnixTime).token("EXAT"),
                Argument::new("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT"),
                Argument::word("persist", "PERSIST"),
            ]),
        )
        .optional(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// What becomes of the key's expiry time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry<'a> {
    Keep,
    Lift,
    /// A time as the client gave it.
    At(TimeForm, &'a [u8]),
}

fn parse_options(request: Request<'_>) -> Result<Expiry<'_>, CommandError> {
    let mut expiry = Expiry::Keep;
    let mut at = 2;
    while let Some(word) = request.get(at) {
        expiry = if word.eq_ignore_ascii_case(b"persist") {
            match expiry {
                Expiry::At(..) => return Err(CommandError::Syntax),
                Expiry::Keep | Expiry::Lift => Expiry::Lift,
            }
        } else {
            let form = TimeForm::find(word).ok_or(CommandError::Syntax)?;
            match expiry {
                Expiry::Lift => return Err(CommandError::Syntax),
                Expiry::At(other, _) if other != form => return Err(CommandError::Syntax),
                Expiry::Keep | Expiry::At(..) => {}
            }
            at += 1;
            Expiry::At(form, request.get(at).ok_or(CommandError::Syntax)?)
        };
        at += 1;
    }
    Ok(expiry)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let expiry = parse_options(request)?;
    let key = Key::new(request.arg(1));
    if !reply_string(context, &key)? {
        return Ok(Outcome::Done);
    }
    match expiry {
        Expiry::Keep => {}
        Expiry::Lift => {
            apply_persist(context.keys, &key);
        }
        Expiry::At(form, text) => {
            let at_ms = parse_expiry_ms(text, form, context.keys.now_ms, "getex")?;
            apply_expiry(context.keys, &key, at_ms.cast_signed());
        }
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OwnedRequest;

    #[track_caller]
    fn check(words: &str, expected: Result<Expiry<'_>, CommandError>) {
        let request =
            OwnedRequest::new("GETEX k".split(' ').chain(words.split_whitespace()).map(str::as_bytes));
        assert_eq!(parse_options(request.as_request()), expected, "{words}");
    }

    #[test]
    fn options() {
        let syntax = || Err(CommandError::Syntax);
        check("", Ok(Expiry::Keep));
        check("persist PERSIST", Ok(Expiry::Lift));
        check("ex 5", Ok(Expiry::At(TimeForm::Seconds, b"5")));
        check("EX 5 EX 6", Ok(Expiry::At(TimeForm::Seconds, b"6")));
        check("PXAT 5", Ok(Expiry::At(TimeForm::UnixMilliseconds, b"5")));
        check("EX 5 PX 6", syntax());
        check("EX 5 PERSIST", syntax());
        check("PERSIST EX 5", syntax());
        check("EX", syntax());
        check("KEEPTTL", syntax());
        check("NX", syntax());
    }
}
