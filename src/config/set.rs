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
    /// values are different now. When `act` refuses, every value is put back. Gives the changed settings.
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
        let changed: Vec<SettingId> =
            before.iter().filter(|(id, old)| self.value(*id) != *old).map(|(id, _)| *id).collect();
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
