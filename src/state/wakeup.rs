//! [`Wakeup`]: how others reach a connection's task.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::task::Poll;

use atomic_waker::AtomicWaker;

/// Wakes the one task that waits for it; if none does, the next to wait returns at once. A connection waits for it whenever it waits for
/// requests: with nothing to be taken out of a list afterwards, that is cheaper than tokio's `Notify`.
#[derive(Debug, Default)]
pub struct Wakeup {
    is_due: AtomicBool,
    waker: AtomicWaker,
}

impl Wakeup {
    /// Wakes the task.
    pub fn wake(&self) {
        self.is_due.store(true, Release);
        self.waker.wake();
    }

    /// Waits until the task is woken. Only the connection's own task may wait: of two tasks, the first would not be woken.
    pub async fn woken(&self) {
        poll_fn(|context| {
            if self.take() {
                return Poll::Ready(());
            }
            self.waker.register(context.waker());
            // It may have become due before the waker was there.
            if self.take() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[inline]
    fn take(&self) -> bool {
        self.is_due.load(Acquire) && self.is_due.swap(false, AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    fn block_on(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    }

    #[test]
    fn none_is_missed() {
        let wakeups = Arc::new([Wakeup::default(), Wakeup::default()]);
        let answering = thread::spawn({
            let wakeups = wakeups.clone();
            move || {
                for _ in 0..10_000 {
                    block_on(wakeups[0].woken());
                    wakeups[1].wake();
                }
            }
        });
        for _ in 0..10_000 {
            wakeups[0].wake();
            block_on(wakeups[1].woken());
        }
        answering.join().unwrap();
    }

    #[test]
    fn one_that_nobody_waits_for_is_kept_once() {
        let wakeup = Wakeup::default();
        wakeup.wake();
        wakeup.wake();
        block_on(wakeup.woken());
        assert!(!wakeup.take());
    }
}
