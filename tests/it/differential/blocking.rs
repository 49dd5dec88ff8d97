//! Connections that wait, while another one does random things: who is served when, with what, is the same.

use std::time::{Duration, Instant};

use super::Command;
use super::generator::{GROUPS, Generator, KEYS, list_groups, list_looks, may_wait, words};
use super::pair::{Difference, Pair};
use super::shrink::shrink;
use crate::harness::{Client, PATIENCE, Reply, quote_word};

/// Connections that wait.
const WAITERS: usize = 4;

/// How long Millstream may take for a reply that may also never come.
const SILENCE: Duration = Duration::from_millis(20);

/// One thing that happens.
#[derive(Clone)]
enum Step {
    /// The main connection sends a command.
    Main(Command),
    /// One that does not wait yet sends a command that may have to.
    Wait(usize, Command),
    /// CLIENT UNBLOCK, with the way of it.
    Unblock(usize, &'static str),
    /// It closes its connection; another one takes its place.
    Close(usize),
}

/// A waiting connection to both servers.
struct Waiter {
    clients: (Client, Client),
    ids: (i64, i64),
    waits_with: Option<Command>,
}

/// What went wrong at which step.
struct Fault {
    at: usize,
    what: String,
    /// The steps and what came of them.
    script: String,
}

fn make_steps(generator: &mut Generator, version: (u32, u32)) -> Vec<Step> {
    let mut steps: Vec<Step> = list_groups().map(Step::Main).collect();
    for _ in 0..200 {
        let waiter = generator.random.usize(0..WAITERS);
        match generator.random.u32(0..100) {
            0..25 => steps.push(Step::Wait(waiter, make_wait(generator, version, waiter))),
            25 => steps.push(Step::Unblock(waiter, generator.pick(&["TIMEOUT", "ERROR"]))),
            26 => steps.push(Step::Close(waiter)),
            _ => {
                let commands = generator.next().into_iter();
                let commands = commands.filter(|command| !may_wait(command) && !sets_group_back(command));
                steps.extend(commands.map(Step::Main));
            }
        }
    }
    // Those that still wait are served.
    steps.extend((0..WAITERS).map(|waiter| Step::Unblock(waiter, "ERROR")));
    steps.extend(list_looks().into_iter().map(Step::Main));
    steps
}

/// Whether a command sets the position of the group in which some wait to claim. That makes entries new again, which wakes nobody,
/// but whoever is tried for another reason gets them; and Redis tries those who claim by a clock of its own.
fn sets_group_back(command: &Command) -> bool {
    command.get(1).is_some_and(|name| name.eq_ignore_ascii_case(b"SETID"))
        && command.iter().any(|arg| arg == GROUPS[2].as_bytes())
}

/// A command that has to wait, for the waiter of that number.
fn make_wait(generator: &mut Generator, version: (u32, u32), waiter: usize) -> Command {
    let random = &mut generator.random;
    // Before 7.2 one that waits for several keys was served with one of them, though more had come in a transaction. Since
    // then one that was tried for a key in vain goes to the end of all of its keys' queues, whereas here who came first stays
    // first: so who waits for several keys is the only one that waits in the group.
    let may_be_several = version >= (7, 2);
    let is_alone = may_be_several && waiter == 0 && random.bool();
    let reads_as_consumer = is_alone || random.u32(0..100) < 65;
    let keys = if is_alone || may_be_several && !reads_as_consumer { random.usize(1..3) } else { 1 };
    let group = if is_alone { GROUPS[2] } else { GROUPS[random.usize(0..2)] };
    let count = if generator.chance(30) { " COUNT 1" } else { "" };
    let mut ids = String::new();
    let mut command = if reads_as_consumer {
        ids += &" >".repeat(keys);
        let no_ack = if generator.chance(10) { " NOACK" } else { "" };
        let claim =
            if generator.claims && is_alone && generator.chance(50) { " CLAIM 100000000" } else { "" };
        format!("XREADGROUP{claim} GROUP {group} {}{count} BLOCK 0{no_ack} STREAMS", generator.consumer())
    } else {
        for _ in 0..keys {
            ids += if generator.chance(70) { " $" } else { " 15" };
        }
        format!("XREAD{count} BLOCK 0 STREAMS")
    };
    // The same key twice waits for the second ID in 7.0, for the first one since.
    let first = generator.random.usize(0..KEYS.len());
    for n in 0..keys {
        command += &format!(" {}", KEYS[(first + n) % KEYS.len()]);
    }
    words(&(command + &ids))
}

/// Both servers, and what waits.
struct Run<'a> {
    pair: &'a mut Pair,
    main: (Client, Client),
    /// Sees what the main connection cannot when it is in a transaction.
    control: (Client, Client),
    queued: Vec<Command>,
    waiters: Vec<Waiter>,
    /// How long Millstream may take to serve whom Redis has served.
    patience: Duration,
    /// What happened, as a script, with what redis-server answers.
    script: String,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.note(step);
        match step {
            Step::Main(command) => self.send_main(command)?,
            Step::Wait(waiter, command) if self.waiters[*waiter].waits_with.is_none() => {
                if self.pair.version < (7, 2) {
                    for made in super::generator::list_consumers(command) {
                        let replies = (self.control.0.call_args(&made), self.control.1.call_args(&made));
                        self.compare(&made, &[], replies)?;
                    }
                }
                let Waiter { clients, waits_with, .. } = &mut self.waiters[*waiter];
                clients.0.send_args(command);
                clients.1.send_args(command);
                *waits_with = Some(command.clone());
                self.await_arrival(*waiter)?;
                if !self.waiters[*waiter].clients.1.has_reply_within(Duration::ZERO)? {
                    let waiting = self.control.1.call("INFO clients").text();
                    let waiting = waiting.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
                    self.script.push_str(&format!("@ blocked {}\n", waiting.unwrap_or_default()));
                }
            }
            Step::Unblock(waiter, how) => {
                let ids = self.waiters[*waiter].ids;
                let ours = self.control.0.call(&format!("CLIENT UNBLOCK {} {how}", ids.0));
                let theirs = self.control.1.call(&format!("CLIENT UNBLOCK {} {how}", ids.1));
                self.compare(
                    &words(&format!("CLIENT UNBLOCK (waiter {waiter}) {how}")),
                    &[],
                    (ours, theirs),
                )?;
            }
            Step::Close(waiter) => {
                let new = Waiter::connect(self.pair);
                let old = std::mem::replace(&mut self.waiters[*waiter], new);
                drop(old.clients);
                let is_gone =
                    |client: &mut Client, id| client.call(&format!("CLIENT LIST ID {id}")).text().is_empty();
                crate::harness::await_true("a closed connection is gone", || {
                    is_gone(&mut self.control.0, old.ids.0) && is_gone(&mut self.control.1, old.ids.1)
                });
            }
            Step::Wait(..) => return Ok(()),
        }
        // A reply means that everything before it has been sent: those that were to be served have their replies.
        self.control.1.check("PING", "PONG");
        for waiter in 0..WAITERS {
            self.look_after(waiter)?;
        }
        Ok(())
    }

    /// Writes a step down.
    fn note(&mut self, step: &Step) {
        let join =
            |command: &Command| command.iter().map(|word| quote_word(word)).collect::<Vec<_>>().join(" ");
        match step {
            Step::Main(command) => self.script.push_str(&format!("> {}\n< <any>\n", join(command))),
            Step::Wait(waiter, command) if self.waiters[*waiter].waits_with.is_none() => {
                self.script.push_str(&format!("w{waiter}> {}\n", join(command)));
            }
            Step::Wait(..) => {}
            Step::Unblock(waiter, how) => {
                self.script.push_str(&format!("> CLIENT UNBLOCK {{id{waiter}}} {how}\n< <any>\n"));
            }
            Step::Close(waiter) => {
                self.script.push_str(&format!("@ close w{waiter}\n"));
                self.script.push_str(&ask_for_id(*waiter));
            }
        }
    }

    fn send_main(&mut self, command: &Command) -> Result<(), String> {
        self.main.0.send_args(command);
        self.main.1.send_args(command);
        let Self { pair, main, queued, .. } = self;
        match pair.compare_next(&mut main.0, &mut main.1, command, queued) {
            Some(difference) => {
                self.script.truncate(self.script.len() - "<any>\n".len());
                self.script.push_str(&format!("{}\n", difference.theirs));
                Err(difference.to_string())
            }
            None => Ok(()),
        }
    }

    fn compare(
        &mut self,
        command: &Command,
        queued: &[Command],
        (ours, theirs): (Reply, Reply),
    ) -> Result<(), String> {
        if self.pair.is_same(command, queued, &ours, &theirs) {
            return Ok(());
        }
        Err(Difference { at: 0, command: command.clone(), ours: Ok(ours), theirs }.to_string())
    }

    /// Waits until both servers have either answered or blocked the connection.
    fn await_arrival(&mut self, waiter: usize) -> Result<(), String> {
        let Waiter { clients, ids, .. } = &mut self.waiters[waiter];
        await_answer_or_block(&mut clients.0, &mut self.control.0, ids.0)?;
        await_answer_or_block(&mut clients.1, &mut self.control.1, ids.1)
    }

    /// Whether a connection has been served by both servers or by neither.
    fn look_after(&mut self, waiter: usize) -> Result<(), String> {
        let Waiter { clients, waits_with, ids } = &mut self.waiters[waiter];
        let Some(command) = waits_with.clone() else { return Ok(()) };
        let name = command.iter().map(|arg| String::from_utf8_lossy(arg)).collect::<Vec<_>>().join(" ");
        match clients.1.read_within(Duration::ZERO)? {
            None => match clients.0.read_within(Duration::ZERO)? {
                Some(ours) => {
                    self.script.push_str(&format!("w{waiter}<\n"));
                    Err(format!("waiter {waiter}, {name}\n  redis: (waits)\n  millstream: {ours}"))
                }
                None => Ok(()),
            },
            // Before 7.2 a blocked XREADGROUP was served with nothing when what came was deleted in the same transaction.
            Some(theirs) if self.pair.version < (7, 2) && is_served_with_nothing(&theirs) => {
                self.pair.part("XREADGROUP, blocked: served with nothing");
                Ok(())
            }
            Some(theirs) => {
                self.script.push_str(&format!("w{waiter}< {theirs}\n"));
                let is_other_type = matches!(&theirs, Reply::Error(text) if text.starts_with("WRONGTYPE "));
                if is_other_type && command[0] == b"XREAD" && !clients.0.has_reply_within(SILENCE)? {
                    // See the deviation of XREAD with another key of another type: this one waits for the others.
                    self.control.0.call(&format!("CLIENT UNBLOCK {}", ids.0));
                }
                let ours = clients.0.read_within(self.patience)?;
                let ours = ours.ok_or_else(|| {
                    format!("waiter {waiter}, {name}\n  redis: {theirs}\n  millstream: (waits)")
                })?;
                *waits_with = None;
                self.compare(&command, &[], (ours, theirs)).map_err(|what| format!("waiter {waiter}, {what}"))
            }
        }
    }
}

/// Whether a reply names a stream without entries.
fn is_served_with_nothing(reply: &Reply) -> bool {
    let is_empty = |entries: &Reply| *entries == Reply::Array(Vec::new());
    match reply {
        Reply::Map(streams) => streams.iter().any(|(_, entries)| is_empty(entries)),
        Reply::Array(streams) => streams.iter().any(|stream| stream.elements().get(1).is_some_and(is_empty)),
        _ => false,
    }
}

fn await_answer_or_block(client: &mut Client, control: &mut Client, id: i64) -> Result<(), String> {
    let started = Instant::now();
    loop {
        if client.has_reply_within(Duration::ZERO)? {
            return Ok(());
        }
        let listed = control.call(&format!("CLIENT LIST ID {id}")).text();
        let flags = listed.split(' ').find_map(|field| field.strip_prefix("flags=")).unwrap_or_default();
        if flags.contains('b') {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("a connection is neither answered nor blocked: {listed}"));
        }
    }
}

impl Waiter {
    fn connect(pair: &Pair) -> Self {
        let mut clients = pair.connect();
        let ids = (clients.0.call("CLIENT ID").integer(), clients.1.call("CLIENT ID").integer());
        Self { clients, ids, waits_with: None }
    }
}

/// Lines of a script that remember a connection's ID.
fn ask_for_id(waiter: usize) -> String {
    format!("w{waiter}> CLIENT ID\nw{waiter}< <int:id{waiter}>\n")
}

fn replay(pair: &mut Pair, steps: &[Step], patience: Duration) -> Option<Fault> {
    let main = pair.reset();
    let control = pair.connect();
    let waiters = (0..WAITERS).map(|_| Waiter::connect(pair)).collect();
    let script = (0..WAITERS).map(ask_for_id).collect();
    let mut run = Run { pair, main, control, queued: Vec::new(), waiters, patience, script };
    for (at, step) in steps.iter().enumerate() {
        if let Err(what) = run.step(step) {
            return Some(Fault { at, what, script: run.script });
        }
        if run.pair.is_parted() {
            return None;
        }
    }
    None
}

/// Fails with the fewest steps that show the fault, as a script for `tests/it/scripts/`.
fn fail(pair: &mut Pair, protocol: u8, seed: u64, steps: &[Step], fault: &Fault) -> ! {
    eprintln!("seed {seed}: {}\nshrinking {} steps", fault.what, fault.at + 1);
    let short = Duration::from_millis(500);
    let steps = shrink(&steps[..=fault.at], |steps| replay(pair, steps, short).is_some());
    let fault = replay(pair, &steps, PATIENCE);
    let fault = fault.unwrap_or_else(|| panic!("seed {seed}: the fault does not come again"));
    let resp3 = if protocol == 3 { "@ resp3\n" } else { "" };
    let what = fault.what.replace('\n', "\n# ");
    panic!("seed {seed} in RESP{protocol}:\n@ redis\n{resp3}{}# {what}\n", fault.script);
}

fn check(protocol: u8) {
    let (wanted, started) = (super::commands_wanted(60_000) / 4, Instant::now());
    let mut pair = Pair::start(protocol);
    for seed in super::first_seed().. {
        let version = pair.version;
        let steps = make_steps(&mut Generator::new(seed, version, pair.told.clone()), version);
        if let Some(fault) = replay(&mut pair, &steps, PATIENCE) {
            fail(&mut pair, protocol, seed, &steps, &fault);
        }
        if pair.compared() >= wanted {
            break;
        }
    }
    println!(
        "RESP{protocol}, with connections that wait: {} commands compared in {:.1} s; deviations met: {}",
        pair.compared(),
        started.elapsed().as_secs_f64(),
        pair.deviations(),
    );
}

#[test]
fn waiting_connections_are_served_as_by_redis_in_resp2() {
    check(2);
}

#[test]
fn waiting_connections_are_served_as_by_redis_in_resp3() {
    check(3);
}
