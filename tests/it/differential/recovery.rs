//! The same random commands, and what is read back from the log now and then and at the end: by DEBUG RELOAD, after a kill, after
//! the log was rewritten. It is what was there, and all that comes later is answered as by a server that never read anything back (the
//! order of claims is visible only so).
//!
//! The commands are all that Millstream knows: those that no redis-server to compare with knows too.

use std::fmt::Write as _;

use super::compare::{field_mut, is_same};
use super::deviations::is_lag_exact;
use super::generator::{Generator, KEYS, PRODUCER_KEYS, STRING_KEYS, Told, list_looks, words};
use super::pair::{ask, note_queued};
use super::payloads::{LeftOut, STREAM_TYPE, read_stream};
use super::shrink::shrink;
use super::{Command, ROUND_COMMANDS, commands_wanted, first_seed};
use crate::harness::{Client, Reply, Server, await_true, quote_word};

/// All that Millstream knows.
const NEWEST: (u32, u32) = (u32::MAX - 1, 0);

/// A way to read back what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Reload,
    Kill,
    Terminate,
    RewriteAndReload,
    RewriteAndKill,
}

const WAYS: [Way; 5] = [Way::Reload, Way::Kill, Way::Terminate, Way::RewriteAndReload, Way::RewriteAndKill];

impl Way {
    fn rewrites(self) -> bool {
        matches!(self, Self::RewriteAndReload | Self::RewriteAndKill)
    }
}

#[derive(Clone)]
enum Step {
    Send(Command),
    ReadBack(Way),
}

/// What was not as before, after which step.
struct Fault {
    at: usize,
    what: String,
}

fn make_steps(seed: u64, told: Told) -> Vec<Step> {
    let mut generator = Generator::new(seed, NEWEST, told);
    let rewrites = generator.chance(30);
    let mut steps: Vec<Step> = generator.first().into_iter().map(Step::Send).collect();
    while steps.len() < ROUND_COMMANDS || generator.is_in_transaction() {
        // How entries lie in blocks is no part of the log: it follows from the same settings.
        let is_config = |command: &Command| command[0].eq_ignore_ascii_case(b"CONFIG");
        steps.extend(generator.next().into_iter().filter(|command| !is_config(command)).map(Step::Send));
        if !generator.is_in_transaction() && generator.random.u32(0..150) == 0 {
            let way = WAYS[generator.random.usize(0..WAYS.len())];
            if rewrites || !way.rewrites() {
                steps.push(Step::ReadBack(way));
            }
        }
    }
    // One that was broken does not end a transaction.
    steps.push(Step::Send(words("DISCARD")));
    steps.extend([Step::ReadBack(Way::Reload), Step::ReadBack(Way::Kill)]);
    steps
}

/// A server that is told to read back, and one that never is.
struct Run {
    server: Server,
    client: Client,
    twin: Client,
    _twin_server: Server,
    /// The commands of the open transaction.
    queued: Vec<Command>,
    /// Whether both are to answer alike.
    has_twin: bool,
    looks: Vec<Command>,
    rewrites: u32,
}

impl Run {
    fn start(seed: u64) -> Self {
        let entries = (1 + seed % 5).to_string();
        let arguments =
            ["--appendfsync", "no", "--enable-debug-command", "yes", "--stream-node-max-entries", &entries];
        // The one that is read back is compressed besides.
        let compressed = [&arguments[..], &["--stream-compress-after", "1"]].concat();
        let (server, twin_server) = (Server::millstream(&compressed), Server::millstream(&arguments));
        let (client, twin) = (server.client(), twin_server.client());
        let mut looks = list_looks();
        // A number that was computed comes back as one that was set; what is due to expire still counts.
        looks.retain(|command| command[0] != b"OBJECT" && command[0] != b"DBSIZE");
        looks.extend(
            [KEYS, PRODUCER_KEYS, STRING_KEYS].concat().iter().map(|key| words(&format!("DUMP {key}"))),
        );
        Self {
            server,
            client,
            twin,
            _twin_server: twin_server,
            queued: Vec::new(),
            has_twin: true,
            looks,
            rewrites: 0,
        }
    }

    fn send(&mut self, command: &Command) -> Result<(), String> {
        let (mut ours, mut twins) = (self.client.call_args(command), self.twin.call_args(command));
        let queued = self.queued.clone();
        note_queued(command, &twins, &mut self.queued);
        // A number that was computed comes back as one that was set.
        if !self.has_twin || command[0].eq_ignore_ascii_case(b"OBJECT") {
            return Ok(());
        }
        leave_out_times(command, &mut ours);
        leave_out_times(command, &mut twins);
        let mut met = Vec::new();
        let is_same = is_same(command, &queued, &ours, &twins, NEWEST, &mut met);
        if met.is_empty() && !is_same {
            let command = String::from_utf8_lossy(&command.join(&b' ')).into_owned();
            return Err(format!("{command}\n  after reading back: {ours}\n  without: {twins}"));
        }
        // An ID from the clock.
        self.has_twin = met.is_empty();
        Ok(())
    }

    fn look(&mut self) -> Vec<Reply> {
        self.looks.iter().for_each(|command| self.client.send_args(command));
        let mut replies: Vec<Reply> = self.looks.iter().map(|_| self.client.read()).collect();
        for (command, reply) in self.looks.iter().zip(&mut replies) {
            leave_out_times(command, reply);
        }
        replies
    }

    /// Reads back, and answers what is other than before.
    fn read_back(&mut self, way: Way) -> Result<(), String> {
        // A transaction that a broken command left open.
        self.send(&words("DISCARD"))?;
        let before = self.look();
        if let Some(reply) = before.iter().find(|reply| !is_lag_exact(reply)) {
            return Err(format!("a lag is not the number of entries behind the group's position: {reply}"));
        }
        let rewrites = way.rewrites();
        if rewrites {
            // Deleted entries are not written, so that the others come to lie in other blocks.
            self.has_twin = false;
            self.rewrite();
        }
        match way {
            Way::Reload | Way::RewriteAndReload => self.client.check("DEBUG RELOAD", "OK"),
            Way::Kill | Way::RewriteAndKill => self.server.kill(),
            Way::Terminate => drop(self.server.terminate()),
        }
        if matches!(way, Way::Kill | Way::Terminate | Way::RewriteAndKill) {
            self.server.restart();
            self.client = self.server.client();
        }
        let after = self.look();
        for ((command, before), after) in self.looks.iter().zip(before).zip(after) {
            let (mut before, mut after) = (before, after);
            if rewrites {
                for reply in [&mut before, &mut after] {
                    leave_out(reply, &["radix-tree-keys", "radix-tree-nodes"]);
                }
                if command[0] == b"DUMP" {
                    continue;
                }
            }
            let mut met = Vec::new();
            if !is_same(command, &[], &after, &before, NEWEST, &mut met) || !met.is_empty() {
                let command = String::from_utf8_lossy(&command.join(&b' ')).into_owned();
                return Err(format!("{way:?}: {command}\n  before: {before}\n  after: {after}"));
            }
        }
        Ok(())
    }

    fn rewrite(&mut self) {
        self.rewrites += 1;
        self.client.call("BGREWRITEAOF");
        let base = self.server.log_dir().join(format!("appendonly.aof.{}.base.aof", self.rewrites));
        await_true("the rewrite's end", || {
            base.exists() && self.client.call("INFO persistence").text().contains("aof_rewrite_in_progress:0")
        });
    }
}

/// When a consumer was last heard of is no part of the log, and when it last got something is what the log's last delivery
/// to it says.
fn leave_out_times(command: &Command, reply: &mut Reply) {
    leave_out(reply, &["seen-time", "active-time", "idle", "inactive"]);
    if let (b"DUMP", Reply::Bulk(payload)) = (&command[0][..], reply)
        && payload[0] == STREAM_TYPE
    {
        *payload =
            read_stream(payload, LeftOut::SeenTimes).expect("a stream is dumped in the form of its type");
    }
}

/// Leaves out the values of fields.
pub(super) fn leave_out(reply: &mut Reply, names: &[&str]) {
    for name in names {
        if let Some(value) = field_mut(reply, name) {
            *value = Reply::Integer(0);
        }
    }
    match reply {
        Reply::Array(elements) => elements.iter_mut().for_each(|element| leave_out(element, names)),
        Reply::Map(pairs) => pairs.iter_mut().for_each(|(_, value)| leave_out(value, names)),
        _ => {}
    }
}

fn replay(seed: u64, steps: &[Step]) -> Option<Fault> {
    let mut run = Run::start(seed);
    for (at, step) in steps.iter().enumerate() {
        let result = match step {
            Step::Send(command) => run.send(command),
            Step::ReadBack(way) => run.read_back(*way),
        };
        if let Err(what) = result {
            return Some(Fault { at, what });
        }
    }
    None
}

/// The steps as a script.
fn to_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let _ = match step {
            Step::Send(command) => {
                let words: Vec<_> = command.iter().map(|word| quote_word(word)).collect();
                writeln!(text, "> {}\n< <any>", words.join(" "))
            }
            Step::ReadBack(Way::Reload) => writeln!(text, "> DEBUG RELOAD\n< OK"),
            Step::ReadBack(Way::Kill) => writeln!(text, "@ restart"),
            Step::ReadBack(way) => writeln!(text, "# {way:?}"),
        };
    }
    text
}

#[test]
fn what_was_there_is_recovered() {
    let (wanted, mut sent, mut read_back) = (commands_wanted(60_000) / 8, 0, 0);
    let told = ask(&mut Server::millstream(&[]).client(), NEWEST);
    for seed in first_seed().. {
        let steps = make_steps(seed, told.clone());
        if let Some(fault) = replay(seed, &steps) {
            eprintln!("seed {seed}: {}\nshrinking {} steps", fault.what, fault.at + 1);
            let steps = shrink(&steps[..=fault.at], |steps| replay(seed, steps).is_some());
            let fault = replay(seed, &steps).expect("shrinking keeps the fault");
            let entries = 1 + seed % 5;
            let arguments =
                format!("@ arguments --stream-node-max-entries {entries} --stream-compress-after 1");
            panic!("seed {seed}:\n{arguments}\n{}{}", to_text(&steps), fault.what);
        }
        sent += steps.len() as u64;
        read_back += steps.iter().filter(|step| matches!(step, Step::ReadBack(_))).count();
        if sent >= wanted {
            break;
        }
    }
    println!("{sent} commands, read back from the log {read_back} times");
}
