//! Settings: their declarations, their values, and the ways values come in and go out.
//!
//! Every setting is declared once, in `settings.rs`: its name and aliases, type, bounds, default, whether it may change
//! while the server runs, whether Millstream acts on it, and a sentence or two of documentation. Configuration files,
//! `--name value` arguments, CONFIG GET, CONFIG SET, CONFIG REWRITE and the printed default configuration all
//! derive from that table.
//!
//! A [`Config`] is shared between threads. Reading a number, a boolean or a choice is one relaxed atomic load; reading a
//! text clones an `Arc`. Whoever derives something costly from settings keeps [`Config::generation`] beside it and
//! derives it again when the generation has moved.
//!
//! What stays true: a value in a `Config` has passed its setting's bounds; CONFIG SET changes all of its settings or
//! none. This layer imports only [`crate::glob`] and does no I/O beyond reading and rewriting configuration files and
//! resolving `dir`.

mod arguments;
mod choice;
mod default_text;
mod error;
mod kind;
mod list;
mod load;
mod rewrite;
mod set;
mod setting;
pub mod settings;
mod store;
mod syntax;
mod text;

pub use arguments::Arguments;
pub use choice::{
    AclPubsubDefault, AppendFsync, Choice, ConnectionScope, LogFormat, LogLevel, MaxmemoryPolicy,
    ShutdownFlags,
};
pub use default_text::default_config_text;
pub use error::{ConfigError, Place, RewriteError, SetError, SetRefusal};
pub use list::{BufferLimit, BufferLimits};
pub use load::Directive;
pub use rewrite::replace_file;
pub use set::Origin;
pub use setting::{
    BooleanSetting, ChoiceSetting, Effect, FlagsSetting, Handle, IntegerSetting, MemorySetting, Mutability,
    Setting, SettingId, TextSetting, WordSetting,
};

pub use store::Config;
pub use syntax::split_arguments;
pub use text::describe_io;
