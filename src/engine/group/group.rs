//! A consumer group.

use std::ops::ControlFlow;

use super::consumer::{ConsumerSlot, Consumers};
use super::pending::{Pending, PendingEntry};
use crate::engine::{Cursor, StreamId};

/// So many entries that were handed back are passed over in a search for those that were not.
const RELEASED_PASSED_MAX: usize = 1000;

/// A consumer group of a stream.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The last entry that was delivered to any consumer, or where the group was set to begin.
    pub last_delivered_id: StreamId,
    /// How many of the entries ever added the group has read; `None` when that is not known.
    pub entries_read: Option<u64>,
    /// Where that entry ends in the stream, if the group has read it and not been set there.
    pub cursor: Cursor,
    redeliveries: u64,
    consumers: Consumers,
    pending: Pending,
}

impl Group {
    /// A group that begins behind `last_delivered_id`.
    pub fn new(last_delivered_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_delivered_id, entries_read, ..Self::default() }
    }

    /// The consumers.
    #[inline]
    pub fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    /// The consumers.
    #[inline]
    pub fn consumers_mut(&mut self) -> &mut Consumers {
        &mut self.consumers
    }

    /// The pending entries.
    #[inline]
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The pending entries, for a search that makes the next one cheaper.
    pub(in crate::engine) fn pending_mut(&mut self) -> &mut Pending {
        &mut self.pending
    }

    /// How often entries that had been delivered before and were pending were delivered again, since the group came to be in this process:
    /// the log's replay counts as far as the log tells.
    pub fn redeliveries(&self) -> u64 {
        self.redeliveries
    }

    /// When the entry was delivered that is with a consumer for the longest time, in milliseconds since the Unix epoch; `None` when none is,
    /// or when so many were handed back that the search for it takes too long.
    pub fn find_idle_since_ms(&mut self) -> Option<u64> {
        // Those that were handed back come first.
        let mut left = RELEASED_PASSED_MAX;
        let mut since_ms = None;
        self.pending.visit_by_rank(|entry| {
            if entry.consumer.is_some() {
                since_ms = Some(entry.delivered_ms);
            }
            left -= 1;
            if since_ms.is_some() || left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        since_ms
    }

    /// Makes an entry pending for a consumer or for nobody, whether or not it was for another one before.
    #[inline]
    pub fn assign(&mut self, entry: PendingEntry) {
        if let Some(before) = self.pending.insert(entry) {
            if entry.consumer.is_some() && entry.delivery_count > before.delivery_count {
                self.redeliveries += 1;
            }
            if let Some(owner) = before.consumer {
                self.consumers.get_mut(owner).pending -= 1;
            }
        }
        if let Some(owner) = entry.consumer {
            self.consumers.get_mut(owner).pending += 1;
        }
    }

    /// Takes an entry off the pending ones (XACK); returns it, or `None` when it was not pending.
    #[inline]
    pub fn acknowledge(&mut self, id: StreamId) -> Option<PendingEntry> {
        let entry = self.pending.remove(id)?;
        if let Some(owner) = entry.consumer {
            self.consumers.get_mut(owner).pending -= 1;
        }
        Some(entry)
    }

    /// Removes a consumer and what is pending for it; returns how many entries that were.
    pub fn remove_consumer(&mut self, slot: ConsumerSlot) -> u64 {
        let pending = self.consumers.get(slot).pending;
        if pending > 0 {
            self.pending.remove_consumer(slot);
        }
        self.consumers.remove(slot);
        pending
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.consumers.heap_bytes() + self.pending.heap_bytes()
    }

    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        self.pending.check_invariants();
        for (slot, consumer) in self.consumers.iter() {
            let counted = self.pending.iter_consumer_from(slot, StreamId::MIN).count() as u64;
            assert_eq!(counted, consumer.pending());
        }
        let counted: u64 = self.consumers.iter().map(|(_, consumer)| consumer.pending()).sum();
        let unowned = self.pending.iter_from(StreamId::MIN).filter(|entry| entry.consumer.is_none()).count();
        assert_eq!(counted + unowned as u64, self.pending.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use super::*;

    /// Random deliveries, claims and acknowledgements against a plain map.
    #[test]
    fn behaves_as_a_plain_map() {
        for seed in 0..30 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut group = Group::default();
            let mut model = BTreeMap::<u64, (u64, u8)>::new();
            let mut next = 0;
            for step in 0..3000 {
                let name = [random.u8(0..3)];
                let (slot, _) = group.consumers_mut().find_or_create(&name, 0);
                let mut assign = |id: u64, time: u64, model: &mut BTreeMap<u64, (u64, u8)>| {
                    group.assign(PendingEntry {
                        id: StreamId::new(id, 0),
                        delivered_ms: time,
                        delivery_count: 1,
                        consumer: Some(slot),
                    });
                    model.insert(id, (time, name[0]));
                };
                match random.u32(0..20) {
                    0..8 => {
                        next += random.u64(1..3);
                        assign(next, step, &mut model);
                    }
                    8..12 => assign(random.u64(0..next + 1), random.u64(0..5000), &mut model),
                    12..19 => {
                        let id = random.u64(0..next + 1);
                        let id = if random.bool() { model.keys().next().copied().unwrap_or(id) } else { id };
                        let expected = model.remove(&id).is_some();
                        assert_eq!(group.acknowledge(StreamId::new(id, 0)).is_some(), expected);
                        assert!(group.pending().find(StreamId::new(id, 0)).is_none());
                    }
                    _ if random.u32(0..50) == 0 => {
                        group.remove_consumer(slot);
                        model.retain(|_, (_, owner)| *owner != name[0]);
                    }
                    _ => {}
                }
                if step % 50 == 0 {
                    group.check_invariants();
                    let start = random.u64(0..next + 1);
                    let seen: Vec<_> =
                        group.pending().iter_from(StreamId::new(start, 0)).map(|e| e.id.ms).collect();
                    assert_eq!(seen, model.range(start..).map(|(id, _)| *id).collect::<Vec<_>>());
                    if let Some(slot) = group.consumers().find(&name) {
                        let seen = group.pending().iter_consumer_from(slot, StreamId::new(start, 0));
                        let expected = model.range(start..).filter(|(_, (_, owner))| *owner == name[0]);
                        assert!(
                            seen.map(|e| (e.id.ms, e.delivered_ms))
                                .eq(expected.map(|(id, (t, _))| (*id, *t)))
                        );
                    }
                }
            }
        }
    }

    /// Random deliveries, claims and releases: the order of claims is that of a sorted list.
    #[test]
    fn claims_come_in_order() {
        for seed in 0..4 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut group = Group::default();
            let (slot, _) = group.consumers_mut().find_or_create(b"c", 0);
            // ID to whether it is owned, time, and the step at which that was said.
            let mut model = BTreeMap::<u64, (bool, u64, u64)>::new();
            let mut now = 100;
            for step in 0..20_000 {
                now += u64::from(random.u32(0..4) == 0);
                let id = random.u64(0..30_000);
                let mut assign = |consumer, delivered_ms, delivery_count| {
                    let id = StreamId::new(id, 0);
                    group.assign(PendingEntry { id, delivered_ms, delivery_count, consumer });
                    assert_eq!(
                        group.pending().find(id).map(|entry| entry.delivery_count),
                        Some(delivery_count)
                    );
                };
                match random.u32(0..10) {
                    0..5 => {
                        assign(Some(slot), now, step);
                        model.insert(id, (true, now, step));
                    }
                    5 => {
                        let earlier = random.u64(0..100);
                        assign(Some(slot), earlier, (1 << random.u32(0..63)) + step);
                        model.insert(id, (true, earlier, step));
                    }
                    6 => {
                        assign(None, 0, i64::MAX as u64);
                        model.insert(id, (false, 0, step));
                    }
                    _ => {
                        let removed = group.acknowledge(StreamId::new(id, 0)).is_some();
                        assert_eq!(removed, model.remove(&id).is_some());
                    }
                }
                if step % 1000 == 999 {
                    group.check_invariants();
                    let mut expected: Vec<u64> = model.keys().copied().collect();
                    expected.sort_by_key(|id| model[id]);
                    let wanted = random.usize(1..=expected.len());
                    let mut seen = Vec::new();
                    group.pending_mut().visit_by_rank(|entry| {
                        seen.push(entry.id.ms);
                        if seen.len() == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    });
                    assert_eq!(seen, expected[..wanted]);
                    group.check_invariants();
                    let released = group.pending().list_released();
                    let expected = expected.iter().take_while(|id| !model[id].0);
                    assert!(released.iter().map(|entry| &entry.id.ms).eq(expected));
                    assert_eq!(released.len() as u64, group.pending().released());
                }
            }
        }
    }

    /// A search among a million entries costs about as many steps as one among a thousand.
    #[test]
    fn a_search_does_not_scan() {
        let mut group = Group::default();
        let (slot, _) = group.consumers_mut().find_or_create(b"c", 0);
        let assign = |group: &mut Group, n: u64, delivered_ms: u64| {
            let id = StreamId::new(n, 0);
            group.assign(PendingEntry { id, delivered_ms, delivery_count: 1, consumer: Some(slot) });
        };
        const LEN: u64 = 1_000_000;
        for n in 0..LEN {
            assign(&mut group, n, n);
        }
        // The longest idle one is delivered again, and again, ten thousand times.
        let mut steps = 0;
        for n in 0..10_000 {
            let mut oldest = None;
            steps += group.pending_mut().visit_by_rank(|entry| {
                oldest = Some(entry);
                ControlFlow::Break(())
            });
            assert_eq!(oldest.map(|entry| entry.delivered_ms), Some(n));
            assign(&mut group, n, LEN + n);
        }
        // All branches' heads, and what is below one or two of them and of their leaves.
        assert!(steps / 10_000 < 600, "{steps}");
        group.check_invariants();
    }

    #[test]
    fn memory_is_given_back() {
        let mut group = Group::default();
        let (slot, _) = group.consumers_mut().find_or_create(b"c", 0);
        for n in 0..100_000 {
            group.assign(PendingEntry {
                id: StreamId::new(n, 0),
                delivered_ms: n,
                delivery_count: 1,
                consumer: Some(slot),
            });
        }
        let full = group.heap_bytes();
        assert!(full < 100_000 * 34, "an entry is 32 bytes beside its part of a leaf's head: {full}");
        for n in 0..100_000 {
            if n % 100 != 0 {
                group.acknowledge(StreamId::new(n * 7919 % 100_000 / 100 * 100 + n % 100, 0));
            }
        }
        group.check_invariants();
        assert!(group.heap_bytes() < full / 4);
    }
}
