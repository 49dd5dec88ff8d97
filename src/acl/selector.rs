//! What one set of rules allows.

use std::collections::BTreeMap;

use super::catalog::{Catalog, CommandSet};
use super::categories::Categories;
use super::describe::describe_commands;
use super::error::RuleError;
use super::log::Denied;
use super::pattern::{KeyAccess, KeyPattern, check_no_spaces};
use crate::glob::{self, Case};

/// What one set of rules allows: commands, keys and channels, all of which a request has to keep to.
#[derive(Debug, Clone)]
pub struct Selector {
    /// All commands, without exception.
    pub(super) all_commands: bool,
    pub(super) commands: CommandSet,
    /// Of commands that are not allowed: first arguments with which they are.
    pub(super) first_args: BTreeMap<usize, Vec<Box<[u8]>>>,
    pub(super) all_keys: bool,
    keys: Vec<KeyPattern>,
    pub(super) all_channels: bool,
    channels: Vec<Box<[u8]>>,
}

impl Selector {
    /// One that allows nothing, but channels where `all_channels` says so.
    pub fn new(all_channels: bool) -> Self {
        Self {
            all_commands: false,
            commands: CommandSet::none(),
            first_args: BTreeMap::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// One that allows everything.
    pub(super) fn unrestricted() -> Self {
        Self { all_commands: true, commands: CommandSet::all(), all_keys: true, ..Self::new(true) }
    }

    /// Whether it allows everything.
    pub fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Applies a rule on commands, keys or channels.
    ///
    /// # Errors
    /// See [`RuleError`]; nothing is changed then.
    pub fn apply(&mut self, catalog: &Catalog, rule: &[u8]) -> Result<(), RuleError> {
        let is = |names: &[&str]| names.iter().any(|name| rule.eq_ignore_ascii_case(name.as_bytes()));
        if is(&["allkeys", "~*"]) {
            self.all_keys = true;
            self.keys.clear();
        } else if is(&["resetkeys"]) {
            self.all_keys = false;
            self.keys.clear();
        } else if is(&["allchannels", "&*"]) {
            self.all_channels = true;
            self.channels.clear();
        } else if is(&["resetchannels"]) {
            self.all_channels = false;
            self.channels.clear();
        } else if is(&["allcommands", "+@all"]) {
            self.set_all_commands(true);
        } else if is(&["nocommands", "-@all"]) {
            self.set_all_commands(false);
        } else {
            return match rule {
                [b'~' | b'%', ..] => self.add_keys(rule),
                [b'&', pattern @ ..] => self.add_channels(pattern),
                [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                    let category = Categories::find(category).ok_or(RuleError::Unknown)?;
                    self.set_category(catalog, category, *sign == b'+');
                    Ok(())
                }
                [b'+', name @ ..] => self.allow_command(catalog, name),
                [b'-', name @ ..] => {
                    let command = catalog.find(name).ok_or(RuleError::Unknown)?;
                    self.set_command(catalog, command, false);
                    Ok(())
                }
                _ => Err(RuleError::Syntax),
            };
        }
        Ok(())
    }

    fn add_keys(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        let new = KeyPattern::parse(rule)?;
        match self.keys.iter_mut().find(|known| known.pattern == new.pattern) {
            Some(known) => known.access |= new.access,
            None => self.keys.push(new),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannels);
        }
        check_no_spaces(pattern)?;
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn set_all_commands(&mut self, allowed: bool) {
        self.all_commands = allowed;
        self.commands = if allowed { CommandSet::all() } else { CommandSet::none() };
        self.first_args.clear();
    }

    /// `+command`, `+command|subcommand`, or `+command|first-arg`.
    fn allow_command(&mut self, catalog: &Catalog, name: &[u8]) -> Result<(), RuleError> {
        if let Some(command) = catalog.find(name) {
            self.set_command(catalog, command, true);
            return Ok(());
        }
        let at = name.iter().rposition(|&byte| byte == b'|').ok_or(RuleError::Unknown)?;
        let (name, first_arg) = (&name[..at], &name[at + 1..]);
        let command = catalog.find(name).ok_or(RuleError::Unknown)?;
        if catalog.is_subcommand(command) {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if first_arg.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !catalog.subcommands(command).is_empty() {
            return Err(RuleError::Unknown);
        }
        let args = self.first_args.entry(command).or_default();
        if !args.iter().any(|known| known.eq_ignore_ascii_case(first_arg)) {
            args.push(first_arg.into());
        }
        Ok(())
    }

    /// Allows or forbids a command with its subcommands.
    pub(super) fn set_command(&mut self, catalog: &Catalog, command: usize, allowed: bool) {
        for command in std::iter::once(command).chain(catalog.subcommands(command).iter().copied()) {
            self.commands.set(command, allowed);
            self.all_commands &= allowed;
            self.first_args.remove(&command);
        }
    }

    /// Allows or forbids the commands of a category.
    pub(super) fn set_category(&mut self, catalog: &Catalog, category: Categories, allowed: bool) {
        for command in catalog.in_category(category) {
            self.set_command(catalog, command, allowed);
        }
    }

    /// Whether a command may be executed: its number, and the argument behind its name.
    #[inline]
    pub fn check_command(&self, command: usize, first_arg: Option<&[u8]>) -> Result<(), Denied> {
        if self.all_commands || self.commands.contains(command) {
            return Ok(());
        }
        let allowed = self.first_args.get(&command).zip(first_arg);
        match allowed.is_some_and(|(args, first)| args.iter().any(|arg| arg.eq_ignore_ascii_case(first))) {
            true => Ok(()),
            false => Err(Denied::Command),
        }
    }

    /// Whether this may be done with a key. For no access of either kind, any pattern that matches will do.
    #[inline]
    pub fn allows_key(&self, key: &[u8], access: KeyAccess) -> bool {
        self.all_keys || self.keys.iter().any(|pattern| pattern.allows(key, access))
    }

    /// Whether a channel may be used. A pattern to subscribe to has to be allowed literally.
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|pattern| match is_pattern {
                true => **pattern == *channel,
                false => glob::matches(pattern, channel, Case::Sensitive),
            })
    }

    /// The rules on keys.
    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let mut out = Vec::new();
        for pattern in &self.keys {
            if !out.is_empty() {
                out.push(b' ');
            }
            pattern.write(&mut out);
        }
        out
    }

    /// The rules on channels.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let patterns: Vec<Vec<u8>> =
            self.channels.iter().map(|pattern| [b"&", &**pattern].concat()).collect();
        patterns.join(&b' ')
    }

    /// The rules on commands.
    pub fn describe_commands(&self, catalog: &Catalog) -> Vec<u8> {
        describe_commands(self, catalog)
    }

    /// All its rules.
    pub fn describe(&self, catalog: &Catalog) -> Vec<u8> {
        let mut parts = Vec::new();
        let keys = self.describe_keys();
        if !keys.is_empty() {
            parts.push(keys);
        }
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        let channels = self.describe_channels();
        if !channels.is_empty() {
            parts.push(channels);
        }
        parts.push(self.describe_commands(catalog));
        parts.join(&b' ')
    }
}
