//! Values for RESTORE, as a server dumps them.

use std::rc::Rc;

use super::generator::words;
use crate::harness::{Client, Reply};

/// What makes the values, each in the key `v`. All times are given, so that it does not matter when that is.
const VALUES: &[&[&str]] = &[
    &["SET v 12345"],
    &["SET v some-text"],
    &["SET v vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"],
    &["XGROUP CREATE v g 0 MKSTREAM"],
    &["XADD v 3-1 f 1", "XADD v 3-2 f 22", "XADD v 5-0 other value", "XDEL v 3-2"],
    &["XADD v 3-1 f 1", "XADD v 3-2 f 22", "XADD v 5-0 f 3", "XTRIM v MAXLEN 0"],
    &[
        "CONFIG SET stream-node-max-entries 2",
        "XADD v 1-1 f 1",
        "XADD v 2-1 f 2 g 3",
        "XADD v 4-1 f 1 g 2",
        "XADD v 6-1 f 1 g 2",
        "XADD v 9-1 f 1 g 2",
        "XGROUP CREATE v g 1-1",
        "XGROUP CREATE v COUNT 0 ENTRIESREAD 3",
        "XGROUP SETID v g 7",
        "XGROUP CREATECONSUMER v g x",
        "XCLAIM v g x 0 1-1 2-1 TIME 1000 RETRYCOUNT 4 FORCE JUSTID",
        "XCLAIM v g z 0 6-1 4-1 TIME 2000 RETRYCOUNT 1 FORCE JUSTID",
        "XDEL v 4-1",
        "CONFIG SET stream-node-max-entries 100",
    ],
];

/// The same, with what is remembered of an idempotent producer.
const VALUE_OF_PRODUCERS: &[&str] =
    &["XADD v 99999999999999-1 f 1", "XIDMPRECORD v p 1 99999999999999-1", "XCFGSET v IDMP-MAXSIZE 3"];

/// Values of a server of that version.
pub(super) fn dump_values(client: &mut Client, version: (u32, u32)) -> Rc<[Vec<u8>]> {
    let with_producers = (version >= (8, 6)).then_some(VALUE_OF_PRODUCERS);
    let values = VALUES.iter().copied().chain(with_producers);
    let payloads = values.map(|commands| {
        client.call_args(&words("DEL v"));
        for command in commands {
            let reply = client.call_args(&words(command));
            assert!(!reply.is_error(), "{command} answered {reply}");
        }
        match client.call_args(&words("DUMP v")) {
            Reply::Bulk(payload) => payload,
            reply => panic!("DUMP answered {reply}"),
        }
    });
    payloads.collect()
}

/// Reads a payload from its front.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn skip(&mut self, len: u64) -> Option<()> {
        self.at = usize::try_from(len).ok()?.checked_add(self.at).filter(|&at| at <= self.bytes.len())?;
        Some(())
    }

    /// A length, or with the highest bits set how a string is written.
    fn length(&mut self) -> Option<(bool, u64)> {
        let first = *self.bytes.get(self.at)?;
        let (is_form, len) = match first >> 6 {
            0 | 3 => (first >> 6 == 3, 1),
            1 => (false, 2),
            _ if first == 0x80 => (false, 5),
            _ => (false, 9),
        };
        let bytes = self.bytes.get(self.at..self.at + len)?;
        self.at += len;
        let start = u64::from(first & 0x3f);
        let number = match len {
            1 => start,
            2 => start << 8 | u64::from(bytes[1]),
            _ => bytes[1..].iter().fold(0, |number, &byte| number << 8 | u64::from(byte)),
        };
        Some((is_form, number))
    }

    fn number(&mut self) -> Option<u64> {
        self.length().filter(|(is_form, _)| !is_form).map(|(_, number)| number)
    }

    fn skip_numbers(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.number().map(|_| ()))
    }

    fn skip_string(&mut self) -> Option<()> {
        match self.length()? {
            (false, len) => self.skip(len),
            (true, bits @ 0..3) => self.skip(1 << bits),
            (true, _) => None,
        }
    }
}

/// The type that the payload of a stream begins with, as Redis 7.0 and Millstream write it.
pub(super) const STREAM_TYPE: u8 = 19;

/// The length of what is behind the value: a version and a checksum, in bytes.
pub(super) const FOOTER_BYTES: usize = 2 + 8;

/// What is taken out of a stream's payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// When consumers were seen.
    SeenTimes,
    /// Besides, when entries were delivered, and how many entries groups have read: what may differ between two servers.
    OwnToServers,
}

/// The value of a payload that holds a stream of this type, uncompressed, without some of it (and without what Millstream puts
/// behind the value, which has more times of consumers).
pub(super) fn read_stream(payload: &[u8], left_out: LeftOut) -> Option<Vec<u8>> {
    let is_shared = left_out == LeftOut::OwnToServers;
    let mut reader = Reader { bytes: payload, at: 0 };
    let (mut value, mut kept_to) = (Vec::new(), 0);
    let mut leave_out = |start: usize, end: usize| {
        value.extend_from_slice(&payload[kept_to..start]);
        kept_to = end;
    };
    reader.skip(1)?;
    for _ in 0..reader.number()? {
        reader.skip_string()?;
        reader.skip_string()?;
    }
    // The length, the last, the first and the greatest deleted ID, the entries added.
    reader.skip_numbers(8)?;
    for _ in 0..reader.number()? {
        reader.skip_string()?;
        reader.skip_numbers(2)?;
        let entries_read_at = reader.at;
        reader.number()?;
        if is_shared {
            leave_out(entries_read_at, reader.at);
        }
        for _ in 0..reader.number()? {
            reader.skip(16 + 8)?;
            if is_shared {
                leave_out(reader.at - 8, reader.at);
            }
            reader.number()?;
        }
        for _ in 0..reader.number()? {
            reader.skip_string()?;
            reader.skip(8)?;
            leave_out(reader.at - 8, reader.at);
            let pending = reader.number()?;
            reader.skip(16 * pending)?;
        }
    }
    leave_out(reader.at, reader.at);
    Some(value)
}
