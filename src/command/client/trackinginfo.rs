//! CLIENT TRACKINGINFO

use std::sync::atomic::Ordering::Relaxed;

use super::getredir::redirect;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "trackinginfo",
    arity: 2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.2.0",
    group: Group::Connection,
    summary: "Tells whether and how the connection tracks keys.",
    complexity: "O(1)",
    help: &["TRACKINGINFO", "    How this connection tracks keys."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    let (reply, session) = (&mut *context.reply, &*context.session);
    let tracking = session.tracking.as_deref();
    let options = tracking.map(|tracking| tracking.tracker.options).unwrap_or_default();
    let caching = tracking.and_then(|tracking| tracking.caching);
    let flags = [
        (tracking.is_none(), "off"),
        (tracking.is_some(), "on"),
        (options.broadcast, "bcast"),
        (options.opt_in, "optin"),
        (options.opt_in && caching == Some(true), "caching-yes"),
        (options.opt_out, "optout"),
        (options.opt_out && caching == Some(false), "caching-no"),
        (options.no_loop, "noloop"),
        (session.handle.tracking_broken.load(Relaxed), "broken_redirect"),
    ];
    reply.map(3);
    reply.text("flags");
    reply.set(flags.iter().filter(|(holds, _)| *holds).count());
    flags.iter().filter(|(holds, _)| *holds).for_each(|(_, flag)| reply.text(flag));
    reply.text("redirect");
    reply.integer(redirect(session));
    reply.text("prefixes");
    match tracking {
        Some(tracking) => {
            reply.array(tracking.tracker.prefixes.len());
            tracking.tracker.prefixes.iter().for_each(|prefix| reply.bulk(prefix));
        }
        None => reply.array(0),
    }
    Ok(Outcome::Done)
}
