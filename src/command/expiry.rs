//! Expiry times, from a client's text to milliseconds since the Unix epoch.

use super::argument::parse_integer;
use super::error::CommandError;

/// How a client gives an expiry time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// Seconds since the Unix epoch.
    UnixSeconds,
    /// Milliseconds since the Unix epoch.
    UnixMilliseconds,
}

impl TimeForm {
    /// The form that a word of SET and GETEX announces.
    pub(super) fn find(word: &[u8]) -> Option<Self> {
        [
            (&b"ex"[..], Self::Seconds),
            (b"px", Self::Milliseconds),
            (b"exat", Self::UnixSeconds),
            (b"pxat", Self::UnixMilliseconds),
        ]
        .into_iter()
        .find_map(|(name, form)| word.eq_ignore_ascii_case(name).then_some(form))
    }

    /// Whether the time counts from now.
    pub(super) fn is_relative(self) -> bool {
        matches!(self, Self::Seconds | Self::Milliseconds)
    }

    /// The point in time that `value` means, in milliseconds; `None` when it does not fit.
    pub(super) fn resolve_ms(self, value: i64, now_ms: u64) -> Option<i64> {
        let ms = match self {
            Self::Seconds | Self::UnixSeconds => value.checked_mul(1000)?,
            Self::Milliseconds | Self::UnixMilliseconds => value,
        };
        if self.is_relative() { ms.checked_add_unsigned(now_ms) } else { Some(ms) }
    }
}

/// An expiry time that must be given as a positive number, in milliseconds since the Unix epoch.
///
/// # Errors
/// That it is no integer, not positive, or too far away, in words that name the command.
pub(super) fn parse_expiry_ms(
    text: &[u8],
    form: TimeForm,
    now_ms: u64,
    command: &'static str,
) -> Result<u64, CommandError> {
    let value = parse_integer(text)?;
    Some(value)
        .filter(|&value| value > 0)
        .and_then(|value| form.resolve_ms(value, now_ms))
        .map(i64::cast_unsigned)
        .ok_or(CommandError::InvalidExpireTime(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_must_be_positive() {
        let invalid = Err(CommandError::InvalidExpireTime("set"));
        for (text, form, expected) in [
            ("10", TimeForm::Seconds, Ok(10_700)),
            ("10", TimeForm::Milliseconds, Ok(710)),
            ("10", TimeForm::UnixSeconds, Ok(10_000)),
            ("10", TimeForm::UnixMilliseconds, Ok(10)),
            ("0", TimeForm::Seconds, invalid.clone()),
            ("-1", TimeForm::UnixMilliseconds, invalid.clone()),
            ("9223372036854775807", TimeForm::UnixMilliseconds, Ok(i64::MAX as u64)),
            ("9223372036854775807", TimeForm::Milliseconds, invalid.clone()),
            ("9223372036854775107", TimeForm::Milliseconds, Ok(i64::MAX as u64)),
            ("9223372036854776", TimeForm::UnixSeconds, invalid.clone()),
            ("-9223372036854775808", TimeForm::Seconds, invalid),
            ("1.5", TimeForm::Seconds, Err(CommandError::NotAnInteger)),
        ] {
            assert_eq!(parse_expiry_ms(text.as_bytes(), form, 700, "set"), expected, "{text} {form:?}");
        }
    }
}
