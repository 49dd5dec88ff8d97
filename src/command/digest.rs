//! DIGEST

use twox_hash::xxhash3_64::Hasher;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "digest",
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STRING,
    since: "8.4.0",
    group: Group::String,
    summary: "Returns a digest of a key's string, in hexadecimal.",
    complexity: "O(N) for a string of N bytes",
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    handler: execute,
    ..Spec::DEFAULT
};

/// The length of a digest's text, in bytes.
pub(super) const DIGEST_LEN: usize = 16;

/// A string's digest: its XXH3 of 64 bits, in hexadecimal.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("{:016x}", Hasher::oneshot(bytes))
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    match context.keys.find_string(&Key::new(request.arg(1)))? {
        Some(string) => {
            let digest = string.with_bytes(digest_of);
            context.reply.text(&digest);
        }
        None => context.reply.null(),
    }
    Ok(Outcome::Done)
}
