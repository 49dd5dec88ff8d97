//! ACL GENPASS

use super::wrong_form;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Flags, Group, Spec};
use crate::number::parse_i64;
use crate::process;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "genpass",
    arity: -2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    since: "6.0.0",
    group: Group::Server,
    summary: "Makes up a password that nobody guesses.",
    complexity: "O(1)",
    arguments: &[Argument::new("bits", ArgKind::Integer).optional()],
    help: &[
        "GENPASS [<bits>]",
        "    A new password of so many bits, 256 if nothing is said, in hexadecimal digits.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let bits = match request.get(2) {
        None => 256,
        Some(_) if request.len() > 3 => return Err(wrong_form(request)),
        Some(bits) => match parse_i64(bits).ok_or(CommandError::NotAnInteger)? {
            bits @ 1..=4096 => bits as usize,
            _ => {
                return Err(CommandError::Other(
                    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number \
                     up to 4096",
                ));
            }
        },
    };
    let digits = bits.div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    process::fill_random(&mut bytes)
        .map_err(|error| CommandError::Text(format!("ERR The system gave no random bytes: {error}")))?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    context.reply.text(&text);
    Ok(Outcome::Done)
}
