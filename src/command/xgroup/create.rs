//! XGROUP CREATE

use super::super::argument::parse_stream_id_strict;
use super::super::context::{Context, Outcome};
use super::super::deliver::Names;
use super::super::error::CommandError;
use super::super::idempotency::{configure, write_settings};
use super::super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::{check_len_max, find_stream, parse_options};
use crate::engine::{self, Key, Value};
use crate::protocol::Request;
use crate::state::{Change, EventClass};

pub(super) const SPEC: Spec = Spec {
    name: "create",
    arity: -5,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT))],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Makes a consumer group.",
    complexity: "O(1)",
    history: &[("7.0.0", "`ENTRIESREAD` came.")],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::new("group", ArgKind::String),
        Argument::new(
            "id-selector",
            ArgKind::OneOf(&[Argument::new("id", ArgKind::String), Argument::word("new-id", "$")]),
        ),
        Argument::word("mkstream", "MKSTREAM").optional(),
        Argument::new("entriesread", ArgKind::Integer)
            .token("ENTRIESREAD")
            .optional()
            .display("entries-read"),
    ],
    help: &[
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a consumer group that begins behind <id>, or behind the last entry. Options are:",
        "    * MKSTREAM",
        "      Make an empty stream if there is none.",
        "    * ENTRIESREAD entries_read",
        "      Set how many entries the group has read (internal use).",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let options = parse_options(request, SPEC.name)?;
    let key = Key::new(request.arg(2));
    let names = Names { key: key.bytes, group: request.arg(3), consumer: b"" };
    let keys = &mut *context.keys;
    let position = |keys: &mut _| match find_stream(keys, &key) {
        Ok(stream) => Ok(stream.last_id()),
        Err(CommandError::WrongType) => Err(CommandError::WrongType),
        Err(_) if options.make_stream => Ok(Default::default()),
        Err(error) => Err(error),
    };
    let last_id = position(keys)?;
    check_len_max(request, 8)?;
    let id = match request.arg(4) {
        b"$" => last_id,
        id => parse_stream_id_strict(id, 0)?,
    };
    let made = keys.find_stream_for_write(&key)?.is_none();
    let mut settings = None;
    if made {
        let mut stream = Box::<engine::Stream>::default();
        settings = configure(&mut stream, &context.shared.config, keys.replaying);
        keys.insert(&key, Value::Stream(stream), None);
    }
    let replaying = keys.replaying;
    let stream = find_stream(keys, &key)?;
    let entries_read = options.limit_entries_read(stream, replaying);
    let group = engine::Group::new(id, entries_read);
    if !stream.groups_mut().create(names.group, group) {
        return Err(CommandError::BusyGroup);
    }
    let effect = keys.begin_effect(5 + usize::from(made) + 2 * usize::from(entries_read.is_some()));
    effect.arg(b"XGROUP");
    effect.arg(b"CREATE");
    effect.arg(names.key);
    effect.arg(names.group);
    effect.arg_id(id);
    if made {
        effect.arg(b"MKSTREAM");
    }
    if let Some(read) = entries_read {
        effect.arg(b"ENTRIESREAD");
        effect.arg_integer(read as i64);
    }
    if let Some(settings) = settings {
        let db = keys.db;
        write_settings(keys.effects(), db, key.bytes, settings);
    }
    keys.notify(EventClass::STREAM, "xgroup-create", &key);
    keys.changed(&key, if made { Change::Updated } else { Change::Metadata });
    context.reply.ok();
    Ok(Outcome::Done)
}
