//! CONFIG SET: all of its settings or none.

use super::choice::ConnectionScope;
use super::error::{SetError, SetRefusal};
use super::kind::Value;
use super::setting::{Mutability, SettingId};
use super::settings;
use super::store::Config;

/// Where a request to change settings comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A connection from this machine.
    Local,
    /// Any other connection.
    Remote,
}

/// A setting that is to be set, under the name by which it was found.
struct Target {
    id: SettingId,
    name: &'static str,
}

impl Config {
    /// Sets settings: checks all names, then all values, then puts them in place and calls `act` with the settings whose
    /// values are different now, or name files. When `act` refuses, every value is put back. Gives the changed settings.
    ///
    /// `act` sees the new values in this `Config`. It runs while other changes wait: it must not call
    /// this method or [`Config::rewrite`].
    pub fn set(
        &self,
        pairs: &[(&[u8], &[u8])],
        origin: Origin,
        act: impl FnOnce(&[SettingId]) -> Result<(), SetRefusal>,
    ) -> Result<Vec<SettingId>, SetError> {
        let _changing = self.changing.lock();
        let targets = self.find_targets(pairs, origin)?;
        let mut planned = Vec::with_capacity(targets.len());
        for (target, (_, argument)) in targets.iter().zip(pairs) {
            let value = std::str::from_utf8(argument)
                .map_err(|_| "argument must be UTF-8 text".to_owned())
                .and_then(|argument| self.read(target.id, &[argument], false))
                .map_err(|reason| SetError::Failed { name: target.name.to_owned(), reason })?;
            planned.push((target, value));
        }

        let mut before: Vec<(SettingId, Value)> = Vec::new();
        for (target, value) in planned {
            // One setting may be set twice, by two of its names: the first old value is the one to go back to.
            if !before.iter().any(|(id, _)| *id == target.id) {
                before.push((target.id, self.value(target.id)));
            }
            self.put(target.id, value);
        }
        let is_changed = |id: SettingId, old: &Value| id.setting().names_files || self.value(id) != *old;
        let changed: Vec<SettingId> =
            before.iter().filter(|(id, old)| is_changed(*id, old)).map(|(id, _)| *id).collect();
        if changed.is_empty() {
            return Ok(changed);
        }
        self.advance_generation();
        let Err(refusal) = act(&changed) else {
            return Ok(changed);
        };
        for (id, old) in before {
            self.put(id, old);
        }
        self.advance_generation();
        let name = targets
            .iter()
            .find(|target| target.id == refusal.setting)
            .map_or(refusal.setting.setting().name, |target| target.name);
        Err(SetError::Failed { name: name.to_owned(), reason: refusal.reason })
    }

    /// Finds the settings that are named, as far as they may be set, in the order of the pairs.
    fn find_targets(&self, pairs: &[(&[u8], &[u8])], origin: Origin) -> Result<Vec<Target>, SetError> {
        let mut targets: Vec<Target> = Vec::with_capacity(pairs.len());
        for (asked, _) in pairs {
            let asked_name = || String::from_utf8_lossy(asked).into_owned();
            let Some((id, name)) = SettingId::find(asked) else {
                return Err(SetError::Unknown(asked_name()));
            };
            let refusal = match id.setting().mutability {
                Mutability::Start => Some("can't set immutable config"),
                Mutability::Protected if !self.allows_protected(origin) => Some("can't set protected config"),
                _ if targets.iter().any(|target| target.name == name) => Some("duplicate parameter"),
                _ => None,
            };
            if let Some(reason) = refusal {
                return Err(SetError::Failed { name: asked_name(), reason: reason.to_owned() });
            }
            targets.push(Target { id, name });
        }
        Ok(targets)
    }

    fn allows_protected(&self, origin: Origin) -> bool {
        match self.choice(settings::ENABLE_PROTECTED_CONFIGS) {
            ConnectionScope::Nobody => false,
            ConnectionScope::Everybody => true,
            ConnectionScope::Local => origin == Origin::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::Handle;

    const TIMEOUT: &str = "CONFIG SET failed (possibly related to argument 'timeout') - ";

    fn pairs<'a>(words: &[&'a str]) -> Vec<(&'a [u8], &'a [u8])> {
        words.chunks(2).map(|pair| (pair[0].as_bytes(), pair[1].as_bytes())).collect()
    }

    /// Sets settings, expects an error's text, and that nothing has changed.
    #[track_caller]
    fn check(words: &[&str], expected: &str) {
        let config = Config::new();
        let before = config.get([b"*".as_slice()]);
        let refused = config.set(&pairs(words), Origin::Local, |_| panic!("acted on a refused change"));
        assert_eq!(refused.map_err(|error| error.to_string()), Err(expected.to_owned()), "{words:?}");
        assert_eq!(config.get([b"*".as_slice()]), before, "{words:?}");
        assert_eq!(config.generation(), Config::new().generation(), "{words:?}");
    }

    /// Each as redis-server 7.0.15 answers it.
    #[test]
    fn refusals_have_redis_s_words_and_order() {
        let unknown = "Unknown option or number of arguments for CONFIG SET - 'nosuch'";
        check(&["timeout", "1", "timeout", "2"], &format!("{TIMEOUT}duplicate parameter"));
        check(
            &["timeout", "1", "TIMEOUT", "2"],
            "CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter",
        );
        check(&["timeout", "5", "nosuch", "1"], unknown);
        check(&["nosuch", "1", "timeout", "x"], unknown);
        check(&["timeout", "x", "nosuch", "1"], unknown);
        check(&["timeout", "5", "timeout", "6", "nosuch", "1"], &format!("{TIMEOUT}duplicate parameter"));
        let databases =
            "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config";
        check(&["timeout", "5", "databases", "1"], databases);
        check(&["databases", "1", "nosuch", "1"], databases);
        check(&["databases", "1", "timeout", "1", "timeout", "2"], databases);
        check(
            &["DATABASES", "1"],
            "CONFIG SET failed (possibly related to argument 'DATABASES') - can't set immutable config",
        );
        check(
            &["dir", "/tmp", "dbfilename", "x"],
            "CONFIG SET failed (possibly related to argument 'dir') - can't set protected config",
        );
        check(
            &["timeout", "7", "SLAVE-priority", "x"],
            "CONFIG SET failed (possibly related to argument 'slave-priority') - argument couldn't be parsed into an integer",
        );
        check(&["include", "x"], "Unknown option or number of arguments for CONFIG SET - 'include'");
        check(&["save ", "1 1"], "Unknown option or number of arguments for CONFIG SET - 'save '");
    }

    #[test]
    fn names_of_files_count_as_changed_when_they_are_the_same() {
        let config = Config::new();
        for (name, value, expected) in
            [("tls-cert-file", "", 1), ("tls-key-file-pass", "", 0), ("timeout", "0", 0)]
        {
            let changed = config.set(&pairs(&[name, value]), Origin::Local, |_| Ok(()));
            assert_eq!(changed.map(|changed| changed.len()), Ok(expected), "{name}");
        }
    }

    #[test]
    fn values_that_are_not_text_are_refused() {
        let refused = Config::new().set(&[(b"requirepass", b"\xff")], Origin::Local, |_| Ok(()));
        let expected =
            "CONFIG SET failed (possibly related to argument 'requirepass') - argument must be UTF-8 text";
        assert_eq!(refused.map_err(|error| error.to_string()), Err(expected.to_owned()));
    }

    #[test]
    fn the_changed_settings_are_acted_on_and_the_generation_moves() {
        let config = Config::new();
        let generation = config.generation();
        let words = ["timeout", "7", "hz", "10", "slave-priority", "1", "replica-priority", "2"];
        let changed = config.set(&pairs(&words), Origin::Remote, |changed| {
            assert_eq!(config.integer(settings::TIMEOUT), 7, "the new value is seen");
            assert_eq!(changed.len(), 2);
            Ok(())
        });
        assert_eq!(changed, Ok(vec![settings::TIMEOUT.id(), settings::REPLICA_PRIORITY.id()]));
        assert_eq!(config.integer(settings::REPLICA_PRIORITY), 2);
        assert!(config.generation() > generation);

        let generation = config.generation();
        let unchanged = config.set(&pairs(&["timeout", "7"]), Origin::Remote, |_| panic!("nothing changed"));
        assert_eq!(unchanged, Ok(vec![]));
        assert_eq!(config.generation(), generation);
    }

    #[test]
    fn a_refusal_to_act_puts_every_value_back() {
        let config = Config::new();
        let before = config.get([b"*".as_slice()]);
        let words = ["timeout", "7", "requirepass", "x", "slave-priority", "1", "replica-priority", "2"];
        let refused = config.set(&pairs(&words), Origin::Local, |_| {
            Err(SetRefusal { setting: settings::REPLICA_PRIORITY.id(), reason: "no".to_owned() })
        });
        let expected = "CONFIG SET failed (possibly related to argument 'slave-priority') - no";
        assert_eq!(refused.map_err(|error| error.to_string()), Err(expected.to_owned()));
        assert_eq!(config.get([b"*".as_slice()]), before);
    }

    #[test]
    fn protected_settings_can_be_opened() {
        for (scope, origin, allowed) in [
            ("no", Origin::Local, false),
            ("local", Origin::Local, true),
            ("local", Origin::Remote, false),
            ("yes", Origin::Remote, true),
        ] {
            let mut config = Config::new();
            config.load_text(format!("enable-protected-configs {scope}").as_bytes(), "test", 0).unwrap();
            let set = config.set(&pairs(&["dbfilename", "x.rdb"]), origin, |_| Ok(()));
            assert_eq!(set.is_ok(), allowed, "{scope} {origin:?}");
        }
    }
}
