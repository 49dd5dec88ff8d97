//! What a load sends: batches of requests, encoded ahead of time or by patching a few bytes of a template.

use crate::entries::build_steady_id;

/// Appends one request.
pub(crate) fn encode_request(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

/// The batches that the connections of a load send. A batch is sent in one write, and the next one of the same
/// connection follows when all its replies have come.
pub(crate) trait Source: Send {
    /// Replies that every batch is answered by.
    fn replies_per_batch(&self) -> u32;

    /// The next batch of `connection`.
    fn next_batch(&mut self, connection: usize) -> &[u8];

    /// Whether [`Source::take_answer`] wants to be called. Keeping answers costs the load time.
    fn wants_answers(&self) -> bool {
        false
    }

    /// The replies to the last batch of `connection`, whole.
    fn take_answer(&mut self, _connection: usize, _answer: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// Batches made beforehand, sent in turn, whichever connection asks.
pub(crate) struct Prepared {
    batches: Vec<Vec<u8>>,
    replies_per_batch: u32,
    next: usize,
}

impl Prepared {
    /// `batches` must not be empty, and each must hold `replies_per_batch` requests.
    pub(crate) fn new(batches: Vec<Vec<u8>>, replies_per_batch: u32) -> Prepared {
        Prepared { batches, replies_per_batch, next: 0 }
    }

    /// Batches of requests that `build` writes one at a time.
    pub(crate) fn build(batches: usize, requests: u32, mut build: impl FnMut(&mut Vec<u8>)) -> Prepared {
        let batch = |_| {
            let mut batch = Vec::new();
            for _ in 0..requests {
                build(&mut batch);
            }
            batch
        };
        Prepared::new((0..batches).map(batch).collect(), requests)
    }
}

impl Source for Prepared {
    fn replies_per_batch(&self) -> u32 {
        self.replies_per_batch
    }

    fn next_batch(&mut self, _connection: usize) -> &[u8] {
        let batch = &self.batches[self.next];
        self.next = (self.next + 1) % self.batches.len();
        batch
    }
}

/// Batches written when they are asked for, for loads in which no two requests are the same.
pub(crate) struct Written<W> {
    write: W,
    requests: u32,
    batch: Vec<u8>,
}

impl<W: FnMut(&mut Vec<u8>)> Written<W> {
    /// `write` appends one request.
    pub(crate) fn new(requests: u32, write: W) -> Written<W> {
        Written { write, requests, batch: Vec::new() }
    }
}

impl<W: FnMut(&mut Vec<u8>) + Send> Source for Written<W> {
    fn replies_per_batch(&self) -> u32 {
        self.requests
    }

    fn next_batch(&mut self, _connection: usize) -> &[u8] {
        self.batch.clear();
        for _ in 0..self.requests {
            (self.write)(&mut self.batch);
        }
        &self.batch
    }
}

/// One batch per connection, so that each reads as a consumer of its own.
pub(crate) struct PerConnection {
    batches: Vec<Vec<u8>>,
    replies_per_batch: u32,
}

impl PerConnection {
    pub(crate) fn new(
        connections: usize,
        requests: u32,
        build: impl Fn(usize, &mut Vec<u8>),
    ) -> PerConnection {
        let batch = |connection| {
            let mut batch = Vec::new();
            for _ in 0..requests {
                build(connection, &mut batch);
            }
            batch
        };
        PerConnection { batches: (0..connections).map(batch).collect(), replies_per_batch: requests }
    }
}

impl Source for PerConnection {
    fn replies_per_batch(&self) -> u32 {
        self.replies_per_batch
    }

    fn next_batch(&mut self, connection: usize) -> &[u8] {
        &self.batches[connection]
    }
}

/// Bytes of an ID that [`build_steady_id`] makes.
const ID_BYTES: usize = 15;

/// XACKs of a fixed number of steady IDs each, ascending over the whole load.
pub(crate) struct AckRun {
    batch: Vec<u8>,
    /// Where in `batch` the IDs stand, in order.
    places: Vec<usize>,
    requests: u32,
    next_index: u64,
}

impl AckRun {
    pub(crate) fn new(key: &str, group: &str, ids: usize, requests: u32) -> AckRun {
        let (mut batch, mut places) = (Vec::new(), Vec::new());
        let placeholder = build_steady_id(0);
        let mut arguments: Vec<&[u8]> = vec![b"XACK", key.as_bytes(), group.as_bytes()];
        arguments.extend(std::iter::repeat_n(placeholder.as_slice(), ids));
        for _ in 0..requests {
            encode_request(&mut batch, &arguments);
            let end = batch.len();
            // Every ID stands behind a length line of 5 bytes and before a line end.
            let step = ID_BYTES + 7;
            places.extend((1..=ids).rev().map(|from_end| end - from_end * step + 5));
        }
        AckRun { batch, places, requests, next_index: 0 }
    }
}

impl Source for AckRun {
    fn replies_per_batch(&self) -> u32 {
        self.requests
    }

    fn next_batch(&mut self, _connection: usize) -> &[u8] {
        // The digits of the millisecond alone differ, and only the last few of them change from one to the next.
        let mut id = build_steady_id(self.next_index);
        self.next_index += self.places.len() as u64;
        for place in &self.places {
            self.batch[*place..place + ID_BYTES].copy_from_slice(&id);
            let mut digit = ID_BYTES - 3;
            while id[digit] == b'9' {
                id[digit] = b'0';
                digit -= 1;
            }
            id[digit] += 1;
        }
        &self.batch
    }
}

/// What a worker does with one entry at a time: acknowledges the one it had and reads the next.
///
/// A batch is a number of such pairs; the IDs acknowledged are those that the last batch of the connection brought.
/// A connection's first batch acknowledges an ID that is not pending.
pub(crate) struct WorkRun {
    /// A batch per connection, its IDs replaced each time.
    batches: Vec<Vec<u8>>,
    /// Where in a batch the IDs stand; they are the same in all.
    places: Vec<usize>,
    pairs: u32,
    /// Where in the answer to one pair the ID stands, once it is known.
    id_offset: Option<usize>,
}

impl WorkRun {
    /// `name_key` names each connection's stream; all names are of the same length.
    pub(crate) fn new(
        name_key: impl Fn(usize) -> String,
        group: &str,
        connections: usize,
        pairs: u32,
    ) -> WorkRun {
        let nothing = b"1600000000000-0";
        let (mut batches, mut places) = (Vec::new(), Vec::new());
        for connection in 0..connections {
            let (key, consumer) = (name_key(connection), name_consumer(connection));
            let mut batch = Vec::new();
            places.clear();
            for _ in 0..pairs {
                encode_request(&mut batch, &[b"XACK", key.as_bytes(), group.as_bytes(), nothing]);
                places.push(batch.len() - 2 - ID_BYTES);
                encode_read(&mut batch, &key, group, &consumer, 1);
            }
            batches.push(batch);
        }
        WorkRun { batches, places, pairs, id_offset: None }
    }
}

impl Source for WorkRun {
    fn replies_per_batch(&self) -> u32 {
        self.pairs * 2
    }

    fn next_batch(&mut self, connection: usize) -> &[u8] {
        &self.batches[connection]
    }

    fn wants_answers(&self) -> bool {
        true
    }

    fn take_answer(&mut self, connection: usize, answer: &[u8]) -> Result<(), String> {
        let label = b"$15\r\n";
        let pair_bytes = answer.len() / self.pairs as usize;
        let offset = match self.id_offset {
            Some(offset) => offset,
            None => {
                let label_at = answer.windows(label.len()).position(|window| window == label);
                label_at.ok_or("the first answer holds no ID of 15 bytes")? + label.len()
            }
        };
        self.id_offset = Some(offset);
        for (pair, place) in answer.chunks(pair_bytes).zip(&self.places) {
            let id = pair.get(offset..offset + ID_BYTES).ok_or("an answer is too short for its ID")?;
            if &pair[offset - label.len()..offset] != label {
                return Err("an answer is not laid out as the first one was".to_owned());
            }
            self.batches[connection][*place..place + ID_BYTES].copy_from_slice(id);
        }
        Ok(())
    }
}

/// The name that a connection reads under: always 4 bytes.
pub(crate) fn name_consumer(connection: usize) -> String {
    format!("c{connection:03}")
}

/// Appends an XREADGROUP for new entries.
pub(crate) fn encode_read(out: &mut Vec<u8>, key: &str, group: &str, consumer: &str, count: u32) {
    let count = count.to_string();
    let arguments: [&[u8]; 9] = [
        b"XREADGROUP",
        b"GROUP",
        group.as_bytes(),
        consumer.as_bytes(),
        b"COUNT",
        count.as_bytes(),
        b"STREAMS",
        key.as_bytes(),
        b">",
    ];
    encode_request(out, &arguments);
}

pub(crate) fn check_encoding() {
    let mut request = Vec::new();
    encode_request(&mut request, &[b"XLEN", b"events"]);
    assert_eq!(request, b"*2\r\n$4\r\nXLEN\r\n$6\r\nevents\r\n");

    // Patched batches equal encoded ones, over carries too.
    let mut run = AckRun::new("k", "g", 10, 3);
    let mut index = 0;
    for _ in 0..100 {
        let mut expected = Vec::new();
        for _ in 0..3 {
            let ids: Vec<Vec<u8>> = (index..index + 10).map(build_steady_id).collect();
            let mut arguments: Vec<&[u8]> = vec![b"XACK", b"k", b"g"];
            arguments.extend(ids.iter().map(Vec::as_slice));
            encode_request(&mut expected, &arguments);
            index += 10;
        }
        assert_eq!(run.next_batch(0), expected);
    }

    let mut work = WorkRun::new(|_| "k".to_owned(), "g", 2, 2);
    let answer_pair = |id: &str| {
        format!(":1\r\n*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$15\r\n{id}\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n")
    };
    let answer = answer_pair("1700000000001-0") + &answer_pair("1700000000002-0");
    work.take_answer(1, answer.as_bytes()).expect("an answer as servers give it");
    let mut expected = Vec::new();
    for id in [b"1700000000001-0", b"1700000000002-0"] {
        encode_request(&mut expected, &[b"XACK", b"k", b"g", id]);
        encode_read(&mut expected, "k", "g", "c001", 1);
    }
    assert_eq!(work.next_batch(1), expected);
    assert!(work.take_answer(0, answer.replace("$15", "$14").as_bytes()).is_err());
}
