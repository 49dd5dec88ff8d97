//! The entries that streams are filled with, and their IDs: the same ones in every run.

use fastrand::Rng;

/// Of every random choice.
pub(crate) const SEED: u64 = 0x6d69_6c6c_7374;

/// The fields of an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// `field` with 16 random letters and digits: an XADD of five arguments.
    Value16,
    /// A small order: order_id, sku, qty, price, status.
    Order,
    /// `data` with a JSON text of 300 bytes.
    Json300,
}

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const STATES: [&str; 4] = ["new", "paid", "packed", "shipped"];

impl Shape {
    /// Field, value, field, value. `index` is the entry's number in its stream.
    pub(crate) fn build_fields(self, index: u64, rng: &mut Rng) -> Vec<Vec<u8>> {
        match self {
            Shape::Value16 => vec![b"field".to_vec(), build_word(16, rng)],
            Shape::Order => {
                let pairs = [
                    ("order_id", (10_000_000 + index).to_string()),
                    ("sku", format!("SKU-{:05}", rng.u32(..100_000))),
                    ("qty", rng.u32(1..10).to_string()),
                    ("price", format!("{}.{:02}", rng.u32(1..500), rng.u32(..100))),
                    ("status", STATES[rng.usize(..STATES.len())].to_owned()),
                ];
                pairs.into_iter().flat_map(|(field, value)| [field.into(), value.into_bytes()]).collect()
            }
            Shape::Json300 => vec![b"data".to_vec(), build_json(index, rng)],
        }
    }
}

fn build_word(length: usize, rng: &mut Rng) -> Vec<u8> {
    (0..length).map(|_| LETTERS[rng.usize(..LETTERS.len())]).collect()
}

fn build_json(index: u64, rng: &mut Rng) -> Vec<u8> {
    let mut text = format!(
        "{{\"order_id\":{},\"customer\":{{\"id\":{},\"tier\":\"standard\"}},\"amount\":{}.{:02},\"currency\":\"EUR\",\"note\":\"",
        10_000_000 + index,
        rng.u32(100_000..1_000_000),
        rng.u32(1..500),
        rng.u32(..100),
    )
    .into_bytes();
    let note = 298 - text.len();
    text.extend(build_word(note, rng));
    text.extend(b"\"}");
    text
}

/// The time in the first ID.
const FIRST_MS: u64 = 1_700_000_000_000;

/// The ID of a stream's entry `index`, one entry per millisecond: always 15 bytes long, so that replies that carry
/// such IDs have a known length.
pub(crate) fn build_steady_id(index: u64) -> Vec<u8> {
    format!("{}-0", FIRST_MS + index).into_bytes()
}

/// How the IDs of a stream's entries follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum IdStyle {
    /// One entry per millisecond: [`build_steady_id`].
    Steady,
    /// As a busy producer makes them: a third of the entries in the millisecond of the one before, the others in a
    /// new one, up to 3 ms later.
    Bursty,
}

/// The IDs of one stream, in order.
pub(crate) struct Ids {
    style: IdStyle,
    index: u64,
    ms: u64,
    seq: u64,
}

impl Ids {
    pub(crate) fn new(style: IdStyle) -> Ids {
        Ids { style, index: 0, ms: FIRST_MS, seq: 0 }
    }

    pub(crate) fn next_id(&mut self, rng: &mut Rng) -> Vec<u8> {
        if self.style == IdStyle::Steady {
            self.index += 1;
            return build_steady_id(self.index - 1);
        }
        match rng.u64(..6) {
            0 | 1 => self.seq += 1,
            2 | 3 => (self.ms, self.seq) = (self.ms + 1, 0),
            step => (self.ms, self.seq) = (self.ms + step - 2, 0),
        }
        format!("{}-{}", self.ms, self.seq).into_bytes()
    }
}

pub(crate) fn check_shapes() {
    let mut rng = Rng::with_seed(1);
    for index in [0, 1, 999_999] {
        assert_eq!(Shape::Value16.build_fields(index, &mut rng)[1].len(), 16);
        assert_eq!(Shape::Order.build_fields(index, &mut rng).len(), 10);
        let json = &Shape::Json300.build_fields(index, &mut rng)[1];
        assert_eq!(json.len(), 300);
        serde_json::from_slice::<serde_json::Value>(json).expect("the JSON value is JSON");
        assert_eq!(build_steady_id(index).len(), 15);
    }
    let mut ids = Ids::new(IdStyle::Bursty);
    let mut last = (0, 0);
    for _ in 0..1000 {
        let text = String::from_utf8(ids.next_id(&mut rng)).expect("digits");
        let (ms, seq) = text.split_once('-').expect("an ID");
        let id = (ms.parse::<u64>().expect("digits"), seq.parse::<u64>().expect("digits"));
        assert!(id > last, "{id:?} after {last:?}");
        last = id;
    }
}
