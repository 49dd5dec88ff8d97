//! CLUSTER, READONLY, READWRITE, ASKING: the server is no node of a cluster, and says so.

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "cluster",
    arity: -2,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Commands about a cluster.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &COUNTKEYSINSLOT,
        &GETKEYSINSLOT,
        &HELP,
        &INFO,
        &KEYSLOT,
        &LINKS,
        &MYID,
        &MYSHARDID,
        &NODES,
        &REPLICAS,
        &SHARDS,
        &SLAVES,
        &SLOTS,
    ],
    ..Spec::DEFAULT
};

const COUNTKEYSINSLOT: Spec = Spec {
    name: "countkeysinslot",
    arity: 3,
    flags: Flags::STALE,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Counts the keys of a slot.",
    complexity: "O(1)",
    arguments: &[Argument::new("slot", ArgKind::Integer)],
    help: &["COUNTKEYSINSLOT <slot>", "    Counts the keys of a slot."],
    handler: refuse,
    ..Spec::DEFAULT
};

const GETKEYSINSLOT: Spec = Spec {
    name: "getkeysinslot",
    arity: 4,
    flags: Flags::STALE,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Returns keys of a slot.",
    complexity: "O(N) for N keys asked for",
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("slot", ArgKind::Integer), Argument::new("count", ArgKind::Integer)],
    help: &["GETKEYSINSLOT <slot> <count>", "    Returns keys of a slot."],
    handler: refuse,
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "5.0.0",
    group: Group::Cluster,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: refuse,
    ..Spec::DEFAULT
};

const INFO: Spec = Spec {
    name: "info",
    arity: 2,
    flags: Flags::STALE,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Tells of the cluster's state.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    help: &["INFO", "    Tells of the cluster's state."],
    handler: refuse,
    ..Spec::DEFAULT
};

const KEYSLOT: Spec = Spec {
    name: "keyslot",
    arity: 3,
    flags: Flags::STALE,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Returns the slot of a key.",
    complexity: "O(N) for a key of N bytes",
    arguments: &[Argument::new("key", ArgKind::String)],
    help: &["KEYSLOT <key>", "    Returns the slot of a key."],
    handler: refuse,
    ..Spec::DEFAULT
};

const LINKS: Spec = Spec {
    name: "links",
    arity: 2,
    flags: Flags::STALE,
    since: "7.0.0",
    group: Group::Cluster,
    summary: "Lists the links of the cluster's bus.",
    complexity: "O(N) for N nodes of the cluster",
    tips: &["nondeterministic_output"],
    help: &["LINKS", "    Lists the links of the cluster's bus."],
    handler: refuse,
    ..Spec::DEFAULT
};

const MYID: Spec = Spec {
    name: "myid",
    arity: 2,
    flags: Flags::STALE,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Returns the node's ID.",
    complexity: "O(1)",
    help: &["MYID", "    Returns the node's ID."],
    handler: refuse,
    ..Spec::DEFAULT
};

const MYSHARDID: Spec = Spec {
    name: "myshardid",
    arity: 2,
    flags: Flags::STALE,
    since: "7.2.0",
    group: Group::Cluster,
    summary: "Returns the ID of the node's shard.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    help: &["MYSHARDID", "    Returns the ID of the node's shard."],
    handler: refuse,
    ..Spec::DEFAULT
};

const NODES: Spec = Spec {
    name: "nodes",
    arity: 2,
    flags: Flags::STALE,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Lists the nodes.",
    complexity: "O(N) for N nodes of the cluster",
    tips: &["nondeterministic_output"],
    help: &["NODES", "    Lists the nodes."],
    handler: refuse,
    ..Spec::DEFAULT
};

const REPLICAS: Spec = Spec {
    name: "replicas",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::STALE),
    since: "5.0.0",
    group: Group::Cluster,
    summary: "Lists a node's replicas.",
    complexity: "O(N) for N replicas",
    tips: &["nondeterministic_output"],
    arguments: &[Argument::new("node-id", ArgKind::String)],
    help: &["REPLICAS <node-id>", "    Lists a node's replicas."],
    handler: refuse,
    ..Spec::DEFAULT
};

const SHARDS: Spec = Spec {
    name: "shards",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "7.0.0",
    group: Group::Cluster,
    summary: "Lists the shards.",
    complexity: "O(N) for N nodes of the cluster",
    tips: &["nondeterministic_output"],
    help: &["SHARDS", "    Lists the shards."],
    handler: refuse,
    ..Spec::DEFAULT
};

const SLAVES: Spec = Spec {
    name: "slaves",
    arity: 3,
    flags: Flags::ADMIN.union(Flags::STALE),
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Lists a node's replicas.",
    complexity: "O(N) for N replicas",
    tips: &["nondeterministic_output"],
    deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
    arguments: &[Argument::new("node-id", ArgKind::String)],
    help: &["SLAVES <node-id>", "    Lists a node's replicas."],
    handler: refuse,
    ..Spec::DEFAULT
};

const SLOTS: Spec = Spec {
    name: "slots",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Lists the slots and their nodes.",
    complexity: "O(N) for N nodes of the cluster",
    history: &[("4.0.0", "The nodes' IDs are told."), ("7.0.0", "More is told of the way to the nodes.")],
    tips: &["nondeterministic_output"],
    deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
    help: &["SLOTS", "    Lists the slots and their nodes."],
    handler: refuse,
    ..Spec::DEFAULT
};

pub(super) const READONLY: Spec = Spec {
    name: "readonly",
    arity: 1,
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Categories::CONNECTION,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Lets a replica in a cluster serve the connection's reads.",
    complexity: "O(1)",
    handler: refuse,
    ..Spec::DEFAULT
};

pub(super) const READWRITE: Spec = Spec {
    name: "readwrite",
    arity: 1,
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    categories: Categories::CONNECTION,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Takes READONLY back.",
    complexity: "O(1)",
    handler: refuse,
    ..Spec::DEFAULT
};

pub(super) const ASKING: Spec = Spec {
    name: "asking",
    arity: 1,
    flags: Flags::FAST,
    categories: Categories::CONNECTION,
    since: "3.0.0",
    group: Group::Cluster,
    summary: "Lets the next command reach a slot that is being imported.",
    complexity: "O(1)",
    handler: refuse,
    ..Spec::DEFAULT
};

fn refuse(_: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    Err(CommandError::Other("ERR This instance has cluster support disabled"))
}
