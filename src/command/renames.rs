//! Commands under other names, or under none (the setting `rename-command`).

use std::collections::HashMap;

use super::table::{Command, table};
use crate::config::{Config, ConfigError};

/// The names that `rename-command` changed, in lower case: what is found under each, if anything.
#[derive(Debug, Default)]
pub struct Renames(HashMap<Vec<u8>, Option<&'static Command>>);

impl Renames {
    /// By the lines of the configuration, each of which builds on those before it.
    ///
    /// # Errors
    /// There is no such command, or another one has the name.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut renames = Self::default();
        for line in config.renames() {
            let [old, new] = line.arguments.as_slice() else { continue };
            let Some(command) = renames.find(old.as_bytes()) else {
                return Err(line.error("No such command in rename-command"));
            };
            renames.0.insert(old.to_ascii_lowercase().into_bytes(), None);
            if new.is_empty() {
                continue;
            }
            if renames.find(new.as_bytes()).is_some() {
                return Err(line.error("Target command name already exists"));
            }
            renames.0.insert(new.to_ascii_lowercase().into_bytes(), Some(command));
        }
        Ok(renames)
    }

    /// Whether all commands have their own names.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The command that is called so, in any case.
    pub fn find(&self, name: &[u8]) -> Option<&'static Command> {
        let renamed = if self.0.is_empty() { None } else { self.0.get(&name.to_ascii_lowercase()) };
        renamed.copied().unwrap_or_else(|| table().find(name))
    }
}
