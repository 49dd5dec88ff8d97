//! How a command is declared: all that is known of it stands in one [`Spec`], beside its handler.

use bitflags::bitflags;
use smallvec::SmallVec;

use super::context::{Context, Outcome};
use super::error::CommandError;
pub use crate::acl::Categories;
use crate::protocol::Request;

bitflags! {
    /// A command's flags, under Redis's names.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// It may change data.
        const WRITE = 1 << 0;
        /// It reads data and changes none.
        const READONLY = 1 << 1;
        /// It may grow memory: refused over `maxmemory`.
        const DENYOOM = 1 << 2;
        /// It is for administrators.
        const ADMIN = 1 << 3;
        /// It is part of publish and subscribe.
        const PUBSUB = 1 << 4;
        /// Not from scripts.
        const NOSCRIPT = 1 << 5;
        /// It may block the connection.
        const BLOCKING = 1 << 6;
        /// Allowed while the log is being read.
        const LOADING = 1 << 7;
        /// Allowed on a replica whose data is stale.
        const STALE = 1 << 8;
        /// Not shown by MONITOR.
        const SKIP_MONITOR = 1 << 9;
        /// Not kept by SLOWLOG.
        const SKIP_SLOWLOG = 1 << 10;
        /// Constant or logarithmic time.
        const FAST = 1 << 11;
        /// Allowed before authentication.
        const NO_AUTH = 1 << 12;
        /// It replicates though it is no write. Not shown.
        const MAY_REPLICATE = 1 << 13;
        /// Not while data is loaded beside the data that is served.
        const NO_ASYNC_LOADING = 1 << 14;
        /// Not within a transaction.
        const NO_MULTI = 1 << 15;
        /// It has keys, but needs none.
        const NO_MANDATORY_KEYS = 1 << 20;
        /// Its keys are found by looking at its arguments.
        const MOVABLEKEYS = 1 << 16;
        /// Allowed while a script runs for too long.
        const ALLOW_BUSY = 1 << 17;
        /// It needs every shard locked. Ours, not shown.
        const ALL_SHARDS = 1 << 18;
        /// Executed at once within MULTI instead of queued. Ours, not shown.
        const UNQUEUED = 1 << 19;
        /// It is for the server itself and its tests. COMMAND DOCS shows it, COMMAND INFO does not.
        const SYSCMD = 1 << 21;
        /// For servers of a cluster among each other.
        const ASKING = 1 << 23;
        /// Allowed to a subscriber that speaks RESP2. Ours, not shown.
        const SUBSCRIBED = 1 << 22;
        /// It runs a script, which may take long. Ours, not shown.
        const SCRIPT = 1 << 24;
    }
}

bitflags! {
    /// What a command does with the keys of a [`KeySpec`], under Redis's names.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct KeyFlags: u32 {
        /// Reads it.
        const RO = 1 << 0;
        /// Reads and writes it.
        const RW = 1 << 1;
        /// Overwrites it.
        const OW = 1 << 2;
        /// Removes it.
        const RM = 1 << 3;
        /// Returns or copies its data.
        const ACCESS = 1 << 4;
        /// Changes its data by what is there.
        const UPDATE = 1 << 5;
        /// Adds data, changes and removes none.
        const INSERT = 1 << 6;
        /// Removes data.
        const DELETE = 1 << 7;
        /// It is no key, but goes where one would.
        const NOT_KEY = 1 << 8;
        /// Not all keys are found.
        const INCOMPLETE = 1 << 9;
        /// The flags depend on the arguments.
        const VARIABLE_FLAGS = 1 << 10;
    }
}

/// Where a command's keys begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginSearch {
    /// At an argument.
    Index(usize),
    /// Behind a keyword, looked for from an argument on (from the end when negative).
    Keyword(&'static str, i32),
}

/// Where a command's keys are, from where they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindKeys {
    /// Up to the argument `last` (counted from the first key; from the end when negative), each
    /// `step`-th. With a `limit` of 2, only the first half of the arguments to the end.
    Range {
        /// The last key.
        last: i32,
        /// From one key to the next.
        step: usize,
        /// 0 or 1 for no limit, else what part of the rest holds keys.
        limit: usize,
    },
    /// As many as the argument `count` (counted from the first) says, from the argument `first` on; at least one.
    Count {
        /// Where the number stands.
        count: usize,
        /// Where the first key stands.
        first: usize,
        /// From one key to the next.
        step: usize,
    },
}

/// Which arguments are keys, and what is done with them.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// What the flags leave open.
    pub note: Option<&'static str>,
    /// What is done with them.
    pub flags: KeyFlags,
    /// Where they begin.
    pub begin: BeginSearch,
    /// Which they are.
    pub find: FindKeys,
}

impl KeySpec {
    /// One key, at an argument.
    pub const fn one(index: usize, flags: KeyFlags) -> Self {
        Self {
            note: None,
            flags,
            begin: BeginSearch::Index(index),
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
        }
    }

    /// Keys from an argument on to the end, each `step`-th.
    pub const fn to_end(index: usize, step: usize, flags: KeyFlags) -> Self {
        Self {
            note: None,
            flags,
            begin: BeginSearch::Index(index),
            find: FindKeys::Range { last: -1, step, limit: 0 },
        }
    }

    /// With a note.
    pub const fn note(mut self, text: &'static str) -> Self {
        self.note = Some(text);
        self
    }

    /// The positions of the keys in a request; `None` when the request is not of the spec's form.
    pub fn find_positions(&self, request: Request<'_>, out: &mut SmallVec<[usize; 8]>) -> Option<()> {
        let len = request.len();
        let first = match self.begin {
            BeginSearch::Index(index) => index,
            BeginSearch::Keyword(keyword, from) => {
                let is_keyword = |&at: &usize| request.arg(at).eq_ignore_ascii_case(keyword.as_bytes());
                let at = match usize::try_from(from) {
                    Ok(from) => (from..len).find(is_keyword),
                    Err(_) => {
                        let from = len.checked_sub(from.unsigned_abs() as usize)?;
                        (1..=from).rev().find(is_keyword)
                    }
                };
                at? + 1
            }
        };
        let (first, last, step) = match self.find {
            FindKeys::Range { last, step, limit } => {
                let last = match usize::try_from(last) {
                    Ok(last) => first + last,
                    Err(_) if limit > 1 => {
                        let rest = len.checked_sub(first)?;
                        (first + rest / limit).checked_sub(1)?
                    }
                    Err(_) => len.checked_sub(last.unsigned_abs() as usize)?,
                };
                (first, last, step)
            }
            FindKeys::Count { count, first: offset, step } => {
                let number = crate::number::parse_u64(request.get(first + count)?)?;
                let number = usize::try_from(number).ok().filter(|number| *number <= len)?;
                let first = first + offset;
                (first, first + number.checked_sub(1)? * step, step)
            }
        };
        if last >= len || first > last {
            return None;
        }
        out.extend((first..=last).step_by(step));
        Some(())
    }
}

/// What a command is about, as COMMAND DOCS groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `generic`
    Generic,
    /// `string`
    String,
    /// `list`
    List,
    /// `set`
    Set,
    /// `stream`
    Stream,
    /// `connection`
    Connection,
    /// `server`
    Server,
    /// `transactions`
    Transactions,
    /// `scripting`
    Scripting,
    /// `cluster`
    Cluster,
    /// `pubsub`
    Pubsub,
}

impl Group {
    /// The group's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Stream => "stream",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Transactions => "transactions",
            Self::Scripting => "scripting",
            Self::Cluster => "cluster",
            Self::Pubsub => "pubsub",
        }
    }
}

/// The kind of a documented argument, under Redis's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `double`
    Double,
    /// `key`, by its key spec's index.
    Key(usize),
    /// `pattern`
    Pattern,
    /// `unix-time`
    UnixTime,
    /// `pure-token`: the token alone.
    PureToken,
    /// `oneof`: one of the arguments within.
    OneOf(&'static [Argument]),
    /// `block`: all of the arguments within.
    Block(&'static [Argument]),
}

/// A documented argument (COMMAND DOCS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgKind,
    /// The word before it, if any.
    pub token: Option<&'static str>,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
    /// Its token is repeated with it.
    pub multiple_token: bool,
    /// Since which version it is there, when later than its command.
    pub since: Option<&'static str>,
    /// The same where Redis's COMMAND DOCS does not tell it: README does.
    pub untold_since: Option<&'static str>,
    /// Since which version it is deprecated.
    pub deprecated_since: Option<&'static str>,
    /// How it is shown, when not by its name.
    pub display: Option<&'static str>,
}

impl Argument {
    /// An argument that must be there, once.
    pub const fn new(name: &'static str, kind: ArgKind) -> Self {
        Self {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            since: None,
            untold_since: None,
            deprecated_since: None,
            display: None,
        }
    }

    /// A word by itself.
    pub const fn word(name: &'static str, token: &'static str) -> Self {
        Self::new(name, ArgKind::PureToken).token(token)
    }

    /// With a word before it.
    pub const fn token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    /// It may be left out.
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// It may be repeated.
    pub const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    /// It may be repeated, its token with it.
    pub const fn multiple_token(mut self) -> Self {
        self.multiple_token = true;
        self
    }

    /// It is deprecated.
    pub const fn deprecated(mut self, version: &'static str) -> Self {
        self.deprecated_since = Some(version);
        self
    }

    /// It is shown under another name.
    pub const fn display(mut self, text: &'static str) -> Self {
        self.display = Some(text);
        self
    }

    /// It came later than its command, which Redis's COMMAND DOCS does not tell.
    pub const fn untold_since(mut self, version: &'static str) -> Self {
        self.untold_since = Some(version);
        self
    }

    /// It came later than its command.
    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }
}

/// Executes a command. The shards of its keys are locked, its arity is checked.
pub type Handler = fn(&mut Context<'_, '_>, Request<'_>) -> Result<Outcome, CommandError>;

/// See [`Spec::find_keys`]; `None` when the request is not of the command's form.
pub type FindOwnKeys = fn(Request<'_>) -> Option<(usize, usize)>;

/// A command's declaration.
#[derive(Debug)]
pub struct Spec {
    /// The name in lower case; of a subcommand, its own.
    pub name: &'static str,
    /// The number of arguments, the name included (of a subcommand, both names); the least number
    /// when negative.
    pub arity: i32,
    /// What it is like.
    pub flags: Flags,
    /// Which arguments are keys.
    pub keys: &'static [KeySpec],
    /// Finds the keys by the command's own parser where [`Self::keys`] can only describe them: the
    /// first one's position, and their number.
    pub find_keys: Option<FindOwnKeys>,
    /// ACL categories beyond those that follow from the flags.
    pub categories: Categories,
    /// The Redis version that brought it.
    pub since: &'static str,
    /// What it is about.
    pub group: Group,
    /// What is done with the keys of a request, where [`KeyFlags::VARIABLE_FLAGS`] says that it depends
    /// on the arguments.
    pub key_flags: Option<fn(Request<'_>) -> KeyFlags>,
    /// Since which version it is deprecated, and what takes its place.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// What it does, in a line.
    pub summary: &'static str,
    /// How long it takes.
    pub complexity: &'static str,
    /// Later changes: version and what it brought.
    pub history: &'static [(&'static str, &'static str)],
    /// Tips for clients, under Redis's names.
    pub tips: &'static [&'static str],
    /// Its arguments.
    pub arguments: &'static [Argument],
    /// Its subcommands. The handler of a command that has any is for a request without one: only
    /// COMMAND, whose arity admits it, has such a handler.
    pub subcommands: &'static [&'static Spec],
    /// What HELP says of a subcommand: its usage, then what it does.
    pub help: &'static [&'static str],
    /// Tokens of [`Self::arguments`] that it refuses, as they stand there: what is not supported yet.
    pub unsupported: &'static [&'static str],
    /// Where it answers other than Redis on purpose, for README: a sentence or two without a line break. What is
    /// [`Self::unsupported`] is not told again.
    pub deviation: Option<&'static str>,
    /// Executes it.
    pub handler: Handler,
}

impl Spec {
    /// What a declaration starts from.
    pub const DEFAULT: Self = Self {
        name: "",
        arity: 1,
        flags: Flags::empty(),
        keys: &[],
        find_keys: None,
        key_flags: None,
        categories: Categories::empty(),
        since: "1.0.0",
        group: Group::Generic,
        deprecated: None,
        summary: "",
        complexity: "",
        history: &[],
        tips: &[],
        arguments: &[],
        subcommands: &[],
        help: &[],
        unsupported: &[],
        deviation: None,
        handler: |_, _| Err(CommandError::Syntax),
    };

    /// All its ACL categories.
    pub fn all_categories(&self) -> Categories {
        let mut categories = self.categories;
        for (flag, category) in [
            (Flags::WRITE, Categories::WRITE),
            (Flags::ADMIN, Categories::ADMIN.union(Categories::DANGEROUS)),
            (Flags::PUBSUB, Categories::PUBSUB),
            (Flags::BLOCKING, Categories::BLOCKING),
        ] {
            if self.flags.contains(flag) {
                categories |= category;
            }
        }
        if self.flags.contains(Flags::READONLY) && !categories.contains(Categories::SCRIPTING) {
            categories |= Categories::READ;
        }
        categories | if self.flags.contains(Flags::FAST) { Categories::FAST } else { Categories::SLOW }
    }

    /// Whether a request of so many arguments has the right number.
    #[inline]
    pub fn accepts(&self, arguments: usize) -> bool {
        if self.arity >= 0 {
            arguments == self.arity as usize
        } else {
            arguments >= self.arity.unsigned_abs() as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OwnedRequest;

    #[track_caller]
    fn check(spec: KeySpec, request: &str, expected: Option<&[usize]>) {
        let request = OwnedRequest::new(request.split(' ').map(str::as_bytes));
        let mut positions = SmallVec::new();
        let found = spec.find_positions(request.as_request(), &mut positions);
        assert_eq!(found.map(|()| positions.as_slice()), expected);
    }

    #[test]
    fn positions_of_keys() {
        let flags = KeyFlags::RO;
        check(KeySpec::one(1, flags), "get k", Some(&[1]));
        check(KeySpec::to_end(1, 2, flags), "mset a 1 b 2", Some(&[1, 3]));
        let streams = KeySpec {
            note: None,
            flags,
            begin: BeginSearch::Keyword("STREAMS", 1),
            find: FindKeys::Range { last: -1, step: 1, limit: 2 },
        };
        check(streams, "xread count 1 streams a b 0 0", Some(&[4, 5]));
        check(streams, "xread count 1", None);
        check(streams, "xread streams", None);
        let counted = KeySpec {
            note: None,
            flags,
            begin: BeginSearch::Index(2),
            find: FindKeys::Count { count: 0, first: 1, step: 1 },
        };
        check(counted, "eval s 2 a b c", Some(&[3, 4]));
        check(counted, "eval s 0 a", None);
        check(counted, "eval s 9 a", None);
        check(counted, "eval s x a", None);
    }
}
