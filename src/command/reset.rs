//! RESET

use std::sync::atomic::Ordering::Relaxed;

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{Categories, Flags, Group, Spec};
use crate::protocol::{Protocol, Request};
use crate::state::ReplyMode;

pub(super) const SPEC: Spec = Spec {
    name: "reset",
    arity: 1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::NO_AUTH)
        .union(Flags::ALLOW_BUSY)
        .union(Flags::SUBSCRIBED)
        .union(Flags::UNQUEUED),
    categories: Categories::CONNECTION,
    since: "6.2.0",
    group: Group::Connection,
    summary: "Puts the connection back into the state in which connections begin.",
    complexity: "O(1)",
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let session = &mut *context.session;
    session.set_transaction(None);
    session.unwatch_locked(context.keys);
    context.shared.pubsub.unsubscribe_all(session);
    session.untrack(&context.shared.tracking);
    session.is_monitor = false;
    context.shared.monitors.remove(&session.handle);
    // What came until now is read before the reply.
    session.handle.outbox.take(context.reply.buffer_mut(), usize::MAX);
    session.select(0);
    session.set_protocol(Protocol::Resp2);
    session.reply_mode = ReplyMode::On;
    let user = context.shared.users.default_user();
    let is_open = context.shared.users.is_open();
    session.become_user(user, is_open);
    let handle = &session.handle;
    handle.no_evict.store(false, Relaxed);
    handle.no_touch.store(false, Relaxed);
    handle.names.lock().name.clear();
    context.reply.set_protocol(Protocol::Resp2);
    context.reply.simple("RESET");
    Ok(Outcome::Done)
}
