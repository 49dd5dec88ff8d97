//! In what Millstream differs from a redis-server of some version. It does as Redis 8.10 does with streams, and as 7.2 with everything
//! else; so most of these are of one of the versions alone. Each was looked at.
//!
//! Two more stand elsewhere, since no reply alone shows them. `blocking.rs` keeps waiters from meeting in a way that Redis orders otherwise
//! since 7.2: one that waits for several keys and was tried in vain stands last from then on, here it keeps its place. And
//! those that claim while they wait are tried by Redis at times of its own.

use std::ops::Range;

use super::compare::{Comparison, TIME_TOLERANCE_MS, field_mut, for_field_rows, for_rows};
use crate::harness::Reply;

/// A difference that is meant.
pub(super) struct Deviation {
    pub(super) name: &'static str,
    /// The versions, major and minor, that do otherwise than Millstream.
    pub(super) versions: Range<(u32, u32)>,
    /// Takes the difference, and only it, out of our reply; whether it was there.
    pub(super) reconcile: fn(&mut Comparison<'_>) -> bool,
}

/// Those after which the servers no longer hold the same data: the round ends there.
pub(super) const PARTINGS: &[&str] = &[
    "XADD: *",
    "a consumer that has nothing yet",
    "XAUTOCLAIM: more memory than there is",
    "XSETID: an ID below the greatest deleted one",
    "XINFO STREAM: a node without entries",
    "XINFO STREAM: entries-added at the greatest integer",
];

/// All versions up to another.
const FIRST: (u32, u32) = (0, 0);
/// No version from another on does as Millstream does.
const NEVER: (u32, u32) = (u32::MAX, 0);

/// All of them.
pub(super) const DEVIATIONS: &[Deviation] = &[
    // Since 7.2 a consumer is made when its XREADGROUP comes, and again when that is served after the consumer was deleted;
    // before, not until there was something for it. (The commands avoid this where they can.)
    Deviation {
        name: "a consumer that has nothing yet",
        versions: FIRST..(7, 2),
        reconcile: |comparison| {
            let is_made = comparison.is(&["XGROUP", "CREATECONSUMER"])
                && comparison.ours == Reply::Integer(0)
                && comparison.theirs == Reply::Integer(1);
            let mut found = is_made;
            if is_made {
                comparison.ours.clone_from(&comparison.theirs);
            }
            let mut adopt = |ours: &mut Reply, theirs: &Reply| {
                if let (Some(Reply::Integer(our_count)), Some(Reply::Integer(their_count))) =
                    (ours.field("consumers"), theirs.field("consumers"))
                {
                    if our_count > their_count {
                        found |= adopt_field(ours, theirs, "consumers");
                    }
                } else if let (Some(ours), Some(theirs)) =
                    (field_mut(ours, "consumers"), theirs.field("consumers"))
                {
                    found |= drop_idle_consumers(ours, theirs);
                }
            };
            for_groups(comparison, &mut adopt);
            if comparison.is(&["XINFO", "CONSUMERS"]) {
                let Comparison { ours, theirs, .. } = comparison;
                found |= drop_idle_consumers(ours, theirs);
            }
            found
        },
    },
    // IDs from the clock, which only chance makes.
    Deviation {
        name: "XADD: *",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let ms = |reply: &Reply| match reply {
                Reply::Bulk(id) => {
                    String::from_utf8_lossy(id).split_once('-').and_then(|(ms, _)| ms.parse::<u64>().ok())
                }
                _ => None,
            };
            let found = comparison.is(&["XADD"])
                && comparison.has("*")
                && ms(&comparison.ours)
                    .zip(ms(&comparison.theirs))
                    .is_some_and(|(ours, theirs)| ours.abs_diff(theirs) <= TIME_TOLERANCE_MS as u64);
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // 7.0 names a wrong cause when a millisecond has no sequence number left.
    Deviation {
        name: "XADD: no sequence number left",
        versions: FIRST..(7, 2),
        reconcile: |comparison| {
            let text =
                |reply: &Reply| matches!(reply, Reply::Error(text) if text.contains("equal or smaller"));
            let wrong = Reply::Error("ERR Elements are too large to be stored".to_owned());
            let found = comparison.is(&["XADD"]) && text(&comparison.ours) && comparison.theirs == wrong;
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // Redis takes memory for as many entries as the client names, and refuses what it does not get; here it is taken for
    // what is there.
    Deviation {
        name: "XAUTOCLAIM: more memory than there is",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let found = comparison.is(&["XAUTOCLAIM"])
                && matches!(&comparison.theirs, Reply::Error(text) if text.starts_with("ERR Insufficient memory"));
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // Since 8.2 a string is kept in the key's own piece of memory as long as both fit into it; Millstream names what 7.2 names.
    Deviation {
        name: "OBJECT ENCODING: raw and embstr",
        versions: (8, 2)..NEVER,
        reconcile: |comparison| {
            let is_string =
                |reply: &Reply| matches!(reply, Reply::Bulk(name) if name == b"raw" || name == b"embstr");
            let found = comparison.is(&["OBJECT", "ENCODING"])
                && is_string(&comparison.ours)
                && is_string(&comparison.theirs);
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // Redis's rounding to seconds overflows in the last half second that there is, and answers a negative time.
    Deviation {
        name: "EXPIRETIME: rounding at the greatest integer",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let found = comparison.is(&["EXPIRETIME"])
                && comparison.ours == Reply::Integer(i64::MAX / 1000 + 1)
                && comparison.theirs == Reply::Integer(i64::MIN / 1000);
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // What the lines of usage mean is told in our own words.
    Deviation {
        name: "HELP: explanations",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let is_help = comparison.command.get(1).is_some_and(|arg| arg.eq_ignore_ascii_case(b"HELP"));
            let is_explanation =
                |line: &Reply| matches!(line, Reply::Simple(text) if text.starts_with("    "));
            if let (true, Reply::Array(ours), Reply::Array(theirs)) =
                (is_help, &mut comparison.ours, &mut comparison.theirs)
            {
                ours.retain(|line| !is_explanation(line));
                theirs.retain(|line| !is_explanation(line));
                return true;
            }
            false
        },
    },
    // 7.0 lets the last ID fall below that of an entry that was deleted.
    Deviation {
        name: "XSETID: an ID below the greatest deleted one",
        versions: FIRST..(7, 2),
        reconcile: |comparison| {
            let is_refused = |reply: &Reply| matches!(reply, Reply::Error(text) if text.ends_with("is smaller than current max_deleted_entry_id"));
            // It may have found another fault.
            let found = comparison.is(&["XSETID"]) && is_refused(&comparison.ours);
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // Before 7.4 `+`, the last entry, was no ID for XREAD, nor for XREADGROUP to warn of.
    Deviation {
        name: "XREAD, XREADGROUP: +",
        versions: FIRST..(7, 4),
        reconcile: |comparison| {
            let found = (comparison.is(&["XREAD"]) || comparison.is(&["XREADGROUP"]))
                && comparison.has("+")
                && matches!(&comparison.theirs, Reply::Error(text) if text.starts_with("ERR Invalid stream ID"));
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // Since 7.2 a blocked XREADGROUP whose stream or group is gone is executed again, and fails as it then would.
    Deviation {
        name: "XREADGROUP, blocked: the error when the stream or group is gone",
        versions: FIRST..(7, 2),
        reconcile: |comparison| {
            let is = |reply: &Reply, starts: &[&str]| matches!(reply, Reply::Error(text) if starts.iter().any(|start| text.starts_with(start)));
            let found = comparison.is(&["XREADGROUP"])
                && comparison.has("BLOCK")
                && is(&comparison.ours, &["NOGROUP No such key", "WRONGTYPE "])
                && is(
                    &comparison.theirs,
                    &["UNBLOCKED the stream key", "NOGROUP the consumer group this client"],
                );
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // Redis executes a blocked XREAD again when one of its streams has something, and fails it when another key has come to
    // hold another type. Millstream looks only at the streams that have something.
    Deviation {
        name: "XREAD, blocked: another key of another type",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let found = comparison.is(&["XREAD"])
                && comparison.has("BLOCK")
                && !comparison.ours.is_error()
                && matches!(&comparison.theirs, Reply::Error(text) if text.starts_with("WRONGTYPE "));
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // 7.0 names XREAD in capitals, and not the `+` that it does not know.
    Deviation {
        name: "XREAD, XREADGROUP: the words for a missing ID",
        versions: FIRST..(7, 4),
        reconcile: |comparison| {
            let is_text =
                |reply: &Reply| matches!(reply, Reply::Error(text) if text.starts_with("ERR Unbalanced "));
            let found = is_text(&comparison.ours) && is_text(&comparison.theirs);
            if found {
                comparison.ours.clone_from(&comparison.theirs);
            }
            found
        },
    },
    // 7.2 tells how long a consumer has got nothing, beside how long it has not been heard of.
    Deviation {
        name: "XINFO CONSUMERS: inactive",
        versions: FIRST..(7, 2),
        reconcile: |comparison| {
            let mut found = false;
            if comparison.is(&["XINFO", "CONSUMERS"]) {
                let Comparison { ours, theirs, .. } = comparison;
                for_rows(ours, theirs, |ours, theirs| found |= remove_field(ours, theirs, "inactive"));
            }
            found
        },
    },
    // The same in the full form.
    Deviation {
        name: "XINFO STREAM FULL: active-time",
        versions: FIRST..(7, 2),
        reconcile: |comparison| {
            let mut found = false;
            if comparison.is(&["XINFO", "STREAM"]) {
                let Comparison { ours, theirs, .. } = comparison;
                for_field_rows(ours, theirs, "groups", |ours, theirs| {
                    for_field_rows(ours, theirs, "consumers", |ours, theirs| {
                        found |= remove_field(ours, theirs, "active-time");
                    });
                });
            }
            found
        },
    },
    // 8.6 tells what a stream remembers of idempotent producers.
    Deviation {
        name: "XINFO STREAM: idempotent producers",
        versions: FIRST..(8, 6),
        reconcile: |comparison| {
            let mut found = false;
            if comparison.is(&["XINFO", "STREAM"]) {
                let Comparison { ours, theirs, .. } = comparison;
                for name in [
                    "idmp-duration",
                    "idmp-maxsize",
                    "pids-tracked",
                    "iids-tracked",
                    "iids-added",
                    "iids-duplicates",
                ] {
                    found |= remove_field(ours, theirs, name);
                }
            }
            found
        },
    },
    // Since 8.8 the full form tells how many entries were handed back (XNACK).
    Deviation {
        name: "XINFO STREAM FULL: nacked-count",
        versions: FIRST..(8, 8),
        reconcile: |comparison| {
            let mut found = false;
            if comparison.is(&["XINFO", "STREAM"]) {
                let Comparison { ours, theirs, .. } = comparison;
                for_field_rows(ours, theirs, "groups", |ours, theirs| {
                    found |= remove_field(ours, theirs, "nacked-count");
                });
            }
            found
        },
    },
    // Trimming by MINID leaves a node without entries in Redis when its last entry was deleted before and has a greater ID.
    // Such a node is visible here, and counts as its last one when an entry is added.
    Deviation {
        name: "XINFO STREAM: a node without entries",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let mut found = false;
            if comparison.is(&["XINFO", "STREAM"]) {
                let nodes = |reply: &Reply| match reply.field("radix-tree-keys") {
                    Some(Reply::Integer(nodes)) => *nodes,
                    _ => 0,
                };
                if nodes(&comparison.ours) < nodes(&comparison.theirs) {
                    found |= adopt_field(&mut comparison.ours, &comparison.theirs, "radix-tree-keys");
                    adopt_field(&mut comparison.ours, &comparison.theirs, "radix-tree-nodes");
                }
            }
            found
        },
    },
    // Redis's counter of added entries overflows behind the greatest integer (which only XSETID brings it to); ours stays there, since the
    // log could not tell the negative one.
    Deviation {
        name: "XINFO STREAM: entries-added at the greatest integer",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let is_full = comparison.is(&["XINFO", "STREAM"])
                && comparison.ours.field("entries-added") == Some(&Reply::Integer(i64::MAX))
                && matches!(comparison.theirs.field("entries-added"), Some(Reply::Integer(..0)));
            is_full && adopt_field(&mut comparison.ours, &comparison.theirs, "entries-added")
        },
    },
    // Redis's counter of what a group has read overflows behind the greatest integer (which only ENTRIESREAD brings it to);
    // ours stays there, since the log could not tell the negative one.
    Deviation {
        name: "XINFO: entries-read at the greatest integer",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let mut found = false;
            let mut adopt = |ours: &mut Reply, theirs: &Reply| {
                let is_full = ours.field("entries-read") == Some(&Reply::Integer(i64::MAX));
                if is_full && matches!(theirs.field("entries-read"), Some(Reply::Integer(..0))) {
                    found |= adopt_field(ours, theirs, "entries-read");
                    adopt_field(ours, theirs, "lag");
                }
            };
            for_groups(comparison, &mut adopt);
            found
        },
    },
    // Since 8.2.2 ENTRIESREAD is held to the number of entries added, and what is counted from there is less than before.
    Deviation {
        name: "XINFO: more read than was added",
        versions: FIRST..(8, 4),
        reconcile: |comparison| {
            let mut found = false;
            let mut adopt = |ours: &mut Reply, theirs: &Reply| {
                let read = |reply: &Reply| match reply.field("entries-read") {
                    Some(Reply::Integer(read)) => Some(*read),
                    _ => None,
                };
                if read(ours).zip(read(theirs)).is_some_and(|(ours, theirs)| ours < theirs) {
                    found |= adopt_field(ours, theirs, "entries-read");
                }
            };
            for_groups(comparison, &mut adopt);
            found
        },
    },
    // Redis tells no lag where its two counters cannot tell, and a wrong one where a client set them; here the entries behind
    // the group's position are counted. What the group has read is then known in more cases, too.
    Deviation {
        name: "XINFO: lag",
        versions: FIRST..NEVER,
        reconcile: |comparison| {
            let is_wrong = !is_lag_exact(&comparison.ours);
            let mut found = false;
            let mut adopt = |ours: &mut Reply, theirs: &Reply| {
                let is_known = |reply: &Reply, name| matches!(reply.field(name), Some(Reply::Integer(0..)));
                if is_wrong || !is_known(ours, "lag") {
                    return;
                }
                if !is_known(theirs, "lag") && theirs.field("entries-read").is_some_and(Reply::is_null) {
                    found |= adopt_field(ours, theirs, "entries-read");
                }
                found |= adopt_field(ours, theirs, "lag");
            };
            for_groups(comparison, &mut adopt);
            found
        },
    },
    // Since 7.2.6 a delivery to a group before the first entry, with nothing deleted after that, sets its counter anew; before,
    // the counter just counted on, and after a trimming was wrong.
    Deviation {
        name: "XINFO: entries-read",
        versions: FIRST..(7, 4),
        reconcile: |comparison| {
            let mut found = false;
            let mut adopt = |ours: &mut Reply, theirs: &Reply| {
                found |= adopt_field(ours, theirs, "entries-read");
            };
            for_groups(comparison, &mut adopt);
            found
        },
    },
];

/// Drops from our list of consumers those that have nothing pending and that they do not list; whether there were any.
fn drop_idle_consumers(ours: &mut Reply, theirs: &Reply) -> bool {
    let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs) else { return false };
    let len = ours.len();
    ours.retain(|consumer| {
        let has_pending = ["pending", "pel-count"]
            .iter()
            .any(|name| matches!(consumer.field(name), Some(Reply::Integer(1..))));
        has_pending || theirs.iter().any(|known| known.field("name") == consumer.field("name"))
    });
    ours.len() < len
}

/// Calls a function with each group that XINFO STREAM FULL or XINFO GROUPS tells of.
fn for_groups(comparison: &mut Comparison<'_>, group: impl FnMut(&mut Reply, &Reply)) {
    let (is_full, is_groups) = (comparison.is(&["XINFO", "STREAM"]), comparison.is(&["XINFO", "GROUPS"]));
    let Comparison { ours, theirs, .. } = comparison;
    if is_full {
        for_field_rows(ours, theirs, "groups", group);
    } else if is_groups {
        for_rows(ours, theirs, group);
    }
}

/// Whether each group's lag in the reply to XINFO STREAM FULL is the number of entries behind its position, as far as the reply shows
/// them.
pub(super) fn is_lag_exact(full: &Reply) -> bool {
    let (Some(Reply::Array(entries)), Some(Reply::Array(groups))) =
        (full.field("entries"), full.field("groups"))
    else {
        return true;
    };
    if full.field("length") != Some(&Reply::Integer(entries.len() as i64)) {
        return true;
    }
    let parse = |reply: &Reply| {
        let Reply::Bulk(id) = reply else { panic!("{reply} is to be an ID") };
        let id = String::from_utf8_lossy(id);
        let (ms, seq) = id.split_once('-').expect("an ID has two parts");
        (ms.parse::<u64>().expect("milliseconds"), seq.parse::<u64>().expect("a sequence number"))
    };
    let ids = entries.iter().map(|entry| match entry {
        Reply::Array(parts) => parse(&parts[0]),
        _ => panic!("{entry} is to be an entry"),
    });
    let ids: Vec<_> = ids.collect();
    groups.iter().all(|group| {
        let position = parse(group.field("last-delivered-id").expect("a group has a position"));
        let lag = ids.iter().filter(|id| **id > position).count();
        group.field("lag") == Some(&Reply::Integer(lag as i64))
    })
}

/// Puts their value of a field in the place of ours; whether it was another.
fn adopt_field(ours: &mut Reply, theirs: &Reply, name: &str) -> bool {
    match (field_mut(ours, name), theirs.field(name)) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            ours.clone_from(theirs);
            true
        }
        _ => false,
    }
}

/// Removes a field that holds a number, or -1 for none, and that they do not have.
fn remove_field(ours: &mut Reply, theirs: &Reply, name: &str) -> bool {
    let is_time = matches!(ours.field(name), Some(Reply::Integer(ms)) if *ms >= -1);
    if !is_time || theirs.field(name).is_some() {
        return false;
    }
    let is_it = |key: &Reply| matches!(key, Reply::Bulk(bytes) if bytes == name.as_bytes());
    match ours {
        Reply::Map(pairs) => pairs.retain(|(key, _)| !is_it(key)),
        Reply::Array(elements) => {
            if let Some(at) = elements.iter().position(is_it) {
                elements.drain(at..at + 2);
            }
        }
        _ => return false,
    }
    true
}
