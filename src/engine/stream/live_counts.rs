//! How many live entries a stream's sealed blocks hold, summed up.

/// Sums over slots, in each of which a few neighbouring blocks count their live entries. A sum over the slots before one
/// takes logarithmic time, and so does a change (a binary indexed tree); a new slot costs constant time on the average.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveCounts {
    /// The tree: place `i`, counted from one, has the sum of the slots in `(i - lowest set bit of i, i]`.
    sums: Vec<u64>,
}

impl LiveCounts {
    /// The number of slots.
    pub(super) fn slots(&self) -> usize {
        self.sums.len()
    }

    /// Appends a slot that holds nothing yet.
    pub(super) fn push_slot(&mut self) {
        let place = self.sums.len() + 1;
        let mut sum = 0;
        let mut width = 1;
        while width < lowest_bit(place) {
            sum += self.sums[place - width - 1];
            width *= 2;
        }
        self.sums.push(sum);
    }

    /// Counts entries in a slot.
    pub(super) fn add(&mut self, slot: usize, count: u64) {
        self.change(slot, |sum| *sum += count);
    }

    /// Counts entries that were in a slot no more.
    pub(super) fn subtract(&mut self, slot: usize, count: u64) {
        self.change(slot, |sum| *sum -= count);
    }

    fn change(&mut self, slot: usize, change: impl Fn(&mut u64)) {
        let mut place = slot + 1;
        while let Some(sum) = self.sums.get_mut(place - 1) {
            change(sum);
            place += lowest_bit(place);
        }
    }

    /// The number of entries in all slots before this one.
    pub(super) fn sum_before(&self, slot: usize) -> u64 {
        let (mut place, mut sum) = (slot, 0);
        while place > 0 {
            sum += self.sums[place - 1];
            place -= lowest_bit(place);
        }
        sum
    }

    /// Forgets all slots.
    pub(super) fn clear(&mut self) {
        self.sums.clear();
    }

    /// Memory behind the struct, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.sums.capacity() * size_of::<u64>()
    }
}

fn lowest_bit(place: usize) -> usize {
    place & place.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_a_plain_list() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut counts, mut model) = (LiveCounts::default(), Vec::<u64>::new());
        for _ in 0..3000 {
            match random.u32(0..4) {
                0 => {
                    counts.push_slot();
                    model.push(0);
                }
                1 | 2 if !model.is_empty() => {
                    let (slot, count) = (random.usize(0..model.len()), random.u64(0..1 << 33));
                    counts.add(slot, count);
                    model[slot] += count;
                }
                3 if !model.is_empty() => {
                    let slot = random.usize(0..model.len());
                    let count = random.u64(0..=model[slot]);
                    counts.subtract(slot, count);
                    model[slot] -= count;
                }
                _ => {}
            }
            let slot = random.usize(0..=model.len());
            assert_eq!(counts.sum_before(slot), model[..slot].iter().sum::<u64>());
            assert_eq!(counts.slots(), model.len());
        }
    }
}
