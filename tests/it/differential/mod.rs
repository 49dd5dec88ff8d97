//! The same random commands to Millstream and to redis-server: the replies are equal byte for byte.
//!
//! Not compared are times of the clock ([`compare`]) and the few things in which Millstream differs from that version of Redis
//! ([`deviations`], each with its reason and its versions). Commands and options that the version does not know are not sent
//! to it; [`recovery`] sends them to Millstream alone. At the end of each round the servers exchange what they dump ([`exchange`]).
//! A difference is shrunk to the fewest commands that show it and printed as a script: put it into `tests/it/scripts/`, name it
//! in `scripts.rs`, and it is a regression test.
//!
//! `MILLSTREAM_DIFFERENTIAL_COMMANDS` is the number of commands for each protocol (a quarter of them with connections that
//! wait, an eighth read back from the log, besides), `MILLSTREAM_DIFFERENTIAL_SEED` the first seed, `MILLSTREAM_REFERENCE` the
//! redis-server. It says how many commands it compared. The long form, a million commands in RESP2 and a million in RESP3 (a
//! minute or two; with connections that wait ten):
//!
//! ```text
//! MILLSTREAM_DIFFERENTIAL_COMMANDS=1000000 MILLSTREAM_REFERENCE=$(redis-compat/oracle) \
//!     cargo test --test it differential -- --nocapture
//! ```
//!
//! and the same without `MILLSTREAM_REFERENCE` for the redis-server that is installed.

mod argument_trees;
mod blocking;
mod compare;
mod deviations;
mod events;
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
        let mut generator = Generator::new(seed, pair.version, pair.told.clone());
        let mut commands = generator.first();
        commands.extend((0..ROUND_COMMANDS).flat_map(|_| generator.next()));
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
