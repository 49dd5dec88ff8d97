//! XINFO GROUPS

use super::super::context::{Context, Outcome};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::{find_stream, write_known};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "groups",
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Lists the consumer groups of a stream.",
    complexity: "O(1)",
    history: &[("7.0.0", "`entries-read` and `lag` came.")],
    arguments: &[Argument::new("key", ArgKind::Key(0))],
    help: &["GROUPS <key>", "    Tell of the stream's consumer groups."],
    deviation: Some(
        "`entries-read` stays at the greatest integer; in Redis, it turns negative behind that. `lag` is always the number of entries to come, and `entries-read` is known in more cases: see \
         [the lag of a group](#the-lag-of-a-group).",
    ),
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let stream = find_stream(context.keys, request.arg(2))?;
    let reply = &mut *context.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups().iter() {
        reply.map(6);
        reply.text("name");
        reply.bulk(name);
        reply.text("consumers");
        reply.count(group.consumers().len() as u64);
        reply.text("pending");
        reply.count(group.pending().len());
        reply.text("last-delivered-id");
        reply.stream_id(group.last_delivered_id);
        reply.text("entries-read");
        write_known(reply, stream.find_entries_read(group));
        reply.text("lag");
        reply.count(stream.lag(group));
    }
    Ok(Outcome::Done)
}
