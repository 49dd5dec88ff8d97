//! Patterns of keys, and what may be done with the keys that match.

use bitflags::bitflags;

use super::error::RuleError;
use crate::glob::{self, Case};

bitflags! {
    /// What may be done with a key's data.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KeyAccess: u8 {
        /// Its data may be returned or copied.
        const READ = 1;
        /// Its data may be changed.
        const WRITE = 2;
    }
}

/// A pattern of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPattern {
    pub(super) pattern: Box<[u8]>,
    pub(super) access: KeyAccess,
}

impl KeyPattern {
    /// Reads `~pattern`, or `%R~pattern` with any of R and W once.
    pub(super) fn parse(rule: &[u8]) -> Result<Self, RuleError> {
        let (access, pattern) = match rule {
            [b'~', pattern @ ..] => (KeyAccess::all(), pattern),
            [b'%', rest @ ..] => {
                let mut access = KeyAccess::empty();
                let mut pattern: &[u8] = &[];
                for (at, byte) in rest.iter().enumerate() {
                    let flag = match byte.to_ascii_uppercase() {
                        b'R' if !access.contains(KeyAccess::READ) => KeyAccess::READ,
                        b'W' if !access.contains(KeyAccess::WRITE) => KeyAccess::WRITE,
                        b'~' if !access.is_empty() => {
                            pattern = &rest[at + 1..];
                            break;
                        }
                        _ => return Err(RuleError::Syntax),
                    };
                    access |= flag;
                }
                if access.is_empty() {
                    return Err(RuleError::Syntax);
                }
                (access, pattern)
            }
            _ => return Err(RuleError::Syntax),
        };
        check_no_spaces(pattern)?;
        Ok(Self { pattern: pattern.into(), access })
    }

    /// Whether it allows this access to the key.
    pub(super) fn allows(&self, key: &[u8], access: KeyAccess) -> bool {
        self.access.contains(access) && glob::matches(&self.pattern, key, Case::Sensitive)
    }

    /// Appends its rule.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            match (self.access.contains(KeyAccess::READ), self.access.contains(KeyAccess::WRITE)) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            },
        );
        out.extend_from_slice(&self.pattern);
    }
}

/// Patterns stand between spaces where rules are written down.
pub(super) fn check_no_spaces(pattern: &[u8]) -> Result<(), RuleError> {
    match pattern.iter().any(|&byte| byte.is_ascii_whitespace() || byte == 0x0b || byte == 0) {
        true => Err(RuleError::Syntax),
        false => Ok(()),
    }
}
