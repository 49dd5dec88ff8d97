//! The command table: the one list of all commands, and what is derived from it.

use std::collections::HashMap;
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::spec::{BeginSearch, FindKeys, Flags, KeyFlags, KeySpec, Spec};
use crate::protocol::Request;

/// A command or subcommand, with what the table knows of it.
#[derive(Debug)]
pub struct Command {
    /// Its declaration.
    pub spec: &'static Spec,
    /// The container of a subcommand.
    pub parent: Option<&'static Spec>,
    /// Its place in the table, dense from 0.
    pub index: usize,
    /// `xadd`, or `xgroup|create`.
    pub full_name: String,
    /// Where its key stands, if it always has one and at the same place: what most commands of streams are.
    pub sole_key: Option<usize>,
    /// The subcommands, by name.
    subcommands: HashMap<&'static str, usize, ahash::RandomState>,
}

impl Command {
    /// The positions of the keys in a request of this command; empty when it has none, or when the
    /// request is not of the command's form (then its handler refuses it without a look at a key).
    #[inline]
    pub fn key_positions(&self, request: Request<'_>) -> SmallVec<[usize; 8]> {
        let mut positions = SmallVec::new();
        if let Some(find) = self.spec.find_keys {
            if let Some((first, len)) = find(request) {
                positions.extend(first..first + len);
            }
            return positions;
        }
        for keys in self.spec.keys {
            if keys.find_positions(request, &mut positions).is_none() {
                positions.clear();
                return positions;
            }
        }
        positions
    }

    /// The positions of the keys in a request of this command, and what is done with each, as its key specs tell them, which are
    /// what clients go by: a consumer named STREAMS misleads them. `None` when the request is not of the form that they tell of.
    pub fn find_keys(&self, request: Request<'_>) -> Option<Vec<(usize, KeyFlags)>> {
        let mut found = Vec::new();
        for keys in self.spec.keys {
            let mut positions = SmallVec::new();
            keys.find_positions(request, &mut positions)?;
            found.extend(positions.into_iter().map(|at| (at, self.flags_of(keys, request))));
        }
        Some(found)
    }

    /// The positions of the keys that [`Self::key_positions`] finds, and what is done with each.
    pub fn keys_with_flags(&self, request: Request<'_>) -> SmallVec<[(usize, KeyFlags); 8]> {
        let mut found = SmallVec::new();
        if let Some(find) = self.spec.find_keys {
            // Such a command does the same with all its keys, but where its flags depend on the request.
            let flags = self.spec.keys.first().map_or(KeyFlags::empty(), |keys| self.flags_of(keys, request));
            if let Some((first, len)) = find(request) {
                found.extend((first..first + len).map(|at| (at, flags)));
            }
            return found;
        }
        for keys in self.spec.keys {
            let mut positions = SmallVec::new();
            if keys.find_positions(request, &mut positions).is_none() {
                found.clear();
                return found;
            }
            if !keys.flags.contains(KeyFlags::NOT_KEY) {
                let flags = self.flags_of(keys, request);
                found.extend(positions.into_iter().map(|at| (at, flags)));
            }
        }
        found
    }

    /// What a request does with the keys of a spec.
    fn flags_of(&self, keys: &KeySpec, request: Request<'_>) -> KeyFlags {
        match self.spec.key_flags {
            Some(flags) if keys.flags.contains(KeyFlags::VARIABLE_FLAGS) => flags(request),
            _ => keys.flags,
        }
    }

    /// Whether it may change data.
    #[inline]
    pub fn is_write(&self) -> bool {
        self.spec.flags.contains(Flags::WRITE)
    }
}

/// All commands.
#[derive(Debug)]
pub struct Table {
    commands: Vec<Command>,
    by_name: HashMap<&'static str, usize, ahash::RandomState>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(super::SPECS));

/// The command table.
pub fn table() -> &'static Table {
    &TABLE
}

/// The longest name of a command or subcommand in bytes; what is longer is none.
const NAME_BYTES_MAX: usize = 32;

impl Table {
    fn new(specs: &[&'static Spec]) -> Self {
        let mut table = Self { commands: Vec::new(), by_name: HashMap::default() };
        for spec in specs {
            let index = table.add(spec, None);
            table.by_name.insert(spec.name, index);
        }
        table
    }

    fn add(&mut self, spec: &'static Spec, parent: Option<&'static Spec>) -> usize {
        let index = self.commands.len();
        let full_name =
            parent.map_or_else(|| spec.name.to_string(), |parent| format!("{}|{}", parent.name, spec.name));
        let sole_key = find_sole_key(spec);
        self.commands.push(Command {
            spec,
            parent,
            index,
            full_name,
            sole_key,
            subcommands: HashMap::default(),
        });
        for subcommand in spec.subcommands {
            let at = self.add(subcommand, Some(spec));
            self.commands[index].subcommands.insert(subcommand.name, at);
        }
        index
    }

    /// The number of commands and subcommands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The command or subcommand at a place in the table.
    pub fn get(&self, index: usize) -> Option<&Command> {
        self.commands.get(index)
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Command> {
        find_in(&self.by_name, name).map(|index| &self.commands[index])
    }

    /// A command's subcommand of this name, in any case.
    pub fn find_subcommand(&self, command: &Command, name: &[u8]) -> Option<&Command> {
        find_in(&command.subcommands, name).map(|index| &self.commands[index])
    }

    /// The command of this name, `xadd` or `xgroup|create`, in any case.
    pub fn find_full_name(&self, name: &[u8]) -> Option<&Command> {
        match name.iter().position(|&b| b == b'|') {
            None => self.find(name),
            Some(at) => self.find_subcommand(self.find(&name[..at])?, &name[at + 1..]),
        }
    }

    /// The commands without subcommands, in the order of their names.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(|command| command.parent.is_none())
    }

    /// A command's subcommands, in the order of their names.
    pub fn subcommands(&self, command: &Command) -> impl Iterator<Item = &Command> {
        command
            .spec
            .subcommands
            .iter()
            .filter_map(|spec| command.subcommands.get(spec.name).map(|&index| &self.commands[index]))
    }

    /// All commands and subcommands, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter()
    }
}

/// See [`Command::sole_key`].
fn find_sole_key(spec: &Spec) -> Option<usize> {
    match spec.keys {
        [KeySpec { begin: BeginSearch::Index(at), find: FindKeys::Range { last: 0, .. }, .. }]
            if spec.find_keys.is_none() =>
        {
            Some(*at)
        }
        _ => None,
    }
}

#[inline]
fn find_in(names: &HashMap<&'static str, usize, ahash::RandomState>, name: &[u8]) -> Option<usize> {
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    names.get(std::str::from_utf8(lower).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OwnedRequest;

    #[test]
    fn a_sole_key_is_where_the_key_specs_find_it() {
        let request = OwnedRequest::new([b"word".as_slice(); 6].into_iter());
        let request = request.as_request();
        let sole: Vec<_> = table().iter().filter_map(|command| Some((command, command.sole_key?))).collect();
        assert!(sole.iter().any(|(command, _)| command.full_name == "xadd"));
        for (command, at) in sole {
            assert_eq!(command.key_positions(request).as_slice(), [at], "{}", command.full_name);
        }
    }

    #[test]
    fn declarations_are_sorted_and_complete() {
        let table = table();
        assert!(super::super::SPECS.is_sorted_by(|a, b| a.name < b.name), "SPECS are sorted, each once");
        for command in table.iter() {
            let (name, spec) = (&command.full_name, command.spec);
            assert!(spec.name.len() <= NAME_BYTES_MAX, "{name}");
            assert_eq!(spec.name, spec.name.to_ascii_lowercase(), "{name}");
            assert!(!spec.summary.is_empty(), "{name} has a summary");
            assert!(!spec.since.is_empty(), "{name} says since when");
            assert_ne!(spec.arity, 0, "{name}");
            assert!(spec.subcommands.is_sorted_by(|a, b| a.name < b.name), "{name}: subcommands are sorted");
            assert!(!spec.flags.contains(Flags::WRITE | Flags::READONLY), "{name} writes or reads, not both");
            if command.parent.is_some() && spec.name != "help" {
                assert!(!spec.help.is_empty(), "{name} has a help text");
            }
        }
    }
}
