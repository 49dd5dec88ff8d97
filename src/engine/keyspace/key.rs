//! A key with its hash.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use ahash::RandomState;

/// Seeded anew by each process, so that a client cannot choose keys that collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A key that is looked for: its bytes and their hash, which is computed once and serves to find
/// the shard as well as the place in it.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// The key's bytes.
    pub bytes: &'a [u8],
    /// Their hash, good for the life of the process.
    pub hash: u64,
}

impl<'a> Key<'a> {
    /// The key of these bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut hasher = HASHER.build_hasher();
        hasher.write(bytes);
        Self { bytes, hash: hasher.finish() }
    }
}
