//! [`SharedDeque`]: a queue that is cloned without its elements.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// So many elements share a chunk.
const CHUNK_LEN: usize = 64;

/// A double-ended queue in chunks that clones share: a clone costs a pointer for each 64 elements, and a chunk is copied when one of
/// those who share it changes it.
///
/// Invariants: no chunk is empty; all but the first and the last are full.
#[derive(Debug, Clone)]
pub(super) struct SharedDeque<T> {
    chunks: VecDeque<Arc<VecDeque<T>>>,
    len: usize,
}

impl<T> Default for SharedDeque<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), len: 0 }
    }
}

impl<T> SharedDeque<T> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The chunk of the element at `index`, and its place there; some chunk behind the last for what is behind the end.
    #[inline]
    fn place_of(&self, index: usize) -> (usize, usize) {
        let first_len = self.chunks.front().map_or(0, |first| first.len());
        match index.checked_sub(first_len) {
            None => (0, index),
            Some(behind) => (1 + behind / CHUNK_LEN, behind % CHUNK_LEN),
        }
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let (chunk, place) = self.place_of(index);
        self.chunks.get(chunk)?.get(place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The number of elements at the front that fulfil `is_before`, which those behind them do not.
    #[inline]
    pub(super) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let is_chunk_before = |chunk: &Arc<VecDeque<T>>| chunk.front().is_some_and(&is_before);
        let Some(last) = self.chunks.partition_point(is_chunk_before).checked_sub(1) else { return 0 };
        let before = match last.checked_sub(1) {
            None => 0,
            Some(full) => self.chunks[0].len() + full * CHUNK_LEN,
        };
        before + self.chunks[last].partition_point(is_before)
    }

    /// Memory behind the struct, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let chunk_bytes = |chunk: &Arc<VecDeque<T>>| {
            2 * size_of::<usize>() + size_of::<VecDeque<T>>() + chunk.capacity() * size_of::<T>()
        };
        self.chunks.capacity() * size_of::<usize>() + self.chunks.iter().map(chunk_bytes).sum::<usize>()
    }
}

impl<T: Clone> SharedDeque<T> {
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flat_map(|chunk| Arc::make_mut(chunk).iter_mut())
    }

    pub(super) fn push_back(&mut self, value: T) {
        let may_take = |chunk: &&mut Arc<VecDeque<T>>| chunk.len() < CHUNK_LEN;
        match self.chunks.back_mut().filter(may_take) {
            Some(last) => Arc::make_mut(last).push_back(value),
            None => self.chunks.push_back(Arc::new(VecDeque::from([value]))),
        }
        self.len += 1;
    }

    pub(super) fn pop_back_if(&mut self, is_wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let last = self.chunks.back_mut()?;
        if !is_wanted(last.back()?) {
            return None;
        }
        let value = Arc::make_mut(last).pop_back();
        if last.is_empty() {
            self.chunks.pop_back();
        }
        self.len -= usize::from(value.is_some());
        value
    }

    /// Drops so many elements at the front, which are there.
    pub(super) fn drop_front(&mut self, mut count: usize) {
        self.len -= count;
        while count > 0
            && let Some(first) = self.chunks.front_mut()
        {
            if first.len() <= count {
                count -= first.len();
                self.chunks.pop_front();
            } else {
                Arc::make_mut(first).drain(..count);
                return;
            }
        }
    }

    /// Removes an element; the cheaper the nearer it is to the front.
    ///
    /// # Panics
    /// When there is none at `index`.
    pub(super) fn remove(&mut self, index: usize) {
        let (chunk, place) = self.place_of(index);
        Arc::make_mut(&mut self.chunks[chunk]).remove(place).expect("the element is there");
        // All but the first are full again.
        for chunk in (1..=chunk).rev() {
            if let Some(value) = Arc::make_mut(&mut self.chunks[chunk - 1]).pop_back() {
                Arc::make_mut(&mut self.chunks[chunk]).push_front(value);
            }
        }
        if self.chunks[0].is_empty() {
            self.chunks.pop_front();
        }
        self.len -= 1;
    }

    /// Exchanges two elements, of which the first one comes first.
    ///
    /// # Panics
    /// When either is not there.
    pub(super) fn swap(&mut self, first: usize, second: usize) {
        let (one, other) = (self.place_of(first), self.place_of(second));
        if one.0 == other.0 {
            Arc::make_mut(&mut self.chunks[one.0]).swap(one.1, other.1);
            return;
        }
        let value = self[first].clone();
        self[first] = std::mem::replace(&mut self[second], value);
    }
}

impl<T> Index<usize> for SharedDeque<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        let (chunk, place) = self.place_of(index);
        &self.chunks[chunk][place]
    }
}

impl<T: Clone> IndexMut<usize> for SharedDeque<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        let (chunk, place) = self.place_of(index);
        &mut Arc::make_mut(&mut self.chunks[chunk])[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(deque: &SharedDeque<u64>, model: &VecDeque<u64>) {
        assert_eq!(deque.len(), model.len());
        assert!(deque.iter().eq(model));
        assert_eq!(deque.get(model.len()), None);
        assert!(deque.chunks.iter().all(|chunk| !chunk.is_empty()));
        let inner = deque.chunks.iter().skip(1).rev().skip(1);
        assert!(inner.clone().all(|chunk| chunk.len() == CHUNK_LEN));
    }

    #[test]
    fn a_deque_and_its_clones_are_like_plain_ones() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut deque, mut model) = (SharedDeque::default(), VecDeque::new());
        let mut clones = Vec::new();
        let mut next = 0;
        for round in 0..20_000 {
            let len = model.len();
            match random.u32(0..100) {
                0 => clones.push((deque.clone(), model.clone())),
                1 if !clones.is_empty() => {
                    clones.swap_remove(random.usize(0..clones.len()));
                }
                2..=4 if len > 0 => {
                    let count = random.usize(0..=len.min(200));
                    deque.drop_front(count);
                    model.drain(..count);
                }
                5..=20 if len > 0 => {
                    let index = random.usize(0..len);
                    deque.remove(index);
                    model.remove(index);
                }
                21..=30 => {
                    let is_wanted = random.bool();
                    let expected = if is_wanted { model.pop_back() } else { None };
                    assert_eq!(deque.pop_back_if(|_| is_wanted), expected);
                }
                31 if len > 0 => {
                    // Values ascend: these two are exchanged, and back.
                    let (first, second) = (random.usize(0..len), random.usize(0..len));
                    deque.swap(first.min(second), first.max(second));
                    model.swap(first, second);
                    assert_eq!(deque[first], model[first]);
                    assert_eq!(deque[second], model[second]);
                    deque.swap(first.min(second), first.max(second));
                    model.swap(first, second);
                }
                32 => {
                    deque.iter_mut().for_each(|value| *value += 1);
                    model.iter_mut().for_each(|value| *value += 1);
                    next += 1;
                }
                33..=36 if len > 0 => {
                    let wanted = random.u64(0..=next + 1);
                    assert_eq!(
                        deque.partition_point(|value| *value < wanted),
                        model.partition_point(|value| *value < wanted)
                    );
                }
                _ => {
                    next += 1;
                    deque.push_back(next);
                    model.push_back(next);
                }
            }
            if round % 50 == 0 {
                check(&deque, &model);
                clones.iter().for_each(|(deque, model)| check(deque, model));
            }
        }
    }

    #[test]
    fn a_clone_shares_what_is_not_changed() {
        let mut deque = SharedDeque::default();
        (0..1000).for_each(|value| deque.push_back(Arc::new(value)));
        let before = deque.clone();
        deque.push_back(Arc::new(1000));
        deque[0] = Arc::new(7);
        let copied = |index: usize| Arc::strong_count(&before[index]) > 1;
        assert!(!copied(CHUNK_LEN) && copied(1) && copied(999));
    }
}
