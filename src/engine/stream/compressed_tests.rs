//! A stream whose blocks are compressed behaves as one whose blocks are not.

use std::ops::ControlFlow;

use super::*;
use crate::engine::{Group, PendingEntry};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn any_fields(random: &mut fastrand::Rng, index: u64) -> Fields {
    let value = |random: &mut fastrand::Rng| match random.u32(0..5) {
        0 => (10_000_000 + index).to_string().into_bytes(),
        1 => random.i64(-300..300).to_string().into_bytes(),
        2 => vec![b'v'; random.usize(0..200)],
        3 => (0..random.usize(0..12)).map(|_| random.u8(..)).collect(),
        _ => format!("item-{:05}", random.u32(..100_000)).into_bytes(),
    };
    let columns = if random.u32(0..8) == 0 { random.usize(1..6) } else { 4 };
    (0..columns).map(|n| (format!("field{n}").into_bytes(), value(random))).collect()
}

fn append(stream: &mut Stream, id: StreamId, fields: &Fields, limits: &BlockLimits) {
    stream.append(id, fields.iter().map(|(name, value)| (&name[..], &value[..])), limits);
}

fn read_entry(entry: Entry<'_>) -> (StreamId, Fields) {
    (entry.id, entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

fn range(
    stream: &Stream,
    start: StreamId,
    end: StreamId,
    is_reverse: bool,
    count: usize,
) -> Vec<(StreamId, Fields)> {
    let mut entries = Vec::new();
    let visit = |entry: Entry<'_>| {
        entries.push(read_entry(entry));
        if entries.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    if is_reverse {
        stream.scan_reverse(start, end, visit)
    } else {
        stream.scan(start, end, visit)
    }
    entries
}

/// All that is kept of the blocks but how.
fn blocks(stream: &Stream) -> Vec<String> {
    stream
        .blocks()
        .map(|block| {
            let names: Vec<_> = block.names().map(|name| name.to_vec()).collect();
            let mut entries = Vec::new();
            block.visit(|entry, is_deleted| entries.push((read_entry(entry), is_deleted)));
            let counts = (block.first_id(), block.live(), block.deleted(), block.listpack_bytes());
            format!("{counts:?} {names:?} {entries:?}")
        })
        .collect()
}

fn any_trim(random: &mut fastrand::Rng, len: u64, last: StreamId) -> Trim {
    let approximate = random.bool();
    Trim {
        strategy: match random.bool() {
            true => TrimStrategy::MaxLen(len.saturating_sub(random.u64(0..60))),
            false => TrimStrategy::MinId(StreamId::new(last.ms.saturating_sub(random.u64(0..300)), 0)),
        },
        approximate,
        limit: (approximate && random.bool()).then(|| random.u64(0..100)),
        policy: [RefPolicy::Keep, RefPolicy::Remove, RefPolicy::Acked][random.usize(0..3)],
    }
}

/// Two streams, one of which is compressed, and what is done to both.
struct Pair {
    plain: Stream,
    compressed: Stream,
    random: fastrand::Rng,
    limits: BlockLimits,
    last: StreamId,
    index: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let limits = BlockLimits {
            bytes_max: [0, 300, 4096][random.usize(0..3)],
            entries_max: random.usize(1..40),
            plain_max: random.usize(0..4),
        };
        let (mut plain, mut compressed) = (Stream::new(), Stream::new());
        for stream in [&mut plain, &mut compressed] {
            stream.groups_mut().create(b"g", Group::default());
        }
        Self { plain, compressed, random, limits, last: StreamId::MIN, index: 0 }
    }

    #[track_caller]
    fn both<R: PartialEq + std::fmt::Debug>(&mut self, apply: impl Fn(&mut Stream) -> R) -> R {
        let result = apply(&mut self.plain);
        assert_eq!(apply(&mut self.compressed), result);
        result
    }

    fn any_id(&mut self) -> StreamId {
        StreamId::new(self.random.u64(0..self.last.ms + 2), self.random.u64(0..2))
    }

    /// One finder finds what scans find, whether the IDs are near each other or far apart, once out of order.
    fn find_some(&mut self) {
        let mut ids: Vec<StreamId> = (0..self.random.usize(1..50)).map(|_| self.any_id()).collect();
        ids.sort_unstable();
        ids.insert(0, self.any_id());
        let from = self.any_id();
        self.both(|stream| {
            let mut finder = stream.finder();
            let all = range(stream, from, StreamId::MAX, false, 100);
            for id in ids.iter().copied().chain(all.into_iter().map(|(id, _)| id)) {
                let found = finder.find(id).map(read_entry);
                assert_eq!(found, range(stream, id, id, false, 1).pop());
            }
        });
    }

    fn append_some(&mut self) {
        for _ in 0..self.random.u32(1..20) {
            self.last = match self.random.bool() {
                true => StreamId::new(self.last.ms, self.last.seq + self.random.u64(1..3)),
                false => StreamId::new(self.last.ms + self.random.u64(1..4), 0),
            };
            let fields = any_fields(&mut self.random, self.index);
            self.index += 1;
            append(
                &mut self.plain,
                self.last,
                &fields,
                &BlockLimits { plain_max: BlockLimits::ALL_PLAIN, ..self.limits },
            );
            append(&mut self.compressed, self.last, &fields, &self.limits);
        }
    }

    fn deliver(&mut self) {
        let (from, count) = (self.any_id(), self.random.usize(1..30));
        self.both(|stream| {
            let entries = range(stream, from, StreamId::MAX, false, count);
            let group = stream.groups_mut().find_mut(b"g").expect("it is there");
            let (slot, _) = group.consumers_mut().find_or_create(b"c", 0);
            for (id, _) in &entries {
                group.assign(PendingEntry {
                    id: *id,
                    delivered_ms: id.ms,
                    delivery_count: 1,
                    consumer: Some(slot),
                });
                group.last_delivered_id = group.last_delivered_id.max(*id);
            }
            entries
        });
    }

    fn step(&mut self) {
        match self.random.u32(0..16) {
            0..5 => self.append_some(),
            5 => self.deliver(),
            6 | 7 => {
                let id = self.any_id();
                self.both(|stream| stream.delete(id));
            }
            8 => {
                // Neighbours, until blocks are empty.
                let (start, count) = (self.any_id(), self.random.usize(1..80));
                for (id, _) in range(&self.plain, start, StreamId::MAX, false, count) {
                    self.both(|stream| stream.delete(id));
                }
            }
            9 => {
                let trim = any_trim(&mut self.random, self.plain.len(), self.last);
                self.both(|stream| stream.trim(&trim));
            }
            10 => {
                let now_ms = self.random.u64(0..self.last.ms + 2);
                self.both(|stream| stream.find_claimable(b"g", now_ms, 3, 10));
            }
            11 => {
                let (id, policy) = (self.any_id(), RefPolicy::Acked);
                self.both(|stream| {
                    let mut released = Released::default();
                    (stream.acknowledge_and_delete(b"g", id, policy, &mut released), released)
                });
            }
            12 => {
                self.limits.plain_max = self.random.usize(0..4);
                let mut count = self.random.usize(0..50);
                self.compressed.compress_some(&self.limits, &mut count);
            }
            13 if self.random.bool() => {
                // What comes next may be below entries that are deleted.
                let last = self.plain.last_entry_id().unwrap_or_default();
                self.both(|stream| stream.set_counters(last, None, None));
                self.last = self.last.min(last);
            }
            _ => {
                let (start, end) = (self.any_id(), self.any_id());
                let (is_reverse, count) = (self.random.bool(), self.random.usize(1..200));
                self.both(|stream| range(stream, start, end, is_reverse, count));
                self.both(|stream| {
                    (stream.contains(end), stream.count_after(start), stream.find_entry(end, read_entry))
                });
                self.find_some();
            }
        }
    }

    fn check(&mut self) {
        self.compressed.check_invariants();
        self.both(|stream| (stream.len(), stream.first_id(), stream.last_id(), stream.last_entry_id()));
        self.both(|stream| (stream.max_deleted_id(), stream.entries_added(), stream.block_count()));
        self.both(|stream| stream.block_first_ids().collect::<Vec<_>>());
        self.both(|stream| blocks(stream));
    }
}

#[test]
fn a_compressed_stream_behaves_as_a_plain_one() {
    let mut compressed = 0;
    for seed in 0..60 {
        let mut pair = Pair::new(seed);
        let mut clones = Vec::new();
        for step in 0..300 {
            pair.step();
            if step % 20 == 0 {
                pair.check();
                clones.push((pair.compressed.clone(), blocks(&pair.plain)));
            }
        }
        pair.check();
        for (clone, expected) in &clones {
            clone.check_invariants();
            assert_eq!(&blocks(clone), expected, "a clone does not see later changes");
        }
        compressed += pair.compressed.compressed_blocks();
    }
    assert!(compressed > 300, "{compressed}");
}

/// Of the blocks behind the newest ones all are compressed, also those that were plain before or are plain again, but for the first.
#[test]
fn all_old_blocks_are_compressed_in_the_end() {
    let mut limits = BlockLimits { entries_max: 20, ..BlockLimits::default() };
    let mut random = fastrand::Rng::with_seed(1);
    let mut stream = Stream::new();
    let mut add = |stream: &mut Stream, range: std::ops::Range<u64>, limits: &BlockLimits| {
        for n in range {
            let fields = vec![
                (b"field".to_vec(), b"value".to_vec()),
                (b"n".to_vec(), random.u8(..).to_string().into_bytes()),
            ];
            append(stream, StreamId::new(n, 1), &fields, limits);
        }
    };
    add(&mut stream, 0..10_000, &limits);
    assert_eq!(stream.compressed_blocks(), 0);
    limits.plain_max = 3;
    let plain_bytes = stream.heap_bytes();
    while stream.compress_some(&limits, &mut 10) {}
    // The tail and three more.
    assert_eq!((stream.block_count(), stream.compressed_blocks()), (500, 496));
    assert!(stream.heap_bytes() < plain_bytes * 3 / 4, "{} {plain_bytes}", stream.heap_bytes());
    add(&mut stream, 10_000..20_000, &limits);
    assert_eq!((stream.block_count(), stream.compressed_blocks()), (1000, 996));
    for n in [5, 1000, 1001, 7007, 19_999] {
        assert!(stream.delete(StreamId::new(n, 1)));
    }
    assert_eq!(stream.compressed_blocks(), 993);
    stream.check_invariants();
    while stream.compress_some(&limits, &mut 1) {}
    assert_eq!(stream.compressed_blocks(), 995);
    // Trimming drops whole blocks by their headers.
    let trim = Trim {
        strategy: TrimStrategy::MaxLen(5000),
        approximate: true,
        limit: None,
        policy: RefPolicy::Keep,
    };
    stream.trim(&trim);
    assert_eq!((stream.block_count(), stream.compressed_blocks()), (251, 247));
    stream.check_invariants();
}
