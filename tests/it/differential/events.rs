//! Keyspace notifications: the same random commands make both servers tell their subscribers the same, in the same order.

use super::generator::Generator;
use super::pair::Pair;
use super::{Command, ROUND_COMMANDS, commands_wanted, first_seed};
use crate::harness::{Client, Reply, await_true};

/// The channel of the message that comes behind all events.
const END: &str = "__key_end__:";

/// Since 7.2 a consumer is made when its XREADGROUP comes, and XCLAIM and XAUTOCLAIM make one also when there is nothing to
/// claim; before, this event comes at another time or not at all.
const CONSUMER_MADE: &str = "xgroup-createconsumer";

/// A server's subscriber, and who tells it where events end.
struct Listener {
    subscriber: Client,
    publisher: Client,
}

impl Listener {
    fn new((mut subscriber, mut publisher): (Client, Client)) -> Self {
        publisher.check("CONFIG SET notify-keyspace-events AKEnm", "OK");
        subscriber.call("PSUBSCRIBE __key*__:*");
        // That of the round before may be about to go.
        await_true("one subscriber", || publisher.call("PUBSUB NUMPAT").to_string() == "1");
        Self { subscriber, publisher }
    }

    /// The messages that have come since the last call.
    fn read(&mut self, with_consumers: bool) -> Vec<Reply> {
        self.publisher.check(&format!("PUBLISH {END} x"), "1");
        let mut events = Vec::new();
        loop {
            let message = self.subscriber.read();
            let parts: Vec<String> = message.elements().iter().map(Reply::text).collect();
            assert_eq!(parts.len(), 4, "{message}");
            if parts[2] == END {
                return events;
            }
            if with_consumers || !(parts[2].ends_with(CONSUMER_MADE) || parts[3] == CONSUMER_MADE) {
                events.push(message);
            }
        }
    }
}

fn show(commands: &[Command]) -> String {
    let texts = commands.iter().map(|command| String::from_utf8_lossy(&command.join(&b' ')).into_owned());
    texts.collect::<Vec<_>>().join("\n")
}

fn check(protocol: u8) {
    // Each command is followed by a message of both servers.
    let (wanted, mut seen) = (commands_wanted(60_000) / 8, 0);
    let mut pair = Pair::start(protocol);
    let with_consumers = pair.version >= (7, 2);
    for seed in first_seed().. {
        let mut generator = Generator::new(seed, pair.version, pair.told.clone());
        let (mut ours, mut theirs) = pair.reset();
        let [mut our_listener, mut their_listener] = {
            let (first, second) = (pair.connect(), pair.connect());
            [(first.0, second.0), (first.1, second.1)].map(Listener::new)
        };
        let mut queued = Vec::new();
        let mut commands = generator.first();
        commands.extend((0..ROUND_COMMANDS).flat_map(|_| generator.next()));
        for (at, command) in commands.iter().enumerate() {
            ours.send_args(command);
            theirs.send_args(command);
            let difference = pair.compare_next(&mut ours, &mut theirs, command, &mut queued);
            if pair.is_parted() {
                break;
            }
            assert!(difference.is_none(), "seed {seed}: {}", difference.unwrap_or_else(|| unreachable!()));
            let (our_events, their_events) =
                (our_listener.read(with_consumers), their_listener.read(with_consumers));
            seen += their_events.len();
            if our_events != their_events {
                let list =
                    |events: &[Reply]| events.iter().map(Reply::to_string).collect::<Vec<_>>().join("\n  ");
                panic!(
                    "seed {seed} in RESP{protocol}: other events, the last of these commands'\n{}\nredis:\n  {}\nmillstream:\n  {}",
                    show(&commands[at.saturating_sub(12)..=at]),
                    list(&their_events),
                    list(&our_events),
                );
            }
        }
        if pair.compared() >= wanted {
            break;
        }
    }
    println!("RESP{protocol}: {seen} events of {} commands compared", pair.compared());
    assert!(seen as u64 * 4 > pair.compared(), "many commands should have events");
}

#[test]
fn events_equal_rediss_in_resp2() {
    check(2);
}

#[test]
fn events_equal_rediss_in_resp3() {
    check(3);
}
