//! Keys and what they hold.

mod capture;
mod db;
mod key;
mod list;
mod set;
mod string;

pub use db::{Db, KeyEntry, Value};
pub use key::Key;
pub use list::ListValue;
pub use set::SetValue;
pub use string::StringValue;
