//! The trimming options of XADD and XTRIM.

use super::argument::{parse_integer, parse_stream_id_strict};
use super::error::CommandError;
use super::spec::{ArgKind, Argument};
use crate::config::{Config, settings};
use crate::engine::{BlockLimits, Stream, Trim, TrimStrategy};
use crate::protocol::Request;

/// How COMMAND DOCS describes the options.
pub(super) const TRIM_ARGUMENT: Argument = Argument::new(
    "trim",
    ArgKind::Block(&[
        Argument::new(
            "strategy",
            ArgKind::OneOf(&[
                Argument::word("maxlen", "MAXLEN"),
                Argument::word("minid", "MINID").since("6.2.0"),
            ]),
        ),
        Argument::new(
            "operator",
            ArgKind::OneOf(&[Argument::word("equal", "="), Argument::word("approximately", "~")]),
        )
        .optional(),
        Argument::new("threshold", ArgKind::String),
        Argument::new("count", ArgKind::Integer).token("LIMIT").optional().since("6.2.0"),
    ]),
);

/// How large a block may grow, by the settings.
#[inline]
pub(super) fn block_limits(config: &Config) -> BlockLimits {
    BlockLimits {
        bytes_max: config.memory(settings::STREAM_NODE_MAX_BYTES) as usize,
        entries_max: config.integer(settings::STREAM_NODE_MAX_ENTRIES) as usize,
    }
}

/// The trimming options of a request, as far as they were read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TrimOptions {
    strategy: Option<TrimStrategy>,
    approximate: bool,
    limit: Option<u64>,
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
        Some(Trim { strategy, approximate: self.approximate, limit })
    }
}

/// What a trim has left, as an exact strategy: its effect must not depend on how entries lie in
/// blocks.
pub(super) fn exact_strategy(trimmed: &Stream, trim: &Trim) -> TrimStrategy {
    match trim.strategy {
        TrimStrategy::MaxLen(_) => TrimStrategy::MaxLen(trimmed.len()),
        TrimStrategy::MinId(_) if trim.approximate && trimmed.len() > 0 => {
            TrimStrategy::MinId(trimmed.first_id())
        }
        TrimStrategy::MinId(min) => TrimStrategy::MinId(min),
    }
}
