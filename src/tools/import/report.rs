//! [`Report`]: what was imported, and what was not.

use std::collections::BTreeMap;
use std::fmt;

/// How many names are told of each kind.
const EXAMPLES_MAX: usize = 5;
/// The most kinds that are told apart.
const KINDS_MAX: usize = 100;

/// What was imported, and what was not.
#[derive(Debug, Default)]
pub(super) struct Report {
    taken: BTreeMap<&'static str, u64>,
    libraries: u64,
    left: BTreeMap<String, Left>,
    /// Keys that were gone when they were to be read: nothing is wrong with that.
    pub(super) gone: u64,
    /// Keys that had expired when they were to be written.
    pub(super) expired: u64,
}

#[derive(Debug, Default)]
struct Left {
    count: u64,
    examples: Vec<String>,
}

impl Report {
    /// A key of this type was imported.
    pub(super) fn take(&mut self, kind: &'static str) {
        *self.taken.entry(kind).or_default() += 1;
    }

    /// A key was counted as imported, and was not after all.
    pub(super) fn give_back(&mut self, kind: &'static str) {
        if let Some(count) = self.taken.get_mut(kind) {
            *count = count.saturating_sub(1);
        }
    }

    /// A library of functions was imported.
    pub(super) fn take_library(&mut self) {
        self.libraries += 1;
    }

    /// A library was counted as imported, and was not after all.
    pub(super) fn give_back_library(&mut self) {
        self.libraries = self.libraries.saturating_sub(1);
    }

    /// Something was not imported: why, and its name.
    pub(super) fn leave(&mut self, why: &str, name: &[u8]) {
        let why = if self.left.len() < KINDS_MAX || self.left.contains_key(why) {
            why
        } else {
            "for other reasons"
        };
        let left = self.left.entry(why.to_owned()).or_default();
        left.count += 1;
        if left.examples.len() < EXAMPLES_MAX {
            left.examples.push(name.escape_ascii().to_string());
        }
    }

    /// Whether all was imported that was there.
    pub(super) fn is_complete(&self) -> bool {
        self.left.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self
            .taken
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(kind, count)| format!("{kind}: {count}"))
            .collect();
        let details = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        writeln!(f, "Imported: {} keys{details}", self.taken.values().sum::<u64>())?;
        if self.libraries > 0 {
            writeln!(f, "Imported: {} function libraries", self.libraries)?;
        }
        if self.gone > 0 {
            writeln!(f, "Gone before they were read: {} keys", self.gone)?;
        }
        if self.expired > 0 {
            writeln!(f, "Expired: {} keys", self.expired)?;
        }
        if self.left.is_empty() {
            return writeln!(f, "Everything was imported");
        }
        writeln!(f, "Not imported:")?;
        for (why, Left { count, examples }) in &self.left {
            let more = if *count > examples.len() as u64 { ", ..." } else { "" };
            writeln!(f, "  {why}: {count} ({}{more})", examples.join(", "))?;
        }
        Ok(())
    }
}
