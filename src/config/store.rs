//! The values of all settings, shared between threads.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::choice::{Choice, ShutdownFlags};
use super::kind::{Kind, Value};
use super::list::{BufferLimits, ListArguments};
use super::load::Directive;
use super::setting::{
    BooleanSetting, ChoiceSetting, Effect, FlagsSetting, Handle, IntegerSetting, MemorySetting, SettingId,
    TextSetting, WordSetting,
};
use super::settings::{self, SETTINGS};
use crate::glob::{self, Case};

const COUNT: usize = SETTINGS.len();

/// The values of all settings. Every method but those of loading takes `&self`; share it in an `Arc`.
pub struct Config {
    /// The values of the settings that are numbers underneath, by the setting's index.
    numbers: Box<[AtomicU64; COUNT]>,
    /// The values of the others, by the setting's index.
    texts: Box<[RwLock<Arc<str>>; COUNT]>,
    generation: AtomicU64,
    /// Held while CONFIG SET checks and changes values and while CONFIG REWRITE reads them.
    pub(super) changing: Mutex<()>,
    /// The configuration file, as an absolute path.
    pub(super) file: Option<PathBuf>,
    /// Which settings the configuration has set, by the setting's index.
    pub(super) explicit: Box<[bool; COUNT]>,
    pub(super) users: Vec<Directive>,
    pub(super) renames: Vec<Directive>,
}

/// Leaves the values out: some are passwords.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("file", &self.file)
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

impl Config {
    /// Every setting at its default.
    pub fn new() -> Config {
        let config = Config {
            numbers: Box::new(std::array::from_fn(|_| AtomicU64::new(0))),
            texts: Box::new(std::array::from_fn(|_| RwLock::new(Arc::from("")))),
            generation: AtomicU64::new(0),
            changing: Mutex::new(()),
            file: None,
            explicit: Box::new([false; COUNT]),
            users: Vec::new(),
            renames: Vec::new(),
        };
        for id in SettingId::all() {
            config.put(id, config.default_value(id));
        }
        config
    }

    /// The value of a number setting.
    #[inline]
    pub fn integer(&self, setting: IntegerSetting) -> i64 {
        self.number(setting.id()) as i64
    }

    /// The bytes that `maxmemory-clients` allows, of which a percentage is one of `maxmemory`; 0 for no limit.
    pub fn memory_of_clients(&self) -> u64 {
        match self.number(settings::MAXMEMORY_CLIENTS.id()) {
            percent @ super::kind::PERCENT_BASE.. => {
                let percent = percent - super::kind::PERCENT_BASE;
                self.memory(settings::MAXMEMORY) / 100 * percent
            }
            bytes => bytes,
        }
    }

    /// The value of a memory setting, in bytes. A percentage counts as no bytes: see [`Self::memory_of_clients`].
    #[inline]
    pub fn memory(&self, setting: MemorySetting) -> u64 {
        let number = self.number(setting.id());
        match setting.id().setting().kind {
            Kind::MemoryOrPercent if number > super::kind::BYTES_MAX => 0,
            _ => number,
        }
    }

    /// The value of a yes-or-no setting.
    #[inline]
    pub fn boolean(&self, setting: BooleanSetting) -> bool {
        self.number(setting.id()) != 0
    }

    /// The value of a setting that is an enum.
    #[inline]
    pub fn choice<T: Choice>(&self, setting: ChoiceSetting<T>) -> T {
        T::from_index(self.number(setting.id()) as usize)
    }

    /// The value of a setting that is one of a few words.
    pub fn word(&self, setting: WordSetting) -> &'static str {
        match setting.id().setting().kind {
            Kind::Choice { words } => words[self.number(setting.id()) as usize],
            _ => "",
        }
    }

    /// The value of a setting that is a set of flags.
    pub fn flags(&self, setting: FlagsSetting) -> ShutdownFlags {
        ShutdownFlags::from_bits_truncate(self.number(setting.id()))
    }

    /// The value of a text setting, or of a list with its arguments joined by single spaces.
    pub fn text(&self, setting: TextSetting) -> Arc<str> {
        self.texts[setting.id().index()].read().clone()
    }

    /// The limits of `client-output-buffer-limit`.
    pub fn buffer_limits(&self) -> BufferLimits {
        BufferLimits::parse(&self.text(settings::CLIENT_OUTPUT_BUFFER_LIMIT))
            .expect("only the setting's reader writes the value, in the form that parses")
    }

    /// Grows whenever a setting may have changed. What was derived from settings at one generation holds as long as the
    /// generation is the same.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The configuration file's absolute path, if the server was started with one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The `user` lines of the configuration, in order; their arguments are a name and ACL rules.
    pub fn users(&self) -> &[Directive] {
        &self.users
    }

    /// The `rename-command` lines of the configuration, in order; their arguments are a name and a new name.
    pub fn renames(&self) -> &[Directive] {
        &self.renames
    }

    /// The settings that the configuration sets to something other than the default although they have no effect.
    pub fn explicit_without_effect(&self) -> impl Iterator<Item = &'static str> {
        SettingId::all()
            .filter(|id| self.explicit[id.index()])
            .filter(|id| id.setting().effect == Effect::Accepted && !self.is_default(*id))
            .map(|id| id.setting().name)
    }

    /// What CONFIG GET answers: names and values. A pattern without `*`, `?` and `[` names a setting, hidden or not, in
    /// any case, and is answered under the name as it was asked; others are matched against all names and aliases.
    pub fn get<'a>(&self, patterns: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, id: SettingId| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((name.to_owned(), self.render(id)));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
                if let Some((id, _)) = SettingId::find(pattern) {
                    add(&String::from_utf8_lossy(pattern), id);
                }
                continue;
            }
            for id in SettingId::all().filter(|id| !id.setting().hidden) {
                for name in id.setting().names() {
                    if glob::matches(pattern, name.as_bytes(), Case::Insensitive) {
                        add(name, id);
                    }
                }
            }
        }
        found
    }

    /// The value of any setting, as CONFIG GET answers it.
    pub fn render(&self, id: SettingId) -> String {
        id.setting().kind.render(&self.value(id))
    }

    fn number(&self, id: SettingId) -> u64 {
        self.numbers[id.index()].load(Ordering::Relaxed)
    }

    pub(super) fn value(&self, id: SettingId) -> Value {
        match id.setting().kind {
            Kind::Text { .. } | Kind::List { .. } => Value::Text(self.texts[id.index()].read().clone()),
            _ => Value::Number(self.number(id)),
        }
    }

    pub(super) fn put(&self, id: SettingId, value: Value) {
        match value {
            Value::Number(number) => self.numbers[id.index()].store(number, Ordering::Relaxed),
            Value::Text(text) => *self.texts[id.index()].write() = text,
        }
    }

    /// Makes values that were put since the last time visible to whoever watches the generation.
    pub(super) fn advance_generation(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Reads a value for a setting from its arguments. The error is in the words a client of CONFIG SET sees.
    pub(super) fn read(&self, id: SettingId, arguments: &[&str], repeated: bool) -> Result<Value, String> {
        let setting = id.setting();
        let current = self.texts[id.index()].read().clone();
        let value = setting.kind.read(ListArguments { arguments, current: &current, repeated })?;
        match setting.default_only {
            Some(reason) if value != self.default_value(id) => Err(reason.to_owned()),
            _ => Ok(value),
        }
    }

    pub(super) fn default_value(&self, id: SettingId) -> Value {
        let setting = id.setting();
        let input = ListArguments { arguments: &[setting.default], current: "", repeated: false };
        // The default of `dir` is read from the file system, and that can fail.
        setting.kind.read(input).unwrap_or_else(|_| Value::Text(setting.default.into()))
    }

    pub(super) fn is_default(&self, id: SettingId) -> bool {
        self.value(id) == self.default_value(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AppendFsync, BufferLimit, LogLevel};

    #[track_caller]
    fn check(patterns: &[&str], expected: &[(&str, &str)]) {
        let found = Config::new().get(patterns.iter().map(|pattern| pattern.as_bytes()));
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected, "CONFIG GET {patterns:?}");
    }

    #[test]
    fn settings_are_answered_under_the_names_they_were_asked_by() {
        check(&["port"], &[("port", "6379")]);
        check(&["PoRt"], &[("PoRt", "6379")]);
        check(&["slaveof"], &[("slaveof", "")]);
        check(
            &["slave-priority", "replica-priority"],
            &[("slave-priority", "100"), ("replica-priority", "100")],
        );
        check(
            &["stream-node-max-*"],
            &[("stream-node-max-bytes", "4096"), ("stream-node-max-entries", "100")],
        );
        check(&["STREAM-node-max-b*"], &[("stream-node-max-bytes", "4096")]);
        check(&["*-priority"], &[("replica-priority", "100"), ("slave-priority", "100")]);
        check(&["port", "PORT", "por*"], &[("port", "6379")]);
        check(&["nosuch", "[", "", "\\port"], &[]);
        check(&["por[t]"], &[("port", "6379")]);
        check(&["key-load-delay"], &[("key-load-delay", "0")]);
        check(&["key-load*"], &[]);
        check(&["lua-*"], &[("lua-time-limit", "5000")]);
    }

    /// The defaults that are not Redis's, and the names that 7.0 lacks.
    const DIFFERENT: &[(&str, &str)] = &[
        ("aof-rewrite-cpulist", ""),
        ("appendonly", "yes"),
        ("bgsave-cpulist", ""),
        ("bind", "127.0.0.1 -::1"),
        ("bio-cpulist", ""),
        ("cluster-announce-human-nodename", ""),
        ("locale-collate", ""),
        ("log-format", "text"),
        ("metrics-bind", "127.0.0.1"),
        ("metrics-port", "0"),
        ("metrics-streams-max", "1000"),
        ("server-cpulist", ""),
        ("set-max-listpack-entries", "128"),
        ("set-max-listpack-value", "64"),
        ("stream-compress-after", "0"),
        ("stream-idmp-duration", "100"),
        ("stream-idmp-maxsize", "100"),
        ("worker-threads", "0"),
    ];

    #[test]
    fn a_star_gives_every_name_that_redis_gives_and_its_default() {
        // What redis-server 7.0.15 answers to CONFIG GET * when it is started without a configuration.
        let of_redis = include_str!("redis-7.0-defaults.txt")
            .lines()
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .filter(|(name, _)| !DIFFERENT.iter().any(|(different, _)| different == name));
        let expected: Vec<(&str, &str)> = of_redis.chain(DIFFERENT.iter().copied()).collect();
        let found = Config::new().get([b"*".as_slice()]);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, value)| (name.as_str(), if name == "dir" { "." } else { value.as_str() }))
            .collect();
        let missing: Vec<_> = expected.iter().filter(|pair| !found.contains(pair)).collect();
        let surplus: Vec<_> = found.iter().filter(|pair| !expected.contains(pair)).collect();
        assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:?}, surplus: {surplus:?}");
    }

    #[test]
    fn typed_values_follow_the_texts() {
        let config = Config::new();
        assert_eq!(config.integer(settings::STREAM_NODE_MAX_ENTRIES), 100);
        assert_eq!(config.memory(settings::STREAM_NODE_MAX_BYTES), 4096);
        assert!(config.boolean(settings::APPENDONLY));
        assert_eq!(config.choice(settings::APPENDFSYNC), AppendFsync::EverySecond);
        assert_eq!(config.choice(settings::LOGLEVEL), LogLevel::Notice);
        assert_eq!(config.word(settings::SUPERVISED), "no");
        assert_eq!(config.flags(settings::SHUTDOWN_ON_SIGTERM), ShutdownFlags::empty());
        assert_eq!(&*config.text(settings::APPENDFILENAME), "appendonly.aof");
        let pubsub = BufferLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 };
        assert_eq!(config.buffer_limits().pubsub, pubsub);
    }

    #[test]
    fn debug_output_has_no_password() {
        let mut config = Config::new();
        config.load_text(b"requirepass hunter2", "test", 0).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
