//! Consumer groups: who reads a stream, and what was delivered but not yet acknowledged.

mod consumer;
#[allow(clippy::module_inception, reason = "the folder is named after its main type")]
mod group;
mod groups;
mod pending;

pub use consumer::{Consumer, ConsumerSlot, Consumers};
pub use group::Group;
pub use groups::Groups;
pub use pending::{Pending, PendingEntry};
