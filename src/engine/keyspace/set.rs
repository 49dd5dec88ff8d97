//! Sets: see [`super::list`] for why there are any.

use std::collections::HashSet;

use ahash::RandomState;

use crate::number::parse_i64;

/// The members up to which Redis keeps a set of integers as such, by its default.
const INTSET_LEN_MAX: usize = 512;
/// The members, and the bytes of each, up to which Redis keeps a set in one listpack, by its default.
const LISTPACK_LEN_MAX: usize = 128;
const LISTPACK_MEMBER_BYTES_MAX: usize = 64;

/// A set of texts.
#[derive(Debug, Clone, Default)]
pub struct SetValue {
    members: HashSet<Box<[u8]>, RandomState>,
    text_bytes: usize,
}

impl SetValue {
    /// Adds a member; `false` when it was one.
    pub fn insert(&mut self, member: &[u8]) -> bool {
        let is_new = self.members.insert(member.into());
        if is_new {
            self.text_bytes += member.len();
        }
        is_new
    }

    /// The number of members.
    #[allow(clippy::len_without_is_empty, reason = "a set that is empty is not kept")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.members.iter().map(|member| &**member)
    }

    /// The name of Redis 7.2's encoding of such a set.
    pub fn encoding(&self) -> &'static str {
        if self.len() <= INTSET_LEN_MAX && self.iter().all(|member| parse_i64(member).is_some()) {
            "intset"
        } else if self.len() <= LISTPACK_LEN_MAX
            && self.iter().all(|member| member.len() <= LISTPACK_MEMBER_BYTES_MAX)
        {
            "listpack"
        } else {
            "hashtable"
        }
    }

    /// Memory behind the struct, in bytes: a slot and a control byte for each place in the table.
    pub fn heap_bytes(&self) -> usize {
        self.members.capacity() * (size_of::<Box<[u8]>>() + 1) + self.text_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(members: impl Iterator<Item = String>, expected: &str) {
        let mut set = SetValue::default();
        members.for_each(|member| assert!(set.insert(member.as_bytes())));
        assert_eq!(set.encoding(), expected);
    }

    #[test]
    fn encodings() {
        check((0..512).map(|n| n.to_string()), "intset");
        check((0..513).map(|n| n.to_string()), "hashtable");
        check((0..128).map(|n| format!("m{n}")), "listpack");
        check((0..129).map(|n| format!("m{n}")), "hashtable");
        check(std::iter::once("x".repeat(65)), "hashtable");
        let mut set = SetValue::default();
        assert!(set.insert(b"a") && !set.insert(b"a"));
        assert_eq!(set.len(), 1);
    }
}
