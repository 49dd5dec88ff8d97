//! XRANGE, XREVRANGE

use super::argument::{Bound, parse_integer, parse_range_bound};
use super::context::{Context, Outcome};
use super::entry::{Order, write_range};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::engine::Key;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "xrange",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Returns the entries of a stream between two IDs, the oldest first.",
    complexity: "O(N) for N entries returned",
    history: &[("6.2.0", "Ranges may exclude their ends.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("start", ArgKind::String),
        Argument::new("end", ArgKind::String),
        Argument::new("count", ArgKind::Integer).token("COUNT").optional(),
    ],
    handler: |context, request| execute(context, request, Order::Ascending),
    ..Spec::DEFAULT
};

pub(super) const REVERSE: Spec = Spec {
    name: "xrevrange",
    summary: "Returns the entries of a stream between two IDs, the newest first.",
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("end", ArgKind::String),
        Argument::new("start", ArgKind::String),
        Argument::new("count", ArgKind::Integer).token("COUNT").optional(),
    ],
    handler: |context, request| execute(context, request, Order::Descending),
    ..SPEC
};

fn execute(
    context: &mut Context<'_, '_>,
    request: Request<'_>,
    order: Order,
) -> Result<Outcome, CommandError> {
    let (start, end) = match order {
        Order::Ascending => (request.arg(2), request.arg(3)),
        Order::Descending => (request.arg(3), request.arg(2)),
    };
    let start = parse_range_bound(start, Bound::Start)?;
    let end = parse_range_bound(end, Bound::End)?;
    let mut count = None;
    let mut at = 4;
    while let Some(option) = request.get(at) {
        match request.get(at + 1) {
            Some(number) if option.eq_ignore_ascii_case(b"count") => {
                count = Some(parse_integer(number)?.max(0) as u64);
                at += 2;
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    match context.keys.find_stream(&Key::new(request.arg(1)))? {
        None => context.reply.array(0),
        Some(_) if count == Some(0) => context.reply.null_array(),
        Some(stream) => write_range(context.reply, stream, (start, end), order, count, |_| {}),
    }
    Ok(Outcome::Done)
}
