//! README's table of commands is generated from the command table: this test holds it to that.
//!
//! `MILLSTREAM_UPDATE_README=1 cargo test --test readme` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use millstream::command::{ArgKind, Argument, Command, table};

const BEGIN: &str = "<!-- commands:begin -->\n";
const END: &str = "<!-- commands:end -->";

#[test]
fn readme_lists_the_commands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md is there");
    let (before, rest) = readme.split_once(BEGIN).expect("the table's beginning is marked");
    let (_, after) = rest.split_once(END).expect("the table's end is marked");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", commands());
    if std::env::var_os("MILLSTREAM_UPDATE_README").is_some() {
        std::fs::write(&path, &wanted).expect("README.md can be written");
    } else {
        assert!(
            readme == wanted,
            "README's table of commands is not the command table's: MILLSTREAM_UPDATE_README=1 cargo test --test readme"
        );
    }
}

/// A table for each group: the command with its arguments, and since when Redis has it.
fn commands() -> String {
    let mut groups: Vec<&str> = table().commands().map(|command| command.spec.group.name()).collect();
    groups.sort_unstable();
    groups.dedup();
    // Streams are what this is about.
    groups.sort_by_key(|group| *group != "stream");
    let mut out = String::new();
    for group in groups {
        let _ = write!(out, "\n**{group}**\n\n| command | since Redis |\n|---|---|\n");
        for command in table().commands().filter(|command| command.spec.group.name() == group) {
            write_row(&mut out, command);
            table().subcommands(command).for_each(|subcommand| write_row(&mut out, subcommand));
        }
    }
    out.push('\n');
    out
}

fn write_row(out: &mut String, command: &Command) {
    if !command.spec.subcommands.is_empty() {
        return;
    }
    let name = command.full_name.to_uppercase().replace('|', " ");
    let syntax = write_all(command.spec.arguments);
    let usage = format!("{name} {syntax}").trim_end().replace('|', "\\|");
    let _ = writeln!(out, "| {usage} | {} |", command.spec.since);
}

fn write_all(arguments: &[Argument]) -> String {
    arguments.iter().map(write_argument).collect::<Vec<_>>().join(" ")
}

fn write_argument(argument: &Argument) -> String {
    let value = match argument.kind {
        ArgKind::PureToken => String::new(),
        ArgKind::OneOf(choices) => {
            let choices = choices.iter().map(write_argument).collect::<Vec<_>>().join(" | ");
            if argument.optional { choices } else { format!("<{choices}>") }
        }
        ArgKind::Block(parts) => write_all(parts),
        _ => argument.name.to_string(),
    };
    let mut text = match argument.token {
        // A token that is quoted is an empty word: there is nothing to show.
        Some(token) if value.is_empty() => token.to_string(),
        Some(token) => format!("{token} {value}"),
        None => value.clone(),
    };
    if argument.multiple {
        let repeated = if argument.multiple_token { text.clone() } else { value };
        text = format!("{text} [{repeated} ...]");
    }
    if argument.optional { format!("[{text}]") } else { text }
}
