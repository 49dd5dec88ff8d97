//! String values.

use crate::number::parse_i64;

/// The longest text that Redis keeps in one allocation with its header (encoding `embstr`).
const EMBEDDED_BYTES_MAX: usize = 44;

/// A string value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringValue(Repr);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Repr {
    Integer(i64),
    /// Bytes as they were set.
    Text(Box<[u8]>),
    /// Bytes that were appended to or written into: they may be again.
    Edited(Vec<u8>),
}

impl StringValue {
    /// The value of these bytes; an integer's text is kept as an integer.
    pub fn new(bytes: &[u8]) -> Self {
        match (bytes.len() <= 20).then(|| parse_i64(bytes)).flatten() {
            Some(value) => Self(Repr::Integer(value)),
            None => Self(Repr::Text(bytes.into())),
        }
    }

    /// The value of these bytes, whose text is kept as it is: Redis too keeps what INCRBYFLOAT makes
    /// so, integer or not.
    pub fn new_text(bytes: &[u8]) -> Self {
        Self(Repr::Text(bytes.into()))
    }

    /// The value of an integer's text.
    pub fn from_integer(value: i64) -> Self {
        Self(Repr::Integer(value))
    }

    /// The integer that the value is the canonical text of.
    pub fn as_integer(&self) -> Option<i64> {
        match &self.0 {
            Repr::Integer(value) => Some(*value),
            Repr::Text(bytes) => parse_i64(bytes),
            Repr::Edited(bytes) => parse_i64(bytes),
        }
    }

    /// Calls `with` with the value's bytes.
    #[inline]
    pub fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        match &self.0 {
            Repr::Integer(value) => with(itoa::Buffer::new().format(*value).as_bytes()),
            Repr::Text(bytes) => with(bytes),
            Repr::Edited(bytes) => with(bytes),
        }
    }

    /// The value's length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "emptiness of a string has no meaning of its own")]
    pub fn len(&self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// The bytes, to be changed in place (APPEND, SETRANGE).
    pub fn edit(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, Repr::Edited(_)) {
            self.0 = Repr::Edited(self.with_bytes(<[u8]>::to_vec));
        }
        match &mut self.0 {
            Repr::Edited(bytes) => bytes,
            _ => unreachable!("it was made so above"),
        }
    }

    /// The name of Redis's encoding of such a value (OBJECT ENCODING).
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Integer(_) => "int",
            Repr::Text(bytes) if bytes.len() <= EMBEDDED_BYTES_MAX => "embstr",
            _ => "raw",
        }
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Integer(_) => 0,
            Repr::Text(bytes) => bytes.len(),
            Repr::Edited(bytes) => bytes.capacity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        for (text, encoding) in [
            ("12", "int"),
            ("012", "embstr"),
            ("", "embstr"),
            (&"x".repeat(44), "embstr"),
            (&"x".repeat(45), "raw"),
        ] {
            let value = StringValue::new(text.as_bytes());
            assert_eq!(value.encoding(), encoding);
            assert_eq!(value.with_bytes(<[u8]>::to_vec), text.as_bytes());
            assert_eq!(value.len(), text.len());
        }
        let mut value = StringValue::from_integer(12);
        value.edit().push(b'3');
        assert_eq!((value.encoding(), value.as_integer()), ("raw", Some(123)));
    }
}
