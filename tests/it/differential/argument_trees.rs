//! Commands made from the argument trees that COMMAND DOCS tells: whatever a version says that it takes.

use std::rc::Rc;

use super::Command;
use super::generator::{Generator, to_bytes, words};
use crate::harness::{Client, Reply};

/// The commands whose trees are asked for; which of them there are depends on the version. XIDMPRECORD is not among them: what it
/// records with an ID of some other time expires at whatever moment.
const NAMES: &[&str] = &[
    "xack",
    "xackdel",
    "xadd",
    "xautoclaim",
    "xcfgset",
    "xclaim",
    "xdel",
    "xdelex",
    "xgroup",
    "xinfo",
    "xlen",
    "xnack",
    "xpending",
    "xrange",
    "xread",
    "xreadgroup",
    "xrevrange",
    "xsetid",
    "xtrim",
    "append",
    "copy",
    "decr",
    "decrby",
    "del",
    "exists",
    "expire",
    "expireat",
    "expiretime",
    "get",
    "getdel",
    "getex",
    "getrange",
    "getset",
    "incr",
    "incrby",
    "mget",
    "move",
    "mset",
    "msetnx",
    "persist",
    "pexpire",
    "pexpireat",
    "pexpiretime",
    "psetex",
    "rename",
    "renamenx",
    "set",
    "setex",
    "setnx",
    "setrange",
    "strlen",
    "touch",
    "type",
    "unlink",
];

/// A command with its arguments, or a piece of it.
#[derive(Debug)]
pub(super) struct Tree {
    /// The command's name, of a subcommand with a blank; or the argument's.
    name: String,
    kind: Kind,
    token: Option<String>,
    is_optional: bool,
    is_multiple: bool,
    parts: Vec<Tree>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The token alone.
    Word,
    /// One of the parts.
    OneOf,
    /// All parts.
    Block,
    Key,
    /// Anything else, by its name.
    Value,
}

/// The trees that a server knows.
pub(super) fn ask_for_trees(client: &mut Client) -> Rc<[Tree]> {
    let mut trees = Vec::new();
    for name in NAMES {
        let docs = client.call(&format!("COMMAND DOCS {name}"));
        let Some(docs) = docs.field(name) else { continue };
        match docs.field("subcommands") {
            Some(subcommands) => {
                for [name, docs] in subcommands.elements().as_chunks::<2>().0 {
                    trees.push(read_command(&name.text().replace('|', " "), docs));
                }
            }
            None => trees.push(read_command(name, docs)),
        }
    }
    assert!(trees.len() > 50, "only {} commands are documented", trees.len());
    trees.into()
}

fn read_command(name: &str, docs: &Reply) -> Tree {
    let parts = read_arguments(name, docs);
    Tree {
        name: name.to_owned(),
        kind: Kind::Block,
        token: None,
        is_optional: false,
        is_multiple: false,
        parts,
    }
}

/// The arguments of a command, or the parts of one. Of commands of strings those that Redis 7.2 has.
fn read_arguments(command: &str, docs: &Reply) -> Vec<Tree> {
    let Some(arguments) = docs.field("arguments") else { return Vec::new() };
    let is_known = |argument: &&Reply| {
        let since = argument.field("since").map(Reply::text).unwrap_or_default();
        command.starts_with('x') || since.as_str() < "7.4"
    };
    arguments.elements().iter().filter(is_known).map(|argument| read_argument(command, argument)).collect()
}

fn read_argument(command: &str, argument: &Reply) -> Tree {
    let text = |name: &str| argument.field(name).map(Reply::text);
    let kind = match text("type").expect("an argument has a type").as_str() {
        "pure-token" => Kind::Word,
        "oneof" => Kind::OneOf,
        "block" => Kind::Block,
        "key" => Kind::Key,
        _ => Kind::Value,
    };
    let has_flag = |flag: &str| {
        argument.field("flags").is_some_and(|flags| flags.elements().iter().any(|it| it.text() == flag))
    };
    Tree {
        name: text("name").expect("an argument has a name"),
        kind,
        token: text("token"),
        is_optional: has_flag("optional"),
        is_multiple: has_flag("multiple"),
        parts: read_arguments(command, argument),
    }
}

impl Generator {
    /// A command of any form that its tree allows, and now and then of one that it does not.
    pub(super) fn documented_command(&mut self) -> Command {
        let trees = self.trees.clone();
        let tree = &trees[self.random.usize(0..trees.len())];
        let mut command = words(&tree.name);
        let is_of_streams = tree.name.starts_with('x');
        for part in &tree.parts {
            self.push_tree(&mut command, part, is_of_streams);
        }
        if is_of_streams && tree.name == "xadd" {
            // An ID from the clock would differ.
            let id = self.new_id(&String::from_utf8_lossy(&command[1]));
            command.iter_mut().filter(|arg| *arg == b"*").for_each(|arg| *arg = id.clone().into_bytes());
        }
        command
    }

    fn push_tree(&mut self, command: &mut Command, tree: &Tree, is_of_streams: bool) {
        if tree.is_optional && self.chance(60) {
            return;
        }
        let times = if tree.is_multiple { self.random.u32(1..4) } else { 1 };
        // Now and then once more than allowed.
        let times = times + u32::from(self.chance(1));
        if let (Some(token), false) = (&tree.token, tree.kind == Kind::Word) {
            command.push(token.as_bytes().to_vec());
        }
        for _ in 0..times {
            match tree.kind {
                Kind::Word => command.extend(tree.token.iter().map(|token| token.as_bytes().to_vec())),
                Kind::OneOf => {
                    let part = &tree.parts[self.random.usize(0..tree.parts.len())];
                    self.push_tree(command, part, is_of_streams);
                }
                Kind::Block => self.push_block(command, tree, is_of_streams),
                Kind::Key if is_of_streams => command.push(to_bytes(self.key())),
                Kind::Key => command.push(to_bytes(self.string_key())),
                Kind::Value => {
                    let value = self.documented_value(&tree.name, is_of_streams);
                    command.push(value);
                }
            }
        }
    }

    fn push_block(&mut self, command: &mut Command, tree: &Tree, is_of_streams: bool) {
        let start = command.len();
        for part in &tree.parts {
            self.push_tree(command, part, is_of_streams);
        }
        let counted = tree.parts.iter().position(|part| part.name.starts_with("numids"));
        if let Some(at) = counted.map(|at| start + at)
            && self.chance(95)
        {
            command[at] = (command.len() - at - 1).to_string().into_bytes();
        }
    }

    /// A value for an argument of such a name.
    fn documented_value(&mut self, name: &str, is_of_streams: bool) -> Vec<u8> {
        if self.chance(3) {
            return self.odd_number().into_bytes();
        }
        let text = match name {
            "group" => self.group().to_owned(),
            "consumer" => self.consumer().to_owned(),
            "start" | "end" if is_of_streams => self.bound(),
            "min-idle-time" => return self.idle_min(),
            "ms" => self.idle_time().to_owned(),
            // For BLOCK it is not to take long.
            "milliseconds" if is_of_streams => "1".to_owned(),
            "milliseconds" => self.random.u64(1_000_000_000..2_000_000_000_000).to_string(),
            "seconds" => self.random.u32(1_000_000..2_000_000_000).to_string(),
            "unix-time-milliseconds" if is_of_streams => self.pick(&["0", "1000", "2000", "3000"]).to_owned(),
            "unix-time-milliseconds" => self.random.u64(4_000_000_000_000..9_000_000_000_000).to_string(),
            "unix-time-seconds" => self.random.u64(4_000_000_000..9_000_000_000).to_string(),
            "threshold" if self.chance(50) => self.random.u32(0..25).to_string(),
            "field" => "f".to_owned(),
            "destination-db" | "db" => self.pick(&["0", "1"]).to_owned(),
            "offset" | "start" | "end" => self.random.i32(-5..30).to_string(),
            "pid" | "iid" => self.pick(&["p", "q"]).to_owned(),
            "count" | "numids" | "maxcount" | "maxsize" | "duration" => self.count(),
            _ if name.starts_with("entries") => self.random.u32(0..40).to_string(),
            _ if is_of_streams && name != "value" => self.id(),
            _ => self.value(),
        };
        to_bytes(&text)
    }
}
