//! Every option that a stream command is documented to have is taken: README's table says so.

use millstream::command::{ArgKind, Argument, Command, Group, table};

use crate::harness::Server;

/// What the requests find: a stream of three entries, two of them delivered.
const DATA: &[&str] = &[
    "XADD s 1-1 f v",
    "XADD s 2-1 f v",
    "XADD s 3-1 f v",
    "XGROUP CREATE s g 0",
    "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
];

/// The tokens of an argument and of all in it.
fn tokens(argument: &Argument) -> Vec<&'static str> {
    let within = match argument.kind {
        ArgKind::OneOf(parts) | ArgKind::Block(parts) => parts,
        _ => &[],
    };
    argument.token.into_iter().chain(within.iter().flat_map(tokens)).collect()
}

/// Writes the arguments that must be there, and those that `wanted` needs: the option itself, what it is a part of, and what
/// stands before it in that part (LIMIT is for `~` only, which is the last of its kind).
fn write(arguments: &[Argument], wanted: Option<&str>, is_part: bool, command: &str, out: &mut Vec<String>) {
    let at = wanted.and_then(|wanted| arguments.iter().position(|part| tokens(part).contains(&wanted)));
    for (n, argument) in arguments.iter().enumerate() {
        let is_in_it = at == Some(n);
        let is_before_it = is_part && at.is_some_and(|at| n < at);
        if argument.optional && !is_in_it && !is_before_it {
            continue;
        }
        let wanted = wanted.filter(|_| is_in_it);
        out.extend(argument.token.map(str::to_owned));
        match argument.kind {
            ArgKind::PureToken => {}
            ArgKind::Block(parts) => write(parts, wanted, true, command, out),
            ArgKind::OneOf(choices) => {
                let has_wanted =
                    |choice: &&Argument| wanted.is_some_and(|wanted| tokens(choice).contains(&wanted));
                let usual = if is_before_it { choices.last() } else { choices.first() };
                let choice = choices.iter().find(has_wanted).or(usual).expect("there is a choice");
                write(std::slice::from_ref(choice), wanted, true, command, out);
            }
            _ => out.push(value(argument.name, command).to_owned()),
        }
    }
}

/// A value that suits an argument.
fn value(name: &str, command: &str) -> &'static str {
    match (name, command) {
        ("key", _) => "s",
        // One that is not there yet.
        ("group", "xgroup|create") => "h",
        ("group", _) => "g",
        ("consumer", _) => "c",
        ("field", _) => "f",
        ("value", _) => "v",
        ("pid", _) => "p",
        ("iid", _) => "i",
        ("id" | "last-id", _) => "9-9",
        ("stream-id" | "lastid" | "max-deleted-id", _) => "1-1",
        ("start" | "end", _) => "5",
        ("entries-added", _) => "9",
        _ => "1",
    }
}

fn request(command: &Command, wanted: &str) -> String {
    let mut words: Vec<String> = command.full_name.split('|').map(str::to_owned).collect();
    write(command.spec.arguments, Some(wanted), false, &command.full_name, &mut words);
    words.join(" ")
}

#[test]
fn stream_commands_take_all_their_options() {
    let server = Server::millstream(&[]);
    let mut client = server.client();
    let mut taken = 0;
    let commands =
        table().commands().flat_map(|command| std::iter::once(command).chain(table().subcommands(command)));
    for command in
        commands.filter(|command| command.spec.group == Group::Stream && command.spec.subcommands.is_empty())
    {
        assert_eq!(command.spec.unsupported, <&[&str]>::default(), "{}", command.full_name);
        for option in command.spec.arguments.iter().flat_map(tokens) {
            client.check("FLUSHALL", "OK");
            for line in DATA {
                assert!(!client.call(line).is_error(), "{line}");
            }
            let line = request(command, option);
            assert!(line.split(' ').any(|word| word == option), "{line} lacks {option}");
            let reply = client.call(&line);
            assert!(!reply.is_error(), "{line} was answered {reply}");
            taken += 1;
        }
    }
    // Those of Redis 8.10.
    assert!(taken >= 69, "{taken} options were tried");
}
