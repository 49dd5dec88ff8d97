//! Lists and sets.

use super::error::RdbError;
use super::listpack::ListpackReader;
use super::reader::{Reader, Source};
use super::writer::{push_length, push_string};
use super::ziplist;
use crate::engine::{ListValue, SetValue};

const EMPTY: RdbError = RdbError::Format("a list or set of nothing");

fn finish_list(list: ListValue) -> Result<ListValue, RdbError> {
    if list.len() > 0 { Ok(list) } else { Err(EMPTY) }
}

fn finish_set(set: SetValue) -> Result<SetValue, RdbError> {
    if set.len() > 0 { Ok(set) } else { Err(EMPTY) }
}

fn insert(set: &mut SetValue, member: &[u8]) -> Result<(), RdbError> {
    if set.insert(member) { Ok(()) } else { Err(RdbError::Format("a set has a member twice")) }
}

/// A list of strings.
pub(super) fn decode_list(reader: &mut Reader<impl Source>) -> Result<ListValue, RdbError> {
    let mut list = ListValue::default();
    for _ in 0..reader.count()? {
        list.push_back(&reader.string()?);
    }
    finish_list(list)
}

/// A list of nodes, each of which is one element or a listpack.
pub(super) fn decode_quicklist(reader: &mut Reader<impl Source>) -> Result<ListValue, RdbError> {
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    let mut list = ListValue::default();
    for _ in 0..reader.count()? {
        let container = reader.length()?;
        let node = reader.string()?;
        match container {
            PLAIN => list.push_back(&node),
            PACKED => {
                let mut elements = ListpackReader::new(&node)?;
                while let Some(element) = elements.next()? {
                    element.with_bytes(|element| list.push_back(element));
                }
            }
            _ => return Err(RdbError::Format("a list's node of no known kind")),
        }
    }
    finish_list(list)
}

/// A list in a ziplist.
pub(super) fn decode_ziplist(reader: &mut Reader<impl Source>) -> Result<ListValue, RdbError> {
    let mut list = ListValue::default();
    ziplist::visit(&reader.string()?, |element| list.push_back(element))?;
    finish_list(list)
}

/// A list of nodes that are ziplists.
pub(super) fn decode_ziplists(reader: &mut Reader<impl Source>) -> Result<ListValue, RdbError> {
    let mut list = ListValue::default();
    for _ in 0..reader.count()? {
        ziplist::visit(&reader.string()?, |element| list.push_back(element))?;
    }
    finish_list(list)
}

/// A set of strings.
pub(super) fn decode_set(reader: &mut Reader<impl Source>) -> Result<SetValue, RdbError> {
    let mut set = SetValue::default();
    for _ in 0..reader.count()? {
        insert(&mut set, &reader.string()?)?;
    }
    finish_set(set)
}

/// A set in a listpack.
pub(super) fn decode_set_listpack(reader: &mut Reader<impl Source>) -> Result<SetValue, RdbError> {
    let (data, mut set) = (reader.string()?, SetValue::default());
    let mut members = ListpackReader::new(&data)?;
    while let Some(member) = members.next()? {
        member.with_bytes(|member| insert(&mut set, member))?;
    }
    finish_set(set)
}

/// A set of integers: the width of each in bytes, their number, and the integers in ascending order.
pub(super) fn decode_intset(reader: &mut Reader<impl Source>) -> Result<SetValue, RdbError> {
    const FAULT: RdbError = RdbError::Format("an intset that is corrupt");
    let data = reader.string()?;
    let mut data = Reader::new(&data[..], 0);
    let width = u32::from_le_bytes(data.array()?);
    let count = u32::from_le_bytes(data.array()?);
    let (mut set, mut previous) = (SetValue::default(), None);
    for _ in 0..count {
        let value = match width {
            2 => i16::from_le_bytes(data.array()?).into(),
            4 => i32::from_le_bytes(data.array()?).into(),
            8 => i64::from_le_bytes(data.array()?),
            _ => return Err(FAULT),
        };
        if previous.is_some_and(|previous| previous >= value) {
            return Err(FAULT);
        }
        previous = Some(value);
        insert(&mut set, itoa::Buffer::new().format(value).as_bytes())?;
    }
    if data.is_at_end() { finish_set(set) } else { Err(FAULT) }
}

/// Writes a list as [`decode_list`] reads it.
pub(super) fn encode_list(list: &ListValue, out: &mut Vec<u8>) {
    push_length(out, list.len() as u64);
    list.iter().for_each(|element| push_string(out, element));
}

/// Writes a set as [`decode_set`] reads it, in the order of the members, so that equal sets come out equal.
pub(super) fn encode_set(set: &SetValue, out: &mut Vec<u8>) {
    let mut members: Vec<&[u8]> = set.iter().collect();
    members.sort_unstable();
    push_length(out, members.len() as u64);
    members.iter().for_each(|member| push_string(out, member));
}
