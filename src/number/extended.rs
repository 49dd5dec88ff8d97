//! Numbers as INCRBYFLOAT computes with: binary floating point with a mantissa of 64 bits, which is C's `long double`
//! on x86, where Redis's answers come from.
//!
//! Text is read, sums are made, and text is written with one correct rounding each (to the nearest, ties to even), as
//! the C library and the processor do it. What differs: a subnormal number keeps its full mantissa, which no answer
//! of 17 decimals shows, and hexadecimal text is none.

use num_bigint::{BigInt, BigUint, Sign};

/// Bits of the mantissa.
const MANTISSA_BITS: u64 = 64;
/// Every number's magnitude is below two to this power.
const MAGNITUDE_BITS_MAX: i64 = 16_384;
/// Every number but zero is at least two to this power.
const MAGNITUDE_BITS_MIN: i64 = -16_445;
/// The longest text that is taken for a number, as in Redis.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Decimals that are written.
const DECIMALS: u32 = 17;

/// A finite number: `mantissa * 2^exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    mantissa: BigInt,
    exponent: i64,
}

/// What a text stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtendedText {
    /// A number.
    Finite(Extended),
    /// Infinity of either sign.
    Infinite,
}

impl Extended {
    /// Zero.
    pub fn zero() -> Self {
        Self { mantissa: BigInt::ZERO, exponent: 0 }
    }

    /// The number that a decimal text stands for, as C's `strtold` reads it; `None` when it stands for none, or for one
    /// that is too large or too small.
    pub fn parse(text: &[u8]) -> Option<ExtendedText> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (sign, magnitude) = match text {
            [b'-', rest @ ..] => (Sign::Minus, rest),
            [b'+', rest @ ..] => (Sign::Plus, rest),
            _ => (Sign::Plus, text),
        };
        if magnitude.eq_ignore_ascii_case(b"inf") || magnitude.eq_ignore_ascii_case(b"infinity") {
            return Some(ExtendedText::Infinite);
        }
        let (digits, exponent) = parse_decimal(magnitude)?;
        if digits == BigUint::ZERO {
            return Some(ExtendedText::Finite(Self::zero()));
        }
        let number = Self::from_decimal(sign, &digits, exponent)?;
        Some(ExtendedText::Finite(number))
    }

    /// The number next to `digits * 10^exponent`; `None` when there is none.
    fn from_decimal(sign: Sign, digits: &BigUint, exponent: i64) -> Option<Self> {
        // Nothing beyond these bounds is a number, whatever the digits: there are not that many of them.
        if exponent.unsigned_abs() > 20_000 {
            return None;
        }
        let power = BigUint::from(10_u8).pow(exponent.unsigned_abs() as u32);
        if exponent >= 0 {
            return Self::round(sign, digits * power, 0, false);
        }
        // So far to the left that the quotient has more bits than the mantissa holds.
        let shift = (MANTISSA_BITS + 2 + power.bits()).saturating_sub(digits.bits());
        let dividend = digits << shift;
        let quotient = &dividend / &power;
        let is_exact = &quotient * &power == dividend;
        Self::round(sign, quotient, -(shift as i64), !is_exact)
    }

    /// The number next to `magnitude * 2^exponent`, or to a little more than that if there is a `rest`; `None` when
    /// there is none.
    fn round(sign: Sign, magnitude: BigUint, exponent: i64, rest: bool) -> Option<Self> {
        let bits = magnitude.bits();
        let (mut mantissa, mut exponent) = (magnitude, exponent);
        if bits > MANTISSA_BITS {
            let excess = bits - MANTISSA_BITS;
            let half_up = mantissa.bit(excess - 1);
            let beyond_half = rest || mantissa.trailing_zeros().is_some_and(|zeros| zeros < excess - 1);
            mantissa >>= excess;
            exponent += excess as i64;
            if half_up && (beyond_half || mantissa.bit(0)) {
                mantissa += 1_u8;
            }
        }
        if mantissa == BigUint::ZERO {
            return Some(Self::zero());
        }
        let magnitude_bits = exponent + mantissa.bits() as i64;
        if magnitude_bits > MAGNITUDE_BITS_MAX || magnitude_bits <= MAGNITUDE_BITS_MIN {
            return None;
        }
        Some(Self { mantissa: BigInt::from_biguint(sign, mantissa), exponent })
    }

    /// The sum; `None` when it is infinite.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let aligned = |number: &Self| &number.mantissa << (number.exponent - exponent);
        let (sign, magnitude) = (aligned(self) + aligned(other)).into_parts();
        Self::round(sign, magnitude, exponent, false)
    }

    /// The number with 17 decimals, without the zeros at their end.
    pub fn to_text(&self) -> String {
        let (sign, magnitude) = (self.mantissa.sign(), self.mantissa.magnitude());
        let scaled = magnitude * BigUint::from(10_u8).pow(DECIMALS);
        let shift = self.exponent.unsigned_abs();
        let scaled = if self.exponent >= 0 {
            scaled << shift
        } else {
            let quotient = &scaled >> shift;
            let half_up = scaled.bit(shift - 1);
            let beyond_half = scaled.trailing_zeros().is_some_and(|zeros| zeros < shift - 1);
            let up = half_up && (beyond_half || quotient.bit(0));
            quotient + u8::from(up)
        };
        let digits = format!("{scaled:0>width$}", width = DECIMALS as usize + 1);
        let (whole, decimals) = digits.split_at(digits.len() - DECIMALS as usize);
        let decimals = decimals.trim_end_matches('0');
        let sign = if sign == Sign::Minus { "-" } else { "" };
        match (whole, decimals) {
            ("0", "") => "0".into(),
            (_, "") => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{decimals}"),
        }
    }
}

/// The digits and the power of ten of a decimal text without a sign.
fn parse_decimal(text: &[u8]) -> Option<(BigUint, i64)> {
    let (number, exponent) = match text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'e')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, decimals) = match number.iter().position(|&byte| byte == b'.') {
        Some(at) => (&number[..at], &number[at + 1..]),
        None => (number, &b""[..]),
    };
    let digits = [whole, decimals].concat();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let exponent = exponent.saturating_sub(decimals.len() as i64);
    Some((BigUint::parse_bytes(&digits, 10)?, exponent))
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(sign * value.min(i64::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finite(text: &str) -> Extended {
        match Extended::parse(text.as_bytes()) {
            Some(ExtendedText::Finite(number)) => number,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// The sums are redis-server 7.0.15's answers to INCRBYFLOAT on x86-64.
    #[test]
    fn sums_are_redis_sums() {
        for (a, b, sum) in [
            ("0", "1.5", "1.5"),
            ("10.1", "0.1", "10.2"),
            ("5.0e3", "2.0e2", "5200"),
            ("12345", "0.1", "12345.09999999999999964"),
            ("0.5", "-0.5", "0"),
            ("0", "-1e-18", "0"),
            (".5", "5.", "5.5"),
            ("1e20", "1", "100000000000000000000"),
            ("1000000.1", "123456789.123456789", "124456789.22345678899728227"),
        ] {
            let found = finite(a).checked_add(&finite(b)).map(|sum| sum.to_text());
            assert_eq!(found.as_deref(), Some(sum), "{a} + {b}");
        }
    }

    #[test]
    fn texts_that_are_no_number() {
        for text in ["", "-", ".", "1e", "e5", " 1", "1 ", "1.2.3", "0x10", "nan", "1e5000", "1e-5000", "--1"]
        {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Extended::parse(b"-Inf"), Some(ExtendedText::Infinite));
        assert_eq!(finite("1e4932").checked_add(&finite("1e4932")), None);
    }
}
