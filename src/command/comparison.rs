//! Comparisons of a key's string with an argument, as conditions of SET and DELEX

use super::digest::{DIGEST_LEN, digest_of};
use super::error::CommandError;
use crate::engine::Key;
use crate::state::Keys;

/// What of a key's string is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// The string itself.
    Value,
    /// The string's digest.
    Digest,
}

/// A comparison on which SET or DELEX depends: `IFEQ`, `IFNE`, `IFDEQ` or `IFDNE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison<'a> {
    compared: Compared,
    with: &'a [u8],
    /// What is to come of it; a key that is not there equals nothing.
    equal: bool,
}

impl<'a> Comparison<'a> {
    /// The comparison of a word and the argument behind it, if it is one.
    pub(super) fn find(word: &[u8], argument: Option<&'a [u8]>) -> Option<Self> {
        let words: [(&[u8], Compared, bool); 4] = [
            (b"ifeq", Compared::Value, true),
            (b"ifne", Compared::Value, false),
            (b"ifdeq", Compared::Digest, true),
            (b"ifdne", Compared::Digest, false),
        ];
        let (_, compared, equal) = words.into_iter().find(|(name, ..)| word.eq_ignore_ascii_case(name))?;
        argument.map(|with| Self { compared, with, equal })
    }

    /// Whether the two compare the same, in the same way.
    pub(super) fn is_of_same_kind(&self, other: Comparison<'_>) -> bool {
        (self.compared, self.equal) == (other.compared, other.equal)
    }

    /// Whether it comes out as it is to.
    ///
    /// # Errors
    /// That the key holds another type, or that what its digest is compared with is none.
    pub(super) fn is_met(&self, keys: &mut Keys<'_>, key: &Key<'_>) -> Result<bool, CommandError> {
        let Some(string) = keys.find_string_for_write(key)? else { return Ok(!self.equal) };
        let is_equal = match self.compared {
            Compared::Value => string.with_bytes(|held| held == self.with),
            Compared::Digest if self.with.len() != DIGEST_LEN => {
                return Err(CommandError::Other("ERR must be exactly 16 hexadecimal characters"));
            }
            Compared::Digest => string.with_bytes(digest_of).as_bytes().eq_ignore_ascii_case(self.with),
        };
        Ok(is_equal == self.equal)
    }
}
