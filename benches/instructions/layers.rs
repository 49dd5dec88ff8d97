//! Which part of the server an instruction belongs to.

/// A part of the way of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Decode,
    Dispatch,
    Command,
    Lookup,
    Engine,
    Encode,
    Log,
    Memory,
    Copy,
    Other,
}

/// What a source file's path holds, or, where that says nothing, a function's.
const PLACES: &[(Layer, &[&str], &[&str])] = &[
    (Layer::Decode, &["src/protocol/request.rs"], &["protocol::request"]),
    (Layer::Encode, &["src/protocol/reply.rs"], &["protocol::reply"]),
    (Layer::Log, &["src/log/", "/crc32c-"], &["millstream::log", "crc32c::"]),
    (
        Layer::Lookup,
        &["src/state/", "src/engine/keyspace/", "/hashbrown-", "/ahash-", "/parking_lot"],
        &["millstream::state", "engine::keyspace", "hashbrown::", "ahash::"],
    ),
    (Layer::Engine, &["src/engine/"], &["millstream::engine"]),
    (Layer::Command, &["src/command/", "src/number"], &["millstream::command", "millstream::number"]),
    (
        Layer::Dispatch,
        &["src/server/", "src/net/", "src/clock", "src/config/", "src/metrics"],
        &["millstream::server", "millstream::net", "millstream::clock"],
    ),
];

impl Layer {
    pub(crate) const ALL: [Layer; 10] = [
        Layer::Decode,
        Layer::Dispatch,
        Layer::Command,
        Layer::Lookup,
        Layer::Engine,
        Layer::Encode,
        Layer::Log,
        Layer::Memory,
        Layer::Copy,
        Layer::Other,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Layer::Decode => "decode",
            Layer::Dispatch => "dispatch",
            Layer::Command => "command",
            Layer::Lookup => "lookup",
            Layer::Engine => "engine",
            Layer::Encode => "encode",
            Layer::Log => "log",
            Layer::Memory => "allocator",
            Layer::Copy => "copies",
            Layer::Other => "other",
        }
    }

    /// By the source file, which inlined code keeps; the standard library's by the function that it is inlined into.
    pub(crate) fn of(file: &str, function: &str) -> Layer {
        if ["memcpy", "memmove", "memset", "memcmp", "bcmp"].iter().any(|name| function.contains(name)) {
            return Layer::Copy;
        }
        if function.contains("_rjem_") || file.contains("jemalloc") || function.contains("je_") {
            return Layer::Memory;
        }
        let by_file = PLACES.iter().find(|(_, files, _)| files.iter().any(|part| file.contains(part)));
        let by_function =
            || PLACES.iter().find(|(_, _, functions)| functions.iter().any(|part| function.contains(part)));
        by_file.or_else(by_function).map_or(Layer::Other, |(layer, ..)| *layer)
    }
}
