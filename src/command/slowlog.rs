//! SLOWLOG

use super::context::{Context, Outcome};
use super::error::CommandError;
use super::help::write_help;
use super::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::number::parse_i64;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "slowlog",
    arity: -2,
    since: "2.2.12",
    group: Group::Server,
    summary: "Commands about the commands that took long.",
    complexity: "Depends on subcommand.",
    subcommands: &[&GET, &HELP, &LEN, &RESET],
    ..Spec::DEFAULT
};

const GET: Spec = Spec {
    name: "get",
    arity: -2,
    flags: Flags::ADMIN.union(Flags::LOADING).union(Flags::STALE),
    since: "2.2.12",
    group: Group::Server,
    summary: "Returns the last commands that took long.",
    complexity: "O(N) for N entries returned",
    history: &[("4.0.0", "The client's address and name are told.")],
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    arguments: &[Argument::new("count", ArgKind::Integer).optional()],
    help: &[
        "GET [<count>]",
        "    The last <count> commands (10 when none is given, all for -1) that took longer than the setting",
        "    slowlog-log-slower-than: number, time in seconds since 1970, duration in microseconds, arguments,",
        "    address and name of the client.",
    ],
    handler: get,
    ..Spec::DEFAULT
};

const HELP: Spec = Spec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.union(Flags::STALE),
    since: "6.2.0",
    group: Group::Server,
    summary: "Tells what the subcommands are.",
    complexity: "O(1)",
    handler: help,
    ..Spec::DEFAULT
};

const LEN: Spec = Spec {
    name: "len",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::LOADING).union(Flags::STALE),
    since: "2.2.12",
    group: Group::Server,
    summary: "Returns how many commands that took long are kept.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    help: &["LEN", "    How many are kept."],
    handler: len,
    ..Spec::DEFAULT
};

const RESET: Spec = Spec {
    name: "reset",
    arity: 2,
    flags: Flags::ADMIN.union(Flags::LOADING).union(Flags::STALE),
    since: "2.2.12",
    group: Group::Server,
    summary: "Forgets the commands that took long.",
    complexity: "O(N) for N entries kept",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    help: &["RESET", "    Forgets them all."],
    handler: reset,
    ..Spec::DEFAULT
};

fn get(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let count = match request.get(2) {
        None => 10,
        Some(_) if request.len() > 3 => {
            let subcommand = request.arg(1).to_vec();
            return Err(CommandError::SubcommandSyntax { command: "slowlog", subcommand });
        }
        Some(count) => match parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => usize::try_from(count).unwrap_or(usize::MAX),
            _ => return Err(CommandError::Other("ERR count should be greater than or equal to -1")),
        },
    };
    let commands = context.shared.slowlog.newest(count);
    let reply = &mut *context.reply;
    reply.array(commands.len());
    for command in &commands {
        reply.array(6);
        reply.count(command.id);
        reply.count(command.time_s);
        reply.count(command.duration_us);
        reply.array(command.args.len());
        command.args.iter().for_each(|arg| reply.bulk(arg));
        reply.text(&command.peer);
        reply.bulk(&command.client_name);
    }
    Ok(Outcome::Done)
}

fn help(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    write_help(context.reply, &SPEC);
    Ok(Outcome::Done)
}

fn len(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.reply.count(context.shared.slowlog.len() as u64);
    Ok(Outcome::Done)
}

fn reset(context: &mut Context<'_, '_>, _: Request<'_>) -> Result<Outcome, CommandError> {
    context.shared.slowlog.clear();
    context.reply.ok();
    Ok(Outcome::Done)
}
