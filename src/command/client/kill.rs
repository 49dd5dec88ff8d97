//! CLIENT KILL

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use crate::acl::Users;
use crate::number::parse_i64;
use crate::state::ClientHandle;

pub(super) const SPEC: Spec = Spec {
    name: "kill",
    arity: -3,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "2.4.0",
    group: Group::Connection,
    summary: "Closes connections.",
    complexity: "O(N) for N connections",
    history: &[
        ("2.8.12", "Filters came."),
        ("2.8.12", "`ID` came."),
        ("3.2.0", "`TYPE` takes `master`."),
        ("5.0.0", "`TYPE` takes `replica`, and `slave` as before."),
        ("6.2.0", "`LADDR` came."),
        ("7.4.0", "`MAXAGE` came."),
    ],
    arguments: &[Argument::new(
        "filter",
        ArgKind::OneOf(&[
            Argument::new("old-format", ArgKind::String).deprecated("2.8.12").display("ip:port"),
            Argument::new(
                "new-format",
                ArgKind::OneOf(&[
                    Argument::new("client-id", ArgKind::Integer).token("ID").optional().since("2.8.12"),
                    Argument::new(
                        "client-type",
                        ArgKind::OneOf(&[
                            Argument::word("normal", "NORMAL"),
                            Argument::word("master", "MASTER").since("3.2.0"),
                            Argument::word("slave", "SLAVE"),
                            Argument::word("replica", "REPLICA").since("5.0.0"),
                            Argument::word("pubsub", "PUBSUB"),
                        ]),
                    )
                    .token("TYPE")
                    .optional()
                    .since("2.8.12"),
                    Argument::new("username", ArgKind::String).token("USER").optional(),
                    Argument::new("addr", ArgKind::String).token("ADDR").optional().display("ip:port"),
                    Argument::new("laddr", ArgKind::String)
                        .token("LADDR")
                        .optional()
                        .since("6.2.0")
                        .display("ip:port"),
                    Argument::new(
                        "skipme",
                        ArgKind::OneOf(&[Argument::word("yes", "YES"), Argument::word("no", "NO")]),
                    )
                    .token("SKIPME")
                    .optional(),
                    Argument::new("maxage", ArgKind::Integer).token("MAXAGE").optional().since("7.4.0"),
                ]),
            )
            .multiple(),
        ]),
    )],
    help: &[
        "KILL <ip:port>",
        "    Closes the connection from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Closes the connections for which all options hold. Options are:",
        "    * ADDR <ip:port>",
        "      Where they come from.",
        "    * LADDR <ip:port>",
        "      Where they go to.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Their kind.",
        "    * USER <username>",
        "      Who they are authenticated as.",
        "    * ID <client-id>",
        "      Their ID.",
        "    * SKIPME (YES|NO)",
        "      Whether this connection is left alone (default: yes).",
        "    * MAXAGE <maxage>",
        "      For how many seconds they have been there at least.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

/// What kind a client is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientKind {
    /// A client that sends commands.
    Normal,
    /// A client that is subscribed to channels.
    Subscriber,
    /// A master or a replica: there are none.
    Other,
}

impl ClientKind {
    /// Reads a kind's name.
    ///
    /// # Errors
    /// That there is no such kind.
    pub(super) fn parse(text: &[u8]) -> Result<Self, CommandError> {
        if text.eq_ignore_ascii_case(b"normal") {
            return Ok(Self::Normal);
        }
        if text.eq_ignore_ascii_case(b"pubsub") {
            return Ok(Self::Subscriber);
        }
        if [&b"master"[..], b"slave", b"replica"].iter().any(|kind| text.eq_ignore_ascii_case(kind)) {
            return Ok(Self::Other);
        }
        Err(CommandError::quoting("ERR Unknown client type '", text, "'"))
    }
}

impl ClientKind {
    /// Whether a client is of this kind.
    pub(super) fn is_of(self, client: &ClientHandle) -> bool {
        match self {
            Self::Normal => !client.is_subscriber(),
            Self::Subscriber => client.is_subscriber(),
            Self::Other => false,
        }
    }
}

/// Which connections are to be closed: those for which all hold that is given.
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<ClientKind>,
    user: Option<&'a [u8]>,
    peer: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    /// Since when at the latest it is connected.
    connected_ms_max: Option<u64>,
    skip_self: bool,
}

impl<'a> Filter<'a> {
    /// All of them.
    fn any() -> Self {
        Self {
            id: None,
            kind: None,
            user: None,
            peer: None,
            local: None,
            connected_ms_max: None,
            skip_self: true,
        }
    }

    fn parse(request: Request<'a>, users: &Users, now_ms: u64) -> Result<Self, CommandError> {
        let mut filter = Self::any();
        let mut at = 2;
        while at < request.len() {
            let option = request.arg(at);
            let value = request.get(at + 1).ok_or(CommandError::Syntax)?;
            if option.eq_ignore_ascii_case(b"id") {
                let id = parse_i64(value).filter(|id| *id > 0);
                let id = id.ok_or(CommandError::Other("ERR client-id should be greater than 0"))?;
                filter.id = Some(id.cast_unsigned());
            } else if option.eq_ignore_ascii_case(b"type") {
                filter.kind = Some(ClientKind::parse(value)?);
            } else if option.eq_ignore_ascii_case(b"addr") {
                filter.peer = Some(value);
            } else if option.eq_ignore_ascii_case(b"laddr") {
                filter.local = Some(value);
            } else if option.eq_ignore_ascii_case(b"user") {
                if users.find(value).is_none() {
                    return Err(CommandError::quoting("ERR No such user '", value, "'"));
                }
                filter.user = Some(value);
            } else if option.eq_ignore_ascii_case(b"maxage") {
                let age_s = parse_i64(value)
                    .ok_or(CommandError::Other("ERR maxage is not an integer or out of range"))?;
                let age_s = u64::try_from(age_s).ok().filter(|age_s| *age_s > 0);
                let age_s = age_s.ok_or(CommandError::Other("ERR maxage should be greater than 0"))?;
                filter.connected_ms_max = Some(now_ms.saturating_sub(age_s.saturating_mul(1000)));
            } else if option.eq_ignore_ascii_case(b"skipme") {
                filter.skip_self = match value {
                    _ if value.eq_ignore_ascii_case(b"yes") => true,
                    _ if value.eq_ignore_ascii_case(b"no") => false,
                    _ => return Err(CommandError::Syntax),
                };
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(filter)
    }

    fn matches(&self, client: &ClientHandle, self_id: u64) -> bool {
        self.id.is_none_or(|id| id == client.id)
            && self.kind.is_none_or(|kind| kind.is_of(client))
            && self.user.is_none_or(|user| user == client.names.lock().user)
            && self.peer.is_none_or(|peer| peer == client.peer.to_string().as_bytes())
            && self.local.is_none_or(|local| local == client.local.to_string().as_bytes())
            && self.connected_ms_max.is_none_or(|max| client.connected_ms <= max)
            && !(self.skip_self && client.id == self_id)
    }
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    // One argument is the form of Redis before 2.8: an address.
    let is_old_form = request.len() == 3;
    let filter = if is_old_form {
        Filter { peer: Some(request.arg(2)), skip_self: false, ..Filter::any() }
    } else {
        Filter::parse(request, &context.shared.users, context.keys.now_ms)?
    };
    let self_id = context.session.handle.id;
    let mut killed = 0;
    for client in context.shared.clients.list() {
        if !filter.matches(&client, self_id) {
            continue;
        }
        killed += 1;
        if client.id == self_id {
            // The reply to this very command is still to be sent.
            context.session.closing = true;
        } else {
            client.kill();
        }
        if is_old_form {
            break;
        }
    }
    match killed {
        0 if is_old_form => return Err(CommandError::Other("ERR No such client")),
        _ if is_old_form => context.reply.ok(),
        _ => context.reply.count(killed),
    }
    Ok(Outcome::Done)
}
