//! What one server dumps the other restores: it is then what it was.

use super::Command;
use super::generator::{KEYS, PRODUCER_KEYS, STRING_KEYS, words};
use super::pair::{Difference, Pair};
use super::payloads::{FOOTER_BYTES, LeftOut, STREAM_TYPE, read_stream};
use super::recovery::leave_out;
use crate::harness::{Client, Reply};

/// Where the other server's value is restored.
const RESTORED: &str = "restored";

/// What other servers do not read in our payloads: when consumers were active, what is remembered of producers.
const OURS: &[&str] = &[
    "active-time",
    "idmp-duration",
    "idmp-maxsize",
    "pids-tracked",
    "iids-tracked",
    "iids-added",
    "iids-duplicates",
];

/// Commands that show a value.
fn list_looks(key: &str) -> Vec<Command> {
    let looks = ["TYPE", "GET", "XINFO STREAM", "XINFO GROUPS"].map(|name| words(&format!("{name} {key}")));
    let looks = looks.into_iter();
    looks
        .chain([words(&format!("XRANGE {key} - +")), words(&format!("XINFO STREAM {key} FULL COUNT 0"))])
        .collect()
}

/// Exchanges all values, and answers the first difference. Both servers are to hold the same.
pub(super) fn exchange(pair: &mut Pair) -> Option<Difference> {
    let (mut ours, mut theirs) = pair.connect();
    for key in [KEYS, STRING_KEYS, PRODUCER_KEYS].concat() {
        let dump = words(&format!("DUMP {key}"));
        let (our_payload, their_payload) = (ours.call_args(&dump), theirs.call_args(&dump));
        let (Reply::Bulk(our_bytes), Reply::Bulk(their_bytes)) = (&our_payload, &their_payload) else {
            if our_payload == their_payload {
                continue;
            }
            return Some(Difference { at: 0, command: dump, ours: Ok(our_payload), theirs: their_payload });
        };
        if pair.version < (7, 2) && read_value(our_bytes) != read_value(their_bytes) {
            return Some(Difference { at: 0, command: dump, ours: Ok(our_payload), theirs: their_payload });
        }
        let dumped = |ours: &Reply, theirs: &Reply| Difference {
            at: 0,
            command: words(&format!("DUMP {key}, and RESTORE of it at the other")),
            ours: Ok(ours.clone()),
            theirs: theirs.clone(),
        };
        if let Some(refusal) = restore(&mut ours, their_bytes) {
            // A negative number was once behind the greatest integer: no payload is to have that.
            if theirs.call_args(&words(&format!("XINFO STREAM {key} FULL"))).to_string().contains(" -9223") {
                pair.part("RESTORE: counters behind the greatest integer");
                return None;
            }
            return Some(dumped(&refusal, &their_payload));
        }
        let (kept, looked_at) = (list_looks(RESTORED), list_looks(key));
        let found = compare(pair, (&mut ours, &kept), (&mut theirs, &looked_at), &[]);
        if found.is_some() {
            return found;
        }
        if let Some(refusal) = restore(&mut theirs, our_bytes) {
            return Some(dumped(&our_payload, &refusal));
        }
        let found = compare(pair, (&mut ours, &looked_at), (&mut theirs, &kept), OURS);
        if found.is_some() {
            return found;
        }
    }
    None
}

/// What is the same in both servers' payloads: not the version and the checksum behind the value, nor times.
fn read_value(payload: &[u8]) -> Vec<u8> {
    if payload[0] == STREAM_TYPE {
        return read_stream(payload, LeftOut::OwnToServers)
            .expect("a stream is dumped in the form of its type");
    }
    payload[..payload.len() - FOOTER_BYTES].to_vec()
}

/// Restores what the other server dumped, which is not to be refused.
fn restore(client: &mut Client, payload: &[u8]) -> Option<Reply> {
    let mut command = words(&format!("RESTORE {RESTORED} 0"));
    command.extend([payload.to_vec(), b"REPLACE".to_vec()]);
    Some(client.call_args(&command)).filter(Reply::is_error)
}

/// Compares what the looks of each server show.
fn compare(
    pair: &mut Pair,
    (ours, our_looks): (&mut Client, &[Command]),
    (theirs, their_looks): (&mut Client, &[Command]),
    left_out: &[&str],
) -> Option<Difference> {
    for (our_look, their_look) in our_looks.iter().zip(their_looks) {
        let (mut our_reply, mut their_reply) = (ours.call_args(our_look), theirs.call_args(their_look));
        leave_out(&mut our_reply, left_out);
        leave_out(&mut their_reply, left_out);
        if !pair.is_same(our_look, &[], &our_reply, &their_reply) {
            return Some(Difference {
                at: 0,
                command: our_look.clone(),
                ours: Ok(our_reply),
                theirs: their_reply,
            });
        }
    }
    None
}
