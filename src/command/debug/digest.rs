//! DEBUG DIGEST and DIGEST-VALUE: the data as a number, to compare it by.

use sha2::{Digest as _, Sha256};

use crate::command::context::Context;
use crate::command::dump::Dump;
use crate::command::error::CommandError;
use crate::engine::{Key, Value};
use crate::protocol::Request;

const DIGEST_BYTES: usize = 20;

type Digest = [u8; DIGEST_BYTES];

const FAILED: CommandError = CommandError::Other("ERR the data cannot be encoded");

/// The digest of some bytes.
fn digest_of(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash.finalize()[..DIGEST_BYTES]);
    digest
}

/// Makes `sum` the digest of more, whatever the order.
fn add(sum: &mut Digest, digest: &Digest) {
    sum.iter_mut().zip(digest).for_each(|(sum, byte)| *sum ^= byte);
}

/// The digest of a value, by the commands that recreate it; of a set, whose elements have no order, by the elements.
fn digest_of_value(value: &Value, expires_at_ms: Option<u64>) -> Result<Digest, CommandError> {
    let mut digest = Digest::default();
    if let Value::Set(set) = value {
        set.iter().for_each(|element| add(&mut digest, &digest_of(&[b"set", element])));
        let expiry = expires_at_ms.unwrap_or(0).to_le_bytes();
        return Ok(digest_of(&[&digest, &expiry]));
    }
    let mut bytes = Vec::new();
    let mut take = |effects: &crate::log::Effects| {
        bytes.extend_from_slice(effects.as_bytes());
        Ok(())
    };
    let mut dump = Dump::new(&mut take);
    dump.push_value(0, b"", value, expires_at_ms).map_err(|_| FAILED)?;
    dump.finish().map_err(|_| FAILED)?;
    Ok(digest_of(&[&bytes]))
}

fn to_hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers with the digest of all databases; zeros where there is nothing. Every shard is locked.
pub(super) fn write_digest(context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let mut sum = Digest::default();
    for (_, shard) in context.keys.shards().iter_mut() {
        for (number, db) in shard.dbs.iter().enumerate() {
            for entry in db.iter() {
                let value = digest_of_value(&entry.value, entry.expires_at_ms())?;
                add(&mut sum, &digest_of(&[&(number as u64).to_le_bytes(), entry.key(), &value]));
            }
        }
    }
    context.reply.simple(&to_hex(&sum));
    Ok(())
}

/// Answers with the digest of each key's value; zeros where there is none.
pub(super) fn write_digests_of_values(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
) -> Result<(), CommandError> {
    context.reply.array(request.len() - 2);
    for key in request.args_from(2) {
        let digest = match context.keys.find_quietly(&Key::new(key)) {
            Some(entry) => digest_of_value(&entry.value, entry.expires_at_ms())?,
            None => Digest::default(),
        };
        context.reply.simple(&to_hex(&digest));
    }
    Ok(())
}
