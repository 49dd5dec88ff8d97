//! [`SyncGroup`]: the tasks of one thread that wait for the log to become durable, and share its syncs.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::error::LogError;
use super::position::Position;
use super::writer::Log;

/// The tasks of one thread that wait for positions of the log. One task more, the leader, has the log synced on behalf of them all: a sync
/// wakes one task from the log's thread, which wakes the others on their own, without a lock for each.
///
/// Whoever waits sees to it that there is a leader ([`Self::takes_leader`]).
#[derive(Debug, Default)]
pub struct SyncGroup {
    members: RefCell<Slab<Member>>,
    /// How many of them are yet to be woken.
    waiting: Cell<usize>,
    /// How many waited at the end of the last sync, for it or for the next one.
    expected: Cell<usize>,
    has_leader: Cell<bool>,
}

#[derive(Debug)]
struct Member {
    position: Position,
    /// Gone once it was woken.
    waker: Option<Waker>,
}

impl SyncGroup {
    /// Waits until everything up to `position` is durable.
    ///
    /// The future's output is the failure that latched the log, as that of [`Log::durable_at`].
    pub fn durable_at<'a>(&'a self, log: &'a Log, position: Position) -> GroupWait<'a> {
        GroupWait { group: self, log, position, key: None }
    }

    /// Whether the caller, who is about to wait, is to start a task on its thread that runs [`Self::lead`].
    pub fn takes_leader(&self) -> bool {
        !self.has_leader.replace(true)
    }

    /// Has the log synced for as long as anybody waits for it. Before each sync `gather` may wait for others who will want it, too.
    pub async fn lead(&self, log: &Log, gather: impl AsyncFn()) {
        loop {
            gather().await;
            let Some(first) = self.first() else { break };
            // What it comes to is asked for each member; it need not be the same for all.
            let _ = log.durable_at(first).await;
            self.expected.set(self.waiting.get());
            self.release(log);
        }
        self.has_leader.set(false);
    }

    /// Whether as many wait as at the end of the last sync: those whom it served and who are back, and those for whom it came too early.
    pub fn are_all_there(&self) -> bool {
        self.waiting.get() >= self.expected.get()
    }

    /// The first position that is waited for.
    fn first(&self) -> Option<Position> {
        let members = self.members.borrow();
        members.iter().filter(|(_, member)| member.waker.is_some()).map(|(_, member)| member.position).min()
    }

    /// Wakes those for whom it is known what waiting comes to.
    fn release(&self, log: &Log) {
        let mut count = 0;
        for (_, member) in self.members.borrow_mut().iter_mut() {
            if member.waker.is_some()
                && log.find_outcome(member.position).is_some()
                && let Some(waker) = member.waker.take()
            {
                // A task of this thread, which has yet to get its turn.
                waker.wake();
                count += 1;
            }
        }
        self.count_out(log, count);
    }

    fn count_in(&self, log: &Log) {
        self.waiting.set(self.waiting.get() + 1);
        log.waiters().count_in(1);
    }

    fn count_out(&self, log: &Log, count: usize) {
        self.waiting.set(self.waiting.get() - count);
        log.waiters().count_out(count);
    }
}

/// The future of [`SyncGroup::durable_at`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct GroupWait<'a> {
    group: &'a SyncGroup,
    log: &'a Log,
    position: Position,
    /// The place among the members.
    key: Option<usize>,
}

impl Future for GroupWait<'_> {
    type Output = Result<(), Arc<LogError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.log.find_outcome(self.position) {
            return Poll::Ready(outcome);
        }
        let group = self.group;
        let member = Member { position: self.position, waker: Some(context.waker().clone()) };
        let mut members = group.members.borrow_mut();
        let is_new = match self.key {
            Some(key) => std::mem::replace(&mut members[key], member).waker.is_none(),
            None => {
                self.key = Some(members.insert(member));
                true
            }
        };
        if is_new {
            group.count_in(self.log);
        }
        Poll::Pending
    }
}

impl Drop for GroupWait<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let member = self.group.members.borrow_mut().remove(key);
        if member.waker.is_some() {
            self.group.count_out(self.log, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

    use super::super::testing::*;
    use super::super::{DiskStorage, Fault, FaultStorage, FsyncPolicy, LogOperation};
    use super::*;

    fn open(storage: &FaultStorage) -> Arc<Log> {
        Arc::new(start(storage, &test_paths(), FsyncPolicy::Always).unwrap())
    }

    /// What the tasks of a test share.
    struct Setting {
        log: Arc<Log>,
        group: SyncGroup,
        /// Counts what the tasks do.
        turns: Cell<usize>,
    }

    impl Setting {
        fn new(log: Arc<Log>) -> Rc<Self> {
            Rc::new(Self { log, group: SyncGroup::default(), turns: Cell::new(0) })
        }

        /// Waits in a task of its own.
        fn wait(self: &Rc<Self>, position: Position) -> JoinHandle<Result<(), Arc<LogError>>> {
            let setting = self.clone();
            spawn_local(async move {
                if setting.group.takes_leader() {
                    let setting = setting.clone();
                    spawn_local(async move { setting.group.lead(&setting.log, || setting.gather()).await });
                }
                let outcome = setting.group.durable_at(&setting.log, position).await;
                setting.turns.set(setting.turns.get() + 1);
                outcome
            })
        }

        /// Lets the others have their turns for as long as they do anything.
        async fn gather(&self) {
            while !self.group.are_all_there() {
                let before = self.turns.get();
                yield_now().await;
                if self.turns.get() == before {
                    return;
                }
            }
        }

        /// Writes one thing after another, each once the one before is durable.
        async fn write(self: Rc<Self>, name: String, rounds: usize) {
            for round in 0..rounds {
                let position = self.append(&format!("DEL {name}.{round}"));
                self.wait(position).await.unwrap().unwrap();
                assert!(self.log.durable() >= position);
            }
        }

        fn append(&self, command: &str) -> Position {
            self.log.append(&effects_of(0, &[command]))
        }

        /// Nobody waits, or is counted as waiting.
        fn check_rest(&self) {
            assert!(self.group.members.borrow().is_empty());
            assert_eq!((self.group.waiting.get(), self.group.has_leader.get()), (0, false));
            assert_eq!((self.log.waiters().len(), self.log.waiters().waiting()), (0, 0));
        }
    }

    fn run<F: Future>(test: impl FnOnce() -> F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            tokio::time::timeout(Duration::from_secs(30), test()).await.expect("it ends")
        })
    }

    /// Yields until the tasks that are ready have come to rest.
    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[test]
    fn those_who_come_back_share_the_next_sync() {
        const TASKS: usize = 20;
        const ROUNDS: usize = 5;
        run(async || {
            let setting = Setting::new(open(&test_storage(1)));
            let tasks: Vec<_> =
                (0..TASKS).map(|task| spawn_local(setting.clone().write(task.to_string(), ROUNDS))).collect();
            for task in tasks {
                task.await.unwrap();
            }
            settle().await;
            setting.check_rest();
            assert_eq!(setting.log.statistics().sync_count, ROUNDS as u64);
        });
    }

    #[test]
    fn groups_of_many_threads_share_a_log() {
        const THREADS: usize = 4;
        const TASKS: usize = 25;
        const ROUNDS: usize = 20;
        let dir = tempfile::tempdir().unwrap();
        let paths = paths_in(dir.path().to_path_buf());
        let log = Arc::new(start(&DiskStorage, &paths, FsyncPolicy::Always).unwrap());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let log = log.clone();
                scope.spawn(move || {
                    run(async || {
                        let setting = Setting::new(log);
                        let tasks: Vec<_> = (0..TASKS)
                            .map(|task| {
                                spawn_local(setting.clone().write(format!("{thread}.{task}"), ROUNDS))
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    });
                });
            }
        });
        assert_eq!((log.waiters().len(), log.waiters().waiting()), (0, 0));
        let sync_count = log.statistics().sync_count;
        assert!(sync_count < (THREADS * TASKS * ROUNDS) as u64 / 4, "tasks share syncs: {sync_count}");
    }

    #[test]
    fn each_hears_what_its_own_position_comes_to() {
        run(async || {
            let storage = test_storage(1);
            let setting = Setting::new(open(&storage));
            let written = setting.append("DEL a");
            setting.log.write_out().unwrap();
            let unwritten = setting.append("DEL b");
            // The leader asks for a sync; the log thread writes first.
            storage.fail_operation(storage.operations(), Fault::Error(28));
            let (written, unwritten) = (setting.wait(written), setting.wait(unwritten));
            let error = unwritten.await.unwrap().unwrap_err();
            assert_eq!(error.operation, LogOperation::Write);
            written.await.unwrap().unwrap();
            settle().await;
            setting.check_rest();
        });
    }

    #[test]
    fn who_gives_up_leaves_the_group() {
        run(async || {
            let setting = Setting::new(open(&test_storage(1)));
            let position = Position(setting.append("DEL a").0 + 1);
            let waiting = [setting.wait(position), setting.wait(position)];
            settle().await;
            assert_eq!(setting.group.waiting.get(), 2);
            waiting.iter().for_each(JoinHandle::abort);
            settle().await;
            assert_eq!(setting.group.waiting.get(), 0);
            assert!(setting.group.members.borrow().is_empty());
            // The leader goes on to wait for what nobody wants any more, until the next sync or the log's end.
            setting.log.close().unwrap();
            settle().await;
            setting.check_rest();
        });
    }
}
