//! The log is cut at every operation of a workload; what was acknowledged must be there afterwards, and nothing else
//! than what was appended, whole batch by whole batch.

use super::testing::*;
use super::*;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// The room on a disk that gets full grows by so many bytes from one try to the next.
const FREE_BYTES_STEP: u64 = 97;

/// What the log was given, and what it has promised.
#[derive(Clone, Default)]
struct History {
    batches: Vec<Vec<String>>,
    /// How many of the batches survive a killed process.
    written: usize,
    /// How many of the batches survive a stopped machine.
    durable: usize,
}

impl History {
    fn promise_all(&mut self) {
        self.written = self.batches.len();
        self.durable = self.batches.len();
    }

    /// Compares with what was recovered, and goes on from there.
    #[track_caller]
    fn check(&mut self, texts: Vec<String>, survival: Survival, context: &str) {
        let mut db = String::new();
        let mut recovered = Vec::new();
        for text in texts {
            match text.strip_prefix("SELECT ") {
                Some(selected) => db = selected.to_owned(),
                None => recovered.push(format!("{db}:{text}")),
            }
        }
        let mut count = 0;
        let mut rest = &recovered[..];
        while let Some(batch) = self.batches.get(count)
            && !rest.is_empty()
        {
            rest = rest.strip_prefix(&batch[..]).unwrap_or_else(|| {
                panic!("{context}: {rest:?} is recovered where {batch:?} was appended");
            });
            count += 1;
        }
        assert!(rest.is_empty(), "{context}: {rest:?} was never appended");
        let promised = if survival == Survival::Written { self.written } else { self.durable };
        assert!(count >= promised, "{context}: {count} batches of {promised} promised are there");
        self.batches.truncate(count);
        self.written = count;
        self.durable = count;
    }
}

/// A rewrite as it goes on between the appends of a life.
#[derive(Default)]
enum Step {
    #[default]
    None,
    /// It is to hold so many batches, and so many are in it.
    Writing { rewrite: Box<Rewrite>, batches: usize, written: usize },
}

/// What a log goes through besides appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workload {
    Appends,
    Rewrites,
    /// Rewrites, and the log switched off and on.
    Switches,
}

impl Step {
    fn begin(&mut self, claim: RewriteClaim, history: &History) {
        let Ok(mut rewrite) = claim.prepare() else { return };
        if rewrite.switch().is_ok() {
            let (rewrite, batches) = (Box::new(rewrite), history.batches.len());
            *self = Self::Writing { rewrite, batches, written: 0 };
        }
    }

    /// Switches the log off, or on; a rewrite that goes on goes on writing what nobody wants.
    fn switch(&mut self, log: &Log, storage: &FaultStorage, history: &mut History) {
        if !log.is_enabled() {
            log.switch_on(storage, test_paths()).unwrap();
            let claim = log.claim_rewrite().expect("a log that begins has neither failed nor a rewrite");
            // What is dropped here comes late for the log that was on before.
            let mut step = Self::None;
            step.begin(claim, history);
            *self = step;
            return;
        }
        let was_whole = !log.awaits_base();
        if log.switch_off().is_ok() && was_whole {
            history.promise_all();
        }
        assert!(!log.is_enabled() && !log.is_recording() && log.latched().is_none());
        assert!(log.durable() == log.appended() && log.written() == log.appended());
    }

    /// Does a bit of the rewrite; the answer is whether the log is still good for appends.
    fn advance(&mut self, log: &Log, history: &mut History, random: &mut fastrand::Rng) {
        match std::mem::take(self) {
            Self::None => {
                let claim = match log.claim_rewrite() {
                    Err(RewriteRefusal::Failed(_) | RewriteRefusal::NoLog) => return,
                    claim => claim.expect("the one before is dropped"),
                };
                self.begin(claim, history);
            }
            Self::Writing { mut rewrite, batches, written } if written < batches => {
                let until = random.usize(written + 1..=batches);
                for batch in &history.batches[written..until] {
                    for command in batch {
                        let (db, command) = command.split_once(':').unwrap();
                        let effects = effects_of(db.parse().unwrap(), &[command]);
                        if rewrite.append(&effects).is_err() {
                            return;
                        }
                    }
                }
                *self = Self::Writing { rewrite, batches, written: until };
            }
            Self::Writing { rewrite, batches, .. } => {
                let failures = log.statistics().rewrite.consecutive_failures;
                // It may be that of a log that is off, or was.
                let is_wanted = rewrite.is_wanted();
                let is_done = rewrite.finish().is_ok();
                assert!(is_wanted || !is_done);
                if !is_wanted {
                    return;
                }
                if is_done {
                    assert!(log.is_enabled() && !log.awaits_base());
                    history.written = history.written.max(batches);
                    history.durable = history.durable.max(batches);
                    assert_eq!(log.statistics().rewrite.consecutive_failures, 0);
                } else {
                    assert_eq!(log.statistics().rewrite.consecutive_failures, failures + 1);
                }
            }
        }
    }
}

/// After a start nothing is in the directory that the manifest does not name.
#[track_caller]
fn check_no_leftovers(storage: &FaultStorage, context: &str) {
    let paths = test_paths();
    let manifest = Manifest::load(storage, &paths).unwrap().unwrap();
    let mut expected: Vec<_> =
        manifest.base.iter().chain(&manifest.increments).map(|file| file.name.clone()).collect();
    expected.push("appendonly.aof.manifest".into());
    expected.sort();
    let mut names = storage.list(&paths.append_dir()).unwrap();
    names.sort();
    assert_eq!(names, expected, "{context}");
    assert_eq!(manifest.history, [], "{context}");
}

/// One life of a server: recovers, appends, writes and syncs as chance has it, until a fault ends it.
fn live(
    storage: &FaultStorage,
    history: &mut History,
    survival: Survival,
    random: &mut fastrand::Rng,
    workload: Workload,
    context: &str,
) {
    let (texts, result) = recover_texts(storage, &test_paths());
    let recovered = match result {
        Ok(recovered) => recovered,
        // Only what the fault did may stop a recovery; the check of the next life sees to the content.
        Err(error) => {
            assert!(matches!(error.cause, LogCause::System(_)), "{context}: {error}");
            return;
        }
    };
    history.check(texts, survival, context);
    let settings =
        LogSettings { policy: FsyncPolicy::Always, sync_interval: std::time::Duration::from_secs(3600) };
    let Ok(log) = Log::start(storage, recovered, settings) else { return };
    let mut rewrite = Step::None;
    for _ in 0..if workload == Workload::Appends { 12 } else { 24 } {
        if workload == Workload::Switches && random.u8(..6) == 0 {
            rewrite.switch(&log, storage, history);
        }
        if workload != Workload::Appends && random.bool() {
            rewrite.advance(&log, history, random);
        }
        let mut effects = Effects::new();
        let mut batch = Vec::new();
        let number = history.batches.len();
        let is_transaction = random.bool();
        if is_transaction {
            effects.begin_transaction();
        }
        for index in 0..random.usize(1..4) {
            let db = random.usize(0..3);
            let value = "v".repeat(random.usize(..200));
            effects.begin(db, 3);
            effects.arg(b"SET");
            effects.arg_fmt(format_args!("{number}.{index}"));
            effects.arg(value.as_bytes());
            batch.push(format!("{db}:SET {number}.{index} {value}"));
        }
        if is_transaction {
            effects.end_transaction();
        }
        let position = log.append(&effects);
        history.batches.push(batch);
        let result = match random.u8(..6) {
            0 | 1 => continue,
            2 | 3 => log.write_out(),
            4 => log.sync_all(),
            _ => block_on(log.durable_at(position)),
        };
        if result.is_err() {
            let failure = log.latched().expect("it has failed");
            if failure.is_final || random.bool() {
                return;
            }
            // There is room again, or not; what could not be written is tried again.
            if random.bool() {
                storage.set_free_bytes(None);
            }
            log.retry();
            if log.latched().is_some() {
                return;
            }
            assert!(log.durable() >= position);
        }
        assert!(log.written() >= position);
        if !log.is_enabled() || log.awaits_base() {
            continue;
        }
        history.written = history.batches.len();
        if log.durable() >= position {
            history.durable = history.batches.len();
        }
    }
    let is_whole = log.is_enabled() && !log.awaits_base();
    if random.bool() && log.close().is_ok() && is_whole {
        history.promise_all();
    }
    // A log that is not closed here is closed when it is dropped, which the storage has seen when it is restarted: more is
    // there than was promised, which is no fault.
}

/// Three lives: the first is cut at its operation `cut`, the second at one that chance chooses, the third is whole.
///
/// Without a fault the disk is full after `cut` times [`FREE_BYTES_STEP`] in the first life.
fn check(seed: u64, cut: u64, fault: Option<Fault>, survival: Survival, workload: Workload) -> bool {
    let context = format!("seed {seed}, {fault:?} at operation {cut}, {survival:?}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut history = History::default();
    let storage = test_storage(seed);
    match fault {
        Some(fault) => storage.fail_operation(storage.operations() + cut, fault),
        None => storage.set_free_bytes(Some(cut * FREE_BYTES_STEP)),
    }
    live(&storage, &mut history, Survival::Written, &mut random, workload, &context);
    let was_reached = match fault {
        Some(_) => storage.operations() > cut + 2,
        None => cut * FREE_BYTES_STEP < 4000,
    };

    let storage = storage.restart(survival, seed);
    storage.fail_operation(random.u64(..30), Fault::PowerOff);
    live(&storage, &mut history, survival, &mut random, workload, &format!("{context}, second life"));

    let storage = storage.restart(survival, seed);
    live(&storage, &mut history, survival, &mut random, workload, &format!("{context}, third life"));
    let storage = storage.restart(survival, seed);
    let (texts, result) = recover_texts(&storage, &test_paths());
    let recovered = result.unwrap_or_else(|error| panic!("{context}, at the end: {error}"));
    history.check(texts, survival, &format!("{context}, at the end"));
    drop(Log::start(&storage, recovered, LogSettings::new(FsyncPolicy::No)).unwrap());
    check_no_leftovers(&storage, &context);
    was_reached
}

/// How many seeds are tried: those of the everyday test, or as many as the campaign wants.
fn seeds() -> u64 {
    let wanted = std::env::var("MILLSTREAM_CAMPAIGN_SEEDS");
    wanted.map_or(4, |seeds| seeds.parse().expect("MILLSTREAM_CAMPAIGN_SEEDS is a number"))
}

fn check_all_cuts(workload: Workload) {
    let faults = [Some(Fault::PowerOff), Some(Fault::Error(EIO)), Some(Fault::Torn(ENOSPC)), None];
    let mut lives = 0;
    let survivals = [Survival::Written, Survival::Synced, Survival::Chance, Survival::Chance];
    for fault in faults {
        for (index, survival) in survivals.into_iter().enumerate() {
            for seed in 0..seeds() {
                let seed = seed * 10 + index as u64;
                let mut cut = 0;
                while check(seed, cut, fault, survival, workload) {
                    cut += 1;
                }
                assert!(cut > 10, "the workload has operations to cut at");
                lives += 3 * cut;
            }
        }
    }
    println!("{lives} lives of a log, each ended by a fault: everything promised was there");
}

#[test]
fn what_was_acknowledged_survives_every_cut() {
    check_all_cuts(Workload::Appends);
}

#[test]
fn what_was_acknowledged_survives_every_cut_of_a_rewrite() {
    check_all_cuts(Workload::Rewrites);
}

#[test]
fn what_was_acknowledged_survives_every_cut_of_a_log_that_is_switched() {
    check_all_cuts(Workload::Switches);
}
