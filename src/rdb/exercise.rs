//! What is to hold of any bytes: the body of a fuzz target, which tests run too.

use super::payload::{self, VERSION_MAX};
use crate::engine::Value;

/// Compressed strings may come to this, in bytes, so that broken data does not fill the memory.
const STRING_BYTES_MAX: usize = 1 << 20;

/// Seals bytes as a payload and reads it. What comes out must survive being written and read again.
///
/// # Panics
/// When it does not, or when reading panics.
pub fn exercise(body: &[u8]) -> Option<Value> {
    let mut payload = body.to_vec();
    payload::seal(0, VERSION_MAX, &mut payload);
    let value = payload::decode(&payload, STRING_BYTES_MAX).ok()?.value;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    payload::encode(&value, &mut first);
    let again = payload::decode(&first, STRING_BYTES_MAX).expect("what was written can be read");
    assert!(again.is_for_redis_7_0, "what is written is for Redis 7.0");
    payload::encode(&again.value, &mut second);
    assert_eq!(first, second, "what was written and read is written as before");
    Some(value)
}
