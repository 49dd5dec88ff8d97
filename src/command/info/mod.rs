//! INFO: what the server tells of itself, in sections of lines `field:value`.
//!
//! The fields have Redis 7.2's names. One that Millstream has no true value for is left out: redis_build_id, atomicvar_api and
//! gcc_version (it is not built by a C compiler), and what tells of the one event loop that Redis has (eventloop_*).

mod clients;
mod commands;
mod cpu;
mod keyspace;
mod latency;
mod locks;
mod memory;
mod persistence;
mod replication;
mod server;
mod stats;

use std::fmt::{Display, Write as _};

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::ALL_SHARDS),
    categories: Categories::DANGEROUS,
    since: "1.0.0",
    group: Group::Server,
    summary: "Tells of the server's state, in sections.",
    complexity: "O(1)",
    history: &[("7.0.0", "Several sections may be asked for.")],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    arguments: &[Argument::new("section", ArgKind::String).optional().multiple()],
    handler: execute,
    ..Spec::DEFAULT
};

/// A part of INFO's reply.
struct Section {
    /// The name by which it is asked for.
    name: &'static str,
    /// The name in its first line.
    title: &'static str,
    /// Whether it is told when no section is asked for.
    is_default: bool,
    write: fn(&mut Context<'_, '_>, &mut Lines),
}

impl Section {
    const fn new(
        name: &'static str,
        title: &'static str,
        write: fn(&mut Context<'_, '_>, &mut Lines),
    ) -> Self {
        Self { name, title, is_default: true, write }
    }

    const fn on_demand(mut self) -> Self {
        self.is_default = false;
        self
    }
}

/// All sections, in the order in which they are told.
const SECTIONS: &[Section] = &[
    Section::new("server", "Server", server::write),
    Section::new("clients", "Clients", clients::write),
    Section::new("memory", "Memory", memory::write),
    Section::new("persistence", "Persistence", persistence::write),
    Section::new("stats", "Stats", stats::write),
    Section::new("replication", "Replication", replication::write),
    Section::new("cpu", "CPU", cpu::write),
    Section::new("modules", "Modules", |_, _| {}),
    Section::new("commandstats", "Commandstats", commands::write_commands).on_demand(),
    Section::new("errorstats", "Errorstats", commands::write_errors),
    Section::new("latencystats", "Latencystats", latency::write).on_demand(),
    Section::new("locks", "Locks", locks::write).on_demand(),
    Section::new("cluster", "Cluster", |_, lines| lines.field("cluster_enabled", 0)),
    Section::new("keyspace", "Keyspace", keyspace::write),
];

/// The lines of a section.
#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    fn field(&mut self, name: &str, value: impl Display) {
        // Writing to memory does not fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.field(name, u8::from(value));
    }

    /// Fields that are 0: the server has nothing of what they count.
    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.field(name, 0));
    }
}

fn is_asked_for(section: &Section, request: Request<'_>) -> bool {
    if request.len() == 1 {
        return section.is_default;
    }
    request.args_from(1).any(|asked| {
        asked.eq_ignore_ascii_case(section.name.as_bytes())
            || asked.eq_ignore_ascii_case(b"all")
            || asked.eq_ignore_ascii_case(b"everything")
            || (section.is_default && asked.eq_ignore_ascii_case(b"default"))
    })
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let mut lines = Lines::default();
    for section in SECTIONS.iter().filter(|section| is_asked_for(section, request)) {
        if !lines.0.is_empty() {
            lines.0.push_str("\r\n");
        }
        let _ = write!(lines.0, "# {}\r\n", section.title);
        (section.write)(context, &mut lines);
    }
    context.reply.verbatim(lines.0.as_bytes());
    Ok(Outcome::Done)
}
