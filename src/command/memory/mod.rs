//! MEMORY

mod help;
mod usage;

use super::spec::{Group, Spec};

pub(super) const SPEC: Spec = Spec {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    group: Group::Server,
    summary: "A container for commands on memory.",
    complexity: "Depends on subcommand.",
    subcommands: &[&help::SPEC, &usage::SPEC],
    ..Spec::DEFAULT
};
