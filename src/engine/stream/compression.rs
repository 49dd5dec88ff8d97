//! How a sealed block's bytes are compressed, and unpacked again.
//!
//! Integers that stand in the same field of entries one after the other become differences to the one before; then
//! the whole is compressed by zstd at level 1. Each block is a frame of its own, so that nothing but what is read is
//! unpacked. The frame has a checksum: bytes that were damaged unpack to nothing, whatever they are.
//!
//! Each thread keeps what it needs for it, and the few blocks that it unpacked last: who reads a stream
//! in small steps unpacks a block once.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;
use zstd::bulk::{Compressor, Decompressor};

use super::block::{ID_CODE, ID_MS_DELTA, ID_NEXT_SEQ, ID_SEQ_DELTA, SAME_FIELDS};
use super::value::{FieldValue, decode_value, decode_varint, encode_integer, skip_value};

/// Higher levels gain little with blocks of 4 KB (3: 2 %) and take longer.
const LEVEL: i32 = 1;
/// Shorter blocks stay plain: nothing is gained.
const PLAIN_BYTES_MIN: usize = 64;
/// Longer blocks stay plain: each look at an entry would unpack all of it.
const PLAIN_BYTES_MAX: usize = 256 * 1024;
/// A block stays plain when less than this part of it is saved.
const SAVED_PART_MIN: usize = 8;
/// The number of blocks that a thread keeps unpacked.
const RECENT: usize = 4;
/// The plain length, before the frame.
const LENGTH_BYTES: usize = 4;

#[derive(Default)]
struct Codec {
    compressor: Option<Compressor<'static>>,
    decompressor: Option<Decompressor<'static>>,
    differences: Vec<u8>,
    out: Vec<u8>,
    recent: [Option<Recent>; RECENT],
    oldest: usize,
}

/// A block that was unpacked. It is known by its allocation, which cannot become another block's as long as it is held here.
struct Recent {
    bytes: Arc<[u8]>,
    plain: Rc<Vec<u8>>,
}

thread_local! {
    static CODEC: RefCell<Codec> = RefCell::default();
}

/// The header with the packed bytes compressed behind it; `None` when too little is gained.
pub(super) fn compress(header: &[u8], plain: &[u8]) -> Option<Arc<[u8]>> {
    if !(PLAIN_BYTES_MIN..=PLAIN_BYTES_MAX).contains(&plain.len()) {
        return None;
    }
    CODEC.with_borrow_mut(|codec| codec.compress(header, plain))
}

/// The packed bytes that were compressed into `bytes`, from `data_at` on; none when they are damaged.
pub(super) fn unpack(bytes: &Arc<[u8]>, data_at: usize) -> Rc<Vec<u8>> {
    CODEC.with_borrow_mut(|codec| codec.unpack(bytes, data_at))
}

impl Codec {
    fn compress(&mut self, header: &[u8], plain: &[u8]) -> Option<Arc<[u8]>> {
        if self.compressor.is_none() {
            let mut compressor = Compressor::new(LEVEL).ok()?;
            compressor.include_checksum(true).ok()?;
            compressor.include_contentsize(false).ok()?;
            self.compressor = Some(compressor);
        }
        self.differences.clear();
        encode_differences(plain, &mut self.differences);
        let frame_at = header.len() + LENGTH_BYTES;
        let len_max = header.len() + plain.len() - plain.len() / SAVED_PART_MIN;
        self.out.clear();
        self.out.extend_from_slice(header);
        self.out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
        self.out.resize(len_max.max(frame_at), 0);
        // It fails when there is too little room.
        let compressor = self.compressor.as_mut()?;
        let len = compressor.compress_to_buffer(&self.differences, &mut self.out[frame_at..]).ok()?;
        Some(self.out[..frame_at + len].into())
    }

    fn unpack(&mut self, bytes: &Arc<[u8]>, data_at: usize) -> Rc<Vec<u8>> {
        if let Some(recent) = self.recent.iter().flatten().find(|recent| Arc::ptr_eq(&recent.bytes, bytes)) {
            return Rc::clone(&recent.plain);
        }
        let slot = self.oldest;
        self.oldest = (slot + 1) % RECENT;
        // The memory of the block that was unpacked longest ago is used again, unless it is still being read.
        let mut plain = self.recent[slot].take().map(|recent| recent.plain).unwrap_or_default();
        if Rc::get_mut(&mut plain).is_none() {
            plain = Rc::default();
        }
        if let Some(out) = Rc::get_mut(&mut plain) {
            out.clear();
            if self.decompress(&bytes[data_at..], out).is_none() {
                out.clear();
            }
        }
        self.recent[slot] = Some(Recent { bytes: Arc::clone(bytes), plain: Rc::clone(&plain) });
        plain
    }

    fn decompress(&mut self, data: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (plain_len, frame) = data.split_first_chunk::<LENGTH_BYTES>()?;
        let plain_len = u32::from_le_bytes(*plain_len) as usize;
        if plain_len > PLAIN_BYTES_MAX {
            return None;
        }
        if self.decompressor.is_none() {
            self.decompressor = Some(Decompressor::new().ok()?);
        }
        self.differences.clear();
        self.differences.reserve(differences_len_max(plain_len));
        self.decompressor.as_mut()?.decompress_to_buffer(frame, &mut self.differences).ok()?;
        decode_differences(&self.differences, plain_len, out)
    }
}

/// A difference takes at most nine bytes, and an integer at least two.
fn differences_len_max(plain_len: usize) -> usize {
    plain_len * 5
}

/// Copies a block's bytes, with differences in the place of integers.
fn encode_differences(plain: &[u8], out: &mut Vec<u8>) {
    let mut position = 0;
    let count = decode_varint(plain, &mut position) as usize;
    for _ in 0..count {
        skip_value(plain, &mut position);
    }
    let mut before: SmallVec<[i64; 16]> = SmallVec::from_elem(0, count);
    let mut copied = 0;
    while position < plain.len() {
        let flags = plain[position];
        position += 1;
        for _ in 0..id_numbers(flags) {
            decode_varint(plain, &mut position);
        }
        if flags & SAME_FIELDS == 0 {
            let count = decode_varint(plain, &mut position);
            for _ in 0..2 * count {
                skip_value(plain, &mut position);
            }
            continue;
        }
        for before in &mut before {
            if !matches!(plain[position], 0xc1..=0xc8) {
                skip_value(plain, &mut position);
                continue;
            }
            out.extend_from_slice(&plain[copied..position]);
            if let FieldValue::Integer(value) = decode_value(plain, &mut position) {
                encode_integer(value.wrapping_sub(*before), out);
                *before = value;
            }
            copied = position;
        }
    }
    out.extend_from_slice(&plain[copied..]);
}

/// The reverse of [`encode_differences`]; `None` when the bytes do not come from it.
fn decode_differences(data: &[u8], plain_len: usize, out: &mut Vec<u8>) -> Option<()> {
    out.reserve(plain_len);
    let mut position = 0;
    let count =
        usize::try_from(find_varint(data, &mut position)?).ok().filter(|count| *count <= data.len())?;
    for _ in 0..count {
        position = find_value_end(data, position)?;
    }
    let mut before: SmallVec<[i64; 16]> = SmallVec::from_elem(0, count);
    let mut copied = 0;
    while position < data.len() {
        let flags = data[position];
        position += 1;
        for _ in 0..id_numbers(flags) {
            find_varint(data, &mut position)?;
        }
        if flags & SAME_FIELDS == 0 {
            let count = find_varint(data, &mut position)?;
            for _ in 0..count.checked_mul(2)? {
                position = find_value_end(data, position)?;
            }
            continue;
        }
        for before in &mut before {
            let end = find_value_end(data, position)?;
            if matches!(data[position], 0xc0..=0xc8) {
                out.extend_from_slice(&data[copied..position]);
                let mut bytes = [0; 8];
                bytes[..end - position - 1].copy_from_slice(&data[position + 1..end]);
                let zigzag = u64::from_le_bytes(bytes);
                let difference = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                *before = before.wrapping_add(difference);
                encode_integer(*before, out);
                copied = end;
            }
            position = end;
        }
    }
    out.extend_from_slice(&data[copied..]);
    (out.len() == plain_len).then_some(())
}

/// How many numbers of an entry's ID stand behind its flags.
#[inline]
fn id_numbers(flags: u8) -> usize {
    match flags & ID_CODE {
        ID_NEXT_SEQ => 0,
        ID_SEQ_DELTA | ID_MS_DELTA => 1,
        _ => 2,
    }
}

/// The number at `*position`, which moves behind it; `None` when it does not end.
#[inline]
fn find_varint(data: &[u8], position: &mut usize) -> Option<u64> {
    let (mut value, mut shift) = (0, 0);
    while shift < u64::BITS {
        let byte = *data.get(*position)?;
        *position += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
    None
}

/// Where the value at `position` ends; `None` when that is behind the data. A difference of 0 is a value of one byte.
#[inline]
fn find_value_end(data: &[u8], position: usize) -> Option<usize> {
    let head = *data.get(position)?;
    let end = match head {
        0..=0x7f => position + 1 + usize::from(head),
        0x80..=0xbf => position + 2 + (usize::from(head & 0x3f) << 8 | usize::from(*data.get(position + 1)?)),
        0xc0..=0xc8 => position + 1 + usize::from(head - 0xc0),
        0xd0..=0xd9 => position + 1,
        0xe0 => {
            let len = data.get(position + 1..)?.first_chunk()?;
            (position + 5).checked_add(u32::from_le_bytes(*len) as usize)?
        }
        _ => return None,
    };
    (end <= data.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stream::StreamId;
    use crate::engine::stream::block::Block;

    const HEADER: &[u8] = b"header";

    fn any_value(random: &mut fastrand::Rng, index: u64) -> Vec<u8> {
        match random.u32(0..8) {
            0 => random.i64(..).to_string().into_bytes(),
            1 => [i64::MIN, i64::MAX, 0, -1, 9, 10][random.usize(0..6)].to_string().into_bytes(),
            2 | 3 => (1_000_000 + index).to_string().into_bytes(),
            4 => random.u8(0..12).to_string().into_bytes(),
            5 => vec![b'x'; random.usize(0..300)],
            6 => vec![b'y'; [0, 127, 128, 16_383, 16_384][random.usize(0..5)]],
            _ => (0..random.usize(0..20)).map(|_| random.u8(..)).collect(),
        }
    }

    fn any_block(random: &mut fastrand::Rng) -> Block {
        let mut block = Block::default();
        let mut id = StreamId::new(random.u64(..1 << 40), random.u64(..5));
        let columns = random.usize(1..20);
        for index in 0..random.u64(1..120) {
            let columns = if random.u32(0..10) == 0 { random.usize(1..20) } else { columns };
            let fields: Vec<_> =
                (0..columns).map(|n| (format!("f{n}").into_bytes(), any_value(random, index))).collect();
            let flags_at =
                block.append(id, fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
            if random.u32(0..6) == 0 {
                block.mark_deleted(flags_at);
            }
            id = match random.u32(0..4) {
                0 => StreamId::new(id.ms, id.seq + 1),
                1 => StreamId::new(id.ms, id.seq + random.u64(1..500)),
                2 => StreamId::new(id.ms + random.u64(1..500), 0),
                _ => StreamId::new(id.ms + 1, random.u64(..) / 2),
            };
        }
        block
    }

    #[test]
    fn blocks_come_back() {
        let mut compressed = 0;
        for seed in 0..400 {
            let block = any_block(&mut fastrand::Rng::with_seed(seed));
            let (mut differences, mut plain) = (Vec::new(), Vec::new());
            encode_differences(&block.data, &mut differences);
            assert!(differences.len() <= differences_len_max(block.data.len()));
            assert!(decode_differences(&differences, block.data.len(), &mut plain).is_some());
            assert_eq!(plain, block.data);
            if let Some(bytes) = compress(HEADER, &block.data) {
                assert!(bytes.len() < HEADER.len() + block.data.len());
                assert_eq!(bytes[..HEADER.len()], *HEADER);
                assert_eq!(*unpack(&bytes, HEADER.len()), block.data);
                compressed += 1;
            }
        }
        assert!(compressed > 100, "{compressed}");
    }

    #[test]
    fn what_gains_nothing_stays_plain() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut block = Block::default();
        let noise: Vec<u8> = (0..2000).map(|_| random.u8(..)).collect();
        block.append(StreamId::new(1, 1), [(&b"f"[..], &noise[..])].into_iter());
        assert!(compress(HEADER, &block.data).is_none());
        for len in [1, PLAIN_BYTES_MAX] {
            let mut block = Block::default();
            block.append(StreamId::new(1, 1), [(&b"f"[..], &vec![b'x'; len][..])].into_iter());
            assert!(compress(HEADER, &block.data).is_none(), "{len}");
        }
    }

    /// Damaged bytes unpack to nothing or, by the reverse of differences alone, to anything; they never panic.
    #[test]
    fn damaged_bytes_unpack_to_nothing() {
        for seed in 0..60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let block = any_block(&mut random);
            let mut differences = Vec::new();
            encode_differences(&block.data, &mut differences);
            for _ in 0..40 {
                let mut damaged = differences.clone();
                let at = random.usize(0..damaged.len());
                damaged[at] = random.u8(..);
                damaged.truncate(random.usize(at..=damaged.len()));
                let _ = decode_differences(&damaged, block.data.len(), &mut Vec::new());
            }
            let Some(bytes) = compress(HEADER, &block.data) else { continue };
            for _ in 0..40 {
                let mut damaged = bytes.to_vec();
                let at = random.usize(HEADER.len()..damaged.len());
                damaged[at] ^= 1 << random.u32(0..8);
                let cut =
                    if random.bool() { damaged.len() } else { random.usize(HEADER.len()..=damaged.len()) };
                damaged.truncate(cut);
                let unpacked = unpack(&damaged.into(), HEADER.len());
                assert!(unpacked.is_empty() || *unpacked == block.data, "seed {seed}");
            }
        }
    }

    #[test]
    fn blocks_that_are_read_stay_as_they_are() {
        let blocks: Vec<Block> = (0..50).map(|seed| any_block(&mut fastrand::Rng::with_seed(seed))).collect();
        let compressed: Vec<_> =
            blocks.iter().filter_map(|block| Some((block, compress(HEADER, &block.data)?))).collect();
        let read: Vec<_> = compressed.iter().map(|(_, bytes)| unpack(bytes, HEADER.len())).collect();
        for (index, (block, bytes)) in compressed.iter().enumerate() {
            assert_eq!(*read[index], block.data);
            assert!(Rc::ptr_eq(&unpack(bytes, HEADER.len()), &unpack(bytes, HEADER.len())));
        }
    }
}
