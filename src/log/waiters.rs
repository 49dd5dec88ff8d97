//! [`Waiters`]: the tasks that wait for the log to become durable.

use std::task::Waker;

use parking_lot::Mutex;
use slab::Slab;

use super::position::Position;

/// The tasks that wait for positions, whichever runtimes they are on.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    list: Mutex<Slab<Waiter>>,
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
            Some(key) => list[key] = waiter,
            None => *key = Some(list.insert(waiter)),
        }
    }

    /// Takes a task off the list.
    pub(super) fn remove(&self, key: usize) {
        self.list.lock().remove(key);
    }

    /// Wakes the tasks that wait for a position up to `position`.
    pub(super) fn wake(&self, position: Position) {
        let mut wakers = Vec::new();
        for (_, waiter) in self.list.lock().iter_mut() {
            if waiter.position <= position {
                wakers.extend(waiter.waker.take());
            }
        }
        // Outside the lock: a woken task may run, and come back here, at once.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes all tasks.
    pub(super) fn wake_all(&self) {
        self.wake(Position(u64::MAX));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.lock().len()
    }
}
