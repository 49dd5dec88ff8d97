//! A setting's declaration, and the typed handles through which its value is read.

use std::marker::PhantomData;

use super::choice::{Choice, ShutdownFlags};
use super::kind::Kind;
use super::list::ListReader;
use super::settings::SETTINGS;
use super::text::TextReader;

/// When a setting may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// At start and by CONFIG SET.
    Runtime,
    /// At start only.
    Start,
    /// At start, and by CONFIG SET only where `enable-protected-configs` allows it.
    Protected,
}

/// Whether a setting does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Millstream acts on it.
    Active,
    /// It is checked, kept and answered so that existing configurations work, and changes nothing.
    Accepted,
}

/// One setting's declaration. The fields are constants of the program.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The name, in lower case, as configuration files have it.
    pub name: &'static str,
    /// Other names that mean the same setting.
    pub aliases: &'static [&'static str],
    /// The type and bounds of its value.
    pub(super) kind: Kind,
    /// The default, as a configuration file would have it, its arguments joined by spaces.
    pub default: &'static str,
    /// When it may be changed.
    pub mutability: Mutability,
    /// Left out of pattern matches and of the printed defaults: for tests and debugging.
    pub hidden: bool,
    /// Whether Millstream acts on it.
    pub effect: Effect,
    /// Why no value but the default is taken, where silently doing without would mislead.
    pub default_only: Option<&'static str>,
    /// It names files whose contents matter: to set it to the same value means to read them anew.
    pub names_files: bool,
    /// One or two sentences, with units and bounds.
    pub doc: &'static str,
}

/// The type of an element of the table of settings, built up by the methods below.
impl Setting {
    const fn new(name: &'static str, default: &'static str, kind: Kind) -> Setting {
        Setting {
            name,
            aliases: &[],
            kind,
            default,
            mutability: Mutability::Runtime,
            hidden: false,
            effect: Effect::Accepted,
            default_only: None,
            names_files: false,
            doc: "",
        }
    }

    pub(super) const fn integer(name: &'static str, default: &'static str, min: i64, max: i64) -> Setting {
        Setting::new(name, default, Kind::Integer { min, max })
    }

    pub(super) const fn octal(name: &'static str, default: &'static str, max: u32) -> Setting {
        Setting::new(name, default, Kind::Octal { max })
    }

    pub(super) const fn memory(name: &'static str, default: &'static str, min: u64, max: u64) -> Setting {
        Setting::new(name, default, Kind::Memory { min, max })
    }

    pub(super) const fn memory_or_percent(name: &'static str, default: &'static str) -> Setting {
        Setting::new(name, default, Kind::MemoryOrPercent)
    }

    pub(super) const fn boolean(name: &'static str, default: &'static str) -> Setting {
        Setting::new(name, default, Kind::Boolean)
    }

    pub(super) const fn choice<T: Choice>(name: &'static str, default: &'static str) -> Setting {
        Setting::new(name, default, Kind::Choice { words: T::WORDS })
    }

    pub(super) const fn word(
        name: &'static str,
        default: &'static str,
        words: &'static [&'static str],
    ) -> Setting {
        Setting::new(name, default, Kind::Choice { words })
    }

    pub(super) const fn flags(name: &'static str, default: &'static str) -> Setting {
        Setting::new(name, default, Kind::Flags { words: ShutdownFlags::WORDS })
    }

    pub(super) const fn text(name: &'static str, default: &'static str) -> Setting {
        Setting::new(name, default, Kind::Text { read: None })
    }

    pub(super) const fn checked_text(name: &'static str, default: &'static str, read: TextReader) -> Setting {
        Setting::new(name, default, Kind::Text { read: Some(read) })
    }

    pub(super) const fn list(name: &'static str, default: &'static str, read: ListReader) -> Setting {
        Setting::new(name, default, Kind::List { read })
    }

    pub(super) const fn aliases(mut self, aliases: &'static [&'static str]) -> Setting {
        self.aliases = aliases;
        self
    }

    pub(super) const fn at_start(mut self) -> Setting {
        self.mutability = Mutability::Start;
        self
    }

    pub(super) const fn protected(mut self) -> Setting {
        self.mutability = Mutability::Protected;
        self
    }

    pub(super) const fn hidden(mut self) -> Setting {
        self.hidden = true;
        self
    }

    pub(super) const fn active(mut self) -> Setting {
        self.effect = Effect::Active;
        self
    }

    pub(super) const fn names_files(mut self) -> Setting {
        self.names_files = true;
        self
    }

    pub(super) const fn default_only(mut self, reason: &'static str) -> Setting {
        self.default_only = Some(reason);
        self
    }

    pub(super) const fn doc(mut self, doc: &'static str) -> Setting {
        self.doc = doc;
        self
    }

    /// The setting's name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// A setting's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingId(u16);

impl SettingId {
    pub(super) const fn new(index: u16) -> SettingId {
        SettingId(index)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The declaration.
    pub fn setting(self) -> &'static Setting {
        &SETTINGS[self.index()]
    }

    /// Every setting, in the table's order.
    pub fn all() -> impl Iterator<Item = SettingId> {
        (0..SETTINGS.len() as u16).map(SettingId)
    }

    /// Finds a setting by its name or an alias, in any case, and gives the name it was found under.
    pub fn find(name: &[u8]) -> Option<(SettingId, &'static str)> {
        SettingId::all().find_map(|id| {
            id.setting()
                .names()
                .find(|known| known.as_bytes().eq_ignore_ascii_case(name))
                .map(|known| (id, known))
        })
    }
}

/// A typed reference to a setting.
pub trait Handle: Copy {
    /// The setting it refers to.
    fn id(self) -> SettingId;
}

macro_rules! handles {
    ($($(#[$attribute:meta])* $name:ident $(<$parameter:ident>)? is ($kinds:pat);)+) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name $(<$parameter>)? { id: SettingId, $(choice: PhantomData<$parameter>)? }

        impl $(<$parameter: Choice>)? $name $(<$parameter>)? {
            pub(super) const fn new(id: SettingId) -> Self {
                $name { id, $(choice: PhantomData::<$parameter>)? }
            }

            #[cfg(test)]
            pub(super) fn fits(kind: &Kind) -> bool {
                matches!(kind, $kinds)
            }
        }

        impl $(<$parameter: Choice>)? Handle for $name $(<$parameter>)? {
            fn id(self) -> SettingId {
                self.id
            }
        }
    )+};
}

handles! {
    /// A setting whose value is a whole number.
    IntegerSetting is (Kind::Integer { .. } | Kind::Octal { .. });
    /// A setting whose value is a number of bytes.
    MemorySetting is (Kind::Memory { .. } | Kind::MemoryOrPercent);
    /// A setting that is yes or no.
    BooleanSetting is (Kind::Boolean);
    /// A setting whose value is one of an enum's words.
    ChoiceSetting<T> is (Kind::Choice { .. });
    /// A setting whose value is one of a few words.
    WordSetting is (Kind::Choice { .. });
    /// A setting whose value is a set of [`ShutdownFlags`].
    FlagsSetting is (Kind::Flags { .. });
    /// A setting whose value is a text, or several texts joined by spaces.
    TextSetting is (Kind::Text { .. } | Kind::List { .. });
}
