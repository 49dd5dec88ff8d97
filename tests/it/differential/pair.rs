//! Millstream and redis-server side by side.

use std::collections::BTreeMap;
use std::fmt;

use super::Command;
use super::argument_trees::ask_for_trees;
use super::compare::is_same;
use super::deviations::PARTINGS;
use super::generator::Told;
use super::payloads::dump_values;
use crate::harness::{Client, Program, Reply, Server};

/// The two servers.
pub(super) struct Pair {
    pub(super) ours: Server,
    pub(super) theirs: Server,
    /// The version that redis-server says it is.
    pub(super) version: (u32, u32),
    /// What redis-server told of itself.
    pub(super) told: Told,
    protocol: u8,
    refused: u64,
    compared: u64,
    deviations: BTreeMap<&'static str, u64>,
    /// The servers no longer hold the same data, for a reason that is known.
    is_parted: bool,
}

/// Where the replies differ.
pub(super) struct Difference {
    /// The command's place in the list.
    pub(super) at: usize,
    pub(super) command: Command,
    pub(super) ours: Result<Reply, String>,
    pub(super) theirs: Reply,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command: Vec<_> = self.command.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
        write!(f, "{}\n  redis: {}\n  millstream: ", command.join(" "), self.theirs)?;
        match &self.ours {
            Ok(reply) => write!(f, "{reply}"),
            Err(what) => write!(f, "({what})"),
        }
    }
}

/// How many commands are on their way at once.
const PIPELINE: usize = 32;

impl Pair {
    pub(super) fn start(protocol: u8) -> Self {
        let theirs = Server::start(Program::Redis, &["--appendonly", "no", "--rdbcompression", "no"]);
        let version = theirs.version();
        // One protocol is enough to see that compression makes no difference.
        let compress_after = if protocol == 3 { "1" } else { "0" };
        Self {
            ours: Server::millstream(&["--stream-compress-after", compress_after]),
            version,
            told: ask(&mut theirs.client(), version),
            theirs,
            protocol,
            refused: 0,
            compared: 0,
            is_parted: false,
            deviations: BTreeMap::new(),
        }
    }

    /// Two new connections, to empty servers.
    pub(super) fn reset(&mut self) -> (Client, Client) {
        self.is_parted = false;
        let [mut ours, mut theirs] = [&self.ours, &self.theirs].map(Server::client);
        for client in [&mut ours, &mut theirs] {
            client.check("FLUSHALL", "OK");
            client.check("CONFIG SET stream-node-max-entries 100", "OK");
            client.switch_to(self.protocol);
        }
        (ours, theirs)
    }

    /// Another connection to each.
    pub(super) fn connect(&self) -> (Client, Client) {
        let mut clients = (self.ours.client(), self.theirs.client());
        clients.0.switch_to(self.protocol);
        clients.1.switch_to(self.protocol);
        clients
    }

    /// Notes that the servers no longer hold the same data, for a reason that is known.
    pub(super) fn part(&mut self, name: &'static str) {
        *self.deviations.entry(name).or_default() += 1;
        self.is_parted = true;
    }

    /// Whether the servers no longer hold the same data, for a reason that is known.
    pub(super) fn is_parted(&self) -> bool {
        self.is_parted
    }

    /// Sends the commands to both, which are emptied before, and answers the first difference.
    pub(super) fn replay(&mut self, commands: &[Command]) -> Option<Difference> {
        let (mut ours, mut theirs) = self.reset();
        let mut queued = Vec::new();
        for (chunk_number, chunk) in commands.chunks(PIPELINE).enumerate() {
            for command in chunk {
                // A server that has closed the connection is noticed when its reply is missing.
                ours.try_send_raw(&crate::harness::encode_request(command));
                theirs.send_args(command);
            }
            let mut difference = None;
            for (index, command) in chunk.iter().enumerate() {
                let found = self.compare_next(&mut ours, &mut theirs, command, &mut queued);
                if difference.is_none() && !self.is_parted {
                    difference =
                        found.map(|found| Difference { at: chunk_number * PIPELINE + index, ..found });
                }
                // The replies behind it are read all the same: what is still being executed would get into the next round.
            }
            if difference.is_some() || self.is_parted {
                return difference;
            }
        }
        None
    }

    /// Reads the replies to a command.
    pub(super) fn compare_next(
        &mut self,
        ours: &mut Client,
        theirs: &mut Client,
        command: &Command,
        queued: &mut Vec<Command>,
    ) -> Option<Difference> {
        let their_reply = theirs.read();
        let our_reply = match ours.read_within(crate::harness::PATIENCE) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err("no reply came".to_owned()),
            Err(what) => Err(what),
        };
        let is_same =
            our_reply.as_ref().is_ok_and(|reply| self.is_same(command, queued, reply, &their_reply));
        note_queued(command, &their_reply, queued);
        self.refused += u64::from(their_reply.is_error());
        self.compared += 1;
        (!is_same).then(|| Difference {
            at: 0,
            command: command.clone(),
            ours: our_reply,
            theirs: their_reply,
        })
    }

    pub(super) fn is_same(
        &mut self,
        command: &Command,
        queued: &[Command],
        ours: &Reply,
        theirs: &Reply,
    ) -> bool {
        let mut met = Vec::new();
        let is_same = is_same(command, queued, ours, theirs, self.version, &mut met);
        for name in met {
            *self.deviations.entry(name).or_default() += 1;
            self.is_parted |= PARTINGS.contains(&name);
        }
        is_same
    }

    /// How many replies were compared.
    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    /// How many commands both refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Which deviations were met, how often.
    pub(super) fn deviations(&self) -> String {
        let list: Vec<_> = self.deviations.iter().map(|(name, count)| format!("{name} {count}")).collect();
        list.join(", ")
    }
}

/// Asks a server of that version for what a generator is to know.
pub(super) fn ask(client: &mut Client, version: (u32, u32)) -> Told {
    (dump_values(client, version), ask_for_trees(client))
}

/// Keeps account of the transaction that the connection is in.
pub(super) fn note_queued(command: &Command, reply: &Reply, queued: &mut Vec<Command>) {
    if *reply == Reply::Simple("QUEUED".to_owned()) {
        queued.push(command.clone());
    } else if [&b"EXEC"[..], b"DISCARD"].iter().any(|name| command[0].eq_ignore_ascii_case(name)) {
        // Neither leaves a transaction, but for one with an argument too many, which leaves it to fail at EXEC.
        queued.clear();
    }
}
