//! XADD

use smallvec::SmallVec;

use super::argument::parse_stream_id_strict;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::idempotency::{
    IDMP_ARGUMENT, Produced, configure, is_told_by_command, write_counters, write_record, write_settings,
};
use super::references::POLICY_ARGUMENT;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, KeyFlags, KeySpec, Spec};
use super::trim::{TrimEffect, TrimOptions, XADD_ARGUMENT, block_limits};
use crate::engine::{Key, ProducedEntry, Stream, StreamId};
use crate::number::parse_u64;
use crate::protocol::Request;
use crate::state::{Change, EventClass, Keys};

pub(super) const SPEC: Spec = Spec {
    name: "xadd",
    arity: -5,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE)).note("It may trim: so UPDATE, and not INSERT.")
    ],
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    summary: "Appends an entry to a stream; makes the stream if it is not there.",
    complexity: "O(1), and O(N) for N entries that are trimmed away",
    history: &[
        ("6.2.0", "`NOMKSTREAM` came, and `MINID` and `LIMIT` for trimming."),
        ("7.0.0", "An ID may be `<ms>-*`."),
        ("8.2.0", "`KEEPREF`, `DELREF` and `ACKED` came."),
    ],
    tips: &["nondeterministic_output"],
    arguments: &[
        Argument::new("key", ArgKind::Key(0)),
        Argument::word("nomkstream", "NOMKSTREAM").optional().since("6.2.0"),
        POLICY_ARGUMENT,
        IDMP_ARGUMENT.optional(),
        XADD_ARGUMENT,
        Argument::new(
            "id-selector",
            ArgKind::OneOf(&[Argument::word("auto-id", "*"), Argument::new("id", ArgKind::String)]),
        ),
        Argument::new(
            "data",
            ArgKind::Block(&[
                Argument::new("field", ArgKind::String),
                Argument::new("value", ArgKind::String),
            ]),
        )
        .multiple(),
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// The ID that an entry is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WantedId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    /// The one that is given.
    Given(StreamId),
}

struct Arguments<'a> {
    no_make_stream: bool,
    produced: Option<Produced<'a>>,
    trim: TrimOptions,
    id: WantedId,
    /// Where the fields begin.
    fields_at: usize,
}

fn parse(request: Request<'_>, replaying: bool) -> Result<Arguments<'_>, CommandError> {
    let mut no_make_stream = false;
    let mut produced = None;
    let mut trim = TrimOptions::default();
    let mut at = 2;
    let id = loop {
        let Some(arg) = request.get(at) else {
            return Err(CommandError::Arity("xadd".into()));
        };
        if arg == b"*" {
            break WantedId::Auto;
        }
        if trim.parse_option(request, &mut at)? {
            continue;
        }
        if Produced::parse_option(&mut produced, request, &mut at)? {
            continue;
        }
        if arg.eq_ignore_ascii_case(b"nomkstream") {
            no_make_stream = true;
            at += 1;
            continue;
        }
        break parse_wanted_id(arg)?;
    };
    // In the log it stands with the ID that the entry got.
    if produced.is_some() && id != WantedId::Auto && !replaying {
        return Err(CommandError::Other(
            "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
        ));
    }
    trim.check()?;
    let fields_at = at + 1;
    let field_args = request.len().saturating_sub(fields_at);
    if field_args < 2 || !field_args.is_multiple_of(2) {
        return Err(CommandError::Arity("xadd".into()));
    }
    Ok(Arguments { no_make_stream, produced, trim, id, fields_at })
}

fn parse_wanted_id(text: &[u8]) -> Result<WantedId, CommandError> {
    if let Some(ms) = text.strip_suffix(b"-*") {
        return parse_u64(ms).map(WantedId::AutoSeq).ok_or(CommandError::InvalidStreamId);
    }
    parse_stream_id_strict(text, 0).map(WantedId::Given)
}

/// The ID that an entry gets, above the stream's last one.
fn plan_id(wanted: WantedId, stream: &Stream, now_ms: u64) -> Result<StreamId, CommandError> {
    let last = stream.last_id();
    if last == StreamId::MAX {
        return Err(CommandError::StreamIdsExhausted);
    }
    let id = match wanted {
        WantedId::Auto => return stream.next_id(now_ms).ok_or(CommandError::StreamIdsExhausted),
        WantedId::AutoSeq(ms) if ms == last.ms => {
            let seq = last.seq.checked_add(1).ok_or(CommandError::StreamIdTooSmall)?;
            StreamId::new(ms, seq)
        }
        WantedId::AutoSeq(ms) => StreamId::new(ms, 0),
        WantedId::Given(id) => id,
    };
    if id <= last { Err(CommandError::StreamIdTooSmall) } else { Ok(id) }
}

/// An entry that an idempotent producer sends.
struct Named<'a> {
    produced: Produced<'a>,
    iid: SmallVec<[u8; 16]>,
}

impl Named<'_> {
    /// Has the stream remember that the entry got this ID.
    fn record(&self, stream: &mut Stream, id: StreamId) -> ProducedEntry<'_> {
        let deadline_ms = stream.idempotency_settings().deadline_ms(id);
        let entry = ProducedEntry { pid: self.produced.pid, iid: &self.iid, id, deadline_ms };
        stream.idempotency_mut().record(entry);
        entry
    }
}

/// The ID that an entry got when it was sent before, if the stream remembers it; that it came again is counted.
fn find_duplicate(
    keys: &mut Keys<'_>,
    key: &Key<'_>,
    named: &Named<'_>,
) -> Result<Option<StreamId>, CommandError> {
    let (now_ms, replaying, db) = (keys.now_ms, keys.replaying, keys.db);
    let Some(stream) = keys.find_stream_for_write(key)? else {
        return Ok(None);
    };
    if !replaying {
        stream.expire_produced(now_ms);
    }
    let known = stream.idempotency().and_then(|known| known.find(named.produced.pid, &named.iid));
    if known.is_some() {
        let idempotency = stream.idempotency_mut();
        idempotency.count_duplicate();
        let counters = (idempotency.added(), idempotency.duplicates());
        write_counters(keys.effects(), db, key.bytes, counters);
        keys.changed(key, Change::Metadata);
    }
    Ok(known)
}

/// Writes the effect of an XADD without options: mostly as it came, but for the ID.
#[inline]
fn write_plain(keys: &mut Keys<'_>, request: Request<'_>, id: StreamId) {
    let db = keys.db;
    let effects = keys.effects();
    if effects.is_muted() {
        return;
    }
    // It may have come under another name.
    let is_plain = matches!(request.arg(0), b"XADD" | b"xadd");
    if let (true, Some((before, behind))) = (is_plain, request.wire_around(2)) {
        effects.wire_around(db, before, id, behind);
        return;
    }
    effects.begin(db, request.len());
    effects.arg(b"XADD");
    effects.arg(request.arg(1));
    effects.arg_id(id);
    request.args_from(3).for_each(|arg| effects.arg(arg));
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let arguments = parse(request, context.keys.replaying)?;
    if arguments.id == WantedId::Given(StreamId::MIN) {
        return Err(CommandError::StreamIdZero);
    }
    let fields_len: usize = request.args_from(arguments.fields_at).map(<[u8]>::len).sum();
    if fields_len > Stream::ENTRY_BYTES_MAX {
        return Err(CommandError::StreamEntryTooLarge);
    }
    let keys = &mut *context.keys;
    let key = Key::new(request.arg(1));
    let limits = block_limits(&context.shared.config);
    let now_ms = keys.now_ms;
    if arguments.no_make_stream && keys.find_stream_for_write(&key)?.is_none() {
        context.reply.null();
        return Ok(Outcome::Done);
    }
    let produced = arguments
        .produced
        .map(|produced| Named { iid: produced.find_iid(request.pairs_from(arguments.fields_at)), produced });
    if let (WantedId::Auto, Some(named)) = (arguments.id, &produced)
        && let Some(id) = find_duplicate(keys, &key, named)?
    {
        context.reply.stream_id(id);
        return Ok(Outcome::Done);
    }
    let (replaying, db) = (keys.replaying, keys.db);
    // A new stream takes any ID above 0-0: nothing is refused once it is made.
    let (stream, created) = keys.find_or_create_stream(&key)?;
    let settings = created.then(|| configure(stream, &context.shared.config, replaying)).flatten();
    let id = plan_id(arguments.id, stream, now_ms)?;
    stream.append(id, request.pairs_from(arguments.fields_at), &limits);
    let trimmed = arguments.trim.trim(&limits).and_then(|trim| {
        let trimmed = stream.trim(&trim);
        TrimEffect::new(stream, &trim, trimmed)
    });
    let is_trimmed = trimmed.is_some();
    let recorded = produced.as_ref().map(|named| named.record(stream, id));
    // New settings make the stream forget: what it is to remember is told behind them.
    let option = arguments.produced.filter(|_| settings.is_none());
    let is_told_by_command = recorded.as_ref().is_some_and(|entry| is_told_by_command(stream, entry));
    let option_args =
        option.as_ref().map_or(0, Produced::argc) + trimmed.as_ref().map_or(0, TrimEffect::option_count);
    if option_args == 0 && arguments.fields_at == 3 {
        write_plain(keys, request, id);
    } else {
        let effect = keys.begin_effect(3 + option_args + request.len() - arguments.fields_at);
        effect.arg(b"XADD");
        effect.arg(key.bytes);
        if let Some(option) = option {
            option.write_option(effect);
        }
        if let Some(trimmed) = &trimmed {
            trimmed.write_options(effect);
        }
        effect.arg_id(id);
        request.args_from(arguments.fields_at).for_each(|arg| effect.arg(arg));
    }
    if let Some(trimmed) = trimmed {
        trimmed.write_rest(keys, key.bytes);
    }
    if let Some(settings) = settings {
        write_settings(keys.effects(), db, key.bytes, settings);
        if let Some(entry) = recorded {
            write_record(keys.effects(), db, key.bytes, &entry, is_told_by_command);
        }
    }
    keys.notify(EventClass::STREAM, "xadd", &key);
    if is_trimmed {
        keys.notify(EventClass::STREAM, "xtrim", &key);
    }
    keys.changed(&key, Change::Updated);
    context.reply.stream_id(id);
    Ok(Outcome::Done)
}
