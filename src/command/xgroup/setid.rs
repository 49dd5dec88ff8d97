//! XGROUP SETID

use super::super::argument::parse_stream_id;
use super::super::context::{Context, Outcome};
use super::super::deliver::{Names, write_group_position};
use super::super::error::CommandError;
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::{check_len_max, find_group, find_stream, parse_options};
use crate::engine::Key;
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "setid",
    arity: -5,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::UPDATE))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Sets the last ID that a consumer group was delivered.",
    complexity: "O(1)",
    history: &[("7.0.0", "`ENTRIESREAD` came.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        Argument::new(
            "id-selector",
            ArgKind::OneOf(&[Argument::new("id", ArgKind::String), Argument::word("new-id", "$")]),
        ),
        Argument::new("entriesread", ArgKind::Integer)
            .token("ENTRIESREAD")
            .optional()
            .display("entries-read"),
    ],
    help: &[
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the last ID that the group was delivered, and how many entries it has read.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let options = parse_options(request, SPEC.name)?;
    let key = Key::new(request.arg(2));
    let keys = &mut *context.keys;
    let last_id = find_stream(keys, &key)?.last_id();
    find_group(keys, &key, request.arg(3))?;
    check_len_max(request, 7)?;
    // Unlike CREATE it takes `-` and `+`.
    let id = match request.arg(4) {
        b"$" => last_id,
        id => parse_stream_id(id, 0)?,
    };
    let replaying = keys.replaying;
    let entries_read = options.limit_entries_read(find_stream(keys, &key)?, replaying);
    let group = find_group(keys, &key, request.arg(3))?;
    group.last_delivered_id = id;
    group.entries_read = entries_read;
    let names = Names { key: key.bytes, group: request.arg(3), consumer: b"" };
    write_group_position(keys, names, id, entries_read);
    keys.notify(EventClass::STREAM, "xgroup-setid", &key);
    keys.changed(&key, Change::Metadata);
    context.reply.ok();
    Ok(Outcome::Done)
}
