//! Random commands of idempotent producers, which Redis knows since 8.6.

use super::Command;
use super::generator::{Generator, PRODUCER_KEYS, words};

const PRODUCERS: &[&str] = &["p", "q", "P"];

impl Generator {
    pub(super) fn producer_command(&mut self) -> Command {
        let key = self.pick(PRODUCER_KEYS);
        match self.random.u32(0..100) {
            0..60 => self.xadd_once(key),
            60..72 => words(&format!("XADD {key} 99999999999999-{} f v", self.random.u32(1..9))),
            72..82 => self.xidmprecord(key),
            82..90 => self.xcfgset(key),
            90..93 => words(&format!("XDEL {key} 99999999999999-{}", self.random.u32(1..30))),
            93..95 => words(&format!("COPY {key} {} REPLACE", self.pick(PRODUCER_KEYS))),
            95..97 => words(&format!("RENAME {key} {}", self.pick(PRODUCER_KEYS))),
            97..99 => words(&format!("XINFO STREAM {key}")),
            _ => words(&format!("DEL {key}")),
        }
    }

    /// An entry for a stream that is there.
    fn xadd_once(&mut self, key: &str) -> Command {
        let mut command = words(&format!("XADD {key}"));
        let nomkstream_first = self.chance(80);
        if nomkstream_first {
            command.push(b"NOMKSTREAM".to_vec());
        }
        if self.chance(5) {
            command.extend(words(&format!("MAXLEN {}", self.random.u32(0..20))));
        }
        let pid = if self.chance(2) { "" } else { self.pick(PRODUCERS) };
        if self.chance(60) {
            let iid = if self.chance(2) { String::new() } else { self.random.u32(0..12).to_string() };
            command.extend([&b"IDMP"[..], pid.as_bytes(), iid.as_bytes()].map(<[u8]>::to_vec));
        } else {
            command.extend([&b"IDMPAUTO"[..], pid.as_bytes()].map(<[u8]>::to_vec));
        }
        if !nomkstream_first {
            command.push(b"nomkstream".to_vec());
        }
        self.push_policy(&mut command, 5);
        let id = match self.random.u32(0..100) {
            0..3 => self.id(),
            _ => "*".to_owned(),
        };
        command.push(id.into_bytes());
        for _ in 0..self.random.u32(1..4) {
            command.push(self.pick(&["f", "g", ""]).as_bytes().to_vec());
            command.push(self.pick(&["1", "2", ""]).as_bytes().to_vec());
        }
        command
    }

    fn xidmprecord(&mut self, key: &str) -> Command {
        let (pid, iid) = (self.pick(PRODUCERS), self.random.u32(0..12));
        // IDs of another time would expire at whatever moment.
        words(&format!("XIDMPRECORD {key} {pid} {iid} 99999999999999-{}", self.random.u32(0..30)))
    }

    fn xcfgset(&mut self, key: &str) -> Command {
        let mut command = words(&format!("XCFGSET {key}"));
        if self.chance(60) {
            let size = self.random.u32(1..8).to_string();
            command.extend(words("IDMP-MAXSIZE"));
            command.push(if self.chance(5) { self.odd_number() } else { size }.into_bytes());
        }
        if self.chance(50) {
            let seconds = self.pick(&["1", "100", "86400", "86401"]);
            command.extend(words(&format!("IDMP-DURATION {seconds}")));
        }
        command
    }
}
