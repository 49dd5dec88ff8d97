//! [`Waiters`]: the tasks that wait for the log to become durable.

use std::task::Waker;

use parking_lot::Mutex;
use slab::Slab;

use super::position::Position;

/// The tasks that wait for positions, whichever runtimes they are on.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    waiters: Slab<Waiter>,
    /// How many of them are yet to be woken.
    waiting: usize,
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
        match *key {
            Some(key) => {
                let before = std::mem::replace(&mut list.waiters[key], waiter);
                list.waiting += usize::from(before.waker.is_none());
            }
            None => {
                *key = Some(list.waiters.insert(waiter));
                list.waiting += 1;
            }
        }
    }

    /// Takes a task off the list.
    pub(super) fn remove(&self, key: usize) {
        let mut list = self.list.lock();
        let waiter = list.waiters.remove(key);
        list.waiting -= usize::from(waiter.waker.is_some());
    }

    /// Wakes the tasks that wait for a position up to `position`, and answers how many they are.
    pub(super) fn wake(&self, position: Position) -> usize {
        let mut wakers = Vec::new();
        let mut list = self.list.lock();
        for (_, waiter) in list.waiters.iter_mut() {
            if waiter.position <= position {
                wakers.extend(waiter.waker.take());
            }
        }
        list.waiting -= wakers.len();
        drop(list);
        let count = wakers.len();
        // Outside the lock: a woken task may run, and come back here, at once.
        wakers.into_iter().for_each(Waker::wake);
        count
    }

    /// Wakes all tasks.
    pub(super) fn wake_all(&self) {
        self.wake(Position(u64::MAX));
    }

    /// How many tasks are yet to be woken.
    pub(super) fn waiting(&self) -> usize {
        self.list.lock().waiting
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.lock().waiters.len()
    }
}
