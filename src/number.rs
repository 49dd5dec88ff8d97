//! Numbers as text, by Redis's rules: no sign `+`, no leading zero, no white space.

mod extended;

pub use extended::{Extended, ExtendedText};

/// Parses a signed integer in its one canonical form, as Redis takes integers everywhere:
/// `-0`, `+1`, `01` and ` 1` are none. `None` on anything else or on overflow.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let magnitude = parse_u64(digits)?;
            match magnitude {
                0 => None,
                1..=0x7fff_ffff_ffff_ffff => Some(-(magnitude as i64)),
                0x8000_0000_0000_0000 => Some(i64::MIN),
                _ => None,
            }
        }
        _ => i64::try_from(parse_u64(text)?).ok(),
    }
}

/// Parses an unsigned integer in its one canonical form; see [`parse_i64`].
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || (text[0] == b'0' && text.len() > 1) {
        return None;
    }
    let mut value: u64 = 0;
    if text.len() < 20 {
        // Nineteen digits cannot overflow.
        for &byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + u64::from(digit);
        }
        return Some(value);
    }
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Parses a floating point number as Redis takes one: no white space, no `nan`; `inf`, `+inf`,
/// `-inf` and exponents are taken.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let value: f64 = text.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

/// The text of a double in a RESP3 reply, and of one sent as a bulk string in RESP2: the shortest
/// that reads back as the same number; `inf`, `-inf` and `nan` by name.
pub fn format_double(value: f64) -> String {
    if value.is_nan() {
        "nan".into()
    } else if value.is_infinite() {
        if value > 0.0 { "inf".into() } else { "-inf".into() }
    } else if value == value.trunc() && value.abs() < 1e17 {
        format!("{}", value as i64)
    } else {
        let exponent = value.abs().log10();
        if (-5.0..17.0).contains(&exponent) { format!("{value}") } else { format_exponent(value) }
    }
}

/// `1e+20` and `1.5e-07`: C's way to write an exponent (a sign and two digits at least).
fn format_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A number with so many significant digits at most, as C's `%.14g` writes it.
pub fn format_significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan".into() } else { "nan".into() };
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let digits = digits.max(1);
    // The exponent is the rounded number's.
    let text = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i64 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    trim(&format!("{value:.*}", (digits as i64 - 1 - exponent).max(0) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_form() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            (" 1", None),
            ("1 ", None),
            ("1a", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), expected, "{text:?}");
        }
        for (text, expected) in [
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("99999999999999999999", None),
            ("184467440737095516150", None),
        ] {
            assert_eq!(parse_u64(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn significant_digits() {
        for (value, digits, expected) in [
            (0.1, 14, "0.1"),
            (1e15, 14, "1e+15"),
            (99_999_999_999_999.9, 14, "1e+14"),
            (123_456.789, 3, "1.23e+05"),
            (-0.000_012_5, 14, "-1.25e-05"),
            (0.000_125, 14, "0.000125"),
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1e300, 17, "1.0000000000000001e+300"),
        ] {
            assert_eq!(format_significant(value, digits), expected);
        }
    }

    #[test]
    fn doubles_read_back() {
        for (value, expected) in
            [(0.0, "0"), (1.5, "1.5"), (-3.0, "-3"), (1e20, "1e+20"), (1.5e-7, "1.5e-07"), (0.1, "0.1")]
        {
            assert_eq!(format_double(value), expected);
        }
        assert_eq!(format_double(f64::NEG_INFINITY), "-inf");
    }
}
