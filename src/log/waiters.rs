//! [`Waiters`]: the tasks that wait for the log to become durable.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use slab::Slab;

use super::position::Position;

/// The tasks that wait for positions, whichever runtimes they are on.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    list: Mutex<Slab<Waiter>>,
    /// How many are yet to be woken: those of the list, and those on whose behalf they wait (see [`super::SyncGroup`]).
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct Waiter {
    position: Position,
    /// Gone once it was woken.
    waker: Option<Waker>,
}

impl Waiters {
    /// Puts a task on the list, or renews its waker. `key` is what the call before stored there.
    pub(super) fn register(&self, key: &mut Option<usize>, position: Position, waker: &Waker) {
        let mut list = self.list.lock();
        let waiter = Waiter { position, waker: Some(waker.clone()) };
        let is_new = match *key {
            Some(key) => std::mem::replace(&mut list[key], waiter).waker.is_none(),
            None => {
                *key = Some(list.insert(waiter));
                true
            }
        };
        self.count_in(is_new.into());
    }

    /// Takes a task off the list.
    pub(super) fn remove(&self, key: usize) {
        let waiter = self.list.lock().remove(key);
        self.count_out(waiter.waker.is_some().into());
    }

    /// Wakes the tasks that wait for a position up to `position`.
    pub(super) fn wake(&self, position: Position) {
        let mut wakers = Vec::new();
        for (_, waiter) in self.list.lock().iter_mut() {
            if waiter.position <= position {
                wakers.extend(waiter.waker.take());
            }
        }
        self.count_out(wakers.len());
        // Outside the lock: a woken task may run, and come back here, at once.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes all tasks.
    pub(super) fn wake_all(&self) {
        self.wake(Position(u64::MAX));
    }

    /// Counts some who wait.
    pub(super) fn count_in(&self, count: usize) {
        self.waiting.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts some who wait no longer.
    pub(super) fn count_out(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// How many are yet to be woken.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.lock().len()
    }
}
