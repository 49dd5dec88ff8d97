//! Random deletions that heed groups: commands and options that Redis has since 8.2.

use super::Command;
use super::generator::{Generator, words};

impl Generator {
    /// Puts a policy behind, at such a chance per cent, if the reference knows any.
    pub(super) fn push_policy(&mut self, command: &mut Command, percent: u32) {
        if self.heeds_references && self.chance(percent) {
            let policy = self.pick(&["KEEPREF", "DELREF", "DELREF", "ACKED", "ACKED", "ACKED"]);
            command.push(policy.into());
        }
    }

    pub(super) fn xdelex(&mut self) -> Command {
        let mut command = words(&format!("XDELEX {}", self.key()));
        self.push_listed_ids(&mut command);
        command
    }

    pub(super) fn xackdel(&mut self) -> Command {
        let mut command = words(&format!("XACKDEL {} {}", self.key(), self.group()));
        self.push_listed_ids(&mut command);
        command
    }

    /// The IDs with their number, and a policy before or behind them.
    fn push_listed_ids(&mut self, command: &mut Command) {
        self.push_policy(command, 60);
        command.push(b"IDS".to_vec());
        let number_at = command.len();
        self.push_ids(command, 5);
        let number = match self.random.u32(0..100) {
            0..3 => self.odd_number(),
            3..6 => self.random.u32(0..7).to_string(),
            _ => (command.len() - number_at).to_string(),
        };
        command.insert(number_at, number.into_bytes());
        self.push_policy(command, 15);
    }
}
