//! Random commands on streams and groups.

use super::Command;
use super::generator::{Generator, to_bytes, words};

/// Idle times that a claim sets or asks for. They are hours apart, so that a test's own minutes decide nothing.
const IDLE_TIMES_MS: &[&str] = &["0", "10000000", "50000000", "200000000"];
/// Idle times that are asked for: each between two of those.
const IDLE_MINIMA_MS: &[&str] = &["0", "0", "5000000", "30000000", "100000000", "3000000000000"];

impl Generator {
    pub(super) fn stream_command(&mut self) -> Command {
        match self.random.u32(0..100) {
            0..4 if self.hands_back => self.xnack(),
            0..24 => self.xadd(),
            24..28 => self.xtrim(),
            28..32 => self.xdel(),
            32..34 => self.xsetid(),
            34..38 => self.xrange(),
            38..42 => self.xread(),
            42..56 => self.xreadgroup(),
            56..63 => self.xack(),
            63..68 => self.xpending(),
            68..75 => self.xclaim(),
            75..80 => self.xautoclaim(),
            80..91 => self.xgroup(),
            91..97 => self.xinfo(),
            97..99 => words(&format!("XLEN {}", self.key())),
            _ => {
                let entries = self.pick(&["1", "2", "3", "5", "10", "100", "0"]);
                words(&format!("CONFIG SET stream-node-max-entries {entries}"))
            }
        }
    }

    fn xadd(&mut self) -> Command {
        let key = self.key();
        let mut command = words(&format!("XADD {key}"));
        if self.chance(5) {
            command.push(b"NOMKSTREAM".to_vec());
        }
        self.push_policy(&mut command, 5);
        if self.chance(25) {
            self.push_trim(&mut command);
        }
        command.push(self.new_id(key).into_bytes());
        // Now and then the fields of the entry before, which are packed differently.
        for _ in 0..self.random.u32(1..4).min(self.random.u32(1..4)) {
            command.push(self.pick(&["f", "f", "f", "field", "other", ""]).as_bytes().to_vec());
            let len = self.random.usize(0..6);
            let value: Vec<u8> = (0..len).map(|_| self.random.u8(b'0'..=b'9')).collect();
            command.push(if self.chance(3) { vec![0, 255, b'\r', b'\n'] } else { value });
        }
        if self.chance(1) {
            command.push(b"f".to_vec());
        }
        command
    }

    fn push_trim(&mut self, command: &mut Command) {
        self.push_policy(command, 20);
        let by_len = self.chance(55);
        command.push(if by_len { b"MAXLEN".to_vec() } else { b"MINID".to_vec() });
        let is_rough = self.chance(50);
        if is_rough {
            command.push(b"~".to_vec());
        } else if self.chance(50) {
            command.push(b"=".to_vec());
        }
        let threshold = if by_len { self.random.u32(0..25).to_string() } else { self.id() };
        command.push(if self.chance(3) { self.odd_number() } else { threshold }.into_bytes());
        if self.chance(if is_rough { 40 } else { 3 }) {
            command.push(b"LIMIT".to_vec());
            let limit = self.random.u32(0..12).to_string();
            command.push(if self.chance(5) { self.odd_number() } else { limit }.into_bytes());
        }
        self.push_policy(command, 50);
    }

    fn xtrim(&mut self) -> Command {
        let mut command = words(&format!("XTRIM {}", self.key()));
        self.push_trim(&mut command);
        command
    }

    fn xdel(&mut self) -> Command {
        if self.heeds_references && self.chance(60) {
            return self.xdelex();
        }
        let mut command = words(&format!("XDEL {}", self.key()));
        self.push_ids(&mut command, 4);
        command
    }

    pub(super) fn push_ids(&mut self, command: &mut Command, max: u32) {
        for _ in 0..self.random.u32(1..=max) {
            command.push(self.id().into_bytes());
        }
    }

    fn xsetid(&mut self) -> Command {
        let mut command = words(&format!("XSETID {} {}", self.key(), self.id()));
        if self.chance(50) {
            command.push(b"ENTRIESADDED".to_vec());
            command.push(
                if self.chance(10) { self.odd_number() } else { self.random.u32(0..60).to_string() }.into(),
            );
        }
        if self.chance(50) {
            command.push(b"MAXDELETEDID".to_vec());
            command.push(self.id().into_bytes());
        }
        command
    }

    fn xrange(&mut self) -> Command {
        let name = self.pick(&["XRANGE", "XREVRANGE"]);
        let mut command = words(&format!("{name} {} {} {}", self.key(), self.bound(), self.bound()));
        if self.chance(40) {
            command.push(b"COUNT".to_vec());
            command.push(self.count().into_bytes());
        }
        command
    }

    /// Options of XREAD and XREADGROUP, in any order, and the word before the keys.
    fn push_read_options(&mut self, command: &mut Command, with_group: bool) {
        let mut options: Vec<Command> = Vec::new();
        if self.chance(50) {
            options.push(vec![b"COUNT".to_vec(), self.count().into_bytes()]);
        }
        if self.chance(2) {
            let time = self.pick(&["1", "1", "1", "-1", "x", "1.5", "9223372036854775808"]);
            options.push(words(&format!("BLOCK {time}")));
        }
        if with_group && self.chance(15) {
            options.push(words("NOACK"));
        }
        if with_group && self.claims && self.chance(25) {
            options.push(vec![b"CLAIM".to_vec(), self.idle_min()]);
        }
        if self.bounds_reads && self.chance(20) {
            options.push(vec![b"MAXCOUNT".to_vec(), self.count().into_bytes()]);
        }
        if self.bounds_reads && self.chance(20) {
            let size = self.random.u32(1..400).to_string();
            options.push(words(&format!("MAXSIZE {size}")));
        }
        self.random.shuffle(&mut options);
        command.extend(options.into_iter().flatten());
        command.push(b"STREAMS".to_vec());
    }

    /// Some keys and as many IDs.
    fn push_keys_and_ids(&mut self, command: &mut Command, mut id: impl FnMut(&mut Self) -> String) {
        let count = if self.chance(75) { 1 } else { self.random.u32(2..4) };
        for _ in 0..count {
            command.push(to_bytes(self.key()));
        }
        for _ in 0..count {
            command.push(id(self).into_bytes());
        }
    }

    fn xread(&mut self) -> Command {
        let mut command = words("XREAD");
        self.push_read_options(&mut command, false);
        self.push_keys_and_ids(&mut command, |generator| {
            let id = if generator.chance(15) { "$".to_owned() } else { generator.id() };
            // The last entry: Redis has it since 7.4.
            if id == "+" { "$".to_owned() } else { id }
        });
        command
    }

    fn xreadgroup(&mut self) -> Command {
        let mut command = words(&format!("XREADGROUP GROUP {} {}", self.group(), self.consumer()));
        self.push_read_options(&mut command, true);
        self.push_keys_and_ids(&mut command, |generator| {
            if generator.chance(65) { ">".to_owned() } else { generator.id() }
        });
        command
    }

    fn xack(&mut self) -> Command {
        if self.heeds_references && self.chance(40) {
            return self.xackdel();
        }
        let mut command = words(&format!("XACK {} {}", self.key(), self.group()));
        self.push_ids(&mut command, 5);
        command
    }

    fn xnack(&mut self) -> Command {
        let mode = self.pick(&["SILENT", "FAIL", "FAIL", "FATAL", "NO"]);
        let mut command = words(&format!("XNACK {} {} {mode} IDS", self.key(), self.group()));
        let number_at = command.len();
        self.push_ids(&mut command, 5);
        let number = (command.len() - number_at).to_string();
        command.insert(number_at, if self.chance(4) { self.odd_number() } else { number }.into_bytes());
        if self.chance(20) {
            command.extend([b"RETRYCOUNT".to_vec(), self.count().into_bytes()]);
        }
        if self.chance(30) {
            command.push(b"FORCE".to_vec());
        }
        command
    }

    fn xpending(&mut self) -> Command {
        let mut command = words(&format!("XPENDING {} {}", self.key(), self.group()));
        if self.chance(85) {
            if self.chance(30) {
                command.push(b"IDLE".to_vec());
                command.push(self.idle_min());
            }
            command.extend([self.bound().into_bytes(), self.bound().into_bytes(), self.count().into_bytes()]);
            if self.chance(40) {
                command.push(to_bytes(self.consumer()));
            }
        }
        command
    }

    pub(super) fn idle_min(&mut self) -> Vec<u8> {
        if self.chance(4) { self.odd_number().into_bytes() } else { self.pick(IDLE_MINIMA_MS).into() }
    }

    pub(super) fn idle_time(&mut self) -> &'static str {
        self.pick(IDLE_TIMES_MS)
    }

    fn xclaim(&mut self) -> Command {
        let mut command = words(&format!("XCLAIM {} {} {}", self.key(), self.group(), self.consumer()));
        command.push(self.idle_min());
        self.push_ids(&mut command, 4);
        for _ in 0..self.random.u32(0..4) {
            match self.random.u32(0..6) {
                0 => {
                    command.push(b"IDLE".to_vec());
                    command.push(self.idle_time().into());
                }
                1 => {
                    command.push(b"TIME".to_vec());
                    // Long ago, and in the future, which counts as now.
                    command.push(self.pick(&["0", "1000", "2000", "3000", "9000000000000"]).into());
                }
                2 => {
                    command.push(b"RETRYCOUNT".to_vec());
                    command.push(self.count().into_bytes());
                }
                3 => command.push(b"FORCE".to_vec()),
                4 => command.push(b"JUSTID".to_vec()),
                _ => {
                    command.push(b"LASTID".to_vec());
                    command.push(self.id().into_bytes());
                }
            }
        }
        command
    }

    fn xautoclaim(&mut self) -> Command {
        let mut command = words(&format!("XAUTOCLAIM {} {} {}", self.key(), self.group(), self.consumer()));
        command.push(self.idle_min());
        command.push(if self.chance(60) { "0-0".into() } else { self.bound().into_bytes() });
        if self.chance(50) {
            command.push(b"COUNT".to_vec());
            command.push(self.count().into_bytes());
        }
        if self.chance(30) {
            command.push(b"JUSTID".to_vec());
        }
        command
    }

    fn xgroup(&mut self) -> Command {
        let (key, group) = (self.key(), self.group());
        match self.random.u32(0..100) {
            0..50 => {
                let mut command = words(&format!("XGROUP CREATE {key} {group}"));
                self.push_group_position(&mut command);
                if self.chance(60) {
                    command.push(b"MKSTREAM".to_vec());
                }
                command
            }
            50..65 => {
                let mut command = words(&format!("XGROUP SETID {key} {group}"));
                self.push_group_position(&mut command);
                command
            }
            65..80 => words(&format!("XGROUP CREATECONSUMER {key} {group} {}", self.consumer())),
            80..92 => words(&format!("XGROUP DELCONSUMER {key} {group} {}", self.consumer())),
            92..97 => words(&format!("XGROUP DESTROY {key} {group}")),
            97 => words("XGROUP HELP"),
            98 => words(&format!("XGROUP {key} {group}")),
            _ => words("XGROUP"),
        }
    }

    fn push_group_position(&mut self, command: &mut Command) {
        let id = match self.random.u32(0..10) {
            0..4 => "0".to_owned(),
            4..6 => "$".to_owned(),
            _ => self.id(),
        };
        command.push(id.into_bytes());
        if self.chance(25) {
            command.push(b"ENTRIESREAD".to_vec());
            command.push(
                if self.chance(15) { self.odd_number() } else { self.random.u32(0..40).to_string() }.into(),
            );
        }
    }

    fn xinfo(&mut self) -> Command {
        let key = self.key();
        match self.random.u32(0..100) {
            0..25 => words(&format!("XINFO STREAM {key}")),
            25..50 => words(&format!("XINFO STREAM {key} FULL")),
            50..60 => words(&format!("XINFO STREAM {key} FULL COUNT {}", self.random.u32(0..4))),
            60..65 => {
                let count = self.odd_number();
                let mut command = words(&format!("XINFO STREAM {key} FULL COUNT"));
                command.push(count.into_bytes());
                command
            }
            65..80 => words(&format!("XINFO GROUPS {key}")),
            80..95 => words(&format!("XINFO CONSUMERS {key} {}", self.group())),
            95..97 => words("XINFO HELP"),
            _ => words(&format!("XINFO {key}")),
        }
    }
}
