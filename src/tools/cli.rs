//! The tools' command lines.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::backup::backup;
use super::check::{Repair, check};
use super::client::Address;
use super::error::ToolError;
use super::export::{Format, export};
use super::import::{Destination, Import, Source};
use crate::tls::ClientFiles;

const TOOLS: &[&str] = &["backup", "check", "export", "import"];

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
        Some(("import", matches)) => run_import(matches),
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
        .subcommand(import_command())
}

fn import_command() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("import")
        .about("Takes data over: from an RDB file, an append-only file, or a running Redis")
        .after_help(
            "From a running Redis each key is copied as it is when it is read. Passwords may also be given in the environment: \
             REDISCLI_AUTH for the source, MILLSTREAM_AUTH for the server of --to.\n\
             Ends with 0 if everything was imported, with 1 if something was left out (the report tells what), with 2 if it failed.",
        )
        .arg(
            Arg::new("SOURCE")
                .required(true)
                .help("dump.rdb, appendonly.aof, a directory, or redis://[USER:PASSWORD@]HOST[:PORT] (rediss:// for TLS)"),
        )
        .arg(
            path_arg("into", "A directory for a server that is then started on it; it must hold no data yet")
                .long("into")
                .value_name("DIR")
                .required_unless_present("to")
                .conflicts_with("to"),
        )
        .arg(text("to", "HOST:PORT", "A running server, or redis://[USER:PASSWORD@]HOST[:PORT]"))
        .arg(flag("replace", "With --to: replace keys that the server has already").requires("to"))
        .arg(text("match", "PATTERN", "Only keys that match, as in KEYS"))
        .arg(
            text("db", "N", "Only this database; may be given several times")
                .action(ArgAction::Append)
                .value_parser(value_parser!(u64)),
        )
        .arg(text("user", "NAME", "The source's user").requires("password"))
        .arg(text("password", "PASSWORD", "The source's password"))
        .arg(
            path_arg("cacert", "With rediss://: the authorities to trust [default: the machine's]")
                .long("cacert")
                .value_name("FILE"),
        )
        .arg(
            path_arg("cert", "With rediss://: the certificate to show")
                .long("cert")
                .value_name("FILE")
                .requires("key"),
        )
        .arg(path_arg("key", "The key of --cert").long("key").value_name("FILE").requires("cert"))
        .arg(
            path_arg("resume", "A file that keeps how far an import from a server has come; if it is there, the import goes on")
                .long("resume")
                .value_name("FILE"),
        )
}

fn run_import(matches: &ArgMatches) -> Result<u8, ToolError> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let from_environment = |name: &str| std::env::var(name).ok();
    let mut source = Source::parse(&text("SOURCE").unwrap_or_default())?;
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let files = ClientFiles { authorities: path("cacert"), identity: path("cert").zip(path("key")) };
    let set_files = |address: &mut Address| {
        if let Some(tls) = &mut address.tls {
            tls.clone_from(&files);
        }
    };
    if let Source::Server(address) = &mut source {
        set_files(address);
        address.user = text("user").or(address.user.take());
        let given = text("password").or(address.password.take());
        address.password = given.or_else(|| from_environment("REDISCLI_AUTH"));
    }
    let destination = match text("to") {
        Some(to) => {
            let mut address = Address::parse(&to)?;
            set_files(&mut address);
            address.password = address.password.or_else(|| from_environment("MILLSTREAM_AUTH"));
            Destination::Server(address)
        }
        None => Destination::Dir(path_of(matches, "into")),
    };
    let import = Import {
        source,
        destination,
        pattern: text("match"),
        dbs: matches.get_many("db").into_iter().flatten().copied().collect(),
        replace: matches.get_flag("replace"),
        resume: matches.get_one::<PathBuf>("resume").cloned(),
    };
    Ok(if import.run()? { SOUND } else { FINDINGS })
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
