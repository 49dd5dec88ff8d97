//! Random commands on keys and strings, which happen to the streams.

use super::Command;
use super::generator::{Generator, STRING_KEYS, words};

/// Times to live: so long, or so long ago, that when exactly does not matter.
const EXPIRE_SECONDS: &[&str] = &["100000", "2000000", "0", "-1", "99999999999999999"];
/// Moments: in the far future, or past.
const EXPIRE_AT_SECONDS: &[&str] = &["4000000000", "5000000000", "1", "0", "-1"];

impl Generator {
    pub(super) fn key_command(&mut self) -> Command {
        let key = if self.chance(30) { self.string_key() } else { self.key() };
        match self.random.u32(0..100) {
            0..8 => words(&format!("{} {key}", self.pick(&["DEL", "DEL", "UNLINK"]))),
            8..10 => words(&format!("DEL {key} {}", self.key())),
            10..16 => words(&format!("{} {key} {}", self.pick(&["RENAME", "RENAMENX"]), self.key())),
            16..22 => {
                let options =
                    self.pick(&["", " REPLACE", " REPLACE", " DB 0", " DB 1 REPLACE", " DB 99", " DB x"]);
                words(&format!("COPY {key} {}{options}", self.key()))
            }
            22..24 => words(&format!("MOVE {key} {}", self.pick(&["1", "0", "x", "99"]))),
            24..38 => self.expiry_command(),
            38..39 => self.restore(key),
            39..40 => {
                words(self.pick(&["SWAPDB 0 1", "SWAPDB 0 1", "SWAPDB 1 0", "SWAPDB 0 x", "SWAPDB 0 99"]))
            }
            40..41 => words(&format!("EXISTS {key} {}", self.key())),
            41..42 => words(&format!("TOUCH {key} {}", self.key())),
            42..45 => words(&format!("TYPE {key}")),
            45..48 => words(&format!("OBJECT ENCODING {key}")),
            48..50 => words(self.pick(&["DBSIZE", "KEYS *", "KEYS [ab]", "KEYS ?"])),
            50..51 => words(self.pick(&["OBJECT HELP", "OBJECT FREQ never", "SELECT 99", "SELECT x"])),
            51..70 => self.set_command(),
            _ => self.string_command(),
        }
    }

    /// A value from elsewhere; now and then a damaged one.
    fn restore(&mut self, key: &str) -> Command {
        let time = self.pick(&["0", "0", "0", "100000000", "-1", "x"]);
        let mut command = words(&format!("RESTORE {key} {time}"));
        let mut payload = self.payloads[self.random.usize(0..self.payloads.len())].clone();
        match self.random.u32(0..12) {
            0 => payload.truncate(self.random.usize(0..payload.len())),
            1 => {
                let at = self.random.usize(0..payload.len());
                payload[at] ^= 1 << self.random.u32(0..8);
            }
            _ => {}
        }
        command.push(payload);
        for _ in 0..self.random.u32(0..3) {
            let option = self.pick(&[
                "REPLACE",
                "REPLACE",
                "REPLACE",
                "ABSTTL",
                "IDLETIME 3",
                "FREQ 3",
                "FREQ 256",
                "NO",
            ]);
            command.extend(words(option));
        }
        command
    }

    fn expiry_command(&mut self) -> Command {
        let key = self.key();
        match self.random.u32(0..10) {
            0..2 => words(&format!("PERSIST {key}")),
            2..5 => {
                let name = self.pick(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]);
                words(&format!("{name} {key}"))
            }
            _ => {
                let name = self.pick(&["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]);
                let at = name.ends_with("AT");
                let time = self.pick(if at { EXPIRE_AT_SECONDS } else { EXPIRE_SECONDS });
                let is_ms = name.starts_with('P') && time.len() > 2;
                let time = if is_ms { format!("{time}000") } else { time.to_owned() };
                let time = if self.chance(5) { self.odd_number() } else { time };
                let options = self.pick(&["", "", "", "NX", "XX", "GT", "LT", "NX XX", "GT LT", "XX GT"]);
                // What is later by a millisecond here may not be later there.
                let is_close = !at && options.contains('T');
                let time = if is_close { self.random.u32(100_000..2_000_000_000).to_string() } else { time };
                let mut command = words(&format!("{name} {key}"));
                command.push(time.into_bytes());
                command.extend(options.split_whitespace().map(|word| word.as_bytes().to_vec()));
                command
            }
        }
    }

    /// A key for a string: now and then one that was a stream.
    pub(super) fn string_key(&mut self) -> &'static str {
        if self.chance(6) { self.key() } else { self.pick(STRING_KEYS) }
    }

    pub(super) fn value(&mut self) -> String {
        match self.random.u32(0..10) {
            0..4 => self.random.i32(-20..100).to_string(),
            4..6 => self.odd_number(),
            6 => "3.25".to_owned(),
            7 => "v".repeat(self.random.usize(40..50)),
            _ => self.pick(&["", "value", "other"]).to_owned(),
        }
    }

    fn set_command(&mut self) -> Command {
        let mut command = words(&format!("SET {}", self.string_key()));
        command.push(self.value().into_bytes());
        for _ in 0..self.random.u32(0..3) {
            match self.random.u32(0..6) {
                0 => command.push(b"NX".to_vec()),
                1 => command.push(b"XX".to_vec()),
                2 => command.push(b"GET".to_vec()),
                3 => command.push(b"KEEPTTL".to_vec()),
                _ => self.push_expiry(&mut command),
            }
        }
        command
    }

    fn push_expiry(&mut self, command: &mut Command) {
        let (option, time) = match self.random.u32(0..4) {
            0 => ("EX", "100000"),
            1 => ("PX", "100000000"),
            2 => ("EXAT", "4000000000"),
            _ => ("PXAT", "4000000000000"),
        };
        command.push(option.into());
        command.push(if self.chance(10) { self.odd_number() } else { time.to_owned() }.into_bytes());
    }

    fn string_command(&mut self) -> Command {
        let key = self.string_key();
        let mut command = match self.random.u32(0..13) {
            0..2 => return words(&format!("GET {key}")),
            2 => return words(&format!("GETDEL {key}")),
            3 => {
                let mut command = words(&format!("GETEX {key}"));
                match self.random.u32(0..3) {
                    0 => command.push(b"PERSIST".to_vec()),
                    1 => self.push_expiry(&mut command),
                    _ => {}
                }
                return command;
            }
            4 => return words(&format!("MGET {key} {} nosuchkey", self.string_key())),
            5 => return words(&format!("STRLEN {key}")),
            6 => return words(&format!("{} {key}", self.pick(&["INCR", "DECR"]))),
            7 => words(&format!("SETNX {key}")),
            8 => words(&format!("MSET {} 1 {key}", self.string_key())),
            9 => words(&format!("APPEND {key}")),
            10 => words(&format!("{} {key}", self.pick(&["INCRBY", "DECRBY"]))),
            11 => {
                let by = self.pick(&["1", "0.1", "-2.5", "1e2", "x", "3.0e3", "inf", "nan", "0"]);
                return words(&format!("INCRBYFLOAT {key} {by}"));
            }
            _ => words(&format!("INCRBY {key}")),
        };
        command.push(self.value().into_bytes());
        command
    }
}
