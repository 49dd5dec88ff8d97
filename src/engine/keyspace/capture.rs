//! [`Capture`]: a copy of a database as it was at one moment, made little by little.

use slab::Slab;

use super::db::KeyEntry;

/// What is left to be copied of a database, and what was copied out of turn.
///
/// A key keeps its slot, so a slot stands for what it held when the capture began. Slots are copied in their order; one that is about to
/// change before its turn is copied then. So at any time, for each slot from `next` to `end` that is not among `done`: it holds what it held
/// when the capture began.
#[derive(Debug)]
pub(super) struct Capture {
    /// The database's number when the capture began.
    pub(super) db: usize,
    /// The next slot in turn.
    next: usize,
    /// Behind the last slot that there was when the capture began.
    end: usize,
    /// Slots that were copied out of turn, or were free when the capture began: a bit each.
    done: Vec<u64>,
    /// Copies that were made out of turn.
    ahead: Vec<KeyEntry>,
}

impl Capture {
    /// Of a database whose slots are these.
    pub(super) fn new(db: usize, slots: &Slab<KeyEntry>) -> Self {
        let end = slots.capacity();
        Self { db, next: 0, end, done: vec![0; end.div_ceil(64)], ahead: Vec::new() }
    }

    /// Marks a slot as done with; whether it was not yet.
    fn mark(&mut self, slot: usize) -> bool {
        if slot < self.next || slot >= self.end {
            return false;
        }
        let (word, bit) = (&mut self.done[slot / 64], 1 << (slot % 64));
        let was_left = *word & bit == 0;
        *word |= bit;
        was_left
    }

    /// Copies a slot that is about to change, if its turn has not come.
    #[cold]
    pub(super) fn keep(&mut self, slot: usize, slots: &Slab<KeyEntry>) {
        if self.mark(slot)
            && let Some(entry) = slots.get(slot)
        {
            self.ahead.push(entry.clone());
        }
    }

    /// A key that was not there has come to be in a slot.
    #[cold]
    pub(super) fn leave_out(&mut self, slot: usize) {
        self.mark(slot);
    }

    /// Moves what was copied out of turn, and copies of the keys in the next so many slots, to `copies`; whether there may be more.
    pub(super) fn proceed(
        &mut self,
        count: usize,
        slots: &Slab<KeyEntry>,
        copies: &mut Vec<KeyEntry>,
    ) -> bool {
        copies.append(&mut self.ahead);
        let end = self.end.min(self.next.saturating_add(count));
        for slot in self.next..end {
            if self.done[slot / 64] & 1 << (slot % 64) == 0
                && let Some(entry) = slots.get(slot)
            {
                copies.push(entry.clone());
            }
        }
        self.next = end;
        end < self.end
    }

    /// Copies all that is left.
    pub(super) fn keep_all(&mut self, slots: &Slab<KeyEntry>) {
        let mut copies = Vec::new();
        self.proceed(usize::MAX, slots, &mut copies);
        self.ahead = copies;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::engine::{Db, Key, KeyEntry, StringValue, Value};

    fn string(text: &str) -> Value {
        Value::String(StringValue::new(text.as_bytes()))
    }

    fn describe(entry: &KeyEntry) -> (Vec<u8>, String) {
        (entry.key().to_vec(), format!("{:?} {:?}", entry.value, entry.expires_at_ms()))
    }

    /// Whatever happens meanwhile, the copies are of what was there when the capture began, each key once.
    #[test]
    fn copies_are_of_one_moment() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut db = Db::default();
            let change = |db: &mut Db, random: &mut fastrand::Rng, keys: u32| {
                let name = format!("k{}", random.u32(0..keys));
                let key = Key::new(name.as_bytes());
                let value = string(&format!("v{}", random.u32(..)));
                match random.u32(0..14) {
                    0..5 => drop(db.insert(&key, value, random.bool().then(|| random.u64(1..9)), 0)),
                    5..8 => drop(db.remove(&key)),
                    8 => drop(db.set_expiry(&key, Some(random.u64(10..20)))),
                    9 => db.find_or_insert_with(&key, || string("made"), 0).0.value = value,
                    10 => {
                        let slot = random.usize(0..db.slot_count() + 3);
                        db.find_at(slot).into_iter().for_each(|entry| entry.value = string("found"));
                    }
                    _ => db.find_mut(&key).into_iter().for_each(|entry| entry.value = string("changed")),
                }
            };
            for _ in 0..random.u32(1..400) {
                change(&mut db, &mut random, 150);
            }
            let expected: BTreeMap<_, _> = db.iter().map(describe).collect();
            db.start_capture(3);
            let (mut copies, mut rounds) = (Vec::new(), 0);
            loop {
                for _ in 0..random.u32(0..20) {
                    change(&mut db, &mut random, 200);
                }
                if random.u32(0..100) == 0 {
                    drop(db.take());
                }
                match db.capture_some(random.usize(0..20), &mut copies) {
                    Some(number) => assert_eq!(number, 3),
                    None => break,
                }
                rounds += 1;
                assert!(rounds < 10_000);
            }
            let copied: BTreeMap<_, _> = copies.iter().map(describe).collect();
            assert_eq!(copied.len(), copies.len(), "no key twice");
            assert_eq!(copied, expected, "seed {seed}");
            assert_eq!(db.capture_some(9, &mut copies), None);
        }
    }
}
