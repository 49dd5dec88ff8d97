//! COMMAND DOCS

use super::{command_count, write_words};
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::command::table::{Command, table};
use crate::protocol::{Reply, Request};

pub(super) const SPEC: Spec = Spec {
    name: "docs",
    arity: -2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "7.0.0",
    group: Group::Server,
    summary: "Returns the documentation of commands.",
    complexity: "O(N) for N commands asked for",
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::new("command-name", ArgKind::String).optional().multiple()],
    help: &[
        "DOCS [<command-name> ...]",
        "    The documentation of the commands, or of all if none is named.",
    ],
    deviation: Some("What is sentences (summary, complexity, history) is in Millstream's own words."),
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    if request.len() == 2 {
        reply.map(command_count());
        table().commands().for_each(|command| write_named(reply, command));
    } else {
        let found = || request.args_from(2).filter_map(|name| table().find_full_name(name));
        reply.map(found().count());
        found().for_each(|command| write_named(reply, command));
    }
    Ok(Outcome::Done)
}

fn write_named(reply: &mut Reply, command: &Command) {
    reply.text(&command.full_name);
    write_docs(reply, command);
}

fn write_docs(reply: &mut Reply, command: &Command) {
    let spec = command.spec;
    let has = [
        !spec.complexity.is_empty(),
        !spec.history.is_empty(),
        !spec.arguments.is_empty(),
        !spec.subcommands.is_empty(),
    ];
    let doc_flags: Vec<&str> =
        [(spec.flags.contains(Flags::SYSCMD), "syscmd"), (spec.deprecated.is_some(), "deprecated")]
            .into_iter()
            .filter_map(|(holds, word)| holds.then_some(word))
            .collect();
    let deprecation_fields = if spec.deprecated.is_some() { 2 } else { 0 };
    let fields = has.iter().filter(|has| **has).count() + usize::from(!doc_flags.is_empty());
    reply.map(3 + fields + deprecation_fields);
    for (field, value) in [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group.name()),
        ("complexity", spec.complexity),
    ] {
        if !value.is_empty() {
            reply.text(field);
            reply.text(value);
        }
    }
    if !doc_flags.is_empty() {
        reply.text("doc_flags");
        write_words(reply, &doc_flags);
    }
    if let Some((since, replaced_by)) = spec.deprecated {
        reply.text("deprecated_since");
        reply.text(since);
        reply.text("replaced_by");
        reply.text(replaced_by);
    }
    if !spec.history.is_empty() {
        reply.text("history");
        reply.set(spec.history.len());
        for (version, change) in spec.history {
            reply.array(2);
            reply.text(version);
            reply.text(change);
        }
    }
    if !spec.arguments.is_empty() {
        reply.text("arguments");
        write_arguments(reply, spec.arguments);
    }
    if !spec.subcommands.is_empty() {
        reply.text("subcommands");
        reply.map(spec.subcommands.len());
        table().subcommands(command).for_each(|subcommand| write_named(reply, subcommand));
    }
}

fn write_arguments(reply: &mut Reply, arguments: &[Argument]) {
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| write_argument(reply, argument));
}

fn write_argument(reply: &mut Reply, argument: &Argument) {
    let (kind, within) = match argument.kind {
        ArgKind::String => ("string", None),
        ArgKind::Integer => ("integer", None),
        ArgKind::Double => ("double", None),
        ArgKind::Key(_) => ("key", None),
        ArgKind::Pattern => ("pattern", None),
        ArgKind::UnixTime => ("unix-time", None),
        ArgKind::PureToken => ("pure-token", None),
        ArgKind::OneOf(within) => ("oneof", Some(within)),
        ArgKind::Block(within) => ("block", Some(within)),
    };
    let flags: Vec<&str> = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ]
    .into_iter()
    .filter_map(|(holds, word)| holds.then_some(word))
    .collect();
    let texts = [
        ("display_text", within.is_none().then_some(argument.display.unwrap_or(argument.name))),
        ("token", argument.token),
        ("since", argument.since),
        ("deprecated_since", argument.deprecated_since),
    ];
    let is_key = matches!(argument.kind, ArgKind::Key(_));
    let fields = 2
        + texts.iter().filter(|(_, text)| text.is_some()).count()
        + usize::from(is_key)
        + usize::from(!flags.is_empty())
        + usize::from(within.is_some());
    reply.map(fields);
    reply.text("name");
    reply.text(argument.name);
    reply.text("type");
    reply.text(kind);
    for (field, text) in texts {
        if let Some(text) = text {
            reply.text(field);
            reply.text(text);
        }
        if let (ArgKind::Key(index), "display_text") = (argument.kind, field) {
            reply.text("key_spec_index");
            reply.count(index as u64);
        }
    }
    if !flags.is_empty() {
        reply.text("flags");
        write_words(reply, &flags);
    }
    if let Some(within) = within {
        reply.text("arguments");
        write_arguments(reply, within);
    }
}
