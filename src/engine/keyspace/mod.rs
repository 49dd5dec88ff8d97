//! Keys and what they hold.

mod db;
mod key;
mod string;

pub use db::{Db, KeyEntry, Value};
pub use key::Key;
pub use string::StringValue;
