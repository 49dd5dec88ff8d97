//! Whether two replies are the same: byte for byte, but for what the clock decides.

use super::Command;
use super::deviations::{DEVIATIONS, PARTINGS};
use crate::harness::Reply;

/// Two servers' clocks are read at slightly different moments, and a busy machine makes that seconds. The idle times that
/// the commands set themselves are hours apart.
pub(super) const TIME_TOLERANCE_MS: i64 = 1_000_000;

/// Where in a reply the deviations and times are looked for.
pub(super) struct Comparison<'a> {
    pub(super) command: &'a Command,
    /// What Millstream answered; after the comparison, what is left of the difference.
    pub(super) ours: Reply,
    pub(super) theirs: Reply,
}

impl Comparison<'_> {
    /// Whether the command begins with these words, in any letters.
    pub(super) fn is(&self, words: &[&str]) -> bool {
        self.command.len() >= words.len()
            && words.iter().zip(self.command).all(|(word, arg)| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether an argument is this word, in any letters.
    pub(super) fn has(&self, word: &str) -> bool {
        self.command.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Whether the replies to a command are the same, theirs being of that version. `queued` are the commands of the transaction, if it is EXEC; the names of
/// the deviations that were met are added to `met`.
pub(super) fn is_same(
    command: &Command,
    queued: &[Command],
    ours: &Reply,
    theirs: &Reply,
    version: (u32, u32),
    met: &mut Vec<&'static str>,
) -> bool {
    if ours == theirs {
        return true;
    }
    if command[0].eq_ignore_ascii_case(b"EXEC")
        && let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs)
    {
        // Behind a command after which the servers no longer hold the same nothing can be compared.
        let is_parted = |met: &[&'static str]| met.iter().any(|name| PARTINGS.contains(name));
        return ours.len() == theirs.len()
            && queued.len() == ours.len()
            && (queued.iter().zip(ours.iter().zip(theirs))).all(|(command, (ours, theirs))| {
                is_parted(met) || is_same(command, &[], ours, theirs, version, met)
            });
    }
    let mut comparison = Comparison { command, ours: ours.clone(), theirs: theirs.clone() };
    reconcile_times(&mut comparison);
    for deviation in DEVIATIONS.iter().filter(|deviation| deviation.versions.contains(&version)) {
        if comparison.ours == comparison.theirs {
            break;
        }
        if (deviation.reconcile)(&mut comparison) {
            met.push(deviation.name);
            // Rows that are gone may have kept others from being compared.
            reconcile_times(&mut comparison);
        }
    }
    comparison.ours == comparison.theirs
}

/// Makes times that are nearly the same the same.
fn reconcile_times(comparison: &mut Comparison<'_>) {
    let is_full = comparison.is(&["XINFO", "STREAM"]) && comparison.has("FULL");
    let (is_consumers, is_pending) = (comparison.is(&["XINFO", "CONSUMERS"]), comparison.is(&["XPENDING"]));
    let (is_ttl, is_keys) = (comparison.is(&["TTL"]) || comparison.is(&["PTTL"]), comparison.is(&["KEYS"]));
    let is_claim = comparison.is(&["XREADGROUP"]) && comparison.has("CLAIM");
    let expires_relative = comparison.is(&["PEXPIRETIME"]) || comparison.is(&["EXPIRETIME"]);
    let Comparison { ours, theirs, .. } = comparison;
    if is_ttl || expires_relative {
        reconcile_time(ours, theirs);
    } else if is_keys {
        sort_both(ours, theirs);
    } else if is_claim {
        for_values(ours, theirs, |ours, theirs| {
            for_rows(ours, theirs, |ours, theirs| reconcile_element(ours, theirs, 2));
        });
    } else if is_pending {
        for_rows(ours, theirs, |ours, theirs| reconcile_element(ours, theirs, 2));
    } else if is_consumers {
        for_rows(ours, theirs, |ours, theirs| {
            reconcile_field(ours, theirs, "idle");
            reconcile_field(ours, theirs, "inactive");
        });
    } else if is_full {
        for_field_rows(ours, theirs, "groups", |ours, theirs| {
            for_field_rows(ours, theirs, "pending", |ours, theirs| reconcile_element(ours, theirs, 2));
            for_field_rows(ours, theirs, "consumers", |ours, theirs| {
                reconcile_field(ours, theirs, "seen-time");
                reconcile_field(ours, theirs, "active-time");
                for_field_rows(ours, theirs, "pending", |ours, theirs| reconcile_element(ours, theirs, 1));
            });
        });
    }
}

fn reconcile_time(ours: &mut Reply, theirs: &Reply) {
    if let (Reply::Integer(our_ms), Reply::Integer(their_ms)) = (&mut *ours, theirs)
        && *our_ms >= 0
        && *their_ms >= 0
        && our_ms.abs_diff(*their_ms) as i64 <= TIME_TOLERANCE_MS
    {
        *our_ms = *their_ms;
    }
}

fn reconcile_element(ours: &mut Reply, theirs: &Reply, index: usize) {
    if let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs)
        && let (Some(ours), Some(theirs)) = (ours.get_mut(index), theirs.get(index))
    {
        reconcile_time(ours, theirs);
    }
}

fn reconcile_field(ours: &mut Reply, theirs: &Reply, name: &str) {
    if let (Some(ours), Some(theirs)) = (field_mut(ours, name), theirs.field(name)) {
        reconcile_time(ours, theirs);
    }
}

/// The value of a field, as [`Reply::field`] finds it.
pub(super) fn field_mut<'a>(reply: &'a mut Reply, name: &str) -> Option<&'a mut Reply> {
    let is_it = |key: &Reply| matches!(key, Reply::Bulk(bytes) if bytes == name.as_bytes());
    match reply {
        Reply::Map(pairs) => pairs.iter_mut().find(|(key, _)| is_it(key)).map(|(_, value)| value),
        Reply::Array(elements) => {
            let (pairs, _) = elements.as_chunks_mut::<2>();
            pairs.iter_mut().find(|[key, _]| is_it(key)).map(|[_, value]| value)
        }
        _ => None,
    }
}

/// Calls a function with the values of two maps, or of two arrays of pairs.
fn for_values(ours: &mut Reply, theirs: &Reply, mut value: impl FnMut(&mut Reply, &Reply)) {
    if let (Reply::Map(ours), Reply::Map(theirs)) = (&mut *ours, theirs) {
        ours.iter_mut().zip(theirs).for_each(|((_, ours), (_, theirs))| value(ours, theirs));
    }
    for_rows(ours, theirs, |ours, theirs| {
        if let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs)
            && let ([_, ours], [_, theirs]) = (&mut ours[..], &theirs[..])
        {
            value(ours, theirs);
        }
    });
}

/// Calls a function with the elements of two arrays, pair by pair.
pub(super) fn for_rows(ours: &mut Reply, theirs: &Reply, mut row: impl FnMut(&mut Reply, &Reply)) {
    if let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs) {
        ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| row(ours, theirs));
    }
}

/// [`for_rows`] of the arrays that a field holds.
pub(super) fn for_field_rows(
    ours: &mut Reply,
    theirs: &Reply,
    name: &str,
    row: impl FnMut(&mut Reply, &Reply),
) {
    if let (Some(ours), Some(theirs)) = (field_mut(ours, name), theirs.field(name)) {
        for_rows(ours, theirs, row);
    }
}

/// KEYS answers in no order.
fn sort_both(ours: &mut Reply, theirs: &mut Reply) {
    for reply in [ours, theirs] {
        if let Reply::Array(elements) = reply {
            elements.sort_by_key(ToString::to_string);
        }
    }
}
