//! Blocked clients: who serves them, and how they stop waiting.

use std::sync::Arc;

use crate::engine::Key;
use crate::protocol::Reply;
use crate::state::{Change, Keys, Served, ServedReply, ShardSet, Shared, Waiter};

/// Serves those who wait for the keys that a command (or transaction) changed, in the order they
/// came, before its locks are released.
pub(super) fn serve_ready(keys: &mut Keys<'_>) {
    let db = keys.db;
    while !keys.ready.is_empty() {
        for ready in std::mem::take(&mut keys.ready) {
            let key = Key::new(&ready.key);
            for waiter in keys.shard(&key).waiters.queue(ready.db, &ready.key) {
                if ready.change != Change::Updated && !waiter.wakes_on_loss {
                    continue;
                }
                if serve(keys, &waiter) {
                    keys.shard(&key).waiters.remove(&ready.key, &waiter);
                }
            }
        }
    }
    keys.db = db;
}

/// Serves one waiter if there is something for it; whether it waits no more.
fn serve(keys: &mut Keys<'_>, waiter: &Waiter) -> bool {
    let mut sender = waiter.sender.lock();
    if sender.is_none() {
        return true;
    }
    keys.db = waiter.db;
    let mut reply = Reply::new(waiter.protocol);
    let served = (waiter.serve)(keys, waiter.request.as_request(), &mut reply);
    if served == Served::NotYet {
        return false;
    }
    if let Some(sender) = sender.take() {
        let reply = ServedReply {
            bytes: reply.into_buffer(),
            failed: served == Served::Failed,
            position: Default::default(),
        };
        keys.send_served(sender, reply);
    }
    true
}

/// Takes a waiter that was served elsewhere, or gave up, out of its keys' queues.
pub(super) fn deregister(shared: &Shared, waiter: &Arc<Waiter>) {
    for key in &waiter.keys {
        let shard = shared.store.shard_of(&Key::new(key));
        shared.store.lock(&ShardSet::One(shard)).get(shard).waiters.remove(key, waiter);
    }
}
