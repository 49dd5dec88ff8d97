//! What XADD, XCFGSET, XIDMPRECORD, XGROUP CREATE and the rewrite of the log have in common about idempotent producers.
//!
//! The effects are Redis 8.6's commands where these say it all. What they do not say is in hidden effects: an entry that is
//! remembered for longer than its ID tells, or that is not in the stream any more; and the counters.

use super::error::CommandError;
use super::spec::{ArgKind, Argument};
use crate::config::{Config, settings};
use crate::engine::{IdempotencySettings, ProducedEntry, Stream, content_iid};
use crate::log::Effects;
use crate::protocol::Request;
use smallvec::SmallVec;

/// The hidden effect that records an entry: key, producer, idempotent ID, entry's ID, and when it is forgotten, in milliseconds
/// since the Unix epoch.
pub(super) const PRODUCED: &[u8] = b"#PRODUCED";
/// The hidden effect that sets the counters: key, entries recorded, duplicates.
pub(super) const PRODUCED_COUNTERS: &[u8] = b"#PRODUCEDCOUNTERS";

/// How COMMAND DOCS describes the options of XADD.
pub(super) const IDMP_ARGUMENT: Argument = Argument::new(
    "idmp",
    ArgKind::OneOf(&[
        Argument::new(
            "idmpauto-with-pid",
            ArgKind::Block(&[
                Argument::word("idmpauto-token", "IDMPAUTO"),
                Argument::new("pid", ArgKind::String),
            ]),
        ),
        Argument::new(
            "idmp-with-pid-iid",
            ArgKind::Block(&[
                Argument::word("idmp-token", "IDMP"),
                Argument::new("pid", ArgKind::String),
                Argument::new("iid", ArgKind::String),
            ]),
        ),
    ]),
)
.untold_since("8.6.0");

/// Who sends an entry, and how it names it; `None` when its content is its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Produced<'a> {
    pub(super) pid: &'a [u8],
    iid: Option<&'a [u8]>,
}

impl<'a> Produced<'a> {
    /// Reads the option at `at`, if it is one of these, and moves behind it; whether it was one. `before` is what was read so
    /// far.
    pub(super) fn parse_option(
        before: &mut Option<Self>,
        request: Request<'a>,
        at: &mut usize,
    ) -> Result<bool, CommandError> {
        let more = request.len() - *at - 1;
        let arg = request.arg(*at);
        let is_auto = arg.eq_ignore_ascii_case(b"idmpauto") && more >= 1;
        let is_named = arg.eq_ignore_ascii_case(b"idmp") && more >= 2;
        if !is_auto && !is_named {
            return Ok(false);
        }
        if before.is_some() {
            return Err(CommandError::Other("ERR syntax error, IDMP/IDMPAUTO specified multiple times"));
        }
        let produced = Self { pid: request.arg(*at + 1), iid: (!is_auto).then(|| request.arg(*at + 2)) };
        if produced.pid.is_empty() {
            return Err(CommandError::Other(match produced.iid {
                None => "ERR syntax error, IDMPAUTO requires a non-empty producer ID",
                Some(_) => "ERR syntax error, IDMP requires a non-empty producer ID",
            }));
        }
        if produced.iid.is_some_and(<[u8]>::is_empty) {
            return Err(CommandError::Other("ERR syntax error, IDMP requires a non-empty idempotent ID"));
        }
        *before = Some(produced);
        *at += 2 + usize::from(!is_auto);
        Ok(true)
    }

    /// The idempotent ID of an entry of these fields.
    pub(super) fn find_iid(
        &self,
        fields: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> SmallVec<[u8; 16]> {
        match self.iid {
            Some(iid) => SmallVec::from_slice(iid),
            None => SmallVec::from(content_iid(fields)),
        }
    }

    /// The number of arguments that [`Self::write_option`] writes.
    pub(super) fn argc(&self) -> usize {
        2 + usize::from(self.iid.is_some())
    }

    /// Writes the option as a part of XADD's effect.
    pub(super) fn write_option(&self, effect: &mut Effects) {
        effect.arg(if self.iid.is_some() { b"IDMP" } else { b"IDMPAUTO" });
        effect.arg(self.pid);
        if let Some(iid) = self.iid {
            effect.arg(iid);
        }
    }
}

/// Gives a new stream the settings that new streams are to have, and returns them if the log has to tell them: by XCFGSET,
/// since streams that the log makes have the default ones, whatever the configuration is by then.
pub(super) fn configure(
    stream: &mut Stream,
    config: &Config,
    replaying: bool,
) -> Option<IdempotencySettings> {
    let setting = |setting| u32::try_from(config.integer(setting)).unwrap_or(u32::MAX);
    let settings = IdempotencySettings {
        duration_s: setting(settings::STREAM_IDMP_DURATION),
        size_max: setting(settings::STREAM_IDMP_MAXSIZE),
    };
    if replaying || settings == stream.idempotency_settings() {
        return None;
    }
    stream.idempotency_mut().set_settings(settings);
    Some(settings)
}

/// Writes the effect that changes a stream's settings.
pub(super) fn write_settings(effects: &mut Effects, db: usize, key: &[u8], settings: IdempotencySettings) {
    effects.begin(db, 6);
    effects.arg(b"XCFGSET");
    effects.arg(key);
    effects.arg(b"IDMP-DURATION");
    effects.arg_unsigned(settings.duration_s.into());
    effects.arg(b"IDMP-MAXSIZE");
    effects.arg_unsigned(settings.size_max.into());
}

/// Whether XIDMPRECORD says all of an entry that a stream remembers.
pub(super) fn is_told_by_command(stream: &Stream, entry: &ProducedEntry<'_>) -> bool {
    entry.deadline_ms == stream.idempotency_settings().deadline_ms(entry.id) && stream.contains(entry.id)
}

/// Writes the effect that records an entry: XIDMPRECORD, or a hidden one.
pub(super) fn write_record(
    effects: &mut Effects,
    db: usize,
    key: &[u8],
    entry: &ProducedEntry<'_>,
    is_told_by_command: bool,
) {
    let ProducedEntry { pid, iid, id, deadline_ms } = *entry;
    if is_told_by_command {
        effects.begin(db, 5);
        for arg in [b"XIDMPRECORD", key, pid, iid] {
            effects.arg(arg);
        }
        effects.arg_id(id);
        return;
    }
    let (id, mut deadline) = (id.to_string(), itoa::Buffer::new());
    effects.hidden(db, &[PRODUCED, key, pid, iid, id.as_bytes(), deadline.format(deadline_ms).as_bytes()]);
}

/// Writes the effect that sets the counters.
pub(super) fn write_counters(effects: &mut Effects, db: usize, key: &[u8], (added, duplicates): (u64, u64)) {
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    let added = digits.0.format(added).as_bytes();
    let duplicates = digits.1.format(duplicates).as_bytes();
    effects.hidden(db, &[PRODUCED_COUNTERS, key, added, duplicates]);
}
