//! The tools' command lines.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::backup::backup;
use super::check::{Repair, check};
use super::error::ToolError;
use super::export::{Format, export};

const TOOLS: &[&str] = &["backup", "check", "export"];

/// How a tool ended; the process's exit code.
const SOUND: u8 = 0;
const FINDINGS: u8 = 1;
const FAILED: u8 = 2;

/// Whether a command line is one of a tool: its first argument is a tool's name.
pub fn is_tool(first: &str) -> bool {
    TOOLS.contains(&first)
}

/// Runs a tool; `arguments` begin with its name. Answers the process's exit code.
pub fn run(arguments: Vec<OsString>) -> u8 {
    let arguments = [OsString::from("millstream")].into_iter().chain(arguments);
    let matches = match commands().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // It goes to the standard output when it is a help text. When nobody takes it, there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { FAILED } else { SOUND };
        }
    };
    let result = match matches.subcommand() {
        Some(("check", matches)) => run_check(matches),
        Some(("backup", matches)) => run_backup(matches),
        Some(("export", matches)) => run_export(matches),
        _ => Err(ToolError::Other("no such tool".to_owned())),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("millstream: {error}");
            FAILED
        }
    }
}

fn path_arg(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_parser(value_parser!(PathBuf)).help(help)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn path_of(matches: &ArgMatches, name: &str) -> PathBuf {
    matches.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

fn commands() -> Command {
    let dir = || path_arg("DIR", "The server's directory, or the append-only file's own").required(true);
    Command::new("millstream")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("check")
                .about("Tells what is in a directory and what is damaged; repairs it on demand")
                .after_help("Ends with 0 if all is sound or was repaired, with 1 if it is damaged, with 2 if it cannot be checked.")
                .arg(dir())
                .arg(flag("fix", "Cut off a torn end, as the server does at its start; the bytes are kept in a file beside"))
                .arg(
                    flag("lossy", "With --fix: cut at damage anywhere, at the cost of all that was written after it")
                        .requires("fix"),
                ),
        )
        .subcommand(
            Command::new("backup")
                .about("Copies a directory consistently, while a server writes to it, and checks the copy")
                .after_help("A server is started on the copy with --dir DEST.")
                .arg(dir())
                .arg(path_arg("DEST", "The copy: a new or empty directory").required(true))
                .arg(flag("link", "Link the base, which never changes, instead of copying it, where the file system can")),
        )
        .subcommand(
            Command::new("export")
                .about("Writes data as plain commands of Redis 7.0 (for redis-cli --pipe), or as a directory for redis-server 7.0")
                .arg(dir())
                .arg(
                    path_arg("output", "A file, or with --format redis a directory, to be made [default: standard output]")
                        .long("output")
                        .short('o')
                        .value_name("OUT"),
                )
                .arg(
                    Arg::new("format")
                        .long("format")
                        .value_parser(["commands", "redis"])
                        .default_value("commands")
                        .help("What to write"),
                ),
        )
}

fn run_check(matches: &ArgMatches) -> Result<u8, ToolError> {
    let repair = match (matches.get_flag("fix"), matches.get_flag("lossy")) {
        (true, true) => Repair::Lossy,
        (true, false) => Repair::TornTail,
        (false, _) => Repair::None,
    };
    let is_sound = check(&path_of(matches, "DIR"), repair, &mut io::stdout().lock())?;
    Ok(if is_sound { SOUND } else { FINDINGS })
}

fn run_backup(matches: &ArgMatches) -> Result<u8, ToolError> {
    let (dir, dest) = (path_of(matches, "DIR"), path_of(matches, "DEST"));
    backup(&dir, &dest, matches.get_flag("link"), &mut io::stdout().lock())?;
    Ok(SOUND)
}

fn run_export(matches: &ArgMatches) -> Result<u8, ToolError> {
    let format = match matches.get_one::<String>("format").map(String::as_str) {
        Some("redis") => Format::Redis,
        _ => Format::Commands,
    };
    let dest = matches.get_one::<PathBuf>("output");
    export(&path_of(matches, "DIR"), dest.map(PathBuf::as_path), format)?;
    Ok(SOUND)
}
