//! ACL CAT

use super::wrong_form;
use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::command::table::table;
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "cat",
    arity: -2,
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    since: "6.0.0",
    group: Group::Server,
    summary: "Lists the categories of commands, or the commands of a category.",
    complexity: "O(1): what there is to list is fixed.",
    arguments: &[Argument::new("category", ArgKind::String).optional()],
    help: &["CAT [<category>]", "    The categories, or the commands of a category."],
    handler: execute,
    ..Spec::DEFAULT
};

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let reply = &mut *context.reply;
    match request.get(2) {
        None => {
            let names = || Categories::all().iter_names().map(|(name, _)| name.to_ascii_lowercase());
            reply.array(names().count());
            names().for_each(|name| reply.text(&name));
        }
        Some(_) if request.len() > 3 => return Err(wrong_form(request)),
        Some(name) => {
            let Some(category) = Categories::find(name) else {
                return Err(CommandError::quoting("ERR Unknown category '", name, "'"));
            };
            let commands =
                || table().iter().filter(|command| command.spec.all_categories().contains(category));
            reply.array(commands().count());
            commands().for_each(|command| reply.text(&command.full_name));
        }
    }
    Ok(Outcome::Done)
}
