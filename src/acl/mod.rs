//! Access rules: users, what each may do, and how that is written down.
//!
//! A [`User`] has passwords and [`Selector`]s; what any one of its selectors allows, it may do. Users do not change: a rule makes
//! a new [`User`], which [`Users`] puts in the place of the old one and grows its generation, so that a connection
//! ([`Access`]) notices by comparing a number.
//!
//! Commands are numbers here, by which a [`Catalog`] knows their names and categories; what arguments are keys and channels is the
//! command layer's knowledge.

mod access;
mod catalog;
mod categories;
mod describe;
mod error;
mod file;
mod log;
mod pattern;
mod selector;
mod user;
mod users;

pub use access::Access;
pub use catalog::{Catalog, CommandSet};
pub use categories::Categories;
pub use error::{LinesError, RuleError};
pub use file::parse_users;
pub use log::{AccessLog, Denied, LogContext, LogEntry, LogReason};
pub use pattern::KeyAccess;
pub use selector::Selector;
pub use user::{User, merge_selectors};
pub use users::{DEFAULT_USER, Users};
