//! The consumers of a group.

use slab::Slab;

/// A consumer's place in its group; small, so that a pending entry can name its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConsumerSlot(u32);

/// A consumer.
#[derive(Debug, Clone)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last asked for anything, in milliseconds since the Unix epoch.
    pub seen_ms: u64,
    /// When it last got or claimed an entry; `None` while it never did.
    pub active_ms: Option<u64>,
    /// Entries that are pending for it.
    pub(super) pending: u64,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The number of entries that are pending for it.
    pub fn pending(&self) -> u64 {
        self.pending
    }
}

/// A group's consumers, by name and by slot.
#[derive(Debug, Clone, Default)]
pub struct Consumers {
    slots: Slab<Consumer>,
    /// The slots in the order of the names.
    by_name: Vec<ConsumerSlot>,
}

impl Consumers {
    /// The number of consumers.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    fn search(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|slot| self.get(*slot).name().cmp(name))
    }

    /// The consumer of this name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerSlot> {
        self.search(name).ok().map(|at| self.by_name[at])
    }

    /// The consumer in a slot.
    ///
    /// # Panics
    /// When the consumer was removed: no slot outlives its consumer.
    #[inline]
    pub fn get(&self, slot: ConsumerSlot) -> &Consumer {
        &self.slots[slot.0 as usize]
    }

    /// The consumer in a slot; see [`Self::get`].
    #[inline]
    pub fn get_mut(&mut self, slot: ConsumerSlot) -> &mut Consumer {
        &mut self.slots[slot.0 as usize]
    }

    /// The consumer of this name, made if it is not there yet; whether it was made.
    pub fn find_or_create(&mut self, name: &[u8], now_ms: u64) -> (ConsumerSlot, bool) {
        match self.search(name) {
            Ok(at) => (self.by_name[at], false),
            Err(at) => {
                let consumer = Consumer { name: name.into(), seen_ms: now_ms, active_ms: None, pending: 0 };
                // Four thousand million consumers do not fit into memory.
                let slot = ConsumerSlot(self.slots.insert(consumer) as u32);
                self.by_name.insert(at, slot);
                (slot, true)
            }
        }
    }

    /// Removes a consumer; its pending entries have been removed before.
    pub(super) fn remove(&mut self, slot: ConsumerSlot) {
        let at = self.search(self.get(slot).name()).expect("a consumer that has a slot has a name");
        self.by_name.remove(at);
        self.slots.remove(slot.0 as usize);
    }

    /// The consumers in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ConsumerSlot, &Consumer)> + Clone {
        self.by_name.iter().map(|&slot| (slot, self.get(slot)))
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.slots.capacity() * (size_of::<Consumer>() + 8)
            + self.by_name.capacity() * size_of::<ConsumerSlot>()
            + self.slots.iter().map(|(_, consumer)| consumer.name.len()).sum::<usize>()
    }
}

impl ConsumerSlot {
    /// The slot as a number below `u32::MAX`, which stands for none.
    #[inline]
    pub(super) fn number(self) -> u32 {
        self.0
    }

    /// The slot of a number; `None` for `u32::MAX`.
    #[inline]
    pub(super) fn from_number(number: u32) -> Option<Self> {
        (number != u32::MAX).then_some(Self(number))
    }

    /// The bit that stands for the slot in a leaf's summary; slots share bits.
    #[inline]
    pub(super) fn summary_bit(self) -> u64 {
        1 << (self.0 % 64)
    }
}
