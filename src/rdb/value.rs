//! Which types of values there are, and reading those that this server has.

use super::collection;
use super::error::RdbError;
use super::reader::{Reader, Source};
use super::stream::{StreamForm, decode_stream};
use crate::engine::{StringValue, Value};

/// The byte that tells a value's type and form.
pub(super) mod kind {
    pub(in super::super) const STRING: u8 = 0;
    pub(in super::super) const LIST: u8 = 1;
    pub(in super::super) const SET: u8 = 2;
    pub(in super::super) const ZSET: u8 = 3;
    pub(in super::super) const HASH: u8 = 4;
    pub(in super::super) const ZSET_2: u8 = 5;
    pub(in super::super) const MODULE: u8 = 6;
    pub(in super::super) const MODULE_2: u8 = 7;
    pub(in super::super) const HASH_ZIPMAP: u8 = 9;
    pub(in super::super) const LIST_ZIPLIST: u8 = 10;
    pub(in super::super) const SET_INTSET: u8 = 11;
    pub(in super::super) const ZSET_ZIPLIST: u8 = 12;
    pub(in super::super) const HASH_ZIPLIST: u8 = 13;
    pub(in super::super) const LIST_QUICKLIST: u8 = 14;
    pub(in super::super) const STREAM_LISTPACKS: u8 = 15;
    pub(in super::super) const HASH_LISTPACK: u8 = 16;
    pub(in super::super) const ZSET_LISTPACK: u8 = 17;
    pub(in super::super) const LIST_QUICKLIST_2: u8 = 18;
    pub(in super::super) const STREAM_LISTPACKS_2: u8 = 19;
    pub(in super::super) const SET_LISTPACK: u8 = 20;
    pub(in super::super) const STREAM_LISTPACKS_3: u8 = 21;
    pub(in super::super) const HASH_METADATA: u8 = 24;
    pub(in super::super) const HASH_LISTPACK_EX: u8 = 25;
    pub(in super::super) const STREAM_LISTPACKS_4: u8 = 26;

    /// Whether Redis 7.0 knows it.
    pub(in super::super) fn is_for_redis_7_0(kind: u8) -> bool {
        kind <= STREAM_LISTPACKS_2
    }
}

/// Reads a value of a type that this server has; `None`, and nothing read, for any other.
pub(super) fn decode_value(reader: &mut Reader<impl Source>, kind: u8) -> Result<Option<Value>, RdbError> {
    Ok(Some(match kind {
        kind::STRING => Value::String(StringValue::new(&reader.string()?)),
        kind::LIST => Value::List(Box::new(collection::decode_list(reader)?)),
        kind::LIST_ZIPLIST => Value::List(Box::new(collection::decode_ziplist(reader)?)),
        kind::LIST_QUICKLIST => Value::List(Box::new(collection::decode_ziplists(reader)?)),
        kind::LIST_QUICKLIST_2 => Value::List(Box::new(collection::decode_quicklist(reader)?)),
        kind::SET => Value::Set(Box::new(collection::decode_set(reader)?)),
        kind::SET_INTSET => Value::Set(Box::new(collection::decode_intset(reader)?)),
        kind::SET_LISTPACK => Value::Set(Box::new(collection::decode_set_listpack(reader)?)),
        kind::STREAM_LISTPACKS => decode_stream_value(reader, StreamForm::Redis5)?,
        kind::STREAM_LISTPACKS_2 => decode_stream_value(reader, StreamForm::Redis70)?,
        kind::STREAM_LISTPACKS_3 => decode_stream_value(reader, StreamForm::Redis72)?,
        kind::STREAM_LISTPACKS_4 => decode_stream_value(reader, StreamForm::Redis86)?,
        _ => return Ok(None),
    }))
}

fn decode_stream_value(reader: &mut Reader<impl Source>, form: StreamForm) -> Result<Value, RdbError> {
    Ok(Value::Stream(Box::new(decode_stream(reader, form)?)))
}
