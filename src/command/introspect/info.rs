//! COMMAND INFO

use super::{command_count, write_words};
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{
    ArgKind, Argument, BeginSearch, Categories, FindKeys, Flags, Group, KeyFlags, KeySpec, Spec,
};
use crate::command::table::{Command, table};
use crate::protocol::{Reply, Request};

pub(super) const SPEC: Spec = Spec {
    name: "info",
    arity: -2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.8.13",
    group: Group::Server,
    summary: "Returns what clients need to know of commands.",
    complexity: "O(N) for N commands asked for",
    history: &[("7.0.0", "Without names it tells of all commands.")],
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::new("command-name", ArgKind::String).optional().multiple()],
    help: &[
        "INFO [<command-name> ...]",
        "    Arity, flags, keys and categories of the commands, or of all if none is named.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    if request.len() == 2 {
        write_all(reply);
        return Ok(Outcome::Done);
    }
    reply.array(request.len() - 2);
    for name in request.args_from(2) {
        match table().find_full_name(name) {
            Some(command) => write_command(reply, command),
            None => reply.null(),
        }
    }
    Ok(Outcome::Done)
}

/// Writes all commands.
pub(super) fn write_all(reply: &mut Reply) {
    reply.array(command_count());
    table().commands().for_each(|command| write_command(reply, command));
}

fn write_command(reply: &mut Reply, command: &Command) {
    let spec = command.spec;
    let (first, last, step) = key_range(spec.keys);
    reply.array(10);
    reply.text(&command.full_name);
    reply.integer(i64::from(spec.arity));
    write_words(reply, &flag_names(spec.flags));
    [first, last, step].into_iter().for_each(|number| reply.integer(number));
    write_words(reply, &category_names(spec.all_categories()));
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.text(tip));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|keys| write_keys(reply, keys));
    if spec.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(spec.subcommands.len());
        table().subcommands(command).for_each(|subcommand| write_command(reply, subcommand));
    }
}

/// Where the keys are, as clients of Redis before 7.0 know it: the first, the last (from the end
/// when negative), the step. What is no such range is left out of it.
fn key_range(keys: &[KeySpec]) -> (i64, i64, i64) {
    let range = |keys: &KeySpec| match (keys.begin, keys.find) {
        (BeginSearch::Index(first), FindKeys::Range { last, step, .. }) => {
            let first = first as i64;
            let last = i64::from(last);
            Some((first, if last >= 0 { first + last } else { last }, step as i64))
        }
        _ => None,
    };
    if let [keys] = keys {
        return range(keys).unwrap_or_default();
    }
    // Several ranges of single steps are one if they follow each other.
    let mut whole: Option<(i64, i64, i64)> = None;
    for (first, last, step) in keys.iter().filter_map(range) {
        whole = match whole {
            _ if step != 1 => whole,
            None => Some((first, last, 1)),
            Some((start, end, _)) if end >= 0 && first == end + 1 => Some((start, last, 1)),
            Some(whole) => Some(whole),
        };
    }
    whole.unwrap_or_default()
}

fn write_keys(reply: &mut Reply, keys: &KeySpec) {
    reply.map(3 + usize::from(keys.note.is_some()));
    if let Some(note) = keys.note {
        reply.text("notes");
        reply.text(note);
    }
    reply.text("flags");
    write_words(reply, &key_flag_names(keys.flags));
    reply.text("begin_search");
    match keys.begin {
        BeginSearch::Index(index) => {
            write_search(reply, "index", 1);
            write_number(reply, "index", index as i64);
        }
        BeginSearch::Keyword(keyword, from) => {
            write_search(reply, "keyword", 2);
            reply.text("keyword");
            reply.text(keyword);
            write_number(reply, "startfrom", i64::from(from));
        }
    }
    reply.text("find_keys");
    match keys.find {
        FindKeys::Range { last, step, limit } => {
            write_search(reply, "range", 3);
            write_number(reply, "lastkey", i64::from(last));
            write_number(reply, "keystep", step as i64);
            write_number(reply, "limit", limit as i64);
        }
        FindKeys::Count { count, first, step } => {
            write_search(reply, "keynum", 3);
            write_number(reply, "keynumidx", count as i64);
            write_number(reply, "firstkey", first as i64);
            write_number(reply, "keystep", step as i64);
        }
    }
}

/// Begins a search of a kind that has so many fields.
fn write_search(reply: &mut Reply, kind: &str, fields: usize) {
    reply.map(2);
    reply.text("type");
    reply.text(kind);
    reply.text("spec");
    reply.map(fields);
}

fn write_number(reply: &mut Reply, name: &str, value: i64) {
    reply.text(name);
    reply.integer(value);
}

fn flag_names(flags: Flags) -> Vec<String> {
    let hidden = Flags::ALL_SHARDS
        | Flags::UNQUEUED
        | Flags::SYSCMD
        | Flags::MAY_REPLICATE
        | Flags::SUBSCRIBED
        | Flags::SCRIPT;
    let shown = flags.difference(hidden);
    shown.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn category_names(categories: Categories) -> Vec<String> {
    categories.iter_names().map(|(name, _)| format!("@{}", name.to_ascii_lowercase())).collect()
}

/// The names of key flags; what is done to the key as a whole is in capitals.
pub(super) fn key_flag_names(flags: KeyFlags) -> Vec<String> {
    flags
        .iter_names()
        .map(|(name, flag)| {
            let whole = KeyFlags::RO | KeyFlags::RW | KeyFlags::OW | KeyFlags::RM;
            if whole.contains(flag) { name.to_string() } else { name.to_ascii_lowercase() }
        })
        .collect()
}
