//! Single steps of the hot paths, in-process: `cargo bench --bench micro`.
//!
//! These say where a change acts; whether it pays is for `cargo bench --bench servers` to say.

use std::ops::ControlFlow;

use bytes::BytesMut;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use fastrand::Rng;
use millstream::engine::{BlockLimits, Entry, FieldValue, Group, PendingEntry, Stream, StreamId};
use millstream::protocol::{Decoded, DecoderLimits, Protocol, Reply, RequestDecoder};

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SEED: u64 = 7;

fn main() {
    divan::main();
}

/// XADD of five arguments: its request in wire form.
const XADD: &[u8] =
    b"*5\r\n$4\r\nXADD\r\n$6\r\nevents\r\n$1\r\n*\r\n$5\r\nfield\r\n$16\r\nabcdefghijklmnop\r\n";

/// Decoding one request that has come whole.
mod decode_xadd {
    use super::*;

    #[divan::bench(sample_size = 1000)]
    fn borrowed(bencher: Bencher) {
        let limits = DecoderLimits::default();
        let mut decoder = RequestDecoder::new();
        bencher.bench_local(|| {
            let decoded = decoder.decode(black_box(XADD), &limits);
            assert_eq!(decoded, Ok(Decoded::Request { consumed: XADD.len() }));
            decoder.request(XADD).arg(4).len()
        });
    }

    #[divan::bench(sample_size = 1000)]
    fn redis_protocol_range() {
        let decoded = redis_protocol::resp2::decode::decode_range(black_box(XADD));
        assert!(decoded.is_ok_and(|frame| frame.is_some_and(|(_, length)| length == XADD.len())));
    }

    #[divan::bench(sample_size = 1000)]
    fn redis_protocol_bytes_mut(bencher: Bencher) {
        bencher.with_inputs(|| BytesMut::from(XADD)).bench_local_refs(|buffer| {
            let decoded = redis_protocol::resp2::decode::decode_bytes_mut(buffer);
            assert!(decoded.is_ok_and(|frame| frame.is_some_and(|(_, length, _)| length == XADD.len())));
        });
    }
}

/// The fields of an entry.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Value16,
    Order,
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

impl Shape {
    fn build_fields(self, rng: &mut Rng) -> Fields {
        let pair = |field: &str, value: String| (field.as_bytes().to_vec(), value.into_bytes());
        match self {
            Shape::Value16 => vec![pair("field", (0..16).map(|_| rng.lowercase()).collect())],
            Shape::Order => vec![
                pair("order_id", rng.u32(10_000_000..11_000_000).to_string()),
                pair("sku", format!("SKU-{:05}", rng.u32(..100_000))),
                pair("qty", rng.u32(1..10).to_string()),
                pair("price", format!("{}.{:02}", rng.u32(1..500), rng.u32(..100))),
                pair("status", ["new", "paid", "packed", "shipped"][rng.usize(..4)].to_owned()),
            ],
        }
    }
}

/// The ID of entry `index`: two per millisecond.
fn build_id(index: u64) -> StreamId {
    StreamId::new(1_700_000_000_000 + index / 2, index % 2)
}

fn append(stream: &mut Stream, index: u64, fields: &Fields, limits: &BlockLimits) {
    let fields = fields.iter().map(|(field, value)| (field.as_slice(), value.as_slice()));
    stream.append(build_id(index), fields, limits);
}

fn build_stream(shape: Shape, entries: u64) -> Stream {
    let mut rng = Rng::with_seed(SEED);
    let mut stream = Stream::new();
    for index in 0..entries {
        append(&mut stream, index, &shape.build_fields(&mut rng), &BlockLimits::default());
    }
    stream
}

/// Ten thousand entries to an empty stream; the items are entries.
#[divan::bench(args = [Shape::Value16, Shape::Order])]
fn append_10000(bencher: Bencher, shape: Shape) {
    const ENTRIES: u64 = 10_000;
    let mut rng = Rng::with_seed(SEED);
    let entries: Vec<Fields> = (0..ENTRIES).map(|_| shape.build_fields(&mut rng)).collect();
    let limits = BlockLimits::default();
    bencher.counter(ItemsCount::new(ENTRIES)).with_inputs(Stream::new).bench_local_refs(|stream| {
        for (index, fields) in (0..).zip(&entries) {
            append(stream, index, black_box(fields), &limits);
        }
    });
}

/// A hundred entries from a random place of a stream of a hundred thousand; the items are entries.
mod range_100 {
    use super::*;

    const ENTRIES: u64 = 100_000;
    const COUNT: usize = 100;

    /// Visited, each value looked at.
    #[divan::bench(sample_size = 100, args = [Shape::Value16, Shape::Order])]
    fn scan(bencher: Bencher, shape: Shape) {
        let stream = build_stream(shape, ENTRIES);
        let mut rng = Rng::with_seed(SEED);
        bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
            let mut bytes = 0;
            visit_100(&stream, &mut rng, |entry| {
                for (field, value) in entry.fields() {
                    bytes += field.with_bytes(<[u8]>::len) + value.with_bytes(<[u8]>::len);
                }
            });
            bytes
        });
    }

    /// Written as the reply to XRANGE.
    #[divan::bench(sample_size = 100, args = [Shape::Value16, Shape::Order])]
    fn scan_and_encode(bencher: Bencher, shape: Shape) {
        let stream = build_stream(shape, ENTRIES);
        let mut rng = Rng::with_seed(SEED);
        let mut reply = Reply::new(Protocol::Resp2);
        bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
            reply.truncate(0);
            reply.array(COUNT);
            visit_100(&stream, &mut rng, |entry| {
                reply.array(2);
                reply.stream_id(entry.id);
                reply.array(entry.field_count() * 2);
                for (field, value) in entry.fields() {
                    write_value(&mut reply, field);
                    write_value(&mut reply, value);
                }
            });
            black_box(reply.as_bytes()).len()
        });
    }

    fn visit_100(stream: &Stream, rng: &mut Rng, mut visit: impl FnMut(Entry<'_>)) {
        let start = build_id(rng.u64(..ENTRIES - COUNT as u64));
        let mut visited = 0;
        stream.scan(start, StreamId::MAX, |entry| {
            visit(entry);
            visited += 1;
            if visited == COUNT { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(visited, COUNT);
    }

    fn write_value(reply: &mut Reply, value: FieldValue<'_>) {
        match value {
            FieldValue::Text(text) => reply.bulk(text),
            FieldValue::Integer(number) => reply.bulk_integer(number),
        }
    }
}

/// Ten thousand deliveries made pending for two consumers, and all of them acknowledged; the items are entries.
mod pending_10000 {
    use super::*;

    const ENTRIES: u64 = 10_000;

    fn assign_all(group: &mut Group) {
        let consumers = [b"one", b"two"].map(|name| group.consumers_mut().find_or_create(name, 0).0);
        for index in 0..ENTRIES {
            // As XREADGROUP COUNT 10 by each in turn delivers them.
            let consumer = consumers[(index / 10 % 2) as usize];
            group.assign(PendingEntry {
                id: build_id(index),
                delivered_ms: index,
                delivery_count: 1,
                consumer: Some(consumer),
            });
        }
    }

    #[divan::bench]
    fn assign(bencher: Bencher) {
        bencher.counter(ItemsCount::new(ENTRIES)).with_inputs(Group::default).bench_local_refs(assign_all);
    }

    #[divan::bench]
    fn acknowledge_in_order(bencher: Bencher) {
        bench_acknowledge(bencher, (0..ENTRIES).collect());
    }

    #[divan::bench]
    fn acknowledge_shuffled(bencher: Bencher) {
        let mut order: Vec<u64> = (0..ENTRIES).collect();
        Rng::with_seed(SEED).shuffle(&mut order);
        bench_acknowledge(bencher, order);
    }

    fn bench_acknowledge(bencher: Bencher, order: Vec<u64>) {
        let full = || {
            let mut group = Group::default();
            assign_all(&mut group);
            group
        };
        bencher.counter(ItemsCount::new(ENTRIES)).with_inputs(full).bench_local_refs(|group| {
            for index in &order {
                assert!(group.acknowledge(build_id(*index)).is_some());
            }
        });
    }
}
