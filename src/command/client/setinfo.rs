//! CLIENT SETINFO

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::protocol::Request;

use super::setname::is_plain;

pub(super) const SPEC: Spec = Spec {
    name: "setinfo",
    arity: 4,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "7.2.0",
    group: Group::Connection,
    summary: "Sets what is known of the client's library.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    arguments: &[Argument::new(
        "attr",
        ArgKind::OneOf(&[
            Argument::new("libname", ArgKind::String).token("LIB-NAME"),
            Argument::new("libver", ArgKind::String).token("LIB-VER"),
        ]),
    )],
    help: &[
        "SETINFO <option> <value>",
        "    Sets what CLIENT LIST tells of the client. Options are:",
        "    * LIB-NAME",
        "      The name of its library.",
        "    * LIB-VER",
        "      The version of its library.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let (option, value) = (request.arg(2), request.arg(3));
    let is_name = option.eq_ignore_ascii_case(b"lib-name");
    if !is_name && !option.eq_ignore_ascii_case(b"lib-ver") {
        return Err(CommandError::quoting("ERR Unrecognized option '", option, "'"));
    }
    if !is_plain(value) {
        let words = " cannot contain spaces, newlines or special characters.";
        return Err(CommandError::quoting("ERR ", option, words));
    }
    let mut names = context.session.handle.names.lock();
    *(if is_name { &mut names.lib_name } else { &mut names.lib_version }) = value.to_vec();
    context.reply.ok();
    Ok(Outcome::Done)
}
