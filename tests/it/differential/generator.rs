//! Random commands, most of them valid, over few keys, groups, consumers and IDs so that they meet.

use std::rc::Rc;

use fastrand::Rng;

use super::Command;
use super::argument_trees::Tree;

/// The keys of streams. Any can come to be a string for a while.
pub(super) const KEYS: &[&str] = &["a", "b", "c", "STREAMS"];
/// The keys of strings. They can come to be streams.
pub(super) const STRING_KEYS: &[&str] = &["p", "q"];
/// The keys of streams that idempotent producers send to, and whose IDs are far ahead: the next one does not come from the
/// clock, and nothing expires.
pub(super) const PRODUCER_KEYS: &[&str] = &["m", "n"];
pub(super) const GROUPS: &[&str] = &["g", "COUNT", "i"];
pub(super) const CONSUMERS: &[&str] = &["x", "", "z"];

/// Names of keys, groups and consumers that look like something else, each character a byte ([`to_bytes`]).
const ODD_NAMES: &[&str] = &[
    "STREAMS",
    "COUNT",
    "BLOCK",
    "NOACK",
    "GROUP",
    "CLAIM",
    "MAXLEN",
    "IDLE",
    "JUSTID",
    "",
    ">",
    "-",
    "0",
    "1-1",
    "\u{80}\0\u{ff}\r\n",
];

/// How many commands lie between two looks at the whole state.
const LOOK_INTERVAL: u32 = 60;

/// Names of options, to be put where they do not belong.
const KEYWORDS: &[&str] = &[
    "COUNT",
    "BLOCK",
    "NOACK",
    "STREAMS",
    "GROUP",
    "MAXLEN",
    "MINID",
    "~",
    "=",
    "LIMIT",
    "NOMKSTREAM",
    "IDLE",
    "TIME",
    "RETRYCOUNT",
    "FORCE",
    "JUSTID",
    "LASTID",
    "MKSTREAM",
    "ENTRIESREAD",
    "ENTRIESADDED",
    "MAXDELETEDID",
    "FULL",
    "NX",
    "XX",
    "GET",
    "EX",
    "PX",
    "KEEPTTL",
    "REPLACE",
    "DB",
    "*",
    "$",
    ">",
    "-",
    "+",
    "",
];

/// Those that Redis knows since 8.2, 8.4 or 8.6.
const NEWER_KEYWORDS: &[&str] = &["KEEPREF", "DELREF", "ACKED", "IDS", "CLAIM", "IDMP", "IDMPAUTO"];

/// Numbers that are none, or that only just are.
const ODD_NUMBERS: &[&str] = &[
    "0",
    "-1",
    "x",
    "",
    "1.5",
    " 1",
    "1 ",
    "+1",
    "01",
    "-0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "4294967296",
    "1e3",
];

/// IDs that are none, or that only just are.
const ODD_IDS: &[&str] = &[
    "",
    "x",
    "1-",
    "-1",
    "1-x",
    "1-2-3",
    "0-0",
    "0",
    "18446744073709551615-18446744073709551615",
    "18446744073709551615",
    "18446744073709551616",
    "1-18446744073709551615",
    "1-18446744073709551616",
    "(",
    "((1",
    "01-01",
    "+1",
    " 1",
    "1 ",
    "1--0",
    "1--2",
    "1--02",
    "-0-1",
    "007",
    "1-+1",
    "-",
    "+",
    "$",
    ">",
    "*",
    "1-*",
    "*-1",
];

/// What a reference was asked for: dumped values and argument trees.
pub(super) type Told = (Rc<[Vec<u8>]>, Rc<[Tree]>);

/// Makes commands from a seed.
pub(super) struct Generator {
    pub(super) random: Rng,
    /// What the next IDs are near to, for each key.
    next_ms: [u64; KEYS.len()],
    /// Commands still to come in the transaction.
    queue_left: u32,
    since_look: u32,
    /// Whether XREADGROUP and the claims make their consumer though there is nothing for it: since Redis 7.2. With an older one the
    /// consumer is made before.
    makes_consumers: bool,
    /// Whether there are XDELEX, XACKDEL, and trimming that heeds groups: since Redis 8.2.
    pub(super) heeds_references: bool,
    /// Whether XREADGROUP can claim: since Redis 8.4.
    pub(super) claims: bool,
    /// Whether there are idempotent producers: since Redis 8.6.
    knows_producers: bool,
    /// Whether entries can be handed back: since Redis 8.8.
    pub(super) hands_back: bool,
    /// Whether what is read can be bounded in all: since Redis 8.10.
    pub(super) bounds_reads: bool,
    /// What RESTORE is given.
    pub(super) payloads: Rc<[Vec<u8>]>,
    /// What the reference says that its commands take.
    pub(super) trees: Rc<[Tree]>,
}

impl Generator {
    /// For a reference of that version, and what it told of itself.
    pub(super) fn new(seed: u64, version: (u32, u32), (payloads, trees): Told) -> Self {
        Self {
            random: Rng::with_seed(seed),
            next_ms: [1; KEYS.len()],
            queue_left: 0,
            since_look: 0,
            makes_consumers: version >= (7, 2),
            heeds_references: version >= (8, 2),
            claims: version >= (8, 4),
            knows_producers: version >= (8, 6),
            hands_back: version >= (8, 8),
            bounds_reads: version >= (8, 10),
            payloads,
            trees,
        }
    }

    /// Commands to begin with: all groups, in every other round.
    pub(super) fn first(&mut self) -> Vec<Command> {
        if self.chance(50) { list_groups().collect() } else { Vec::new() }
    }

    /// The next command, or several that belong together.
    pub(super) fn next(&mut self) -> Vec<Command> {
        if self.queue_left > 0 {
            self.queue_left -= 1;
            if self.queue_left == 0 {
                let end = if self.chance(15) { "DISCARD" } else { "EXEC" };
                return vec![words(end)];
            }
        } else {
            self.since_look += 1;
            if self.since_look >= LOOK_INTERVAL {
                self.since_look = 0;
                return list_looks();
            }
            if self.chance(3) {
                // A stream again, whatever it had come to be.
                let (key, group) = (self.key(), self.group());
                return vec![
                    words(&format!("DEL {key}")),
                    words(&format!("XGROUP CREATE {key} {group} 0 MKSTREAM")),
                ];
            }
            if self.chance(2) {
                self.queue_left = self.random.u32(2..8);
                let mut commands = Vec::new();
                if self.chance(30) {
                    commands.push(words(&format!("WATCH {}", self.key())));
                    commands.extend(self.chance(30).then(|| words("UNWATCH")));
                }
                commands.push(words("MULTI"));
                return commands;
            }
            if self.chance(1) {
                // What was moved to the other database comes back.
                let key = self.key();
                return vec![words("SELECT 1"), words(&format!("MOVE {key} 0")), words("SELECT 0")];
            }
        }
        let mut command = match self.random.u32(0..100) {
            0..8 if self.knows_producers => self.producer_command(),
            8..20 => self.documented_command(),
            0..82 => self.stream_command(),
            _ => self.key_command(),
        };
        if self.chance(4) {
            self.break_command(&mut command);
        }
        // 7.0 wants an argument beside the name.
        if command.len() > 1 && self.chance(1) {
            return vec![[words("COMMAND GETKEYS"), command].concat()];
        }
        let mut commands = if self.makes_consumers { Vec::new() } else { list_consumers(&command) };
        commands.push(command);
        commands
    }

    /// Whether the next command gets into a transaction.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.queue_left > 0
    }

    /// Whether something of that many per cent happens.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(0..100) < percent
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.usize(0..from.len())]
    }

    /// A key; the first ones more often.
    pub(super) fn key(&mut self) -> &'static str {
        if self.chance(3) {
            self.odd_name("nosuchkey")
        } else {
            KEYS[self.random.usize(0..KEYS.len()).min(self.random.usize(0..KEYS.len()))]
        }
    }

    pub(super) fn group(&mut self) -> &'static str {
        if self.chance(3) {
            self.odd_name("nosuchgroup")
        } else {
            GROUPS[self.random.usize(0..3).min(self.random.usize(0..3))]
        }
    }

    pub(super) fn consumer(&mut self) -> &'static str {
        if self.chance(5) { self.odd_name("nosuchconsumer") } else { self.pick(CONSUMERS) }
    }

    /// A name that looks like something else, or this one.
    fn odd_name(&mut self, other: &'static str) -> &'static str {
        let name = ODD_NAMES[self.random.usize(0..ODD_NAMES.len())];
        // To a reference that does not know the word it must not come to stand where an option does.
        if self.chance(50) || name == "CLAIM" && !self.claims { other } else { name }
    }

    fn keyword(&mut self) -> Vec<u8> {
        let newer = if self.claims && self.chance(25) { NEWER_KEYWORDS } else { KEYWORDS };
        match self.pick(newer) {
            // What waits for ever cannot be compared.
            "BLOCK" => b"BLOCKS".to_vec(),
            keyword => keyword.into(),
        }
    }

    /// A count, most often a small one.
    pub(super) fn count(&mut self) -> String {
        if self.chance(5) { self.odd_number() } else { self.random.u32(1..12).to_string() }
    }

    pub(super) fn odd_number(&mut self) -> String {
        self.pick(ODD_NUMBERS).to_owned()
    }

    /// An ID somewhere among those that the streams have, or had, or will have.
    pub(super) fn id(&mut self) -> String {
        if self.chance(4) {
            return self.pick(ODD_IDS).to_owned();
        }
        let ms = self.random.u64(0..30);
        if self.chance(30) { ms.to_string() } else { format!("{ms}-{}", self.random.u32(0..4)) }
    }

    /// An end of a range.
    pub(super) fn bound(&mut self) -> String {
        match self.random.u32(0..10) {
            0..3 => "-".to_owned(),
            3..6 => "+".to_owned(),
            6 => format!("({}", self.id()),
            _ => self.id(),
        }
    }

    /// An ID for a new entry of a key: most often above the last one.
    pub(super) fn new_id(&mut self, key: &str) -> String {
        let Some(index) = KEYS.iter().position(|known| *known == key) else { return self.id() };
        if self.chance(1) {
            self.next_ms[index] = 1;
        }
        self.next_ms[index] += self.random.u64(0..10).saturating_sub(8);
        let ms = self.next_ms[index];
        match self.random.u32(0..100) {
            0..60 => format!("{ms}-*"),
            60..80 => {
                self.next_ms[index] += 1;
                format!("{}-{}", ms + 1, self.random.u32(0..3))
            }
            80..90 => (ms + 1).to_string(),
            // IDs from the clock would differ.
            _ => self.id().replace('*', "9-*"),
        }
    }

    /// Breaks a command somewhere: an argument too few or too many, at another place, in other letters.
    fn break_command(&mut self, command: &mut Command) {
        if may_wait(command) {
            return;
        }
        let at = self.random.usize(0..command.len());
        match self.random.u32(0..7) {
            0 if command.len() > 1 => {
                command.remove(at.max(1));
            }
            1 => command.insert(at + 1, command[at].clone()),
            2 if command.len() > 2 => {
                let other = self.random.usize(1..command.len());
                command.swap(at.max(1), other);
            }
            3 => command.insert(at + 1, self.keyword()),
            4 if at > 0 => command[at] = self.keyword(),
            5 if at > 0 => command[at] = self.odd_number().into_bytes(),
            _ => {
                let flip = |byte: &u8| {
                    if byte.is_ascii_uppercase() {
                        byte.to_ascii_lowercase()
                    } else {
                        byte.to_ascii_uppercase()
                    }
                };
                command[at] = command[at].iter().map(flip).collect();
            }
        }
    }
}

/// Commands that make all groups.
pub(super) fn list_groups() -> impl Iterator<Item = Command> {
    let groups = |key: &'static str| GROUPS.iter().map(move |group| (key, group));
    KEYS.iter()
        .flat_map(move |key| groups(key))
        .map(|(key, group)| words(&format!("XGROUP CREATE {key} {group} 0 MKSTREAM")))
}

/// Commands that make the consumer of an XREADGROUP on all of its keys, or of an XCLAIM; none for other commands.
pub(super) fn list_consumers(command: &Command) -> Vec<Command> {
    if [&b"XCLAIM"[..], b"XAUTOCLAIM"].iter().any(|name| command[0].eq_ignore_ascii_case(name)) {
        return command
            .get(1..4)
            .map(|names| [&words("XGROUP CREATECONSUMER")[..], names].concat())
            .into_iter()
            .collect();
    }
    let Some((names, keys)) = find_readers(command) else { return Vec::new() };
    // IDs are no keys: what is made of them is refused.
    keys.iter()
        .map(|key| [&words("XGROUP CREATECONSUMER")[..], std::slice::from_ref(key), names].concat())
        .collect()
}

/// Some arguments of a command.
type Arguments<'a> = &'a [Vec<u8>];

/// The group and the consumer of an XREADGROUP, and its keys and IDs.
fn find_readers(command: &Command) -> Option<(Arguments<'_>, Arguments<'_>)> {
    let mut names = None;
    let mut at = 1;
    while let Some(option) = command.get(at) {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        if is(b"STREAMS") && command[0].eq_ignore_ascii_case(b"XREADGROUP") {
            return Some((names?, &command[at + 1..]));
        }
        if is(b"GROUP") {
            names = Some(command.get(at + 1..at + 3)?);
        }
        at += match () {
            () if is(b"GROUP") => 3,
            () if is(b"NOACK") => 1,
            () => 2,
        };
    }
    None
}

/// Whether a command may have to wait.
pub(super) fn may_wait(command: &Command) -> bool {
    [&b"XREAD"[..], b"XREADGROUP"].iter().any(|name| command[0].eq_ignore_ascii_case(name))
        && command.iter().any(|arg| arg.eq_ignore_ascii_case(b"BLOCK"))
}

/// Commands that show everything there is.
pub(super) fn list_looks() -> Vec<Command> {
    let keys = [KEYS, STRING_KEYS].concat().join(" ");
    // What is due to expire still counts until somebody asks for it.
    let mut looks = vec![words(&format!("EXISTS {keys}")), words(&format!("MGET {keys}"))];
    looks.extend([words("DBSIZE"), words("KEYS *")]);
    for key in STRING_KEYS {
        looks.push(words(&format!("PEXPIRETIME {key}")));
        looks.push(words(&format!("OBJECT ENCODING {key}")));
    }
    for key in PRODUCER_KEYS {
        looks.push(words(&format!("XINFO STREAM {key} FULL")));
    }
    for key in KEYS {
        looks.push(words(&format!("TYPE {key}")));
        looks.push(words(&format!("PEXPIRETIME {key}")));
        looks.push(words(&format!("XINFO STREAM {key}")));
        looks.push(words(&format!("XINFO STREAM {key} FULL COUNT 0")));
        looks.push(words(&format!("XINFO GROUPS {key}")));
        looks.push(words(&format!("XRANGE {key} - +")));
        for group in GROUPS {
            looks.push(words(&format!("XINFO CONSUMERS {key} {group}")));
            looks.push(words(&format!("XPENDING {key} {group}")));
            looks.push(words(&format!("XPENDING {key} {group} - + 1000")));
        }
    }
    looks
}

/// A command from words apart by blanks.
pub(super) fn words(line: &str) -> Command {
    line.split(' ').map(to_bytes).collect()
}

/// A word whose characters are bytes: up to U+00FF.
pub(super) fn to_bytes(word: &str) -> Vec<u8> {
    word.chars().map(|byte| u8::try_from(byte).expect("characters stand for bytes")).collect()
}
