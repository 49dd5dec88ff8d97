//! Writing numbers and strings.

use crate::engine::StreamId;
use crate::number::parse_i64;

/// A number in the form of a length.
pub(super) fn push_length(out: &mut Vec<u8>, length: u64) {
    match length {
        0..=0x3f => out.push(length as u8),
        0x40..=0x3fff => out.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(0x80);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&length.to_be_bytes());
            }
        },
    }
}

/// A string; an integer's text of up to 32 bits as an integer.
pub(super) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    let integer = if text.len() <= 11 { parse_i64(text) } else { None };
    match integer.and_then(|value| i32::try_from(value).ok()) {
        Some(value) => {
            if let Ok(value) = i8::try_from(value) {
                out.push(0xc0);
                out.extend_from_slice(&value.to_le_bytes());
            } else if let Ok(value) = i16::try_from(value) {
                out.push(0xc1);
                out.extend_from_slice(&value.to_le_bytes());
            } else {
                out.push(0xc2);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        None => {
            push_length(out, text.len() as u64);
            out.extend_from_slice(text);
        }
    }
}

/// An ID as a radix tree's key: the highest byte first.
pub(super) fn push_raw_id(out: &mut Vec<u8>, id: StreamId) {
    out.extend_from_slice(&id.ms.to_be_bytes());
    out.extend_from_slice(&id.seq.to_be_bytes());
}

/// An ID as two numbers.
pub(super) fn push_id(out: &mut Vec<u8>, id: StreamId) {
    push_length(out, id.ms);
    push_length(out, id.seq);
}

/// A time in milliseconds since the Unix epoch.
pub(super) fn push_time(out: &mut Vec<u8>, time_ms: u64) {
    out.extend_from_slice(&time_ms.to_le_bytes());
}
