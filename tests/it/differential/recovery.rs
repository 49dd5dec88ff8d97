//! The same random commands, and then an end without warning: what is recovered is what was there.

use super::compare::{field_mut, is_same};
use super::generator::{Generator, list_looks, words};
use super::{Command, ROUND_COMMANDS, commands_wanted, first_seed};
use crate::harness::{Client, Program, Reply, Server};

/// All that Millstream knows.
const NEWEST: (u32, u32) = (u32::MAX, 0);

fn look(client: &mut Client, looks: &[Command]) -> Vec<Reply> {
    looks.iter().for_each(|command| client.send_args(command));
    let mut replies: Vec<Reply> = looks.iter().map(|_| client.read()).collect();
    replies.iter_mut().for_each(leave_out_times);
    replies
}

/// When a consumer was last heard of is no part of the log, and when it last got something is what the log's last delivery
/// to it says.
fn leave_out_times(reply: &mut Reply) {
    for name in ["seen-time", "active-time", "idle", "inactive"] {
        if let Some(time) = field_mut(reply, name) {
            *time = Reply::Integer(0);
        }
    }
    if let Reply::Array(elements) = reply {
        elements.iter_mut().for_each(leave_out_times);
    }
}

#[test]
fn what_was_there_is_recovered() {
    let mut looks = list_looks();
    // A number that was computed comes back as one that was set.
    looks.retain(|command| command[0] != b"OBJECT");
    let mut compared = 0;
    for seed in first_seed().. {
        // How entries lie in blocks is no part of the log: it follows from the same settings.
        let entries = (1 + seed % 5).to_string();
        let arguments = ["--appendfsync", "no", "--stream-node-max-entries", &entries];
        let mut server = Server::start(Program::Millstream, &arguments);
        let mut client = server.client();
        let mut generator = Generator::new(seed, NEWEST);
        for _ in 0..ROUND_COMMANDS {
            let is_config = |command: &Command| command[0].eq_ignore_ascii_case(b"CONFIG");
            for command in generator.next().into_iter().filter(|command| !is_config(command)) {
                client.send_args(&command);
                client.read();
                compared += 1;
            }
        }
        client.send_args(&words("DISCARD"));
        client.read();
        let before = look(&mut client, &looks);
        drop(client);
        server.kill();
        server.restart();
        let after = look(&mut server.client(), &looks);
        for ((command, before), after) in looks.iter().zip(&before).zip(&after) {
            let mut met = Vec::new();
            assert!(
                is_same(command, &[], after, before, NEWEST, &mut met) && met.is_empty(),
                "seed {seed}: {}\n  before: {before}\n  after: {after}",
                String::from_utf8_lossy(&command.join(&b' ')),
            );
        }
        if compared >= commands_wanted(5_000) {
            break;
        }
    }
}
