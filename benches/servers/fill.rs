//! The loads that bring a server into the state that a measurement starts from.

use crate::Outcome;
use crate::entries::{IdStyle, Ids, SEED, Shape, build_steady_id};
use crate::load::{Counting, Load};
use crate::requests::{Written, encode_read, encode_request, name_consumer};
use fastrand::Rng;
use std::net::SocketAddr;

/// The stream that most cases use, and its group.
pub(crate) const KEY: &str = "events";
pub(crate) const GROUP: &str = "workers";

/// Requests on the way at a time.
const PIPELINE: u32 = 500;

/// Adds `entries` entries to [`KEY`], over one connection so that they come in order.
pub(crate) fn fill_stream(address: SocketAddr, ids: IdStyle, shape: Shape, entries: u64) -> Outcome<()> {
    let mut rng = Rng::with_seed(SEED);
    let mut ids = Ids::new(ids);
    let mut index = 0;
    send_each(address, entries, |out| {
        let id = ids.next_id(&mut rng);
        let fields = shape.build_fields(index, &mut rng);
        index += 1;
        let mut arguments: Vec<&[u8]> = vec![b"XADD", KEY.as_bytes(), &id];
        arguments.extend(fields.iter().map(Vec::as_slice));
        encode_request(out, &arguments);
    })
}

/// Adds `entries` entries to each of some streams.
pub(crate) fn fill_each(address: SocketAddr, keys: &[String], shape: Shape, entries: u64) -> Outcome<()> {
    let mut rng = Rng::with_seed(SEED);
    let mut index = 0;
    send_each(address, keys.len() as u64 * entries, |out| {
        let key = &keys[(index / entries) as usize];
        let id = build_steady_id(index % entries);
        let fields = shape.build_fields(index, &mut rng);
        index += 1;
        let mut arguments: Vec<&[u8]> = vec![b"XADD", key.as_bytes(), &id];
        arguments.extend(fields.iter().map(Vec::as_slice));
        encode_request(out, &arguments);
    })
}

/// The key of the small stream of this number.
pub(crate) fn small_stream_key(index: u64) -> String {
    format!("{KEY}:{index:06}")
}

/// Makes `streams` streams of one entry each.
pub(crate) fn fill_small_streams(address: SocketAddr, shape: Shape, streams: u64) -> Outcome<()> {
    let mut rng = Rng::with_seed(SEED);
    let mut ids = Ids::new(IdStyle::Bursty);
    let mut index = 0;
    send_each(address, streams, |out| {
        let key = small_stream_key(index);
        let id = ids.next_id(&mut rng);
        let fields = shape.build_fields(index, &mut rng);
        index += 1;
        let mut arguments: Vec<&[u8]> = vec![b"XADD", key.as_bytes(), &id];
        arguments.extend(fields.iter().map(Vec::as_slice));
        encode_request(out, &arguments);
    })
}

/// Acknowledges the given entries, a hundred per command, in the order given.
pub(crate) fn acknowledge(address: SocketAddr, ids: &[Vec<u8>]) -> Outcome<()> {
    let mut chunks = ids.chunks(100);
    send_each(address, chunks.len() as u64, |out| {
        let mut arguments: Vec<&[u8]> = vec![b"XACK", KEY.as_bytes(), GROUP.as_bytes()];
        arguments.extend(chunks.next().unwrap_or_default().iter().map(Vec::as_slice));
        encode_request(out, &arguments);
    })
}

/// Reads all `entries` entries of [`KEY`] into [`GROUP`], a hundred at a time, by `consumers` consumers in turn.
pub(crate) fn read_all(address: SocketAddr, entries: u64, consumers: usize) -> Outcome<()> {
    const COUNT: u32 = 100;
    const READS: u32 = 10;
    let mut reads = 0;
    let write = |out: &mut Vec<u8>| {
        encode_read(out, KEY, GROUP, &name_consumer(reads % consumers), COUNT);
        reads += 1;
    };
    // A read past the end is answered by a null, which is a reply too.
    let batches = entries.div_ceil(u64::from(COUNT * READS));
    Load::connect(address, 1)?.run(&mut Written::new(READS, write), batches, Counting::Parsed)?;
    Ok(())
}

/// The IDs that [`fill_stream`] gave with [`IdStyle::Bursty`], in random order.
pub(crate) fn shuffle_ids(shape: Shape, entries: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng::with_seed(SEED);
    let mut ids = Ids::new(IdStyle::Bursty);
    let mut index = 0;
    let mut next = || {
        let id = ids.next_id(&mut rng);
        // The entry's fields take from the same sequence of random numbers.
        let _ = shape.build_fields(index, &mut rng);
        index += 1;
        id
    };
    let mut all: Vec<Vec<u8>> = (0..entries).map(|_| next()).collect();
    rng.shuffle(&mut all);
    all
}

/// Sends `requests` requests over one connection.
fn send_each(address: SocketAddr, requests: u64, mut write: impl FnMut(&mut Vec<u8>) + Send) -> Outcome<()> {
    let mut load = Load::connect(address, 1)?;
    load.run(&mut Written::new(PIPELINE, &mut write), requests / u64::from(PIPELINE), Counting::Parsed)?;
    let rest = (requests % u64::from(PIPELINE)) as u32;
    if rest > 0 {
        load.run(&mut Written::new(rest, &mut write), 1, Counting::Parsed)?;
    }
    Ok(())
}
