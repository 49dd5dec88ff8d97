//! The log is cut at every operation of a workload; what was acknowledged must be there afterwards, and nothing else
//! than what was appended, whole batch by whole batch.

use super::testing::*;
use super::*;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

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

/// One life of a server: recovers, appends, writes and syncs as chance has it, until a fault ends it.
fn live(
    storage: &FaultStorage,
    history: &mut History,
    survival: Survival,
    random: &mut fastrand::Rng,
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
    for _ in 0..12 {
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
            assert!(log.latched().is_some());
            return;
        }
        assert!(log.written() >= position);
        history.written = history.batches.len();
        if log.durable() >= position {
            history.durable = history.batches.len();
        }
    }
    if random.bool() && log.close().is_ok() {
        history.written = history.batches.len();
        history.durable = history.batches.len();
    }
    // A log that is not closed here is closed when it is dropped, which the storage has seen when it is restarted: more is
    // there than was promised, which is no fault.
}

/// Three lives: the first is cut at its operation `cut`, the second at one that chance chooses, the third is whole.
fn check(seed: u64, cut: u64, fault: Fault, survival: Survival) -> bool {
    let context = format!("seed {seed}, {fault:?} at operation {cut}, {survival:?}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut history = History::default();
    let storage = test_storage(seed);
    storage.fail_operation(storage.operations() + cut, fault);
    live(&storage, &mut history, Survival::Written, &mut random, &context);
    let was_reached = storage.operations() > cut + 2;

    let storage = storage.restart(survival, seed);
    storage.fail_operation(random.u64(..30), Fault::PowerOff);
    live(&storage, &mut history, survival, &mut random, &format!("{context}, second life"));

    let storage = storage.restart(survival, seed);
    live(&storage, &mut history, survival, &mut random, &format!("{context}, third life"));
    let storage = storage.restart(survival, seed);
    let (texts, result) = recover_texts(&storage, &test_paths());
    if let Err(error) = result {
        panic!("{context}, at the end: {error}");
    }
    history.check(texts, survival, &format!("{context}, at the end"));
    was_reached
}

#[test]
fn what_was_acknowledged_survives_every_cut() {
    let faults = [Fault::PowerOff, Fault::Error(EIO), Fault::Torn(ENOSPC)];
    let survivals = [Survival::Written, Survival::Synced, Survival::Chance, Survival::Chance];
    for fault in faults {
        for (index, survival) in survivals.into_iter().enumerate() {
            for seed in 0..6 {
                let seed = seed + 100 * index as u64;
                let mut cut = 0;
                while check(seed, cut, fault, survival) {
                    cut += 1;
                }
                assert!(cut > 10, "the workload has operations to cut at");
            }
        }
    }
}
