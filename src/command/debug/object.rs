//! DEBUG OBJECT

use crate::command::context::Context;
use crate::command::error::CommandError;
use crate::engine::Key;

/// Answers how a key's value is kept, also of one whose time is up but that is still there. The size it would have in an RDB file, which Redis tells, is not known.
pub(super) fn write_object(context: &mut Context<'_, '_>, key: &Key<'_>) -> Result<(), CommandError> {
    let now_s = context.keys.now_ms / 1000;
    let entry = context.keys.db_of(key).find(key).ok_or(CommandError::NoSuchKey)?;
    let accessed_s = u64::from(entry.accessed_s);
    let text = format!(
        "Value at:{:p} refcount:1 encoding:{} heap_bytes:{} lru:{} lru_seconds_idle:{}",
        &entry.value,
        entry.value.encoding(),
        entry.value.heap_bytes(),
        accessed_s & 0xff_ffff,
        now_s.saturating_sub(accessed_s),
    );
    context.reply.simple(&text);
    Ok(())
}
