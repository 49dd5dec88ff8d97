//! Blocked clients: who serves them, and how they stop waiting.

use std::sync::Arc;

use crate::command::{CommandError, check_access, table};
use crate::engine::Key;
use crate::protocol::Reply;
use crate::state::{Change, Keys, Mark, Served, ServedReply, ShardSet, Shared, Waiter};

/// Serves those who wait for the keys that a command (or transaction) changed, in the order they
/// came, before its locks are released.
pub(super) fn serve_ready(keys: &mut Keys<'_>) {
    let db = keys.db;
    while !keys.ready.is_empty() {
        for ready in std::mem::take(&mut keys.ready) {
            let is_concerned = |waiter: &Waiter| match ready.change {
                Change::Updated => true,
                Change::Pending => waiter.claims,
                _ => waiter.blocking.wakes_on_loss,
            };
            serve_queue(keys, ready.db, &ready.key, is_concerned);
        }
    }
    keys.db = db;
}

/// Serves those who wait for a key and are concerned, in the order they came, and takes them out of its queue.
fn serve_queue(keys: &mut Keys<'_>, db: usize, key: &[u8], is_concerned: impl Fn(&Waiter) -> bool) {
    let key = Key::new(key);
    let mut queue = keys.shard(&key).waiters.lend(db, &key);
    let mut serving = Serving::default();
    queue.retain(|waiter| !(is_concerned(waiter) && serving.serve(keys, waiter)));
    keys.shard(&key).waiters.put_back(db, &key, queue);
}

/// What is kept from one waiter of a queue to the next.
#[derive(Default)]
struct Serving {
    /// The last one served, if the next may get the same reply.
    last: Option<Shareable>,
    buffer: Vec<u8>,
}

/// A reply that changed nothing.
struct Shareable {
    waiter: Arc<Waiter>,
    reply: ServedReply,
    /// How many keys were found for it, as the statistics count.
    hits: u64,
}

impl Serving {
    /// Serves one waiter if there is something for it; whether it waits no more.
    fn serve(&mut self, keys: &mut Keys<'_>, waiter: &Arc<Waiter>) -> bool {
        let mut sender = waiter.sender.lock();
        if sender.is_none() {
            return true;
        }
        let reply = match find_refusal(waiter) {
            Some(refusal) => Some(ServedReply::error(&refusal.message(), waiter.protocol)),
            None => match &self.last {
                Some(last) if waiter.shares_reply_of(&last.waiter) => {
                    keys.count_hits(last.hits);
                    Some(last.reply.clone())
                }
                _ => self.execute(keys, waiter),
            },
        };
        let Some(reply) = reply else { return false };
        if let Some(sender) = sender.take() {
            keys.send_served(sender, reply);
        }
        true
    }

    /// Executes a waiter's request; `None` when there is nothing for it.
    fn execute(&mut self, keys: &mut Keys<'_>, waiter: &Arc<Waiter>) -> Option<ServedReply> {
        self.last = None;
        keys.db = waiter.db;
        let client_id = std::mem::replace(&mut keys.client_id, waiter.client_id);
        let hits = keys.hits();
        let mut reply = Reply::from_buffer(std::mem::take(&mut self.buffer), waiter.protocol);
        let served = (waiter.blocking.serve)(keys, waiter.request.as_request(), &mut reply);
        keys.client_id = client_id;
        let retry_at_ms = match served {
            Served::Replied | Served::Failed => {
                let failed = served == Served::Failed;
                let served = ServedReply { bytes: reply.as_bytes().into(), failed, mark: Mark::default() };
                if waiter.blocking.shares_replies && !failed {
                    let (waiter, reply) = (waiter.clone(), served.clone());
                    self.last = Some(Shareable { waiter, reply, hits: keys.hits() - hits });
                }
                self.buffer = reply.into_buffer();
                self.buffer.clear();
                return Some(served);
            }
            Served::NotYet => None,
            Served::NotBefore(at_ms) => Some(at_ms),
        };
        // Only what lies under the locked shards was looked at.
        match waiter.keys.iter().all(|key| keys.holds(&Key::new(key))) {
            true => waiter.retry.set(retry_at_ms),
            false => waiter.retry.set_nearer(retry_at_ms),
        }
        None
    }
}

/// Why a waiter may not be served any more: its user has changed since it came. The log of refusals is its connection's matter.
fn find_refusal(waiter: &Waiter) -> Option<CommandError> {
    if waiter.access.is_current() {
        return None;
    }
    let mut access = (*waiter.access).clone();
    if !access.refresh() {
        return Some(CommandError::NoAuth);
    }
    let request = waiter.request.as_request();
    let command = table().find(request.arg(0))?;
    let denied = check_access(access.user(), command, request).err()?;
    Some(CommandError::not_permitted(denied, command))
}

/// Tries a waiter again whose time has come, after those who came before it and whose time has come too. No shard is locked.
pub(super) fn retry(shared: &Shared, keys: &mut Keys<'_>, waiter: &Waiter) {
    let store = keys.store();
    let shards = waiter.keys.iter().map(|key| store.shard_of(&Key::new(key)));
    keys.acquire(shards.fold(ShardSet::None, ShardSet::with));
    if shared.scripting.running.is_busy() {
        // The data are in the middle of a script; whoever waits looks again then.
        return;
    }
    let now_ms = keys.now_ms;
    for key in &waiter.keys {
        let is_due = |other: &Waiter| other.retry.at_ms().is_some_and(|at_ms| at_ms <= now_ms);
        serve_queue(keys, waiter.db, key, is_due);
    }
    serve_ready(keys);
}

/// Takes a waiter that was served elsewhere, or gave up, out of its keys' queues.
pub(super) fn deregister(shared: &Shared, waiter: &Arc<Waiter>) {
    for key in &waiter.keys {
        let key = Key::new(key);
        let shard = shared.store.shard_of(&key);
        shared.store.lock(&ShardSet::One(shard)).get(shard).waiters.remove(&key, waiter);
    }
}
