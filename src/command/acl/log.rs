//! ACL LOG

use super::{ADMIN, wrong_form};
use crate::clock;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Group, Spec};
use crate::number::parse_i64;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "log",
    arity: -2,
    flags: ADMIN,
    since: "6.0.0",
    group: Group::Server,
    summary: "Tells what was refused to users of late.",
    complexity: "O(N) for N entries.",
    history: &[("7.2.0", "`entry-id`, `timestamp-created` and `timestamp-last-updated` came.")],
    arguments: &[Argument::new(
        "operation",
        ArgKind::OneOf(&[Argument::new("count", ArgKind::Integer), Argument::word("reset", "RESET")]),
    )
    .optional()],
    help: &[
        "LOG [<count> | RESET]",
        "    What was refused, the last first: so many entries, 10 if nothing is said. RESET forgets them.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    if request.len() > 3 {
        return Err(wrong_form(request));
    }
    let log = &context.shared.users.log;
    let count = match request.get(2) {
        None => 10,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            log.clear();
            context.reply.ok();
            return Ok(Outcome::Done);
        }
        // A negative number is none.
        Some(count) => usize::try_from(parse_i64(count).ok_or(CommandError::NotAnInteger)?).unwrap_or(0),
    };
    let now_ms = clock::unix_ms();
    let entries = log.newest(count);
    let reply = &mut *context.reply;
    reply.array(entries.len());
    for entry in &entries {
        reply.map(10);
        reply.text("count");
        reply.count(entry.count);
        reply.text("reason");
        reply.text(entry.reason.name());
        reply.text("context");
        reply.text(entry.context.name());
        reply.text("object");
        reply.bulk(&entry.object);
        reply.text("username");
        reply.bulk(&entry.username);
        reply.text("age-seconds");
        reply.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
        reply.text("client-info");
        reply.bulk(&entry.client);
        reply.text("entry-id");
        reply.count(entry.id);
        reply.text("timestamp-created");
        reply.count(entry.created_ms);
        reply.text("timestamp-last-updated");
        reply.count(entry.updated_ms);
    }
    Ok(Outcome::Done)
}
