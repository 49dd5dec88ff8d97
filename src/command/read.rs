//! What XREAD and XREADGROUP share: their options, the list of streams, and waiting for them.

use smallvec::SmallVec;

use super::argument::{parse_integer, parse_stream_id_strict, parse_timeout_ms};
use super::budget::Budget;
use super::context::{Context, Outcome, Wait};
use super::error::CommandError;
use crate::engine::StreamId;
use crate::number::parse_i64;
use crate::protocol::{OwnedRequest, Request};
use crate::state::Blocking;

/// From where a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Behind this ID.
    After(StreamId),
    /// Behind the last ID (`$`).
    Last,
    /// The last entry (`+`).
    LastEntry,
    /// Behind what the group has read (`>`).
    New,
}

/// A stream that is read: its key's position, and from where.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadStream {
    pub(super) key_at: usize,
    pub(super) start: Start,
    /// What is pending and was not delivered for so long is claimed first.
    pub(super) claim_idle_ms_min: Option<u64>,
}

/// The arguments of XREAD or XREADGROUP.
#[derive(Debug)]
pub(super) struct ReadArguments<'a> {
    pub(super) count: Option<u64>,
    /// `None` when it does not block, else how long: see [`Wait::timeout_ms`].
    pub(super) block: Option<Option<u64>>,
    pub(super) no_ack: bool,
    claim_idle_ms_min: Option<u64>,
    max_count: Option<u64>,
    max_size: Option<u64>,
    /// Group and consumer.
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    pub(super) streams: SmallVec<[ReadStream; 4]>,
    ids_at: usize,
}

/// Which of the two commands it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// XREAD.
    Anybody,
    /// XREADGROUP.
    Consumer,
}

/// Where the keys of XREAD or XREADGROUP begin, and how many there are, by the same reading of the
/// options as [`parse`]'s; `None` when they cannot be read.
pub(super) fn find_streams(request: Request<'_>) -> Option<(usize, usize)> {
    let mut at = 1;
    while let Some(option) = request.get(at) {
        let more = request.len() - at - 1;
        if option.eq_ignore_ascii_case(b"streams") && more > 0 {
            return more.is_multiple_of(2).then_some((at + 1, more / 2));
        }
        at += option_len(option, more)?;
    }
    None
}

/// How many arguments an option takes, its name included; `None` when it is none.
fn option_len(option: &[u8], more: usize) -> Option<usize> {
    let takes = |name: &[u8], arguments: usize| {
        (option.eq_ignore_ascii_case(name) && more >= arguments).then_some(1 + arguments)
    };
    takes(b"block", 1)
        .or(takes(b"count", 1))
        .or(takes(b"claim", 1))
        .or(takes(b"maxcount", 1))
        .or(takes(b"maxsize", 1))
        .or(takes(b"group", 2))
        .or(takes(b"noack", 0))
}

/// Reads the options and the list of streams.
pub(super) fn parse<'a>(
    request: Request<'a>,
    reader: Reader,
    now_ms: u64,
) -> Result<ReadArguments<'a>, CommandError> {
    let mut arguments = ReadArguments {
        count: None,
        block: None,
        no_ack: false,
        claim_idle_ms_min: None,
        max_count: None,
        max_size: None,
        group: None,
        streams: SmallVec::new(),
        ids_at: 0,
    };
    let mut at = 1;
    let (keys_at, len) = loop {
        let Some(option) = request.get(at) else { return Err(CommandError::Syntax) };
        let more = request.len() - at - 1;
        if option.eq_ignore_ascii_case(b"streams") && more > 0 {
            if !more.is_multiple_of(2) {
                return Err(CommandError::Other(match reader {
                    Reader::Anybody => {
                        "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
                    }
                    Reader::Consumer => {
                        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
                    }
                }));
            }
            break (at + 1, more / 2);
        }
        let Some(option_len) = option_len(option, more) else { return Err(CommandError::Syntax) };
        if option.eq_ignore_ascii_case(b"block") {
            arguments.block = Some(parse_timeout_ms(request.arg(at + 1), now_ms)?);
        } else if option.eq_ignore_ascii_case(b"count") {
            arguments.count = Some(parse_integer(request.arg(at + 1))?.max(0) as u64);
        } else if option.eq_ignore_ascii_case(b"maxcount") {
            let error = CommandError::Other("ERR MAXCOUNT must be a positive integer");
            arguments.max_count = Some(parse_positive(request.arg(at + 1)).ok_or(error)?);
        } else if option.eq_ignore_ascii_case(b"maxsize") {
            let error = CommandError::Other("ERR MAXSIZE must be a positive integer");
            arguments.max_size = Some(parse_positive(request.arg(at + 1)).ok_or(error)?);
        } else if reader == Reader::Anybody {
            return Err(CommandError::Other(if option.eq_ignore_ascii_case(b"group") {
                "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
            } else if option.eq_ignore_ascii_case(b"claim") {
                "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead."
            } else {
                "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
            }));
        } else if option.eq_ignore_ascii_case(b"claim") {
            arguments.claim_idle_ms_min = Some(parse_claim(request.arg(at + 1))?);
        } else if option.eq_ignore_ascii_case(b"group") {
            arguments.group = Some((request.arg(at + 1), request.arg(at + 2)));
        } else {
            arguments.no_ack = true;
        }
        at += option_len;
    };
    // A count of 0 is none, as in Redis.
    arguments.count = arguments.count.filter(|&count| count > 0);
    if arguments.max_count.is_some() && arguments.max_count < arguments.count {
        return Err(CommandError::Other("ERR MAXCOUNT must be greater than or equal to COUNT"));
    }
    if reader == Reader::Consumer && arguments.group.is_none() {
        return Err(CommandError::Other("ERR Missing GROUP option for XREADGROUP"));
    }
    arguments.ids_at = keys_at + len;
    for n in 0..len {
        // What the IDs say is read later: whether a stream or group is there comes before.
        arguments.streams.push(ReadStream {
            key_at: keys_at + n,
            start: Start::New,
            claim_idle_ms_min: None,
        });
    }
    Ok(arguments)
}

fn parse_positive(text: &[u8]) -> Option<u64> {
    parse_i64(text).and_then(|value| u64::try_from(value).ok()).filter(|&value| value > 0)
}

/// For how long an entry has not been delivered that is claimed, in milliseconds.
fn parse_claim(text: &[u8]) -> Result<u64, CommandError> {
    let idle_ms_min =
        parse_i64(text).ok_or(CommandError::Other("ERR min-idle-time is not an integer or out of range"))?;
    u64::try_from(idle_ms_min)
        .map_err(|_| CommandError::Other("ERR min-idle-time must be a positive integer"))
}

impl ReadArguments<'_> {
    /// How much may be returned over all streams.
    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.max_count, self.max_size)
    }

    /// Whether [`Self::budget`] has a bound.
    pub(super) fn is_bounded(&self) -> bool {
        self.max_count.is_some() || self.max_size.is_some()
    }

    /// Reads the ID of the `n`-th stream.
    pub(super) fn parse_start(
        &mut self,
        request: Request<'_>,
        n: usize,
        reader: Reader,
    ) -> Result<Start, CommandError> {
        let start = match (request.arg(self.ids_at + n), reader) {
            (b"$", Reader::Anybody) => Start::Last,
            (b"$", Reader::Consumer) => {
                return Err(CommandError::Other(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of \
                     this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would \
                     just return an empty result set.",
                ));
            }
            (b"+", Reader::Anybody) => Start::LastEntry,
            (b"+", Reader::Consumer) => {
                return Err(CommandError::Other(
                    "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of \
                     this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would \
                     just return an empty result set.",
                ));
            }
            (b">", Reader::Anybody) => {
                return Err(CommandError::Other(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
                     option.",
                ));
            }
            (b">", Reader::Consumer) => Start::New,
            (id, reader) => match (parse_stream_id_strict(id, 0)?, reader) {
                // In Redis the greatest ID and `>` are the same.
                (StreamId::MAX, Reader::Consumer) => Start::New,
                (id, _) => Start::After(id),
            },
        };
        if start != Start::New {
            // Behind a stream that is read again, nothing is claimed, as in Redis.
            self.claim_idle_ms_min = None;
        }
        self.streams[n].start = start;
        self.streams[n].claim_idle_ms_min = self.claim_idle_ms_min;
        Ok(start)
    }

    /// Has the connection wait for one of the streams; what `$` and `+` meant when the command came is fixed. It is served again at
    /// `retry_at_ms`, if that is given, though no key changes.
    pub(super) fn block(
        &self,
        context: &mut Context<'_, '_>,
        request: Request<'_>,
        timeout_ms: Option<u64>,
        retry_at_ms: Option<u64>,
        blocking: &'static Blocking,
    ) -> Outcome {
        let fix = |(n, stream): (usize, &ReadStream)| match (request.arg(self.ids_at + n), stream.start) {
            (b"$" | b"+", Start::After(id)) => Some(id.to_string()),
            _ => None,
        };
        let ids: SmallVec<[Option<String>; 4]> = self.streams.iter().enumerate().map(fix).collect();
        let fixed = request.args_from(0).enumerate().map(|(at, arg)| {
            at.checked_sub(self.ids_at).and_then(|n| ids[n].as_deref()).map_or(arg, str::as_bytes)
        });
        let keys = self.streams.iter().map(|stream| request.arg(stream.key_at));
        let claims = self.streams.iter().any(|stream| stream.claim_idle_ms_min.is_some());
        context.block(blocking, OwnedRequest::new(fixed), keys, Wait { timeout_ms, retry_at_ms, claims })
    }
}
