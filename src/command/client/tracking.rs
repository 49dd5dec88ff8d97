//! CLIENT TRACKING

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::number::parse_i64;
use crate::protocol::Request;
use crate::state::{Session, Shared, Tracker, TrackingOptions};

use super::parse_switch;

pub(super) const SPEC: Spec = Spec {
    name: "tracking",
    arity: -3,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "6.0.0",
    group: Group::Connection,
    summary: "Has the server tell of changes of keys that the client keeps copies of.",
    complexity: "O(1), and more with some options",
    arguments: &[
        Argument::new("status", ArgKind::OneOf(&[Argument::word("on", "ON"), Argument::word("off", "OFF")])),
        Argument::new("client-id", ArgKind::Integer).token("REDIRECT").optional(),
        Argument::new("prefix", ArgKind::String).token("PREFIX").optional().multiple().multiple_token(),
        Argument::word("bcast", "BCAST").optional(),
        Argument::word("optin", "OPTIN").optional(),
        Argument::word("optout", "OPTOUT").optional(),
        Argument::word("noloop", "NOLOOP").optional(),
    ],
    help: &[
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Help for caches in clients: tells this connection, or the one with <id>, when keys change that it has read,",
        "    or with BCAST all keys that begin with a prefix.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

struct Arguments<'a> {
    options: TrackingOptions,
    prefixes: Vec<&'a [u8]>,
}

fn parse<'a>(shared: &Shared, request: Request<'a>) -> Result<Arguments<'a>, CommandError> {
    let mut arguments = Arguments { options: TrackingOptions::default(), prefixes: Vec::new() };
    let options = &mut arguments.options;
    let mut at = 3;
    while let Some(word) = request.get(at) {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match request.get(at + 1) {
            Some(id) if is(b"redirect") => {
                if options.redirect.is_some() {
                    return Err(CommandError::Other(
                        "ERR A client can only redirect to a single other client",
                    ));
                }
                let id = parse_i64(id).ok_or(CommandError::NotAnInteger)?;
                // The client may go right after this, so that it has to be expected at any time; but a wrong ID is told.
                let id = u64::try_from(id).ok().filter(|&id| shared.clients.find(id).is_some());
                let refusal = CommandError::Other("ERR The client ID you want redirect to does not exist");
                options.redirect = Some(id.ok_or(refusal)?);
                at += 1;
            }
            Some(prefix) if is(b"prefix") => {
                arguments.prefixes.push(prefix);
                at += 1;
            }
            _ if is(b"bcast") => options.broadcast = true,
            _ if is(b"optin") => options.opt_in = true,
            _ if is(b"optout") => options.opt_out = true,
            _ if is(b"noloop") => options.no_loop = true,
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    Ok(arguments)
}

/// Whether the options agree with each other, and with how the connection tracks keys already.
fn check(session: &Session, arguments: &Arguments<'_>) -> Result<(), CommandError> {
    let Arguments { options, prefixes } = arguments;
    if !options.broadcast && !prefixes.is_empty() {
        return Err(CommandError::Other("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    let present = session.tracking.as_ref().map(|tracking| tracking.tracker.options);
    if present.is_some_and(|present| present.broadcast != options.broadcast) {
        return Err(CommandError::Other(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling \
             it with a different mode.",
        ));
    }
    if options.broadcast && (options.opt_in || options.opt_out) {
        return Err(CommandError::Other("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if options.opt_in && options.opt_out {
        return Err(CommandError::Other("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    let is_switched =
        |present: TrackingOptions| (options.opt_in && present.opt_out) || (options.opt_out && present.opt_in);
    if present.is_some_and(is_switched) {
        return Err(CommandError::Other(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling \
             it with a different mode.",
        ));
    }
    Ok(())
}

/// The connection's prefixes: those that it has, and those that are given. None begins with another one.
fn join_prefixes(session: &Session, given: &[&[u8]]) -> Result<BTreeSet<Box<[u8]>>, CommandError> {
    let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    let refuse = |prefix: &[u8], kind: &str, other: &[u8]| {
        let text = [
            b"ERR Prefix '",
            prefix,
            b"' overlaps with ",
            kind.as_bytes(),
            b" prefix '",
            other,
            b"'. Prefixes for a single client must not overlap.",
        ];
        Err(CommandError::Text(String::from_utf8_lossy(&text.concat()).into_owned()))
    };
    let mut prefixes = session.tracking.as_ref().map_or_else(BTreeSet::new, |t| t.tracker.prefixes.clone());
    for (at, prefix) in given.iter().enumerate() {
        if let Some(other) = prefixes.iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, "an existing", other);
        }
        if let Some(other) = given[at + 1..].iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, "another provided", other);
        }
    }
    prefixes.extend(given.iter().map(|prefix| Box::from(*prefix)));
    if prefixes.is_empty() {
        prefixes.insert(Box::default());
    }
    Ok(prefixes)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (shared, session) = (context.shared, &mut *context.session);
    let arguments = parse(shared, request)?;
    if parse_switch(request.arg(2))? {
        check(session, &arguments)?;
        let Arguments { options, prefixes } = arguments;
        let prefixes = if options.broadcast { join_prefixes(session, &prefixes)? } else { BTreeSet::new() };
        let target = match options.redirect {
            Some(id) => shared.clients.find(id),
            None => Some(session.handle.clone()),
        };
        let refusal = CommandError::Other("ERR The client ID you want redirect to does not exist");
        let target = target.ok_or(refusal)?;
        let tracker = Arc::new(Tracker::new(options, prefixes, session.handle.clone(), target));
        shared.tracking.set(&tracker);
        session.track(tracker);
    } else {
        session.untrack(&shared.tracking);
    }
    context.reply.ok();
    Ok(Outcome::Done)
}
