//! OBJECT

mod encoding;
mod freq;
mod help;
mod idletime;
mod refcount;

use super::spec::{Group, Spec};

pub(super) const SPEC: Spec = Spec {
    name: "object",
    arity: -2,
    since: "2.2.3",
    group: Group::Generic,
    summary: "A container for commands on how values are kept.",
    complexity: "Depends on subcommand.",
    subcommands: &[&encoding::SPEC, &freq::SPEC, &help::SPEC, &idletime::SPEC, &refcount::SPEC],
    ..Spec::DEFAULT
};
