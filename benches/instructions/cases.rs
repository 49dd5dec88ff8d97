//! What is executed: the batches of requests of each case, by the server's own worker, without sockets.

use crate::Outcome;
use crate::entries::{SEED, Shape, build_steady_id};
use crate::requests::{AckRun, Source, WorkRun, Written, encode_read, encode_request, name_consumer};
use fastrand::Rng;
use millstream::config::Config;
use millstream::server::Exercise;
use std::hint::black_box;

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
    /// Measured batches; half as many come before.
    batches: u32,
    /// With `appendonly yes`, `appendfsync everysec`.
    logged: bool,
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
    Case { name, what, work, pipeline, batches, logged: false }
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
];

/// Entries of the stream that ranges are read from, and pending entries that are claimed.
const STORED_ENTRIES: u64 = 100_000;

impl Case {
    /// Commands that are measured; a pair of XREADGROUP and XACK counts as one.
    pub(crate) fn commands(&self) -> u64 {
        u64::from(self.batches) * u64::from(self.pipeline)
    }

    /// Prepares the state and executes: this is what runs under valgrind.
    pub(crate) fn run_measured(&'static self) -> Outcome<()> {
        // The log goes to the current directory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        std::env::set_current_dir(directory.path())?;
        let appendonly = if self.logged { "yes" } else { "no" };
        let arguments = ["--save", "", "--appendonly", appendonly, "--auto-aof-rewrite-percentage", "0"];
        let mut exercise = Exercise::new(Config::load(&arguments.map(str::to_owned))?)?;
        self.prepare(&mut exercise)?;
        let mut source = self.build_source();
        for number in 0..self.batches * 3 / 2 {
            let batch = source.next_batch(0).to_vec();
            let is_measured = number >= self.batches / 2;
            let replies = if is_measured {
                execute_measured(&mut exercise, &batch).to_vec()
            } else {
                exercise.execute(&batch).to_vec()
            };
            if replies.first() == Some(&b'-') {
                return Err(format!("batch {number}: {}", String::from_utf8_lossy(&replies)).into());
            }
            source.take_answer(0, &replies)?;
        }
        self.check_outcome(&mut exercise)
    }

    /// Commands that are executed, measured or not.
    fn commands_all(&self) -> u64 {
        u64::from(self.batches * 3 / 2) * u64::from(self.pipeline)
    }

    fn prepare(&self, exercise: &mut Exercise) -> Outcome<()> {
        let all = self.commands_all();
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
            call(exercise, &[b"XADD", KEY.as_bytes(), &id, &fields[0], &fields[1]])?;
        }
        call(exercise, &[b"XGROUP", b"CREATE", KEY.as_bytes(), GROUP.as_bytes(), b"0"])?;
        if let Work::Ack { .. } | Work::AutoClaim { .. } = self.work {
            for read in 0..entries.div_ceil(100) {
                let mut request = Vec::new();
                encode_read(&mut request, KEY, GROUP, &name_consumer(read as usize % 50), 100);
                exercise.execute(&request);
            }
        }
        Ok(())
    }

    fn build_source(&'static self) -> Box<dyn Source> {
        match self.work {
            Work::ReadAndAck => Box::new(WorkRun::new(KEY, GROUP, 1, self.pipeline)),
            Work::Ack { ids } => Box::new(AckRun::new(KEY, GROUP, ids as usize, self.pipeline)),
            _ => {
                let mut rng = Rng::with_seed(SEED);
                let mut index = 0;
                Box::new(Written::new(self.pipeline, move |out: &mut Vec<u8>| {
                    self.encode_one(out, index, &mut rng);
                    index += 1;
                }))
            }
        }
    }

    fn encode_one(&self, out: &mut Vec<u8>, index: u64, rng: &mut Rng) {
        match self.work {
            Work::Add { keys, shape, length_max } => {
                let key = if keys == 1 { KEY.to_owned() } else { format!("{KEY}:{:04}", rng.u64(..keys)) };
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
                encode_read(out, KEY, GROUP, &name_consumer(index as usize / 16 % 50), count);
            }
            Work::Range { count } => {
                let start = build_steady_id(rng.u64(..STORED_ENTRIES - u64::from(count)));
                let count = count.to_string();
                encode_request(out, &[b"XRANGE", KEY.as_bytes(), &start, b"+", b"COUNT", count.as_bytes()]);
            }
            Work::AutoClaim { count } => {
                let (count, claimer) = (count.to_string(), name_consumer(60 + index as usize % 2));
                let arguments: [&[u8]; 8] = [
                    b"XAUTOCLAIM",
                    KEY.as_bytes(),
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
        let all = self.commands_all();
        let (request, expected): (&[&[u8]], String) = match self.work {
            Work::Add { keys: 1, length_max: None, .. } => {
                (&[b"XLEN", KEY.as_bytes()], format!(":{all}\r\n"))
            }
            Work::Add { keys: 1, .. } => (&[b"EXISTS", KEY.as_bytes()], ":1\r\n".to_owned()),
            Work::Add { keys, .. } => (&[b"DBSIZE"], format!(":{keys}\r\n")),
            Work::ReadGroup { count } => (&[b"XPENDING"], format!("*4\r\n:{}\r\n", all * u64::from(count))),
            Work::ReadAndAck => (&[b"XPENDING"], format!("*4\r\n:{}\r\n", self.pipeline)),
            Work::Ack { .. } => (&[b"XPENDING"], "*4\r\n:0\r\n".to_owned()),
            Work::Range { .. } => (&[b"XLEN", KEY.as_bytes()], format!(":{STORED_ENTRIES}\r\n")),
            Work::AutoClaim { .. } => (&[b"XPENDING"], format!("*4\r\n:{STORED_ENTRIES}\r\n")),
        };
        let summary: &[&[u8]] = &[b"XPENDING", KEY.as_bytes(), GROUP.as_bytes()];
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
