//! What is executed: the batches of requests of each case, by the server's own worker, without sockets.

use crate::Outcome;
use crate::entries::{SEED, Shape, build_steady_id};
use crate::requests::{AckRun, Source, WorkRun, Written, encode_read, encode_request, name_consumer};
use fastrand::Rng;
use millstream::config::Config;
use millstream::server::{Exercise, ExerciseServer};
use std::hint::black_box;
use std::thread;

const KEY: &str = "events";
const GROUP: &str = "workers";

/// One figure.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    work: Work,
    /// Requests in a batch.
    pipeline: u32,
    /// Measured batches of each thread; half as many come before.
    batches: u32,
    /// With `appendonly yes`, `appendfsync everysec`.
    logged: bool,
    /// Worker threads.
    threads: u32,
    /// All of them use one stream; else each has its own.
    is_hot: bool,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    Add {
        keys: u64,
        shape: Shape,
        length_max: Option<u64>,
    },
    ReadGroup {
        count: u32,
    },
    ReadAndAck,
    Ack {
        ids: u32,
    },
    Range {
        count: u32,
    },
    /// XAUTOCLAIM from the start, by two consumers in turn.
    AutoClaim {
        count: u32,
    },
}

const fn add(keys: u64) -> Work {
    Work::Add { keys, shape: Shape::Value16, length_max: None }
}

const fn case(name: &'static str, what: &'static str, work: Work, pipeline: u32, batches: u32) -> Case {
    Case { name, what, work, pipeline, batches, logged: false, threads: 1, is_hot: true }
}

/// By so many threads, each with a stream of its own.
const fn by(threads: u32, mut case: Case) -> Case {
    (case.threads, case.is_hot) = (threads, false);
    case
}

/// By so many threads on one stream.
const fn hot_by(threads: u32, mut case: Case) -> Case {
    case.threads = threads;
    case
}

const fn logged(mut case: Case) -> Case {
    case.logged = true;
    case
}

pub(crate) const CASES: &[Case] = &[
    case("xadd-p1", "XADD, pipeline 1", add(1), 1, 10_000),
    case("xadd-p16", "XADD, pipeline 16", add(1), 16, 2000),
    case("xadd-1000-keys-p16", "XADD, 1000 keys, pipeline 16", add(1000), 16, 2000),
    case(
        "xadd-order-p16",
        "XADD of five fields, pipeline 16",
        Work::Add { keys: 1, shape: Shape::Order, length_max: None },
        16,
        1000,
    ),
    case(
        "xadd-maxlen-p16",
        "XADD MAXLEN ~ 10000, pipeline 16",
        Work::Add { keys: 1, shape: Shape::Value16, length_max: Some(10_000) },
        16,
        2000,
    ),
    logged(case(
        "xadd-p16-everysec",
        "XADD, pipeline 16, appendfsync everysec, one connection",
        add(1),
        16,
        2000,
    )),
    case("xreadgroup-10-p16", "XREADGROUP COUNT 10, pipeline 16", Work::ReadGroup { count: 10 }, 16, 300),
    case("xreadgroup-1-xack-p8", "XREADGROUP COUNT 1 and XACK, 8 pairs", Work::ReadAndAck, 8, 1000),
    case("xack-10-p16", "XACK of 10 IDs, pipeline 16", Work::Ack { ids: 10 }, 16, 500),
    case("xrange-100-p4", "XRANGE COUNT 100, pipeline 4", Work::Range { count: 100 }, 4, 300),
    case(
        "xautoclaim-100-p1",
        "XAUTOCLAIM COUNT 100 of 100,000 pending",
        Work::AutoClaim { count: 100 },
        1,
        300,
    ),
    by(
        2,
        case("xadd-p16-2-threads", "XADD, pipeline 16, 2 threads on streams of their own", add(1), 16, 1000),
    ),
    by(
        4,
        case("xadd-p16-4-threads", "XADD, pipeline 16, 4 threads on streams of their own", add(1), 16, 500),
    ),
    by(
        8,
        case("xadd-p16-8-threads", "XADD, pipeline 16, 8 threads on streams of their own", add(1), 16, 250),
    ),
    hot_by(8, case("xadd-p16-8-threads-hot", "XADD, pipeline 16, 8 threads on one stream", add(1), 16, 250)),
    by(
        8,
        logged(case(
            "xadd-p16-everysec-8-threads",
            "XADD, pipeline 16, appendfsync everysec, 8 threads on streams of their own",
            add(1),
            16,
            250,
        )),
    ),
    by(
        8,
        case(
            "xreadgroup-1-xack-p8-8-threads",
            "XREADGROUP COUNT 1 and XACK, 8 pairs, 8 threads on streams of their own",
            Work::ReadAndAck,
            8,
            125,
        ),
    ),
];

/// Entries of the stream that ranges are read from, and pending entries that are claimed.
const STORED_ENTRIES: u64 = 100_000;

impl Case {
    /// Commands that are measured; a pair of XREADGROUP and XACK counts as one.
    pub(crate) fn commands(&self) -> u64 {
        u64::from(self.threads) * u64::from(self.batches) * u64::from(self.pipeline)
    }

    /// Prepares the state and executes: this is what runs under valgrind.
    pub(crate) fn run_measured(&'static self) -> Outcome<()> {
        // The log goes to the current directory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        std::env::set_current_dir(directory.path())?;
        let appendonly = if self.logged { "yes" } else { "no" };
        let threads = self.threads.to_string();
        let arguments = [
            "--save",
            "",
            "--appendonly",
            appendonly,
            "--auto-aof-rewrite-percentage",
            "0",
            "--worker-threads",
            &threads,
        ];
        let server = ExerciseServer::new(Config::load(&arguments.map(str::to_owned))?)?;
        let mut exercise = server.worker();
        for key in self.list_keys() {
            self.prepare(&mut exercise, &key)?;
        }
        if self.threads == 1 {
            self.run_batches(&mut exercise, 0)?;
        } else {
            thread::scope(|scope| {
                let run = |number: u32| {
                    let server = &server;
                    // Errors are text between threads.
                    scope.spawn(move || {
                        self.run_batches(&mut server.worker(), number).map_err(|error| error.to_string())
                    })
                };
                let threads: Vec<_> = (0..self.threads).map(run).collect();
                let ended =
                    threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread has panicked")?);
                ended.collect::<Result<Vec<()>, String>>()
            })?;
        }
        self.check_outcome(&mut exercise)
    }

    /// What one thread executes.
    fn run_batches(&'static self, exercise: &mut Exercise, thread: u32) -> Outcome<()> {
        let mut source = self.build_source(self.key_of(thread));
        for number in 0..self.batches * 3 / 2 {
            let batch = source.next_batch(0).to_vec();
            let is_measured = number >= self.batches / 2;
            let replies = if is_measured {
                execute_measured(exercise, &batch).to_vec()
            } else {
                exercise.execute(&batch).to_vec()
            };
            if replies.first() == Some(&b'-') {
                return Err(format!("batch {number}: {}", String::from_utf8_lossy(&replies)).into());
            }
            source.take_answer(0, &replies)?;
        }
        Ok(())
    }

    /// The stream of a thread.
    fn key_of(&self, thread: u32) -> String {
        if self.is_hot { KEY.to_owned() } else { format!("{KEY}:{thread:04}") }
    }

    fn list_keys(&self) -> Vec<String> {
        let keys = if self.is_hot { 1 } else { self.threads };
        (0..keys).map(|thread| self.key_of(thread)).collect()
    }

    /// Commands that one stream gets, measured or not.
    fn commands_of_key(&self) -> u64 {
        let threads = if self.is_hot { self.threads } else { 1 };
        u64::from(self.batches * 3 / 2) * u64::from(self.pipeline) * u64::from(threads)
    }

    fn prepare(&self, exercise: &mut Exercise, key: &str) -> Outcome<()> {
        let all = self.commands_of_key();
        let entries = match self.work {
            Work::Add { .. } => return Ok(()),
            Work::ReadGroup { count } => all * u64::from(count),
            Work::ReadAndAck => all,
            Work::Ack { ids } => all * u64::from(ids),
            Work::Range { .. } | Work::AutoClaim { .. } => STORED_ENTRIES,
        };
        let mut rng = Rng::with_seed(SEED);
        for index in 0..entries {
            let fields = Shape::Value16.build_fields(index, &mut rng);
            let id = build_steady_id(index);
            call(exercise, &[b"XADD", key.as_bytes(), &id, &fields[0], &fields[1]])?;
        }
        call(exercise, &[b"XGROUP", b"CREATE", key.as_bytes(), GROUP.as_bytes(), b"0"])?;
        if let Work::Ack { .. } | Work::AutoClaim { .. } = self.work {
            for read in 0..entries.div_ceil(100) {
                let mut request = Vec::new();
                encode_read(&mut request, key, GROUP, &name_consumer(read as usize % 50), 100);
                exercise.execute(&request);
            }
        }
        Ok(())
    }

    fn build_source(&'static self, key: String) -> Box<dyn Source> {
        match self.work {
            Work::ReadAndAck => Box::new(WorkRun::new(|_| key.clone(), GROUP, 1, self.pipeline)),
            Work::Ack { ids } => Box::new(AckRun::new(&key, GROUP, ids as usize, self.pipeline)),
            _ => {
                let mut rng = Rng::with_seed(SEED);
                let mut index = 0;
                Box::new(Written::new(self.pipeline, move |out: &mut Vec<u8>| {
                    self.encode_one(out, &key, index, &mut rng);
                    index += 1;
                }))
            }
        }
    }

    fn encode_one(&self, out: &mut Vec<u8>, key: &str, index: u64, rng: &mut Rng) {
        match self.work {
            Work::Add { keys, shape, length_max } => {
                let key = if keys == 1 { key.to_owned() } else { format!("{key}:{:04}", rng.u64(..keys)) };
                let length_max = length_max.map(|length| length.to_string());
                let fields = shape.build_fields(index, rng);
                let mut arguments: Vec<&[u8]> = vec![b"XADD", key.as_bytes()];
                if let Some(length) = &length_max {
                    arguments.extend([b"MAXLEN".as_slice(), b"~", length.as_bytes()]);
                }
                arguments.push(b"*");
                arguments.extend(fields.iter().map(Vec::as_slice));
                encode_request(out, &arguments);
            }
            Work::ReadGroup { count } => {
                encode_read(out, key, GROUP, &name_consumer(index as usize / 16 % 50), count);
            }
            Work::Range { count } => {
                let start = build_steady_id(rng.u64(..STORED_ENTRIES - u64::from(count)));
                let count = count.to_string();
                encode_request(out, &[b"XRANGE", key.as_bytes(), &start, b"+", b"COUNT", count.as_bytes()]);
            }
            Work::AutoClaim { count } => {
                let (count, claimer) = (count.to_string(), name_consumer(60 + index as usize % 2));
                let arguments: [&[u8]; 8] = [
                    b"XAUTOCLAIM",
                    key.as_bytes(),
                    GROUP.as_bytes(),
                    claimer.as_bytes(),
                    b"0",
                    b"0",
                    b"COUNT",
                    count.as_bytes(),
                ];
                encode_request(out, &arguments);
            }
            // Made from the answers, and by `AckRun`.
            Work::ReadAndAck | Work::Ack { .. } => {}
        }
    }

    /// That what was asked for was done.
    fn check_outcome(&self, exercise: &mut Exercise) -> Outcome<()> {
        self.list_keys().iter().try_for_each(|key| self.check_key(exercise, key))
    }

    fn check_key(&self, exercise: &mut Exercise, key: &str) -> Outcome<()> {
        let all = self.commands_of_key();
        let (request, expected): (&[&[u8]], String) = match self.work {
            Work::Add { keys: 1, length_max: None, .. } => {
                (&[b"XLEN", key.as_bytes()], format!(":{all}\r\n"))
            }
            Work::Add { keys: 1, .. } => (&[b"EXISTS", key.as_bytes()], ":1\r\n".to_owned()),
            Work::Add { keys, .. } => (&[b"DBSIZE"], format!(":{keys}\r\n")),
            Work::ReadGroup { count } => (&[b"XPENDING"], format!("*4\r\n:{}\r\n", all * u64::from(count))),
            Work::ReadAndAck => (&[b"XPENDING"], format!("*4\r\n:{}\r\n", self.pipeline)),
            Work::Ack { .. } => (&[b"XPENDING"], "*4\r\n:0\r\n".to_owned()),
            Work::Range { .. } => (&[b"XLEN", key.as_bytes()], format!(":{STORED_ENTRIES}\r\n")),
            Work::AutoClaim { .. } => (&[b"XPENDING"], format!("*4\r\n:{STORED_ENTRIES}\r\n")),
        };
        let summary: &[&[u8]] = &[b"XPENDING", key.as_bytes(), GROUP.as_bytes()];
        let request = if request == [b"XPENDING"] { summary } else { request };
        let reply = call(exercise, request)?;
        if !reply.starts_with(&expected) {
            return Err(format!("afterwards {request:?} is answered by {reply:?}, not {expected:?}").into());
        }
        Ok(())
    }
}

/// What is counted, and nothing else: valgrind is told this name.
#[inline(never)]
fn execute_measured<'a>(exercise: &'a mut Exercise, batch: &[u8]) -> &'a [u8] {
    // Something is left to do after the call, so that it is one.
    black_box(exercise.execute(black_box(batch)))
}

fn call(exercise: &mut Exercise, arguments: &[&[u8]]) -> Outcome<String> {
    let mut request = Vec::new();
    encode_request(&mut request, arguments);
    let reply = String::from_utf8_lossy(exercise.execute(&request)).into_owned();
    if reply.starts_with('-') {
        return Err(format!("{arguments:?}: {reply}").into());
    }
    Ok(reply)
}
