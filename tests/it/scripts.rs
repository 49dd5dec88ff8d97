//! The scripts in `scripts/`, each a test of its name: run against Millstream with one worker thread and with four, and
//! where it says so against redis-server.

use std::collections::BTreeSet;

use crate::harness::{Program, Script};

/// Declares the tests. The first test sees to it that no file is forgotten.
macro_rules! scripts {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                run(stringify!($name), include_str!(concat!("scripts/", stringify!($name), ".txt")));
            }
        )*
    };
}

scripts! {
    access_blocked
    access_checks
    access_log
    access_renames
    administration
    administration_of_the_log
    authentication
    blocking
    blocking_on_lists
    client
    client_of_7_2
    command_getkeys
    command_references
    command_table
    config
    config_fixed
    debug
    debug_refused
    documented
    documented_in_resp3
    dump_restore
    groups
    key_expiry
    key_introspection
    key_names
    key_recovery
    key_streams
    key_waiters
    key_waiters_of_groups
    names_with_zero_bytes
    no_log
    other_types
    pubsub
    pubsub_in_resp3
    select
    server_info
    out_of_memory
    stream_add
    stream_claim
    stream_counters
    stream_idempotency
    stream_nack
    stream_names
    stream_newest_in_resp3
    stream_read_limits
    stream_references
    string_compare
    string_delex_msetex
    string_numbers
    string_parts
    string_set
    string_several
    transaction
    waiters_and_expiry
}

fn run(name: &str, text: &str) {
    let script = Script::parse(&format!("{name}.txt"), text);
    if script.redis_from.is_some_and(|version| version <= Program::Redis.version()) {
        script.run(Program::Redis, &[]);
    }
    script.run(Program::Millstream, &["--worker-threads", "1"]);
    script.run(Program::Millstream, &["--worker-threads", "4"]);
}

#[test]
fn every_script_is_a_test() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scripts");
    let files: BTreeSet<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".txt").to_owned())
        .collect();
    assert_eq!(files, NAMES.iter().map(|name| (*name).to_owned()).collect());
}
