//! MEMORY

mod doctor;
pub(super) mod figures;
mod help;
mod malloc_stats;
mod purge;
mod stats;
mod usage;

use super::spec::{Group, Spec};

pub(super) const SPEC: Spec = Spec {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    group: Group::Server,
    summary: "A container for commands on memory.",
    complexity: "Depends on subcommand.",
    subcommands: &[&doctor::SPEC, &help::SPEC, &malloc_stats::SPEC, &purge::SPEC, &stats::SPEC, &usage::SPEC],
    ..Spec::DEFAULT
};
