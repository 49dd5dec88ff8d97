//! HELLO

use super::auth;
use super::client::check_name;
use super::context::{Context, Outcome};
use super::error::CommandError;
use super::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::number::parse_i64;
use crate::protocol::{Protocol, Request};

pub(super) const SPEC: Spec = Spec {
    name: "hello",
    arity: -1,
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::NO_AUTH)
        .union(Flags::ALLOW_BUSY),
    categories: Categories::CONNECTION,
    since: "6.0.0",
    group: Group::Connection,
    summary: "Greets the server: selects the protocol, authenticates, sets the connection's name.",
    complexity: "O(1)",
    history: &[("6.2.0", "`protover` may be left out; then the reply tells what holds.")],
    arguments: &[Argument::new(
        "arguments",
        ArgKind::Block(&[
            Argument::new("protover", ArgKind::Integer),
            Argument::new(
                "auth",
                ArgKind::Block(&[
                    Argument::new("username", ArgKind::String),
                    Argument::new("password", ArgKind::String),
                ]),
            )
            .token("AUTH")
            .optional(),
            Argument::new("clientname", ArgKind::String).token("SETNAME").optional(),
        ]),
    )
    .optional()],
    handler: execute,
    ..Spec::DEFAULT
};

struct Arguments<'a> {
    protocol: Option<Protocol>,
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn parse(request: Request<'_>) -> Result<Arguments<'_>, CommandError> {
    let mut arguments = Arguments { protocol: None, auth: None, name: None };
    let Some(version) = request.get(1) else { return Ok(arguments) };
    arguments.protocol = Some(match parse_i64(version) {
        None => return Err(CommandError::Other("ERR Protocol version is not an integer or out of range")),
        Some(2) => Protocol::Resp2,
        Some(3) => Protocol::Resp3,
        Some(_) => return Err(CommandError::Other("NOPROTO unsupported protocol version")),
    });
    let mut at = 2;
    while let Some(option) = request.get(at) {
        let more = request.len() - at - 1;
        if option.eq_ignore_ascii_case(b"auth") && more >= 2 {
            arguments.auth = Some((request.arg(at + 1), request.arg(at + 2)));
            at += 3;
        } else if option.eq_ignore_ascii_case(b"setname") && more >= 1 {
            let name = request.arg(at + 1);
            check_name(name)?;
            arguments.name = Some(name);
            at += 2;
        } else {
            return Err(CommandError::quoting("ERR Syntax error in HELLO option '", option, "'"));
        }
    }
    Ok(arguments)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let arguments = parse(request)?;
    let session = &mut *context.session;
    if let Some((user, password)) = arguments.auth {
        auth::authenticate(context.shared, session, request.arg(0), user, password)?;
    }
    if !session.authenticated {
        return Err(CommandError::Other(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
             AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
             version at the same time",
        ));
    }
    if let Some(name) = arguments.name {
        session.handle.names.lock().name = name.to_vec();
    }
    if let Some(protocol) = arguments.protocol {
        session.set_protocol(protocol);
        context.reply.set_protocol(protocol);
    }
    let reply = &mut *context.reply;
    reply.map(7);
    reply.text("server");
    reply.text("redis");
    reply.text("version");
    reply.text(crate::REDIS_VERSION);
    reply.text("proto");
    reply.integer(if reply.is_resp3() { 3 } else { 2 });
    reply.text("id");
    reply.count(session.handle.id);
    reply.text("mode");
    reply.text("standalone");
    reply.text("role");
    reply.text("master");
    reply.text("modules");
    reply.array(0);
    Ok(Outcome::Done)
}
