//! The arguments of the program.

use crate::Outcome;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
cargo bench --bench servers -- [options]

  --only CASE          measure only the case of this name, or those whose names contain it; may be repeated
  --rounds N           rounds per case; every peer runs once in each round (default 5, with --quick 2)
  --quick              a tenth of the commands: checks that all works, its figures are rough
  --peer NAME=PATH     add a server that takes redis-server's arguments, or set the path of one named as a default
                       (millstream, redis, valkey); may be repeated
  --address NAME=HOST:PORT
                       measure a server that runs already, here or elsewhere; it must be empty and is emptied after
                       each run. CPU and resident bytes are known only of one on this machine; cases that want
                       servers with settings of their own leave it out. May be repeated
  --no-millstream      leave millstream out: measure the peers alone
  --out DIR            where the results go (default target/bench-servers)
  --docs               put the tables and the charts into docs/ too
  --server-core N      the core that servers are pinned to, with all their threads
  --load-core N        the core that the load is pinned to
  --load-threads N     threads of the load in the cases whose server may use all cores (default: half of the cores);
                       several may use all cores, too
  --list               name the cases and end
  --help               this text
";

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) only: Vec<String>,
    pub(crate) rounds: u32,
    pub(crate) quick: bool,
    /// Name and path, in the order given.
    pub(crate) peers: Vec<(String, PathBuf)>,
    /// Name, and host and port, in the order given.
    pub(crate) addresses: Vec<(String, String)>,
    pub(crate) no_millstream: bool,
    /// Whether the figures go into `docs/`.
    pub(crate) docs: bool,
    pub(crate) out: Option<PathBuf>,
    pub(crate) server_core: Option<usize>,
    pub(crate) load_core: Option<usize>,
    pub(crate) load_threads: Option<usize>,
    pub(crate) list: bool,
    pub(crate) help: bool,
    /// The arguments as they were given, for the report.
    pub(crate) given: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Options> {
        let mut options = Options::default();
        let mut rounds = None;
        let mut rest = arguments.iter().filter(|argument| *argument != "--bench");
        options.given = rest.clone().cloned().collect();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().cloned().ok_or_else(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--only" => options.only.push(value()?),
                "--rounds" => rounds = Some(parse_number::<u32>(argument, &value()?)?.max(1)),
                "--quick" => options.quick = true,
                "--peer" => {
                    let (name, path) = parse_pair(argument, "PATH", &value()?)?;
                    options.peers.push((name, path.into()));
                }
                "--address" => options.addresses.push(parse_pair(argument, "HOST:PORT", &value()?)?),
                "--docs" => options.docs = true,
                "--no-millstream" => options.no_millstream = true,
                "--out" => options.out = Some(value()?.into()),
                "--server-core" => options.server_core = Some(parse_number(argument, &value()?)?),
                "--load-core" => options.load_core = Some(parse_number(argument, &value()?)?),
                "--load-threads" => options.load_threads = Some(parse_number(argument, &value()?)?),
                "--list" => options.list = true,
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("unknown argument {argument}; --help shows them").into()),
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { 2 } else { 5 });
        Ok(options)
    }

    /// Whether a case is to be measured. A whole name means that case alone, though it be part of other names.
    pub(crate) fn selects(&self, case: &str, all: &[&str]) -> bool {
        let selected = |only: &String| {
            let whole = all.contains(&only.as_str());
            if whole { case == only } else { case.contains(only.as_str()) }
        };
        self.only.is_empty() || self.only.iter().any(selected)
    }

    pub(crate) fn scale(&self) -> Scale {
        if self.quick { Scale::Tenth } else { Scale::Full }
    }
}

/// How much of a case's commands or entries are run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scale {
    Full,
    Tenth,
}

impl Scale {
    pub(crate) fn of(self, count: u64) -> u64 {
        match self {
            Scale::Full => count,
            Scale::Tenth => count / 10,
        }
    }
}

fn parse_number<N: std::str::FromStr>(argument: &str, text: &str) -> Outcome<N> {
    text.parse().map_err(|_| format!("{argument} wants a number, not {text}").into())
}

fn parse_pair(argument: &str, wanted: &str, text: &str) -> Outcome<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("{argument} wants NAME={wanted}, not {text}").into()),
    }
}

pub(crate) fn check_parsing() {
    let parse = |line: &str| Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let options =
        parse("--bench --only xadd-p1 --only mem --quick --peer old=/bin/old").expect("valid arguments");
    assert_eq!((options.rounds, options.quick), (2, true));
    assert_eq!(options.peers, [("old".to_owned(), PathBuf::from("/bin/old"))]);
    let all = ["xadd-p1", "xadd-p16", "mem-order"];
    assert_eq!(all.map(|case| options.selects(case, &all)), [true, false, true]);
    assert_eq!(parse("--rounds 7").expect("valid arguments").rounds, 7);
    let options = parse("--address far=10.0.0.1:6379").expect("valid arguments");
    assert_eq!(options.addresses, [("far".to_owned(), "10.0.0.1:6379".to_owned())]);
    for wrong in ["--address x", "--rounds", "--rounds x", "--peer old", "--speed"] {
        assert!(parse(wrong).is_err(), "{wrong} was taken");
    }
}
