//! CLIENT LIST

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use super::kill::ClientKind;
use crate::command::table::table;
use crate::number::parse_i64;
use crate::state::ClientHandle;

pub(super) const SPEC: Spec = Spec {
    name: "list",
    arity: -2,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.4.0",
    group: Group::Connection,
    summary: "Lists the connections.",
    complexity: "O(N) for N connections",
    history: &[
        ("2.8.12", "`id` came."),
        ("5.0.0", "`TYPE` came."),
        ("6.0.0", "`user` came."),
        ("6.2.0", "`argv-mem`, `tot-mem`, `laddr` and `redir` came, and the filter `ID`."),
        ("7.0.0", "`resp`, `multi-mem`, `rbs` and `rbp` came."),
        ("7.0.3", "`ssub` came."),
        ("7.2.0", "`lib-name` and `lib-ver` came."),
    ],
    tips: &["nondeterministic_output"],
    arguments: &[
        Argument::new(
            "client-type",
            ArgKind::OneOf(&[
                Argument::word("normal", "NORMAL"),
                Argument::word("master", "MASTER"),
                Argument::word("replica", "REPLICA"),
                Argument::word("pubsub", "PUBSUB"),
            ]),
        )
        .token("TYPE")
        .optional()
        .since("5.0.0"),
        Argument::new("client-id", ArgKind::Integer).token("ID").optional().multiple().since("6.2.0"),
    ],
    help: &[
        "LIST [options ...]",
        "    The connections, one a line. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Those of a kind only.",
        "    * ID <client-id> [<client-id> ...]",
        "      Those with one of the IDs only.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

enum Selection {
    All,
    None,
    Kind(ClientKind),
    Ids(Vec<u64>),
}

fn parse(request: Request<'_>) -> Result<Selection, CommandError> {
    let Some(option) = request.get(2) else { return Ok(Selection::All) };
    if option.eq_ignore_ascii_case(b"type") && request.len() == 4 {
        return Ok(match ClientKind::parse(request.arg(3))? {
            ClientKind::Other => Selection::None,
            kind => Selection::Kind(kind),
        });
    }
    if option.eq_ignore_ascii_case(b"id") && request.len() > 3 {
        let ids = request.args_from(3).map(|id| {
            let id = parse_i64(id).ok_or(CommandError::Other("ERR Invalid client ID"))?;
            Ok(id.cast_unsigned())
        });
        return Ok(Selection::Ids(ids.collect::<Result<_, CommandError>>()?));
    }
    Err(CommandError::Syntax)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let clients: Vec<Arc<ClientHandle>> = match parse(request)? {
        Selection::All => context.shared.clients.list(),
        Selection::None => Vec::new(),
        Selection::Kind(kind) => {
            context.shared.clients.list().into_iter().filter(|client| kind.is_of(client)).collect()
        }
        Selection::Ids(ids) => ids.iter().filter_map(|id| context.shared.clients.find(*id)).collect(),
    };
    let mut text = Vec::new();
    for client in &clients {
        let own = (client.id == context.session.handle.id).then(|| encoded_bytes(request));
        write_client(client, own, context.keys.now_ms, &mut text);
    }
    context.reply.verbatim(&text);
    Ok(Outcome::Done)
}

/// A client's line without its end, told by its own thread.
pub(in crate::command) fn client_line(client: &ClientHandle, now_ms: u64) -> Vec<u8> {
    let mut line = Vec::new();
    write_client(client, Some(client.query_buffer.load(Relaxed)), now_ms, &mut line);
    line.pop();
    line
}

/// The bytes that a request takes on the wire, as clients write it.
pub(super) fn encoded_bytes(request: Request<'_>) -> usize {
    let line = |len: usize| len.checked_ilog10().unwrap_or(0) as usize + 4;
    line(request.len()) + request.args_from(0).map(|arg| line(arg.len()) + arg.len() + 2).sum::<usize>()
}

/// Writes a client's line, its end included. What a client does is noted at the end of a batch: of the one that asks
/// this is now, and what it has sent is its request's bytes (`own_bytes`).
pub(super) fn write_client(client: &ClientHandle, own_bytes: Option<usize>, now_ms: u64, out: &mut Vec<u8>) {
    let idle_ms = now_ms.saturating_sub(client.active_ms.load(Relaxed));
    let idle_s = if own_bytes.is_some() { 0 } else { idle_ms / 1000 };
    let query = own_bytes.unwrap_or_else(|| client.query_buffer.load(Relaxed));
    let query_free = client.query_buffer_free.load(Relaxed);
    let output = client.output_buffer.load(Relaxed);
    let output_limited = client.limited_output_bytes();
    let output_buffers = client.output_held.load(Relaxed).max(usize::from(output_limited > 0));
    let command = table()
        .get(client.last_command.load(Relaxed) as usize)
        .map_or("NULL", |command| command.full_name.as_str());
    let names = client.names.lock();
    // Writing to memory does not fail.
    let _ =
        write!(out, "id={} addr={} laddr={} fd={} name=", client.id, client.peer, client.local, client.fd);
    out.extend_from_slice(&names.name);
    let _ = write!(
        out,
        " age={} idle={idle_s} flags={} db={} sub={} psub={} ssub={} multi={} qbuf={query} qbuf-free={query_free} \
         argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={} oll={} omem={} tot-mem={} events={} cmd={command} user=",
        now_ms.saturating_sub(client.connected_ms) / 1000,
        flags(client),
        client.db.load(Relaxed),
        client.channels.load(Relaxed),
        client.patterns.load(Relaxed),
        client.shard_channels.load(Relaxed),
        client.multi.load(Relaxed),
        client.multi_bytes.load(Relaxed),
        output - output_limited,
        output_buffers + client.outbox.len() as usize,
        output_limited + client.outbox.bytes(),
        client.memory_bytes(),
        if output > 0 { "rw" } else { "r" },
    );
    out.extend_from_slice(&names.user);
    let redirect = match client.tracking.load(Relaxed) {
        true => client.tracking_redirect.load(Relaxed).cast_signed(),
        false => -1,
    };
    let _ = write!(out, " redir={redirect} resp={} lib-name=", client.resp.load(Relaxed));
    out.extend_from_slice(&names.lib_name);
    out.extend_from_slice(b" lib-ver=");
    out.extend_from_slice(&names.lib_version);
    out.push(b'\n');
}

/// The letters for what a client is in.
fn flags(client: &ClientHandle) -> String {
    let flags: String = [
        (client.monitor.load(Relaxed), 'O'),
        (client.is_subscriber(), 'P'),
        (client.multi.load(Relaxed) >= 0, 'x'),
        (client.blocked.load(Relaxed), 'b'),
        (client.tracking.load(Relaxed), 't'),
        (client.tracking_broken.load(Relaxed), 'R'),
        (client.tracking_broadcast.load(Relaxed), 'B'),
        (client.is_killed(), 'A'),
        (client.peer.is_unix(), 'U'),
        (client.no_evict.load(Relaxed), 'e'),
        (client.no_touch.load(Relaxed), 'T'),
    ]
    .into_iter()
    .filter_map(|(holds, letter)| holds.then_some(letter))
    .collect();
    if flags.is_empty() { "N".to_string() } else { flags }
}
