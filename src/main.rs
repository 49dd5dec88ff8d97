//! The millstream program: arguments, settings, log output; all else is the library's.

use std::process::ExitCode;

use millstream::config::{Config, settings};
use millstream::logging;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const HELP: &str = "\
Millstream, a streams server that speaks the Redis protocol.

Usage: millstream [FILE.conf] [--NAME VALUE ...] [-]
       millstream TOOL ...

  FILE.conf       settings, in the syntax of redis.conf
  --NAME VALUE    a setting; it goes before the file's
  -               settings from the standard input as well
  --check-config [FILE.conf] [--NAME VALUE ...]
                  tells all that is wrong with the settings, and starts nothing
  -v, --version   prints the version
  -h, --help      prints this text

Tools (millstream TOOL --help tells more):
  check DIR       tells what is in a directory and what is damaged; --fix repairs it
  backup DIR DEST copies a directory, while a server writes to it
  export DIR      writes data as commands of Redis, or as a directory for redis-server
  import SOURCE   takes data over from an RDB file, an append-only file, or a running Redis

Examples:
  millstream                                      port 6379 on this machine, files in the current directory
  millstream --port 7777 --dir data --appendfsync always
  millstream /etc/millstream.conf --loglevel verbose
";

const NO_DAEMON: &str = "daemonize yes is not supported: leave it to the service manager, or to the shell";

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    match arguments.first().map(String::as_str) {
        Some("-v" | "--version") => {
            println!(
                "millstream {} (Redis protocol, stream commands of Redis {})",
                env!("CARGO_PKG_VERSION"),
                millstream::REDIS_VERSION
            );
            return ExitCode::SUCCESS;
        }
        Some("-h" | "--help") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some("--check-config") => return check_config(&arguments[1..]),
        Some(first) if millstream::tools::is_tool(first) => {
            return ExitCode::from(millstream::tools::run(std::env::args_os().skip(1).collect()));
        }
        _ => {}
    }
    let config = match Config::load(&arguments) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("millstream: {error}");
            return ExitCode::FAILURE;
        }
    };
    if config.boolean(settings::DAEMONIZE) {
        eprintln!("millstream: {NO_DAEMON}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = logging::start(&config) {
        eprintln!("millstream: Can't open the log file '{}': {error}", config.text(settings::LOGFILE));
        return ExitCode::FAILURE;
    }
    abort_on_panic();
    match millstream::server::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millstream: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells all that is wrong with the settings, a line for each, and whether there is anything by the exit code.
fn check_config(arguments: &[String]) -> ExitCode {
    let (config, errors) = Config::load_all(arguments);
    let mut faults: Vec<String> = errors.iter().map(ToString::to_string).collect();
    if config.boolean(settings::DAEMONIZE) {
        faults.push(NO_DAEMON.to_owned());
    }
    faults.extend(millstream::server::find_faults(config));
    for fault in &faults {
        eprintln!("millstream: {fault}");
    }
    if faults.is_empty() {
        println!("The settings are sound");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A bug ends the process at once, and whoever supervises it starts it anew: a server that has lost one of its threads would
/// go on half dead. What was acknowledged is in the log.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        tracing::error!("Aborting because of a bug: {panic}");
        std::process::abort();
    }));
}
