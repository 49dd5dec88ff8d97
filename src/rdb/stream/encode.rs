//! Writing a stream, as Redis 7.0 does (type 19).

use super::super::listpack::ListpackWriter;
use super::super::writer::{push_id, push_length, push_raw_id, push_string, push_time};
use crate::engine::{BlockView, Entry, FieldValue, Group, Stream, StreamId};

/// An entry's flag: it is deleted.
pub(super) const ENTRY_DELETED: i64 = 1;
/// An entry's flag: its field names are the node's.
pub(super) const ENTRY_SAME_FIELDS: i64 = 2;
/// The length of an ID as a radix tree's key, in bytes.
pub(super) const RAW_ID_BYTES: usize = 16;
/// What stands for a number of entries read that is not known.
pub(super) const ENTRIES_READ_UNKNOWN: i64 = -1;

/// Writes a stream, but for what goes into the appendix.
pub(in super::super) fn encode_stream(stream: &Stream, out: &mut Vec<u8>) {
    push_length(out, stream.block_count() as u64);
    let mut listpack = Vec::new();
    for block in stream.blocks() {
        push_length(out, RAW_ID_BYTES as u64);
        push_raw_id(out, block.first_id());
        listpack.clear();
        encode_block(block, &mut listpack);
        push_length(out, listpack.len() as u64);
        out.extend_from_slice(&listpack);
    }
    push_length(out, stream.len());
    push_id(out, stream.last_id());
    push_id(out, stream.first_id());
    push_id(out, stream.max_deleted_id());
    push_length(out, stream.entries_added());
    push_length(out, stream.groups().len() as u64);
    for (name, group) in stream.groups().iter() {
        push_string(out, name);
        encode_group(group, out);
    }
}

fn encode_block(block: BlockView<'_>, out: &mut Vec<u8>) {
    let mut listpack = ListpackWriter::new(out);
    listpack.push_integer(block.live() as i64);
    listpack.push_integer(block.deleted() as i64);
    listpack.push_integer(block.names().len() as i64);
    block.names().for_each(|name| push_value(&mut listpack, name));
    listpack.push_integer(0);
    block.visit(|entry, is_deleted| encode_entry(&mut listpack, block.first_id(), entry, is_deleted));
    listpack.finish();
}

fn encode_entry(listpack: &mut ListpackWriter<'_>, first: StreamId, entry: Entry<'_>, is_deleted: bool) {
    let has_block_names = entry.has_block_names();
    let flags = if is_deleted { ENTRY_DELETED } else { 0 };
    listpack.push_integer(flags | if has_block_names { ENTRY_SAME_FIELDS } else { 0 });
    listpack.push_integer(entry.id.ms.wrapping_sub(first.ms).cast_signed());
    listpack.push_integer(entry.id.seq.wrapping_sub(first.seq).cast_signed());
    let count = entry.field_count() as i64;
    if !has_block_names {
        listpack.push_integer(count);
    }
    for (name, value) in entry.fields() {
        if !has_block_names {
            push_value(listpack, name);
        }
        push_value(listpack, value);
    }
    // How many elements the entry has, for who reads backwards.
    listpack.push_integer(if has_block_names { count + 3 } else { 2 * count + 4 });
}

fn push_value(listpack: &mut ListpackWriter<'_>, value: FieldValue<'_>) {
    match value {
        FieldValue::Integer(value) => listpack.push_integer(value),
        FieldValue::Text(text) => listpack.push_text(text),
    }
}

fn encode_group(group: &Group, out: &mut Vec<u8>) {
    push_id(out, group.last_delivered_id);
    push_length(out, group.entries_read.map_or(ENTRIES_READ_UNKNOWN, u64::cast_signed).cast_unsigned());
    // Redis has no place for what is pending for nobody.
    let owned = group.pending().iter_from(StreamId::MIN).filter(|entry| entry.consumer.is_some());
    push_length(out, group.consumers().iter().map(|(_, consumer)| consumer.pending()).sum());
    for entry in owned {
        push_raw_id(out, entry.id);
        push_time(out, entry.delivered_ms);
        push_length(out, entry.delivery_count);
    }
    push_length(out, group.consumers().len() as u64);
    for (slot, consumer) in group.consumers().iter() {
        push_string(out, consumer.name());
        push_time(out, consumer.seen_ms);
        push_length(out, consumer.pending());
        for entry in group.pending().iter_consumer_from(slot, StreamId::MIN) {
            push_raw_id(out, entry.id);
        }
    }
}
