//! DEBUG POPULATE: many keys at once.

use crate::command::context::Context;
use crate::command::error::CommandError;
use crate::config::settings;
use crate::engine::{Key, StringValue, Value};
use crate::number::parse_i64;
use crate::protocol::Request;
use crate::state::Change;

const RANGE: CommandError = CommandError::Other("ERR value is out of range, must be positive");

fn parse_size(argument: &[u8]) -> Result<usize, CommandError> {
    parse_i64(argument).and_then(|number| usize::try_from(number).ok()).ok_or(RANGE)
}

/// Creates the keys that are not there.
pub(super) fn populate(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<(), CommandError> {
    let count = parse_size(request.arg(2))?;
    let prefix = request.get(3).unwrap_or(b"key");
    let size = request.get(4).map(parse_size).transpose()?;
    let bytes_max = context.shared.config.memory(settings::PROTO_MAX_BULK_LEN) as usize;
    if size.is_some_and(|size| size > bytes_max) {
        return Err(CommandError::Other("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    for number in 0..count {
        let name = [prefix, b":", number.to_string().as_bytes()].concat();
        let key = Key::new(&name);
        if context.keys.find_for_write(&key).is_some() {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size.filter(|size| *size > 0) {
            value.resize(size, 0);
        }
        context.keys.insert(&key, Value::String(StringValue::new(&value)), None);
        context.keys.effect(&[b"SET", &name, &value]);
        context.keys.changed(&key, Change::Updated);
    }
    Ok(())
}
