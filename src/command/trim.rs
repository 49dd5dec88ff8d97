//! The trimming options of XADD and XTRIM.

use super::argument::{parse_integer, parse_stream_id_strict};
use super::error::CommandError;
use super::references::{POLICY_ARGUMENT, parse_policy, write_released};
use super::spec::{ArgKind, Argument};
use crate::config::{Config, settings};
use crate::engine::{BlockLimits, RefPolicy, Stream, StreamId, Trim, TrimStrategy, Trimmed};
use crate::log::Effects;
use crate::protocol::Request;
use crate::state::Keys;

const STRATEGY: Argument = Argument::new(
    "strategy",
    ArgKind::OneOf(&[Argument::word("maxlen", "MAXLEN"), Argument::word("minid", "MINID").since("6.2.0")]),
);
const OPERATOR: Argument = Argument::new(
    "operator",
    ArgKind::OneOf(&[Argument::word("equal", "="), Argument::word("approximately", "~")]),
)
.optional();
const THRESHOLD: Argument = Argument::new("threshold", ArgKind::String);
const COUNT: Argument = Argument::new("count", ArgKind::Integer).token("LIMIT").optional().since("6.2.0");

/// How COMMAND DOCS describes XADD's options, but for the policy, which stands by itself there.
pub(super) const XADD_ARGUMENT: Argument =
    Argument::new("trim", ArgKind::Block(&[STRATEGY, OPERATOR, THRESHOLD, COUNT])).optional();

/// How COMMAND DOCS describes XTRIM's options.
pub(super) const XTRIM_ARGUMENT: Argument =
    Argument::new("trim", ArgKind::Block(&[STRATEGY, OPERATOR, THRESHOLD, COUNT, POLICY_ARGUMENT]));

/// How large a block may grow and how it is kept, by the settings.
#[inline]
pub fn block_limits(config: &Config) -> BlockLimits {
    BlockLimits {
        bytes_max: config.memory(settings::STREAM_NODE_MAX_BYTES) as usize,
        entries_max: config.integer(settings::STREAM_NODE_MAX_ENTRIES) as usize,
        plain_max: match config.integer(settings::STREAM_COMPRESS_AFTER) {
            0 => BlockLimits::ALL_PLAIN,
            blocks => blocks as usize,
        },
    }
}

/// The trimming options of a request, as far as they were read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TrimOptions {
    strategy: Option<TrimStrategy>,
    approximate: bool,
    limit: Option<u64>,
    policy: Option<RefPolicy>,
}

impl TrimOptions {
    /// Reads the option at `at`, if it is one of trimming, and moves behind it; `false` when it is
    /// none.
    pub(super) fn parse_option(
        &mut self,
        request: Request<'_>,
        at: &mut usize,
    ) -> Result<bool, CommandError> {
        let more = request.len() - *at - 1;
        let arg = request.arg(*at);
        if arg.eq_ignore_ascii_case(b"maxlen") && more > 0 {
            self.check_single()?;
            let threshold = self.parse_operator(request, at, more);
            let len = parse_integer(threshold)?;
            let len = u64::try_from(len)
                .map_err(|_| CommandError::Other("ERR The MAXLEN argument must be >= 0."))?;
            self.strategy = Some(TrimStrategy::MaxLen(len));
        } else if arg.eq_ignore_ascii_case(b"minid") && more > 0 {
            self.check_single()?;
            let threshold = self.parse_operator(request, at, more);
            self.strategy = Some(TrimStrategy::MinId(parse_stream_id_strict(threshold, 0)?));
        } else if arg.eq_ignore_ascii_case(b"limit") && more > 0 {
            let limit = parse_integer(request.arg(*at + 1))?;
            let limit = u64::try_from(limit)
                .map_err(|_| CommandError::Other("ERR The LIMIT argument must be >= 0."))?;
            self.limit = Some(limit);
            *at += 2;
        } else if let (None, Some(policy)) = (self.policy, parse_policy(arg)) {
            self.policy = Some(policy);
            *at += 1;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn check_single(&self) -> Result<(), CommandError> {
        match self.strategy {
            None => Ok(()),
            Some(_) => Err(CommandError::Other(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            )),
        }
    }

    /// Reads `=`, `~` or nothing, and returns the threshold behind it.
    fn parse_operator<'a>(&mut self, request: Request<'a>, at: &mut usize, more: usize) -> &'a [u8] {
        self.approximate = false;
        let next = request.arg(*at + 1);
        let operator = more >= 2 && (next == b"~" || next == b"=");
        if operator {
            self.approximate = next == b"~";
        }
        let threshold_at = *at + 1 + usize::from(operator);
        *at = threshold_at + 1;
        request.arg(threshold_at)
    }

    /// Checks what can be checked once all options are read.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        if self.limit.is_some() && self.strategy.is_none() {
            return Err(CommandError::Other(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.limit.is_some() && !self.approximate {
            return Err(CommandError::Other(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        Ok(())
    }

    /// What is to be done; `None` when no trimming was asked for.
    pub(super) fn trim(&self, limits: &BlockLimits) -> Option<Trim> {
        let strategy = self.strategy?;
        let limit = match self.limit {
            _ if !self.approximate => None,
            Some(0) => None,
            Some(limit) => Some(limit),
            None => Some(Trim::default_limit(limits)),
        };
        let policy = self.policy.unwrap_or_default();
        Some(Trim { strategy, approximate: self.approximate, limit, policy })
    }
}

/// What a trim did, as its effect says it: by no means in a way that depends on how entries lie in blocks.
pub(super) struct TrimEffect {
    strategy: TrimStrategy,
    /// The strategy passes over entries that groups refer to.
    is_acked: bool,
    /// What is pending no more: groups and IDs.
    released: Vec<(Box<[u8]>, Vec<StreamId>)>,
}

impl TrimEffect {
    /// What a trim did to a stream; `None` if it found nothing to do.
    pub(super) fn new(stream: &Stream, trim: &Trim, trimmed: Trimmed) -> Option<Self> {
        if trimmed.dropped == 0 {
            return None;
        }
        let (strategy, is_acked) = match (trimmed.last_behind_spared, trim.strategy) {
            // All that no group refers to, up to an ID. XDEL would raise the greatest deleted ID.
            (Some(last), _) => (last.next().map_or(TrimStrategy::MaxLen(0), TrimStrategy::MinId), true),
            (None, TrimStrategy::MaxLen(_)) => (TrimStrategy::MaxLen(stream.len()), false),
            // More than what is asked for may be left.
            (None, TrimStrategy::MinId(_))
                if stream.len() > 0 && (trim.approximate || trim.policy == RefPolicy::Acked) =>
            {
                (TrimStrategy::MinId(stream.first_id()), false)
            }
            (None, minimum) => (minimum, false),
        };
        Some(Self { strategy, is_acked, released: trimmed.released.into_named(stream.groups()) })
    }

    /// The number of arguments that [`Self::write_options`] writes.
    pub(super) fn option_count(&self) -> usize {
        if self.is_acked { 0 } else { 3 }
    }

    /// Writes the options for XADD, if XADD as Redis 7.0 knows it can say it.
    pub(super) fn write_options(&self, effect: &mut Effects) {
        if !self.is_acked {
            write_strategy(self.strategy, effect);
        }
    }

    /// Writes what [`Self::write_options`] did not.
    pub(super) fn write_rest(self, keys: &mut Keys<'_>, key: &[u8]) {
        if self.is_acked {
            self.write_xtrim(keys, key);
        } else {
            write_released(keys, key, &self.released);
        }
    }

    /// Writes everything, as an XTRIM and what belongs to it.
    pub(super) fn write_xtrim(&self, keys: &mut Keys<'_>, key: &[u8]) {
        let effect = keys.begin_effect(if self.is_acked { 6 } else { 5 });
        effect.arg(b"XTRIM");
        effect.arg(key);
        write_strategy(self.strategy, effect);
        if self.is_acked {
            effect.arg(b"ACKED");
        }
        write_released(keys, key, &self.released);
    }
}

fn write_strategy(strategy: TrimStrategy, effect: &mut Effects) {
    match strategy {
        TrimStrategy::MaxLen(len) => {
            effect.arg(b"MAXLEN");
            effect.arg(b"=");
            effect.arg_unsigned(len);
        }
        TrimStrategy::MinId(min) => {
            effect.arg(b"MINID");
            effect.arg(b"=");
            effect.arg_id(min);
        }
    }
}
