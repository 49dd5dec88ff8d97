//! Passing over what this server has no type for.

use std::borrow::Cow;

use super::super::error::RdbError;
use super::super::reader::{Reader, Source};
use super::super::value::kind;

/// What stands before each part of a module's value.
mod part {
    pub(super) const END: u64 = 0;
    pub(super) const SIGNED: u64 = 1;
    pub(super) const UNSIGNED: u64 = 2;
    pub(super) const FLOAT: u64 = 3;
    pub(super) const DOUBLE: u64 = 4;
    pub(super) const STRING: u64 = 5;
}

const UNKNOWN_TYPE: RdbError = RdbError::Format("a value of no known type, whose end cannot be found");

/// Passes over a value of a type that this server has not, and answers the type's name as TYPE says it.
pub(super) fn skip_value(reader: &mut Reader<impl Source>, kind: u8) -> Result<Cow<'static, str>, RdbError> {
    match kind {
        kind::ZSET => {
            for _ in 0..reader.count()? {
                reader.skip_string()?;
                skip_number_text(reader)?;
            }
            Ok("zset".into())
        }
        kind::ZSET_2 => {
            for _ in 0..reader.count()? {
                reader.skip_string()?;
                reader.array::<8>()?;
            }
            Ok("zset".into())
        }
        kind::HASH => {
            for _ in 0..reader.count()? {
                reader.skip_string()?;
                reader.skip_string()?;
            }
            Ok("hash".into())
        }
        kind::HASH_METADATA => {
            // When the first field expires; then, for each, when it does.
            reader.array::<8>()?;
            for _ in 0..reader.count()? {
                reader.length()?;
                reader.skip_string()?;
                reader.skip_string()?;
            }
            Ok("hash".into())
        }
        kind::HASH_LISTPACK_EX => {
            reader.array::<8>()?;
            reader.skip_string()?;
            Ok("hash".into())
        }
        kind::HASH_ZIPMAP | kind::HASH_ZIPLIST | kind::HASH_LISTPACK => {
            reader.skip_string()?;
            Ok("hash".into())
        }
        kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => {
            reader.skip_string()?;
            Ok("zset".into())
        }
        kind::MODULE_2 => {
            let name = module_name(reader.length()?);
            skip_module_parts(reader)?;
            Ok(name.into())
        }
        kind::MODULE => Err(RdbError::Format("a module's value in a form whose end cannot be found")),
        _ => Err(UNKNOWN_TYPE),
    }
}

/// A number as text, with its length in a byte before it; three lengths stand for what is no number.
fn skip_number_text(reader: &mut Reader<impl Source>) -> Result<(), RdbError> {
    match reader.byte()? {
        253..=255 => Ok(()),
        len => reader.source().skip(len.into()),
    }
}

/// Passes over what a module has written, up to its end.
pub(super) fn skip_module_parts(reader: &mut Reader<impl Source>) -> Result<(), RdbError> {
    loop {
        match reader.length()? {
            part::END => return Ok(()),
            part::SIGNED | part::UNSIGNED => drop(reader.length()?),
            part::FLOAT => drop(reader.array::<4>()?),
            part::DOUBLE => drop(reader.array::<8>()?),
            part::STRING => reader.skip_string()?,
            _ => return Err(RdbError::Format("a part of a module's value of no known kind")),
        }
    }
}

/// The name of a module's type: nine characters of six bits each above ten bits of version.
pub(super) fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|at| char::from(CHARACTERS[(id >> (10 + 6 * at) & 63) as usize])).collect()
}
