//! What XADD, XTRIM, XDELEX and XACKDEL have in common: the policy for entries that groups refer to, and the effects of
//! heeding it.

use std::ops::Range;

use smallvec::SmallVec;

use super::argument::parse_stream_id_strict;
use super::error::CommandError;
use super::spec::{ArgKind, Argument};
use crate::engine::{Disposal, RefPolicy, StreamId};
use crate::number::parse_i64;
use crate::protocol::{Reply, Request};
use crate::state::Keys;

/// The most IDs of one effect: a command of any length would be more than who reads the log takes.
const EFFECT_IDS_MAX: usize = 1024;

/// How COMMAND DOCS describes the policy.
pub(super) const POLICY_ARGUMENT: Argument = Argument::new(
    "condition",
    ArgKind::OneOf(&[
        Argument::word("keepref", "KEEPREF"),
        Argument::word("delref", "DELREF"),
        Argument::word("acked", "ACKED"),
    ]),
)
.optional();

/// How COMMAND DOCS describes the IDs of XDELEX and XACKDEL.
pub(super) const IDS_ARGUMENT: Argument = Argument::new(
    "ids",
    ArgKind::Block(&[
        Argument::new("numids", ArgKind::Integer),
        Argument::new("id", ArgKind::String).multiple(),
    ]),
)
.token("IDS");

/// The policy that a word stands for.
pub(super) fn parse_policy(word: &[u8]) -> Option<RefPolicy> {
    // Names of fields and IDs are asked about too: most are told apart by their length.
    match word.len() {
        7 if word.eq_ignore_ascii_case(b"keepref") => Some(RefPolicy::Keep),
        6 if word.eq_ignore_ascii_case(b"delref") => Some(RefPolicy::Remove),
        5 if word.eq_ignore_ascii_case(b"acked") => Some(RefPolicy::Acked),
        _ => None,
    }
}

/// The options of XDELEX and XACKDEL.
pub(super) struct DeleteOptions {
    pub(super) policy: RefPolicy,
    /// Where the IDs stand. They are not read yet: without a stream to look into, they may be anything.
    ids: Range<usize>,
}

impl DeleteOptions {
    /// Reads the options from the argument `at` on.
    pub(super) fn parse(request: Request<'_>, mut at: usize) -> Result<Self, CommandError> {
        let (mut policy, mut ids) = (None, None);
        while let Some(word) = request.get(at) {
            if let (None, Some(known)) = (policy, parse_policy(word)) {
                policy = Some(known);
                at += 1;
            } else if let (true, Some(count)) = (word.eq_ignore_ascii_case(b"ids"), request.get(at + 1)) {
                let count = parse_i64(count)
                    .and_then(|count| u64::try_from(count).ok())
                    .filter(|&count| count > 0)
                    .ok_or(CommandError::Other("ERR Number of IDs must be a positive integer"))?;
                let first = at + 2;
                at = usize::try_from(count)
                    .ok()
                    .and_then(|count| first.checked_add(count))
                    .filter(|&end| end <= request.len())
                    .ok_or(CommandError::Other(
                        "ERR The `numids` parameter must match the number of arguments",
                    ))?;
                // Of several lists, Redis takes the last.
                ids = Some(first..at);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let ids = ids.ok_or(CommandError::Syntax)?;
        Ok(Self { policy: policy.unwrap_or_default(), ids })
    }

    /// The IDs; all are read before anything is done: a wrong one leaves everything as it is.
    pub(super) fn parse_ids(&self, request: Request<'_>) -> Result<SmallVec<[StreamId; 16]>, CommandError> {
        self.ids.clone().map(|at| parse_stream_id_strict(request.arg(at), 0)).collect()
    }

    /// The reply where there is no stream, or no group: nothing for each ID.
    pub(super) fn reply_absent(&self, reply: &mut Reply) {
        reply.array(self.ids.len());
        self.ids.clone().for_each(|_| reply.integer(disposal_number(Disposal::Absent)));
    }
}

/// How a reply tells what became of an entry.
pub(super) fn disposal_number(disposal: Disposal) -> i64 {
    match disposal {
        Disposal::Absent => -1,
        Disposal::Deleted => 1,
        Disposal::Referenced => 2,
    }
}

/// Writes that entries are pending no more, group by group.
pub(super) fn write_released(keys: &mut Keys<'_>, key: &[u8], released: &[(Box<[u8]>, Vec<StreamId>)]) {
    for (group, ids) in released {
        for ids in ids.chunks(EFFECT_IDS_MAX) {
            let effect = keys.begin_effect(3 + ids.len());
            effect.arg(b"XACK");
            effect.arg(key);
            effect.arg(group);
            ids.iter().for_each(|&id| effect.arg_id(id));
        }
    }
}

/// Writes that entries were deleted.
pub(super) fn write_deleted(keys: &mut Keys<'_>, key: &[u8], deleted: &[StreamId]) {
    for ids in deleted.chunks(EFFECT_IDS_MAX) {
        let effect = keys.begin_effect(2 + ids.len());
        effect.arg(b"XDEL");
        effect.arg(key);
        ids.iter().for_each(|&id| effect.arg_id(id));
    }
}
