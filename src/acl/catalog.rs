//! The commands that rules can name.

use std::collections::HashMap;

use super::categories::Categories;

/// Redis 7.0's commands and the categories of each, as its ACL CAT tells them. Rules may name those that are not here, so
/// that files written for Redis load, and say the same.
const REDIS_COMMANDS: &str = include_str!("redis-7.0-commands.txt");

/// A set of commands, by number. Its last place stands for commands that are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandSet([u64; Self::WORDS]);

impl CommandSet {
    const WORDS: usize = 16;
    /// The number of places; the last is no command's.
    pub const LEN: usize = Self::WORDS * 64;

    /// The set of none.
    pub const fn none() -> Self {
        Self([0; Self::WORDS])
    }

    /// The set of all, those to come included.
    pub const fn all() -> Self {
        Self([u64::MAX; Self::WORDS])
    }

    /// Whether a command is in the set.
    #[inline]
    pub fn contains(&self, command: usize) -> bool {
        self.0.get(command / 64).is_some_and(|word| word >> (command % 64) & 1 == 1)
    }

    /// Puts a command in or takes it out.
    pub fn set(&mut self, command: usize, allowed: bool) {
        if let Some(word) = self.0.get_mut(command / 64) {
            let bit = 1 << (command % 64);
            if allowed { *word |= bit } else { *word &= !bit }
        }
    }

    /// Whether commands that come later are in it.
    pub fn contains_future(&self) -> bool {
        self.contains(Self::LEN - 1)
    }
}

#[derive(Debug)]
struct Entry {
    name: String,
    is_subcommand: bool,
    subcommands: Vec<usize>,
    categories: Categories,
    /// Redis has it: it counts where a rule's canonical form is chosen, which is to be Redis's.
    is_redis: bool,
}

/// All commands that rules can name, by number.
#[derive(Debug)]
pub struct Catalog {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize, ahash::RandomState>,
}

impl Catalog {
    /// The catalog of the server's own commands, numbered in this order (`xadd`, `xgroup|create`; a container before its
    /// subcommands), and of Redis's, behind them.
    pub fn new(own: impl IntoIterator<Item = (String, Categories)>) -> Self {
        let mut catalog = Self { entries: Vec::new(), by_name: HashMap::default() };
        for (name, categories) in own {
            catalog.add(name, categories, false);
        }
        for line in REDIS_COMMANDS.lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let categories = words.filter_map(|word| Categories::find(word.as_bytes())).collect();
            match catalog.by_name.get(name) {
                Some(&known) => {
                    catalog.entries[known].categories = categories;
                    catalog.entries[known].is_redis = true;
                }
                None => catalog.add(name.to_owned(), categories, true),
            }
        }
        debug_assert!(catalog.entries.len() < CommandSet::LEN, "a set has a place for each command");
        catalog
    }

    fn add(&mut self, name: String, categories: Categories, is_redis: bool) {
        let number = self.entries.len();
        let parent = name.split_once('|').and_then(|(parent, _)| self.by_name.get(parent).copied());
        if let Some(parent) = parent {
            self.entries[parent].subcommands.push(number);
        }
        self.by_name.insert(name.clone(), number);
        let is_subcommand = parent.is_some();
        self.entries.push(Entry { name, is_subcommand, subcommands: Vec::new(), categories, is_redis });
    }

    /// The number of a command or subcommand, by its full name in any case.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let name = std::str::from_utf8(name).ok()?;
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    /// The name, in lower case.
    pub fn name(&self, command: usize) -> &str {
        &self.entries[command].name
    }

    /// The numbers of a container's subcommands.
    pub fn subcommands(&self, command: usize) -> &[usize] {
        &self.entries[command].subcommands
    }

    /// Whether it is a container's.
    pub fn is_subcommand(&self, command: usize) -> bool {
        self.entries[command].is_subcommand
    }

    /// The commands and subcommands of a category.
    pub fn in_category(&self, category: Categories) -> impl Iterator<Item = usize> {
        (0..self.entries.len()).filter(move |&command| self.entries[command].categories.contains(category))
    }

    /// Those of them that Redis has.
    pub fn redis_in_category(&self, category: Categories) -> impl Iterator<Item = usize> {
        self.in_category(category).filter(|&command| self.entries[command].is_redis)
    }

    /// The commands that are no subcommands, in the order of their names.
    pub fn commands_by_name(&self) -> Vec<usize> {
        let mut commands: Vec<usize> = (0..self.entries.len()).filter(|&c| !self.is_subcommand(c)).collect();
        commands.sort_by(|&a, &b| self.name(a).cmp(self.name(b)));
        commands
    }
}
