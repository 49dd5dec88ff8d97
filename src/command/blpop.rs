//! BLPOP, so that clients of streams and clients of lists can wait for one key.

use super::context::{Context, Outcome, Wait};
use super::error::CommandError;
use super::lists::{as_list, finish_pop};
use super::spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, Flags, Group, KeyFlags, KeySpec, Spec,
};
use crate::engine::Key;
use crate::number::parse_f64;
use crate::protocol::{OwnedRequest, Reply, Request};
use crate::state::{Blocking, Keys, Served};

pub(super) const SPEC: Spec = Spec {
    name: "blpop",
    arity: -3,
    flags: Flags::WRITE.union(Flags::BLOCKING),
    keys: &[KeySpec {
        flags: KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        begin: BeginSearch::Index(1),
        find: FindKeys::Range { last: -2, step: 1, limit: 0 },
        note: None,
    }],
    categories: Categories::LIST,
    since: "2.0.0",
    group: Group::List,
    summary: "Takes the first element away from the first list that has any, and waits for one if none has.",
    complexity: "O(N) for N keys",
    history: &[("6.0.0", "The time may be a fraction of a second.")],
    arguments: &[Argument::new("key", ArgKind::Key(0)).multiple(), Argument::new("timeout", ArgKind::Double)],
    handler: execute,
    ..Spec::DEFAULT
};

const BLOCKING: Blocking = Blocking { serve, wakes_on_loss: false, shares_replies: false };

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let timeout_ms = parse_timeout_ms(request.arg(request.len() - 1), context.keys.now_ms)?;
    for key in keys_of(request) {
        if pop(context.keys, context.reply, key)? {
            return Ok(Outcome::Done);
        }
    }
    if context.session.in_exec {
        context.reply.null_array();
        return Ok(Outcome::Done);
    }
    let owned = OwnedRequest::new(request.args_from(0));
    Ok(context.block(&BLOCKING, owned, keys_of(request), Wait { timeout_ms, ..Wait::default() }))
}

fn keys_of(request: Request<'_>) -> impl Iterator<Item = &[u8]> {
    request.args_from(1).take(request.len() - 2)
}

/// How long to wait, in milliseconds; `None` for as long as it takes. The text is in seconds.
fn parse_timeout_ms(text: &[u8], now_ms: u64) -> Result<Option<u64>, CommandError> {
    let seconds = parse_f64(text).ok_or(CommandError::Other("ERR timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    if ms < 0.0 {
        return Err(CommandError::Other("ERR timeout is negative"));
    }
    // The conversion saturates, which the check finds.
    let ms = ms as u64;
    if ms > i64::MAX as u64 - now_ms {
        return Err(CommandError::Other("ERR timeout is out of range"));
    }
    Ok(Some(ms).filter(|&ms| ms > 0))
}

/// Serves a blocked BLPOP. A key that got another type is passed over: the client goes on waiting.
fn serve(keys: &mut Keys<'_>, request: Request<'_>, reply: &mut Reply) -> Served {
    for key in keys_of(request) {
        if keys.holds(&Key::new(key)) && matches!(pop(keys, reply, key), Ok(true)) {
            return Served::Replied;
        }
    }
    Served::NotYet
}

/// Takes a list's first element and writes the reply; whether there is such a list.
fn pop(keys: &mut Keys<'_>, reply: &mut Reply, key: &[u8]) -> Result<bool, CommandError> {
    let name = Key::new(key);
    let Some(element) = as_list(keys.find_for_write(&name))?.and_then(|list| list.pop_front()) else {
        return Ok(false);
    };
    reply.array(2);
    reply.bulk(key);
    reply.bulk(&element);
    finish_pop(keys, &name, 1);
    Ok(true)
}
