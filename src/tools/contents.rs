//! [`Contents`]: what stands in a file of the log, counted.

use std::collections::HashMap;

use crate::command::table;
use crate::log::Recorded;
use crate::rdb::{Content, FileItem};

/// How many commands are told of by name.
const COMMANDS_TOLD: usize = 8;
/// The most names that are told apart: a file may hold anything.
const NAMES_MAX: usize = 1000;

/// What stands in a file, counted.
#[derive(Debug, Default)]
pub(super) struct Contents {
    commands: HashMap<Vec<u8>, u64>,
    keys: HashMap<String, u64>,
    /// Libraries of functions in a snapshot.
    libraries: u64,
    /// What Millstream does not have: what it is, and the first of it.
    lacking: HashMap<String, String>,
}

impl Contents {
    /// Counts one more.
    pub(super) fn count(&mut self, recorded: &Recorded<'_>) {
        match recorded {
            Recorded::Command(request) => {
                let name = request.arg(0);
                let upper;
                let name = if name.iter().any(u8::is_ascii_lowercase) {
                    upper = name.to_ascii_uppercase();
                    &upper[..]
                } else {
                    name
                };
                if let Some(count) = self.commands.get_mut(name) {
                    *count += 1;
                } else if self.commands.len() < NAMES_MAX {
                    self.commands.insert(name.to_vec(), 1);
                    let is_known = name.starts_with(b"#") || table().find(name).is_some();
                    if !is_known {
                        let what = format!("the command {}", name.escape_ascii());
                        let key = request.get(1).unwrap_or_default().escape_ascii().to_string();
                        self.lacking.insert(what, key);
                    }
                }
            }
            Recorded::Item(FileItem::Key(item)) => {
                let kind = match &item.content {
                    Content::Value(value) => value.type_name(),
                    Content::Foreign(kind) => {
                        let key = || item.key.escape_ascii().to_string();
                        self.lacking.entry(format!("the type {kind}")).or_insert_with(key);
                        kind
                    }
                };
                *self.keys.entry(kind.to_owned()).or_default() += 1;
            }
            Recorded::Item(FileItem::Function(_)) => self.libraries += 1,
            Recorded::Item(FileItem::ModuleData(_)) => {}
        }
    }

    /// What Millstream does not have, each with the name of the first of it, in the order of the alphabet.
    pub(super) fn lacking(&self) -> Vec<String> {
        let mut lacking: Vec<String> =
            self.lacking.iter().map(|(what, first)| format!("{what} (first: {first})")).collect();
        lacking.sort_unstable();
        lacking
    }

    /// A line: types of keys and names of commands, the most frequent first. `None` when there is nothing.
    pub(super) fn describe(&self) -> Option<String> {
        let mut counts: Vec<(u64, String)> =
            self.keys.iter().map(|(kind, count)| (*count, format!("{kind} keys"))).collect();
        if self.libraries > 0 {
            counts.push((self.libraries, "function libraries".to_owned()));
        }
        let keys = counts.len();
        let commands = self.commands.iter().map(|(name, count)| (*count, name.escape_ascii().to_string()));
        counts.extend(commands);
        counts[keys..].sort_unstable_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        counts[..keys].sort_unstable();
        let others: u64 = counts.iter().skip(keys + COMMANDS_TOLD).map(|(count, _)| count).sum();
        counts.truncate(keys + COMMANDS_TOLD);
        let mut parts: Vec<String> =
            counts.into_iter().map(|(count, name)| format!("{name} {count}")).collect();
        if others > 0 {
            parts.push(format!("others {others}"));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OwnedRequest;

    #[test]
    fn counts() {
        let mut contents = Contents::default();
        assert_eq!(contents.describe(), None);
        for command in
            ["XADD s 1-1 a b", "xadd s 2-1 a b", "XADD s 3-1 a b", "HSET h f v", "HSET i f v", "#X y"]
        {
            let request = OwnedRequest::new(command.split(' ').map(str::as_bytes));
            contents.count(&Recorded::Command(&request.as_request()));
        }
        assert_eq!(contents.describe().as_deref(), Some("XADD 3, HSET 2, #X 1"));
        assert_eq!(contents.lacking(), ["the command HSET (first: h)"]);
    }
}
