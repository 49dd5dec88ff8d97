//! Payloads written by redis-server, payloads of random values, and payloads that are broken.

use std::time::{Duration, Instant};

use super::*;
use crate::engine::{
    BlockLimits, FieldValue, Group, Idempotency, IdempotencySettings, ListValue, PendingEntry, ProducedEntry,
    SetValue, Stream, StreamId, StringValue, Value,
};

/// For how long broken payloads are read in a usual run.
const TIME: Duration = Duration::from_secs(3);
const BYTES_MAX: usize = 1 << 20;

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

fn check_invariants(value: &Value) {
    if let Value::Stream(stream) = value {
        stream.check_invariants();
    }
}

/// All of a value in a text.
fn describe(value: &Value) -> String {
    let texts = |elements: Vec<&[u8]>| {
        elements.iter().map(|text| text.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
    };
    let stream = match value {
        Value::String(string) => {
            return string.with_bytes(|text| format!("{} {}", text.escape_ascii(), string.encoding()));
        }
        Value::List(list) => return texts(list.iter().collect()),
        Value::Set(set) => {
            let mut members: Vec<&[u8]> = set.iter().collect();
            members.sort_unstable();
            return texts(members);
        }
        Value::Stream(stream) => stream,
    };
    let mut text = format!(
        "{} {} {} {} {:?}\n",
        stream.len(),
        stream.first_id(),
        stream.last_id(),
        stream.max_deleted_id(),
        (stream.entries_added(), stream.last_entry_id())
    );
    for block in stream.blocks() {
        text.push_str(&format!(
            "{} {} {} {}:",
            block.first_id(),
            block.live(),
            block.deleted(),
            block.listpack_bytes()
        ));
        let text_of = |value: FieldValue<'_>| value.to_vec().escape_ascii().to_string();
        block.visit(|entry, is_deleted| {
            let fields: Vec<_> =
                entry.fields().map(|(name, value)| (text_of(name), text_of(value))).collect();
            text.push_str(&format!(" {} {is_deleted} {fields:?}", entry.id));
        });
        text.push('\n');
    }
    if let Some(known) = stream.idempotency().filter(|known| known.entry_count() > 0 || known.added() > 0) {
        let settings = known.settings();
        text.push_str(&format!("{} {}:", settings.duration_s, settings.size_max));
        let mut entries: Vec<_> = known.iter().collect();
        entries.sort_by_key(|entry| entry.pid);
        for entry in entries {
            let (pid, iid) = (entry.pid.escape_ascii(), entry.iid.escape_ascii());
            text.push_str(&format!(" {pid} {iid} {} {},", entry.id, entry.deadline_ms));
        }
        text.push_str(&format!(" {} {}\n", known.added(), known.duplicates()));
    }
    for (name, group) in stream.groups().iter() {
        text.push_str(&format!(
            "{} {} {:?}:",
            name.escape_ascii(),
            group.last_delivered_id,
            group.entries_read
        ));
        for entry in group.pending().iter_from(StreamId::MIN) {
            let owner = entry.consumer.map_or_else(String::new, |slot| {
                group.consumers().get(slot).name().escape_ascii().to_string()
            });
            text.push_str(&format!(
                "  {} {} {} {owner},",
                entry.id, entry.delivered_ms, entry.delivery_count
            ));
        }
        let released: Vec<_> = group.pending().list_released().iter().map(|entry| entry.id).collect();
        text.push_str(&format!(" {released:?}"));
        for (_, consumer) in group.consumers().iter() {
            text.push_str(&format!(
                " {} {} {:?} {},",
                consumer.name().escape_ascii(),
                consumer.seen_ms,
                consumer.active_ms,
                consumer.pending()
            ));
        }
        text.push('\n');
    }
    text
}

fn random_text(random: &mut fastrand::Rng) -> Vec<u8> {
    match random.u32(0..6) {
        0 => random.i64(-200..200).to_string().into_bytes(),
        1 => random.i64(..).to_string().into_bytes(),
        2 => random.i32(..).to_string().into_bytes(),
        3 => vec![random.u8(..); random.usize(0..300)],
        _ => (0..random.usize(0..12)).map(|_| random.u8(..)).collect(),
    }
}

fn random_group(random: &mut fastrand::Rng, stream: &Stream) -> Group {
    let last = stream.last_id();
    let id = |random: &mut fastrand::Rng| StreamId::new(random.u64(0..=last.ms), random.u64(0..4));
    let read = random.bool().then(|| random.u64(0..1 << 40));
    let mut group = Group::new(id(random), read);
    let mut slots = vec![None];
    for _ in 0..random.usize(0..4) {
        let (slot, _) = group.consumers_mut().find_or_create(&random_text(random), random.u64(0..1 << 42));
        let active = [None, Some(7), Some(group.consumers().get(slot).seen_ms)];
        group.consumers_mut().get_mut(slot).active_ms = active[random.usize(0..3)];
        slots.push(Some(slot));
    }
    let with_nobodys = random.bool();
    for _ in 0..random.usize(0..60) {
        let consumer = slots[random.usize(0..slots.len())];
        if consumer.is_some() || with_nobodys {
            let delivery_count = if random.u32(0..9) == 0 { i64::MAX as u64 } else { random.u64(0..1000) };
            let delivered_ms = consumer.map_or(0, |_| random.u64(0..1 << 43));
            group.assign(PendingEntry { id: id(random), delivered_ms, delivery_count, consumer });
        }
    }
    group
}

fn random_stream(random: &mut fastrand::Rng) -> Stream {
    let mut stream = Stream::new();
    let limits = BlockLimits {
        bytes_max: random.usize(64..2000),
        entries_max: random.usize(0..12),
        ..BlockLimits::default()
    };
    let names: Vec<Vec<u8>> = (0..3).map(|_| random_text(random)).collect();
    for _ in 0..random.usize(0..60) {
        let last = stream.last_id();
        let id = match random.u32(0..4) {
            0 => StreamId::new(last.ms + random.u64(1..9), random.u64(0..3)),
            1 => StreamId::new(last.ms + (1 << random.u32(0..40)), u64::MAX - random.u64(0..3)),
            _ => StreamId::new(last.ms + 1, 0),
        };
        let count = random.usize(1..4);
        let values: Vec<Vec<u8>> = (0..count).map(|_| random_text(random)).collect();
        let fields = (0..count).map(|at| (&names[at][..], &values[at][..]));
        stream.append(id, fields, &limits);
    }
    let mut ids = Vec::new();
    stream.scan(StreamId::MIN, StreamId::MAX, |entry| {
        ids.push(entry.id);
        std::ops::ControlFlow::Continue(())
    });
    ids.retain(|_| random.u32(0..4) == 0);
    ids.iter().for_each(|id| assert!(stream.delete(*id)));
    if random.u32(0..4) == 0 {
        let settings =
            IdempotencySettings { duration_s: random.u32(1..=86_400), size_max: random.u32(1..=10_000) };
        let mut known = Idempotency::new(settings);
        for _ in 0..random.usize(0..30) {
            let (mut pid, mut iid) = (random_text(random), random_text(random));
            pid.push(random.u8(0..3));
            iid.push(random.u8(0..3));
            let deadline_ms = random.u64(..);
            let id = StreamId::new(random.u64(0..99), 0);
            known.record(ProducedEntry { pid: &pid, iid: &iid, id, deadline_ms });
        }
        known.set_counters(random.u64(..), random.u64(0..9));
        *stream.idempotency_mut() = known;
    }
    for _ in 0..random.usize(0..3) {
        let (name, group) = (random_text(random), random_group(random, &stream));
        stream.groups_mut().create(&name, group);
    }
    stream
}

fn random_value(random: &mut fastrand::Rng) -> Value {
    match random.u32(0..10) {
        0 => Value::String(StringValue::new(&random_text(random))),
        1 => {
            let mut list = ListValue::default();
            (0..random.usize(1..20)).for_each(|_| list.push_back(&random_text(random)));
            Value::List(Box::new(list))
        }
        2 => {
            let mut set = SetValue::default();
            (0..random.usize(1..20)).for_each(|_| {
                set.insert(&random_text(random));
            });
            Value::Set(Box::new(set))
        }
        _ => Value::Stream(Box::new(random_stream(random))),
    }
}

#[test]
fn random_values_come_back() {
    for seed in 0..2000 {
        let value = random_value(&mut fastrand::Rng::with_seed(seed));
        check_invariants(&value);
        let payload = encoded(&value);
        let decoded = decode(&payload, 0).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        check_invariants(&decoded.value);
        assert_eq!(describe(&decoded.value), describe(&value), "seed {seed}");
        assert_eq!(encoded(&decoded.value), payload, "seed {seed}");
    }
}

#[test]
fn a_listpack_has_the_size_that_its_block_tells() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let stream = random_stream(&mut random);
        let sizes: usize = stream.blocks().map(|block| block.listpack_bytes()).sum();
        let mut out = Vec::new();
        super::stream::encode_stream(&stream, &mut out);
        // Beside them: each node's key and the lengths of key and listpack; then the counters and groups.
        let mut reader = super::reader::Reader::new(&out[..], 0);
        let mut seen = 0;
        for _ in 0..reader.count().unwrap_or_default() {
            let _ = reader.string();
            seen += reader.string().map(|listpack| listpack.len()).unwrap_or_default();
        }
        assert_eq!(seen, sizes, "seed {seed}");
    }
}

/// Breaks a payload's body at some places.
fn mutate(random: &mut fastrand::Rng, body: &mut Vec<u8>) {
    for _ in 0..random.usize(1..4) {
        let at = random.usize(0..=body.len().saturating_sub(1));
        match random.u32(0..6) {
            _ if body.is_empty() => body.push(random.u8(..)),
            0 => body.truncate(at),
            1 => body[at] ^= 1 << random.u32(0..8),
            2 => body[at] = random.u8(..),
            3 => body[at] = [0, 1, 0x7f, 0x80, 0x81, 0xc3, 0xf0, 0xf4, 0xff][random.usize(0..9)],
            4 => body.insert(at, random.u8(..)),
            _ => {
                let end = (at + random.usize(0..24)).min(body.len());
                let piece = body[at..end].to_vec();
                let to = random.usize(0..body.len());
                body.splice(to..to, piece);
            }
        }
    }
}

#[test]
fn broken_payloads_are_errors_or_sound_values() {
    let mut random = fastrand::Rng::with_seed(fastrand::u64(..));
    let samples: Vec<Vec<u8>> = SAMPLES.iter().map(|(payload, _)| payload.to_vec()).collect();
    let (started, mut refused, mut accepted) = (Instant::now(), 0_u64, 0_u64);
    while started.elapsed() < TIME {
        let payload = if random.u32(0..8) == 0 {
            samples[random.usize(0..samples.len())].clone()
        } else {
            encoded(&random_value(&mut random))
        };
        for _ in 0..20 {
            let mut body = payload[..payload.len() - 10].to_vec();
            mutate(&mut random, &mut body);
            match exercise(&body) {
                Some(value) => {
                    check_invariants(&value);
                    accepted += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(refused > 1000 && accepted > 100, "{refused} refused, {accepted} accepted");
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    for seed in 0..30 {
        let payload = encoded(&random_value(&mut fastrand::Rng::with_seed(seed)));
        let appendix_at = payload.windows(4).rposition(|window| window == b"#MSX");
        let value_len = appendix_at.unwrap_or(payload.len() - 10);
        for len in 0..payload.len() {
            assert_eq!(decode(&payload[..len], BYTES_MAX).err(), Some(RdbError::Footer));
            // Cut and sealed anew it is an error too: no value ends where another one goes on. But an appendix may be missing.
            if len < value_len {
                assert!(exercise(&payload[..len]).is_none(), "seed {seed} cut to {len}");
            }
        }
        for bit in 0..8 * payload.len() {
            let mut broken = payload.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&broken, BYTES_MAX).err(), Some(RdbError::Footer), "seed {seed} bit {bit}");
        }
    }
}

/// Payloads from redis-server (their sources are told by each) and what is in them.
const SAMPLES: &[(&[u8], &str)] = &[
    // Redis 7.0: SET of 12, and of 30 `x`.
    (b"\x00\xc0\x0c\x0a\x00<*\xf8Q\x5c\x04\xbc\xd5", "12 int"),
    (
        b"\x00\xc3\x09\x1e\x01xx\xe0\x11\x00\x01xx\x0a\x00\xf0g?\xdf \x01\xeb\x95",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx embstr",
    ),
    // RPUSH of a, 1, bbbbbbbbb; SADD of a, 12; SADD of 1, 70000; the second one in Redis 8.6.
    (
        b"\x12\x01\x02\x17\x17\x00\x00\x00\x03\x00\x81a\x02\x01\x01\x89bbbbbbbbb\x0a\xff\x0a\x00\x8eum\xba\xbe\xad+\x84",
        "a 1 bbbbbbbbb",
    ),
    (b"\x02\x02\x01a\xc0\x0c\x0a\x00\xd4ja\xe5\x11\xe4\x93[", "12 a"),
    (
        b"\x0b\x10\x04\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00p\x11\x01\x00\x0a\x00'5Cn\xfdfV\xc4",
        "1 70000",
    ),
    (b"\x14\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x0c\x01\xff\x0d\x00\xd6\xe4H\x83\x07HOc", "12 a"),
    // A stream of Redis 8.6 with an entry of an idempotent producer, and a consumer that never was active.
    (
        STREAM_OF_8_6,
        "6 1-1 1795505883912-0 7-1 (8, Some(1795505883912-0))\n\
         1-1 2 1 75: 1-1 false [(\"name\", \"v\")] 2-1 true [(\"name\", \"vv\")] 3-1 false [(\"name\", \"vvv\"), (\"other\", \"-5\")]\n\
         4-1 3 0 66: 4-1 false [(\"name\", \"vvvv\")] 5-1 false [(\"name\", \"vvvvv\")] 6-1 false [(\"name\", \"vvvvvv\")]\n\
         1795505883912-0 1 0 29: 1795505883912-0 false [(\"x\", \"y\")]\n\
         100 100: prod iid 1795505883912-0 1795505983912, 1 0\n\
         12 4-1 None:  3-1 1700000000000 7 bob,  4-1 1795505883912 1 bob, [] alice 1795505883912 Some(1795505883912) 0, \
         bob 1795505883912 Some(1795505883912) 2, zoe 1795505883912 None 0,\n\
         h 3-1 None: []\n",
    ),
    // A stream of Redis 7.0: nodes of three entries, two of which are deleted; names that are numbers; two groups.
    (
        STREAM_OF_7_0,
        "5 1-1 7-1 7-1 (7, Some(6-1))\n\
         1-1 2 1 75: 1-1 false [(\"name\", \"v\")] 2-1 true [(\"name\", \"vv\")] 3-1 false [(\"name\", \"vvv\"), (\"other\", \"-5\")]\n\
         4-1 3 0 66: 4-1 false [(\"name\", \"vvvv\")] 5-1 false [(\"name\", \"vvvvv\")] 6-1 false [(\"name\", \"vvvvvv\")]\n\
         12 4-1 None:  3-1 1700000000000 7 bob,  4-1 1795505883910 1 bob, [] alice 1795505883910 Some(1795505883910) 0, \
         bob 1795505883910 Some(1795505883910) 2, zoe 1795505883910 Some(1795505883910) 0,\n\
         h 3-1 None: []\n",
    ),
    // The one of Redis 5 that redis's own tests have.
    (
        STREAM_OF_5,
        "2 5-0 6-0 0-0 (2, Some(6-0))\n\
         1-0 2 4 87: 1-0 true [(\"data\", \"a\")] 2-0 true [(\"data\", \"b\")] 3-0 true [(\"data\", \"c\")] 4-0 true [(\"data\", \"d\")] \
         5-0 false [(\"data\", \"e\")] 6-0 false [(\"data\", \"f\")]\n\
         g1 5-0 Some(1):  1-0 1624630359870 1 c11,  2-0 1624630359870 1 c11,  4-0 1624630359870 1 c11,  5-0 1624630359870 1 c11, \
         [] c11 1624630359870 Some(1624630359870) 4,\n\
         g2 0-0 Some(0): []\n",
    ),
];

const STREAM_OF_7_0: &[u8] = b"\x13\x02\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xc3@E@K\x07K\x00\x00\x00\x18\x00\x02\x01@\x00\x0a\x84name\x05\x00\x01\x02\x01\x00 \x01\x05\x81v\x02\x04\x01\x03 \x17\x06\x00\x01\x82vv\x03\x04 \x07@\x18\x00\x02\xa0&\x11\x83vvv\x04\x85other\x06\xdf\xfb\x02\x08\x01\xff\x10\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01@BB\x00\x00\x00\x14\x00\x03\x01\x00\x01\x01\x01\x84name\x05\x00\x01\x02\x01\x00\x01\x00\x01\x84vvvv\x05\x04\x01\x02\x01\x01\x01\x00\x01\x85vvvvv\x06\x04\x01\x02\x01\x02\x01\x00\x01\x86vvvvvv\x07\x04\x01\xff\x05\x07\x01\x01\x01\x07\x01\x07\x02\xc0\x0c\x04\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00h\xe5\xcf\x8b\x01\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x06\x8b}\x0c\xa2\x01\x00\x00\x01\x03\x05alice\x06\x8b}\x0c\xa2\x01\x00\x00\x00\x03bob\x06\x8b}\x0c\xa2\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x03zoe\x06\x8b}\x0c\xa2\x01\x00\x00\x00\x01h\x03\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x0a\x00x\xbe\xe5\xddV*\xac>";

const STREAM_OF_8_6: &[u8] = b"\x1a\x03\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xc3@E@K\x07K\x00\x00\x00\x18\x00\x02\x01@\x00\x0a\x84name\x05\x00\x01\x02\x01\x00 \x01\x05\x81v\x02\x04\x01\x03 \x17\x06\x00\x01\x82vv\x03\x04 \x07@\x18\x00\x02\xa0&\x11\x83vvv\x04\x85other\x06\xdf\xfb\x02\x08\x01\xff\x10\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01@BB\x00\x00\x00\x14\x00\x03\x01\x00\x01\x01\x01\x84name\x05\x00\x01\x02\x01\x00\x01\x00\x01\x84vvvv\x05\x04\x01\x02\x01\x01\x01\x00\x01\x85vvvvv\x06\x04\x01\x02\x01\x02\x01\x00\x01\x86vvvvvv\x07\x04\x01\xff\x10\x00\x00\x01\xa2\x0c}\x8b\x08\x00\x00\x00\x00\x00\x00\x00\x00\x1d\x1d\x00\x00\x00\x0a\x00\x01\x01\x00\x01\x01\x01\x81x\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81y\x02\x04\x01\xff\x06\x81\x00\x00\x01\xa2\x0c}\x8b\x08\x00\x01\x01\x07\x01\x08\x02\xc0\x0c\x04\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00h\xe5\xcf\x8b\x01\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x08\x8b}\x0c\xa2\x01\x00\x00\x01\x03\x05alice\x08\x8b}\x0c\xa2\x01\x00\x00\x08\x8b}\x0c\xa2\x01\x00\x00\x00\x03bob\x08\x8b}\x0c\xa2\x01\x00\x00\x08\x8b}\x0c\xa2\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x03zoe\x08\x8b}\x0c\xa2\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01h\x03\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00@d@d\x01\x04prod\x01\x03iid\x81\x00\x00\x01\xa2\x0c}\x8b\x08\x00\x01\x00\x0d\x00\xdd\xf6\xba>\x8e`\xb9\xe4";

const STREAM_OF_5: &[u8] = b"\x0F\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\xC3\x40\x4A\x40\x57\x16\x57\x00\x00\x00\x23\x00\x02\x01\x04\x01\x01\x01\x84\x64\x61\x74\x61\x05\x00\x01\x03\x01\x00\x20\x01\x03\x81\x61\x02\x04\x20\x0A\x00\x01\x40\x0A\x00\x62\x60\x0A\x00\x02\x40\x0A\x00\x63\x60\x0A\x40\x22\x01\x81\x64\x20\x0A\x40\x39\x20\x0A\x00\x65\x60\x0A\x00\x05\x40\x0A\x00\x66\x20\x0A\x00\xFF\x02\x06\x00\x02\x02\x67\x31\x05\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x3E\xF7\x83\x43\x7A\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x3E\xF7\x83\x43\x7A\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x3E\xF7\x83\x43\x7A\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x3E\xF7\x83\x43\x7A\x01\x00\x00\x01\x01\x03\x63\x31\x31\x3E\xF7\x83\x43\x7A\x01\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x02\x67\x32\x00\x00\x00\x00\x09\x00\x3D\x52\xEF\x68\x67\x52\x1D\xFA";

#[test]
fn payloads_of_redis_are_read() {
    for (payload, expected) in SAMPLES {
        let decoded = decode(payload, BYTES_MAX).unwrap_or_else(|error| panic!("{expected}: {error}"));
        check_invariants(&decoded.value);
        assert_eq!(describe(&decoded.value), *expected);
    }
}
