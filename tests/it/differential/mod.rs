//! The same random commands to Millstream and to redis-server 7.0: the replies are equal byte for byte.
//!
//! Not compared are times of the clock ([`compare`]) and the few things in which the Redis that Millstream follows
//! differs from 7.0 ([`deviations`], each with its reason). A difference is shrunk to the fewest commands that show it and
//! printed as a script for `tests/it/scripts/`.
//!
//! `MILLSTREAM_DIFFERENTIAL_COMMANDS` is the number of commands for each protocol, `MILLSTREAM_DIFFERENTIAL_SEED` the first
//! seed. A long run: `MILLSTREAM_DIFFERENTIAL_COMMANDS=2000000 cargo test --test it differential -- --nocapture`.

mod blocking;
mod compare;
mod deviations;
mod exchange;
mod generator;
mod idempotency;
mod key_commands;
mod pair;
mod payloads;
mod recovery;
mod references;
mod shrink;
mod stream_commands;

use std::time::Instant;

use exchange::exchange;
use generator::Generator;
use pair::{Difference, Pair};
use shrink::{shrink, to_script};

/// A command's arguments, its name first.
type Command = Vec<Vec<u8>>;

/// Commands from one empty keyspace to the next.
const ROUND_COMMANDS: usize = 500;

fn read_number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is to be a number")),
        Err(_) => default,
    }
}

fn commands_wanted(default: u64) -> u64 {
    read_number("MILLSTREAM_DIFFERENTIAL_COMMANDS", default)
}

fn first_seed() -> u64 {
    read_number("MILLSTREAM_DIFFERENTIAL_SEED", 1)
}

/// The first difference in the replies, or in what each server makes of the other's values at the end.
fn find_difference(pair: &mut Pair, commands: &[Command]) -> Option<Difference> {
    let found = pair.replay(commands);
    if found.is_some() || pair.is_parted() {
        return found;
    }
    exchange(pair).map(|found| Difference { at: commands.len().saturating_sub(1), ..found })
}

fn check(protocol: u8) {
    let (wanted, started) = (commands_wanted(60_000), Instant::now());
    let mut pair = Pair::start(protocol);
    for seed in first_seed().. {
        let mut generator = Generator::new(seed, pair.version, pair.payloads.clone());
        let commands: Vec<Command> = (0..ROUND_COMMANDS).flat_map(|_| generator.next()).collect();
        if let Some(difference) = find_difference(&mut pair, &commands) {
            eprintln!("seed {seed}: {difference}\nshrinking {} commands", difference.at + 1);
            let commands = shrink(&commands[..=difference.at], |commands| {
                find_difference(&mut pair, commands).is_some()
            });
            let difference = find_difference(&mut pair, &commands);
            let difference =
                difference.unwrap_or_else(|| panic!("seed {seed}: the difference does not come again"));
            panic!("seed {seed} in RESP{protocol}:\n{}", to_script(protocol, &commands, &difference));
        }
        if pair.compared() >= wanted {
            break;
        }
    }
    println!(
        "RESP{protocol}: {} commands compared in {:.1} s, {} of them refused by both; deviations met: {}",
        pair.compared(),
        started.elapsed().as_secs_f64(),
        pair.refused(),
        pair.deviations(),
    );
    // A generator that only made nonsense would prove nothing.
    assert!(pair.refused() * 2 < pair.compared(), "most commands were refused");
}

#[test]
fn replies_equal_rediss_in_resp2() {
    check(2);
}

#[test]
fn replies_equal_rediss_in_resp3() {
    check(3);
}
