//! XINFO STREAM

use super::super::argument::parse_integer;
use super::super::context::{Context, Outcome};
use super::super::entry::{Order, owner_name, write_entry, write_range};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::{find_stream, write_known};
use crate::engine::{self, Idempotency, Stream, StreamId};
use crate::protocol::{Reply, Request};

pub(super) const SPEC: Spec = Spec {
    name: "stream",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Tells of a stream: its counters, or with FULL its entries, groups and consumers.",
    complexity: "O(1)",
    history: &[
        ("6.0.0", "`FULL` came."),
        (
            "7.0.0",
            "`max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` came.",
        ),
        ("7.2.0", "`active-time` came, and `seen-time` came to tell of attempts."),
        (
            "8.6.0",
            "`idmp-duration`, `idmp-maxsize`, `pids-tracked`, `iids-tracked`, `iids-added` and `iids-duplicates` came.",
        ),
        ("8.8.0", "`nacked-count` came."),
    ],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new(
            "full-block",
            ArgKind::Block(&[
                Argument::word("full", "FULL"),
                Argument::new("count", ArgKind::Integer).token("COUNT").optional(),
            ]),
        )
        .optional(),
    ],
    help: &["STREAM <key> [FULL [COUNT <count>]", "    Tell of the stream."],
    deviation: Some(
        "`radix-tree-keys` and `radix-tree-nodes` count what Redis would have; not nodes that \
         trimming by MINID leaves without entries there. `entries-added` stays at the greatest integer; in Redis, it \
         turns negative behind that. `lag` and `entries-read` in FULL: see [the lag of a group](#the-lag-of-a-group).",
    ),
    handler: execute,
    ..Spec::DEFAULT
};

/// The number of entries that FULL shows of each list.
const FULL_COUNT: u64 = 10;

/// What is asked for: `None` for the short form, else how many entries of each list are shown, 0
/// for all.
fn parse(request: Request<'_>) -> Result<Option<u64>, CommandError> {
    let wrong = || CommandError::SubcommandSyntax { command: "xinfo", subcommand: request.arg(1).to_vec() };
    match request.len() {
        3 => Ok(None),
        4 | 6 if request.arg(3).eq_ignore_ascii_case(b"full") => match request.get(4) {
            None => Ok(Some(FULL_COUNT)),
            Some(count) if count.eq_ignore_ascii_case(b"count") => {
                let count = parse_integer(request.arg(5))?;
                Ok(Some(u64::try_from(count).unwrap_or(FULL_COUNT)))
            }
            Some(_) => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let full = parse(request);
    let (now_ms, replaying) = (context.keys.now_ms, context.keys.replaying);
    let stream = find_stream(context.keys, request.arg(2))?;
    if !replaying {
        stream.expire_produced(now_ms);
    }
    let reply = &mut *context.reply;
    match full? {
        None => write_short(reply, stream),
        Some(count) => write_full(reply, stream, count),
    }
    Ok(Outcome::Done)
}

fn write_counters(reply: &mut Reply, stream: &Stream) {
    reply.text("length");
    reply.count(stream.len());
    reply.text("radix-tree-keys");
    reply.count(stream.block_count() as u64);
    reply.text("radix-tree-nodes");
    reply.count(radix_tree_nodes(stream.block_first_ids()));
    reply.text("last-generated-id");
    reply.stream_id(stream.last_id());
    reply.text("max-deleted-entry-id");
    reply.stream_id(stream.max_deleted_id());
    reply.text("entries-added");
    reply.count(stream.entries_added());
    reply.text("recorded-first-entry-id");
    reply.stream_id(stream.first_id());
    write_idempotency(reply, stream);
}

fn write_idempotency(reply: &mut Reply, stream: &Stream) {
    let settings = stream.idempotency_settings();
    let known = stream.idempotency();
    reply.text("idmp-duration");
    reply.count(settings.duration_s.into());
    reply.text("idmp-maxsize");
    reply.count(settings.size_max.into());
    reply.text("pids-tracked");
    reply.count(known.map_or(0, Idempotency::producer_count) as u64);
    reply.text("iids-tracked");
    reply.count(known.map_or(0, Idempotency::entry_count));
    reply.text("iids-added");
    reply.count(known.map_or(0, Idempotency::added));
    reply.text("iids-duplicates");
    reply.count(known.map_or(0, Idempotency::duplicates));
}

/// The nodes that Redis's radix tree would have for these keys of 16 bytes: one for the root or a
/// branch, one for each leaf, and one for each run of bytes without a branch between them.
fn radix_tree_nodes(ids: impl Iterator<Item = StreamId>) -> u64 {
    let key = |id: StreamId| (u128::from(id.ms) << 64) | u128::from(id.seq);
    // The depths, in bytes, of the branches on the path to the key before, the deepest last; each
    // key adds a leaf, maybe a branch, and runs.
    let mut branches: Vec<u32> = Vec::new();
    let (mut leaves, mut nodes, mut previous) = (0_u64, 0_u64, None::<u128>);
    // A stretch of a path from behind a branch (or from the root) down to a branch or leaf is a run
    // when it has a byte of its own; the byte that leads out of a branch belongs to the branch.
    let run = |above: Option<u32>, below: u32| u64::from(below > above.map_or(0, |depth| depth + 1));
    for id in ids {
        let key = key(id);
        if let Some(before) = previous {
            let common = (before ^ key).leading_zeros() / 8;
            let mut below = 16;
            while let Some(&deepest) = branches.last()
                && deepest > common
            {
                branches.pop();
                nodes += run(Some(deepest), below);
                below = deepest;
            }
            if branches.last() == Some(&common) {
                nodes += run(Some(common), below);
            } else {
                nodes += 1 + run(Some(common), below);
                branches.push(common);
            }
        }
        leaves += 1;
        previous = Some(key);
    }
    if leaves == 0 {
        return 1;
    }
    let mut below = 16;
    while let Some(deepest) = branches.pop() {
        nodes += run(Some(deepest), below);
        below = deepest;
    }
    nodes + run(None, below) + leaves
}

fn write_short(reply: &mut Reply, stream: &Stream) {
    reply.map(16);
    write_counters(reply, stream);
    reply.text("groups");
    reply.count(stream.groups().len() as u64);
    reply.text("first-entry");
    if stream.find_entry(stream.first_id(), |entry| write_entry(reply, entry)).is_none() {
        reply.null();
    }
    reply.text("last-entry");
    let last = stream.last_entry_id();
    if last.and_then(|id| stream.find_entry(id, |entry| write_entry(reply, entry))).is_none() {
        reply.null();
    }
}

fn write_full(reply: &mut Reply, stream: &Stream, count: u64) {
    let count = (count > 0).then_some(count);
    reply.map(15);
    write_counters(reply, stream);
    reply.text("entries");
    write_range(reply, stream, (StreamId::MIN, StreamId::MAX), Order::Ascending, count, |_| {});
    reply.text("groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups().iter() {
        write_group(reply, stream, (name, group), count);
    }
}

fn write_group(
    reply: &mut Reply,
    stream: &Stream,
    (name, group): (&[u8], &engine::Group),
    count: Option<u64>,
) {
    let shown = |len: u64| count.map_or(len, |count| len.min(count)) as usize;
    reply.map(8);
    reply.text("name");
    reply.bulk(name);
    reply.text("last-delivered-id");
    reply.stream_id(group.last_delivered_id);
    reply.text("entries-read");
    write_known(reply, stream.find_entries_read(group));
    reply.text("lag");
    reply.count(stream.lag(group));
    reply.text("pel-count");
    reply.count(group.pending().len());
    reply.text("pending");
    reply.array(shown(group.pending().len()));
    for entry in group.pending().iter_from(StreamId::MIN).take(shown(group.pending().len())) {
        reply.array(4);
        reply.stream_id(entry.id);
        reply.bulk(owner_name(group, &entry));
        reply.count(entry.delivered_ms);
        reply.count(entry.delivery_count);
    }
    reply.text("consumers");
    reply.array(group.consumers().len());
    for (slot, consumer) in group.consumers().iter() {
        reply.map(5);
        reply.text("name");
        reply.bulk(consumer.name());
        reply.text("seen-time");
        reply.count(consumer.seen_ms);
        reply.text("active-time");
        match consumer.active_ms {
            Some(active_ms) => reply.count(active_ms),
            None => reply.integer(-1),
        }
        reply.text("pel-count");
        reply.count(consumer.pending());
        reply.text("pending");
        reply.array(shown(consumer.pending()));
        for entry in group.pending().iter_consumer_from(slot, StreamId::MIN).take(shown(consumer.pending())) {
            reply.array(3);
            reply.stream_id(entry.id);
            reply.count(entry.delivered_ms);
            reply.count(entry.delivery_count);
        }
    }
    reply.text("nacked-count");
    reply.count(group.pending().released());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_a_radix_tree() {
        let check = |ids: &[(u64, u64)], expected: u64| {
            let ids = ids.iter().map(|&(ms, seq)| StreamId::new(ms, seq));
            assert_eq!(radix_tree_nodes(ids), expected);
        };
        check(&[], 1);
        check(&[(1, 1)], 2);
        // A run to the branch, the branch, two leaves.
        check(&[(1, 1), (1, 2)], 4);
        check(&[(1, 1), (1, 2), (1, 3)], 5);
        // Branches within the milliseconds: each side has a run to its leaf.
        check(&[(1, 1), (2, 1)], 6);
    }
}
