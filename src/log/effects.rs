//! [`Effects`]: what a batch of commands changed, in the wire form of ordinary commands.

use std::fmt::{self, Display, Write as _};

use super::hidden;
use crate::engine::StreamId;
use crate::protocol::IdEncoder;

/// Text of at most this many bytes goes from [`Effects::arg_fmt`] to the buffer without an allocation.
const FMT_STACK_BYTES: usize = 64;
/// A buffer that grew beyond this gives its memory back when it is emptied: a name of 512 MB would else stay for good.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The buffer into which one executed batch of commands writes its effects before they are handed to the log.
///
/// An effect is a command as a client would send it, with everything resolved that depends on chance or time. It is
/// begun with its database and the number of its arguments, and then given exactly these arguments:
///
/// ```
/// # use millstream::log::Effects;
/// let mut effects = Effects::new();
/// effects.begin(0, 3);
/// effects.arg(b"SET");
/// effects.arg(b"key");
/// effects.arg_integer(-7);
/// ```
///
/// The buffer keeps memory of a usual size over [`Effects::clear`], so that a thread that reuses one stops allocating.
///
/// Invariants: the bytes are whole commands once every begun effect has all its arguments; the first effect carries no
/// SELECT (the log adds one if it needs it), and each later effect of another database is preceded by one.
#[derive(Debug, Default)]
pub struct Effects {
    bytes: Vec<u8>,
    ids: IdEncoder,
    state: State,
    /// Arguments that the effect begun last still lacks.
    args_missing: usize,
    /// Nobody wants the effects: what is written is dropped.
    muted: bool,
}

/// What beside the bytes describes the buffer's content.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct State {
    /// The databases of the first and of the last effect.
    dbs: Option<(usize, usize)>,
    transaction: Option<Transaction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Transaction {
    /// Where the MULTI begins and where it ends.
    multi_start: usize,
    multi_end: usize,
}

/// A point in an [`Effects`] to which it can be cut back.
#[derive(Debug, Clone, Copy)]
pub struct EffectsMark {
    len: usize,
    state: State,
}

impl Effects {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops what is written from now on, or keeps it again: where there is no log, or the effects come from it, encoding
    /// them would be work for nothing.
    pub fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Whether what is written is dropped.
    #[inline]
    pub fn is_muted(&self) -> bool {
        self.muted
    }

    /// Begins an effect on `db` with `argc` arguments, its command's name included. Exactly `argc` calls of the `arg`
    /// methods must follow.
    #[inline]
    pub fn begin(&mut self, db: usize, argc: usize) {
        if self.muted {
            return;
        }
        debug_assert_eq!(self.args_missing, 0, "the effect before lacks arguments");
        self.enter(db);
        encode_length(&mut self.bytes, b'*', argc);
        self.args_missing = argc;
    }

    /// Selects a database for the next effect.
    #[inline]
    fn enter(&mut self, db: usize) {
        match &mut self.state.dbs {
            Some((_, last)) if *last == db => {}
            Some((_, last)) => {
                *last = db;
                encode_select(&mut self.bytes, db);
            }
            None => self.state.dbs = Some((db, db)),
        }
    }

    /// One argument.
    #[inline]
    pub fn arg(&mut self, arg: &[u8]) {
        if self.muted {
            return;
        }
        debug_assert!(self.args_missing > 0, "an argument too many");
        self.args_missing = self.args_missing.wrapping_sub(1);
        encode_arg(&mut self.bytes, arg);
    }

    /// One argument: a number in decimal.
    #[inline]
    pub fn arg_integer(&mut self, value: i64) {
        self.arg(itoa::Buffer::new().format(value).as_bytes());
    }

    /// One argument: a number in decimal.
    #[inline]
    pub fn arg_unsigned(&mut self, value: u64) {
        self.arg(itoa::Buffer::new().format(value).as_bytes());
    }

    /// One argument: an entry's ID.
    #[inline]
    pub fn arg_id(&mut self, id: StreamId) {
        if self.muted {
            return;
        }
        debug_assert!(self.args_missing > 0, "an argument too many");
        self.args_missing = self.args_missing.wrapping_sub(1);
        self.ids.encode(id, &mut self.bytes);
    }

    /// A whole effect on `db` in the form that it has on the wire, around the ID that is one of its arguments.
    #[inline]
    pub fn wire_around(&mut self, db: usize, before: &[u8], id: StreamId, behind: &[u8]) {
        if self.muted {
            return;
        }
        debug_assert_eq!(self.args_missing, 0, "the effect before lacks arguments");
        self.enter(db);
        self.bytes.extend_from_slice(before);
        self.ids.encode(id, &mut self.bytes);
        self.bytes.extend_from_slice(behind);
    }

    /// One argument: the text of `value`. Allocates only for text of more than 64 bytes.
    pub fn arg_fmt(&mut self, value: impl Display) {
        let mut text = StackText { bytes: [0; FMT_STACK_BYTES], len: 0 };
        if write!(text, "{value}").is_ok() {
            self.arg(&text.bytes[..text.len]);
        } else {
            self.arg(value.to_string().as_bytes());
        }
    }

    /// Writes an effect that redis-server does not know and that its loader skips, as a whole; its name begins with `#`.
    pub fn hidden(&mut self, db: usize, args: &[&[u8]]) {
        if self.muted {
            return;
        }
        debug_assert!(
            args.first().is_some_and(|name| name.starts_with(b"#")),
            "a hidden effect's name tells it"
        );
        debug_assert_eq!(self.args_missing, 0, "the effect before lacks arguments");
        self.enter(db);
        let mut command = Vec::new();
        encode_length(&mut command, b'*', args.len());
        args.iter().for_each(|arg| encode_arg(&mut command, arg));
        hidden::encode(&mut self.bytes, &command);
    }

    /// Begins a transaction: what follows until [`Effects::end_transaction`] takes effect as a whole or, if the log ends
    /// within it, not at all. Transactions do not nest.
    pub fn begin_transaction(&mut self) {
        if self.muted {
            return;
        }
        debug_assert!(self.state.transaction.is_none(), "transactions do not nest");
        let multi_start = self.bytes.len();
        self.bytes.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
        self.state.transaction = Some(Transaction { multi_start, multi_end: self.bytes.len() });
    }

    /// Ends the transaction. One without effects leaves nothing behind.
    pub fn end_transaction(&mut self) {
        if self.muted {
            return;
        }
        debug_assert!(self.state.transaction.is_some(), "no transaction was begun");
        match self.state.transaction.take() {
            Some(transaction) if transaction.multi_end == self.bytes.len() => {
                self.bytes.truncate(transaction.multi_start);
            }
            Some(_) => self.bytes.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n"),
            None => {}
        }
    }

    /// Whether nothing is in the buffer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The size of the buffer's content in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The content: whole commands.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties the buffer; memory of a usual size is kept.
    #[inline]
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.state = State::default();
        self.args_missing = 0;
    }

    /// The present end of the content, for [`Effects::truncate`].
    pub fn mark(&self) -> EffectsMark {
        EffectsMark { len: self.bytes.len(), state: self.state }
    }

    /// Takes back everything written since `mark`, an unfinished effect and a transaction begun since included.
    pub fn truncate(&mut self, mark: EffectsMark) {
        debug_assert!(mark.len <= self.bytes.len(), "the mark is of another content");
        self.bytes.truncate(mark.len);
        self.state = mark.state;
        self.args_missing = 0;
    }

    /// The databases of the first and of the last effect; `None` while there is no effect.
    #[inline]
    pub(super) fn dbs(&self) -> Option<(usize, usize)> {
        self.state.dbs
    }

    /// Whether the content is whole: no effect lacks an argument, no transaction its end.
    pub(super) fn is_whole(&self) -> bool {
        self.args_missing == 0 && self.state.transaction.is_none()
    }
}

/// Writes `SELECT db` as a command.
pub(super) fn encode_select(out: &mut Vec<u8>, db: usize) {
    out.extend_from_slice(b"*2\r\n$6\r\nSELECT\r\n");
    encode_arg(out, itoa::Buffer::new().format(db).as_bytes());
}

#[inline]
fn encode_arg(out: &mut Vec<u8>, arg: &[u8]) {
    out.reserve(arg.len() + 32);
    encode_length(out, b'$', arg.len());
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
}

/// Writes a length with the byte that tells its kind. Lengths of one digit are most of them, so they go the short way.
#[inline]
fn encode_length(out: &mut Vec<u8>, kind: u8, len: usize) {
    if len < 10 {
        out.extend_from_slice(&[kind, b'0' + len as u8, b'\r', b'\n']);
    } else if len < 100 {
        out.extend_from_slice(&[kind, b'0' + (len / 10) as u8, b'0' + (len % 10) as u8, b'\r', b'\n']);
    } else {
        out.push(kind);
        out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Text on the stack; refuses what does not fit.
struct StackText {
    bytes: [u8; FMT_STACK_BYTES],
    len: usize,
}

impl fmt::Write for StackText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut Effects), expected: &str) {
        let mut effects = Effects::new();
        write(&mut effects);
        assert!(effects.is_whole());
        assert_eq!(String::from_utf8_lossy(effects.as_bytes()), expected);
        assert_eq!(effects.len(), expected.len());
        assert_eq!(effects.is_empty(), expected.is_empty());
    }

    fn del(effects: &mut Effects, db: usize, key: &str) {
        effects.begin(db, 2);
        effects.arg(b"DEL");
        effects.arg(key.as_bytes());
    }

    const DEL_A: &str = "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
    const DEL_B: &str = "*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n";
    const SELECT_3: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
    const MULTI: &str = "*1\r\n$5\r\nMULTI\r\n";
    const EXEC: &str = "*1\r\n$4\r\nEXEC\r\n";

    #[test]
    fn arguments_of_every_kind() {
        check(
            |e| {
                e.begin(0, 12);
                e.arg(b"");
                e.arg(&[b'x'; 9]);
                e.arg(&[b'x'; 10]);
                e.arg(&[b'x'; 99]);
                e.arg(&[b'x'; 100]);
                e.arg_integer(i64::MIN);
                e.arg_integer(0);
                e.arg_unsigned(u64::MAX);
                e.arg_fmt(format_args!("{}-{}", u64::MAX, 0));
                e.arg_fmt("y".repeat(64));
                e.arg_fmt(format_args!("{}{}", "y".repeat(64), "z"));
                e.arg(b"\r\n");
            },
            &format!(
                "*12\r\n$0\r\n\r\n$9\r\n{}\r\n$10\r\n{}\r\n$99\r\n{}\r\n$100\r\n{}\r\n\
                 $20\r\n-9223372036854775808\r\n$1\r\n0\r\n$20\r\n18446744073709551615\r\n\
                 $22\r\n18446744073709551615-0\r\n$64\r\n{}\r\n$65\r\n{}z\r\n$2\r\n\r\n\r\n",
                "x".repeat(9),
                "x".repeat(10),
                "x".repeat(99),
                "x".repeat(100),
                "y".repeat(64),
                "y".repeat(64),
            ),
        );
    }

    #[test]
    fn a_change_of_database_writes_select() {
        check(
            |e| {
                del(e, 3, "a");
                del(e, 3, "b");
                assert_eq!(e.dbs(), Some((3, 3)));
            },
            &format!("{DEL_A}{DEL_B}"),
        );
        check(
            |e| {
                del(e, 0, "a");
                del(e, 3, "b");
                assert_eq!(e.dbs(), Some((0, 3)));
            },
            &format!("{DEL_A}{SELECT_3}{DEL_B}"),
        );
    }

    #[test]
    fn transactions_are_bracketed_and_vanish_when_empty() {
        check(
            |e| {
                e.begin_transaction();
                del(e, 3, "a");
                e.end_transaction();
                assert_eq!(e.dbs(), Some((3, 3)));
            },
            &format!("{MULTI}{DEL_A}{EXEC}"),
        );
        check(
            |e| {
                e.begin_transaction();
                e.end_transaction();
                assert_eq!(e.dbs(), None);
            },
            "",
        );
        check(
            |e| {
                del(e, 0, "a");
                e.begin_transaction();
                e.end_transaction();
                e.begin_transaction();
                del(e, 3, "b");
                e.end_transaction();
            },
            &format!("{DEL_A}{MULTI}{SELECT_3}{DEL_B}{EXEC}"),
        );
    }

    #[test]
    fn truncate_takes_everything_back() {
        check(
            |e| {
                del(e, 0, "a");
                let mark = e.mark();
                e.begin_transaction();
                del(e, 3, "b");
                e.begin(3, 2);
                e.arg(b"DEL");
                e.truncate(mark);
                del(e, 0, "b");
            },
            &format!("{DEL_A}{DEL_B}"),
        );
        check(
            |e| {
                e.begin_transaction();
                let mark = e.mark();
                del(e, 3, "b");
                e.truncate(mark);
                e.end_transaction();
                assert_eq!(e.dbs(), None);
            },
            "",
        );
    }

    #[test]
    fn clear_keeps_the_memory() {
        let mut effects = Effects::new();
        del(&mut effects, 5, "a");
        let capacity = effects.bytes.capacity();
        effects.clear();
        assert!(effects.is_empty() && effects.dbs().is_none());
        assert_eq!(effects.bytes.capacity(), capacity);
        effects.begin(0, 1);
        effects.arg(&vec![b'x'; KEPT_BYTES_MAX]);
        effects.clear();
        assert_eq!(effects.bytes.capacity(), 0);
    }
}
