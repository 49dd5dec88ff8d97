//! What groups still need an entry for: who refers to it, and deletions that heed it.
//!
//! A group refers to an entry that is pending in it, and to one that it has not read yet. Both are
//! told by a look into each group, at its position and into its ordered pending entries: nothing is
//! kept for an entry, and nothing is scanned.

use super::id::StreamId;
use super::stream::Stream;
use crate::engine::group::Groups;

/// What a deletion does about groups that refer to an entry (KEEPREF, DELREF, ACKED).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefPolicy {
    /// It is deleted, and stays pending where it is (KEEPREF).
    #[default]
    Keep,
    /// It is deleted, and no longer pending anywhere (DELREF).
    Remove,
    /// It is deleted only if no group refers to it (ACKED).
    Acked,
}

/// What became of an entry that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// There was none to delete.
    Absent,
    /// It is gone.
    Deleted,
    /// A group refers to it: it stays.
    Referenced,
}

/// Entries that were taken off groups' pending ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released {
    /// By the group's place among the stream's groups; empty as long as there are none.
    by_group: Vec<Vec<StreamId>>,
}

impl Released {
    pub(super) fn note(&mut self, group: usize, id: StreamId) {
        if self.by_group.len() <= group {
            self.by_group.resize_with(group + 1, Vec::new);
        }
        self.by_group[group].push(id);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_group.is_empty()
    }

    /// The entries of each group that has any, with its name. `groups` are those of the stream that
    /// the entries were released in, with none added or removed since.
    pub fn into_named(self, groups: &Groups) -> Vec<(Box<[u8]>, Vec<StreamId>)> {
        groups
            .iter()
            .zip(self.by_group)
            .filter(|(_, ids)| !ids.is_empty())
            .map(|((name, _), ids)| (name.into(), ids))
            .collect()
    }
}

impl Groups {
    /// The greatest ID that all groups have read; [`StreamId::MAX`] when there are none.
    pub(super) fn read_until(&self) -> StreamId {
        self.iter().map(|(_, group)| group.last_delivered_id).min().unwrap_or(StreamId::MAX)
    }

    /// Whether an entry of this ID, there or not, is pending in a group or not read yet by one.
    pub(super) fn refer_to(&self, id: StreamId) -> bool {
        self.iter().any(|(_, group)| id > group.last_delivered_id || group.pending().find(id).is_some())
    }

    /// Takes an entry off the pending ones of all groups.
    pub(super) fn release(&mut self, id: StreamId, released: &mut Released) {
        for (place, (_, group)) in self.iter_mut().enumerate() {
            if group.acknowledge(id).is_some() {
                released.note(place, id);
            }
        }
    }
}

impl Stream {
    /// Deletes an entry if `policy` allows it (XDELEX). What a group refers to counts as referenced
    /// though it be deleted already.
    pub fn delete_heeding(&mut self, id: StreamId, policy: RefPolicy, released: &mut Released) -> Disposal {
        match policy {
            RefPolicy::Keep => {}
            RefPolicy::Remove => self.groups.release(id, released),
            RefPolicy::Acked if self.groups.refer_to(id) => return Disposal::Referenced,
            RefPolicy::Acked => {}
        }
        if self.delete(id) { Disposal::Deleted } else { Disposal::Absent }
    }

    /// Takes an entry off the pending ones of a group, and then deletes it if `policy` allows it
    /// (XACKDEL). [`Disposal::Absent`] when it is not pending in the group, or there is no such group:
    /// then nothing is done. One that is pending and was deleted before counts as deleted. Also
    /// returns whether an entry was deleted now.
    pub fn acknowledge_and_delete(
        &mut self,
        group: &[u8],
        id: StreamId,
        policy: RefPolicy,
        released: &mut Released,
    ) -> (Disposal, bool) {
        let found = self.groups.iter_mut().enumerate().find(|(_, (name, _))| *name == group);
        let Some((place, (_, group))) = found else { return (Disposal::Absent, false) };
        if group.acknowledge(id).is_none() {
            return (Disposal::Absent, false);
        }
        released.note(place, id);
        match self.delete_heeding(id, policy, released) {
            Disposal::Referenced => (Disposal::Referenced, false),
            disposal => (Disposal::Deleted, disposal == Disposal::Deleted),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::ControlFlow;

    use super::*;
    use crate::engine::stream::{BlockLimits, Trim, TrimStrategy, Trimmed};
    use crate::engine::{Group, PendingEntry};

    /// A group in the plain form: what it has read, what is pending.
    type PlainGroup = (u64, BTreeSet<u64>);

    fn id(ms: u64) -> StreamId {
        StreamId::new(ms, 0)
    }

    fn name(group: usize) -> [u8; 1] {
        [b'a' + group as u8]
    }

    fn entries(stream: &Stream) -> BTreeSet<u64> {
        let mut ids = BTreeSet::new();
        stream.scan(StreamId::MIN, StreamId::MAX, |entry| {
            ids.insert(entry.id.ms);
            ControlFlow::Continue(())
        });
        ids
    }

    fn groups(stream: &Stream) -> Vec<PlainGroup> {
        let plain = |group: &Group| {
            let pending = group.pending().iter_from(StreamId::MIN).map(|entry| entry.id.ms).collect();
            (group.last_delivered_id.ms, pending)
        };
        stream.groups().iter().map(|(_, group)| plain(group)).collect()
    }

    fn is_referenced(groups: &[PlainGroup], id: u64) -> bool {
        groups.iter().any(|(read, pending)| id > *read || pending.contains(&id))
    }

    /// A stream of small blocks with holes, and groups that have read and acknowledged some of it.
    fn build(random: &mut fastrand::Rng) -> Stream {
        let limits =
            BlockLimits { bytes_max: 4096, entries_max: random.usize(1..6), ..BlockLimits::default() };
        let len = random.u64(0..40);
        let mut stream = Stream::new();
        for number in 1..=len {
            stream.append(id(number), [(&b"f"[..], &b"v"[..])].into_iter(), &limits);
        }
        for group in 0..random.usize(0..4) {
            let mut plain = Group::new(id(random.u64(0..len + 2)), None);
            let (slot, _) = plain.consumers_mut().find_or_create(b"c", 0);
            let from = if random.bool() { 0 } else { random.u64(0..len + 1) };
            for number in from..=plain.last_delivered_id.ms {
                if number > 0 && random.u32(0..3) == 0 {
                    plain.assign(PendingEntry {
                        id: id(number),
                        delivered_ms: 0,
                        delivery_count: 1,
                        consumer: Some(slot),
                    });
                }
            }
            stream.groups_mut().create(&name(group), plain);
        }
        for _ in 0..random.u32(0..10) {
            stream.delete(id(random.u64(0..len + 1)));
        }
        stream.check_invariants();
        stream
    }

    fn any_policy(random: &mut fastrand::Rng) -> RefPolicy {
        [RefPolicy::Keep, RefPolicy::Remove, RefPolicy::Acked][random.usize(0..3)]
    }

    #[test]
    fn single_entries() {
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut stream = build(&mut random);
            let (mut there, mut plain) = (entries(&stream), groups(&stream));
            let mut released = Released::default();
            let mut noted: BTreeMap<usize, Vec<StreamId>> = BTreeMap::new();
            for _ in 0..20 {
                let (number, policy) = (random.u64(0..42), any_policy(&mut random));
                let chosen = random.bool().then(|| random.usize(0..4));
                let was_pending = chosen
                    .is_none_or(|chosen| plain.get(chosen).is_some_and(|group| group.1.contains(&number)));
                let mut release = |group: usize, plain: &mut Vec<PlainGroup>| {
                    if plain[group].1.remove(&number) {
                        noted.entry(group).or_default().push(id(number));
                    }
                };
                let expected = if was_pending {
                    chosen.into_iter().for_each(|chosen| release(chosen, &mut plain));
                    if policy == RefPolicy::Remove {
                        (0..plain.len()).for_each(|group| release(group, &mut plain));
                    }
                    if policy == RefPolicy::Acked && is_referenced(&plain, number) {
                        Disposal::Referenced
                    } else if there.remove(&number) || chosen.is_some() {
                        Disposal::Deleted
                    } else {
                        Disposal::Absent
                    }
                } else {
                    Disposal::Absent
                };
                let found = match chosen {
                    Some(chosen) => {
                        let name = name(chosen);
                        stream.acknowledge_and_delete(&name, id(number), policy, &mut released).0
                    }
                    None => stream.delete_heeding(id(number), policy, &mut released),
                };
                assert_eq!(found, expected, "seed {seed}: {number} {policy:?} {chosen:?}");
            }
            stream.check_invariants();
            assert_eq!((entries(&stream), groups(&stream)), (there, plain));
            let named = noted.into_iter().map(|(group, ids)| (name(group).as_slice().into(), ids));
            assert_eq!(released.into_named(stream.groups()), named.collect::<Vec<_>>());
        }
    }

    fn check_trim(seed: u64, before: &Stream, trim: &Trim, stream: &Stream, trimmed: &Trimmed) {
        let context = format!("seed {seed}: {trim:?}");
        let (there, left) = (entries(before), entries(stream));
        let gone: BTreeSet<u64> = there.difference(&left).copied().collect();
        assert_eq!(gone.len() as u64, trimmed.dropped, "{context}");
        let mut plain = groups(before);
        let last_gone = gone.last().copied().unwrap_or(0);
        let is_kept = |number: u64| trim.policy == RefPolicy::Acked && is_referenced(&groups(before), number);
        // What goes is the oldest, but for what is referred to.
        let expected = there.range(..=last_gone).copied().filter(|&number| !is_kept(number));
        assert!(gone.iter().copied().eq(expected), "{context}");
        let spares = left.range(..=last_gone).next().is_some();
        assert_eq!(trimmed.last_behind_spared.is_some(), spares, "{context}");
        // How much goes.
        match trim.strategy {
            TrimStrategy::MaxLen(max) => {
                assert!(gone.is_empty() || left.len() as u64 >= max, "{context}");
                if trim.limit.is_none() && trim.policy == RefPolicy::Remove {
                    assert_eq!(left.len() as u64, max.min(there.len() as u64), "{context}");
                }
            }
            TrimStrategy::MinId(min) => {
                assert!(gone.range(min.ms..).next().is_none(), "{context}");
                if trim.limit.is_none() && trim.policy != RefPolicy::Keep {
                    assert!(left.range(..min.ms).all(|&number| is_kept(number)), "{context}");
                }
            }
        }
        if let Some(limit) = trim.limit.filter(|_| trim.approximate) {
            assert!(trimmed.dropped <= limit, "{context}");
        }
        // What is pending.
        if trim.policy == RefPolicy::Remove {
            plain.iter_mut().for_each(|(_, pending)| pending.retain(|number| !gone.contains(number)));
        }
        assert_eq!(groups(stream), plain, "{context}");
        let released: usize = trimmed.released.by_group.iter().map(Vec::len).sum();
        let pending =
            |stream: &Stream| groups(stream).iter().map(|(_, pending)| pending.len()).sum::<usize>();
        assert_eq!(released, pending(before) - pending(stream), "{context}");
        assert_eq!(stream.max_deleted_id(), before.max_deleted_id(), "{context}");
    }

    #[test]
    fn trims() {
        for seed in 0..6000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut stream = build(&mut random);
            let before = stream.clone();
            let strategy = match random.bool() {
                true => TrimStrategy::MaxLen(random.u64(0..42)),
                false => TrimStrategy::MinId(id(random.u64(0..44))),
            };
            let limit = random.bool().then(|| random.u64(0..20));
            let approximate = random.bool();
            let trim = Trim {
                strategy,
                approximate,
                limit: limit.filter(|_| approximate),
                policy: any_policy(&mut random),
            };
            let trimmed = stream.trim(&trim);
            stream.check_invariants();
            before.check_invariants();
            check_trim(seed, &before, &trim, &stream, &trimmed);
            // An ID alone says again what was done, however entries lie.
            if let Some(last) = trimmed.last_behind_spared {
                let mut again = before.clone();
                let strategy = TrimStrategy::MinId(last.next().unwrap());
                again.trim(&Trim { strategy, approximate: false, limit: None, policy: RefPolicy::Acked });
                assert_eq!((entries(&again), groups(&again)), (entries(&stream), groups(&stream)));
            }
        }
    }
}
