//! FCALL, and its form that only reads.

use super::context::{Context, Outcome, ScriptCall};
use super::error::CommandError;
use super::eval::{
    EVAL, EVAL_RO, FUNCTION_ARGUMENTS, UNKNOWN_RO, UNKNOWN_RW, is_read_only, parse_key_count, passed_on,
};
use super::spec::Spec;
use crate::protocol::Request;

pub(super) const FCALL: Spec = Spec {
    name: "fcall",
    keys: &[passed_on(true).note(UNKNOWN_RW)],
    since: "7.0.0",
    summary: "Calls a function of a library.",
    complexity: "The function's own.",
    arguments: FUNCTION_ARGUMENTS,
    handler: fcall,
    ..EVAL
};

pub(super) const FCALL_RO: Spec = Spec {
    name: "fcall_ro",
    keys: &[passed_on(false).note(UNKNOWN_RO)],
    summary: "Calls a function of a library that may only read.",
    complexity: "The function's own.",
    arguments: FUNCTION_ARGUMENTS,
    handler: fcall,
    ..EVAL_RO
};

fn fcall(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let callable = context.shared.scripting.find_function(request.arg(1));
    let callable = callable.ok_or(CommandError::Other("ERR Function not found"))?;
    let keys = parse_key_count(request, "ERR Bad number of keys provided")?;
    Ok(Outcome::Script(Box::new(ScriptCall { callable, keys, is_read_only: is_read_only(request) })))
}
