//! COMMAND LIST

use crate::command::context::{Context, Outcome};
use crate::command::error::CommandError;
use crate::command::spec::{ArgKind, Argument, Categories, Flags, Group, Spec};
use crate::command::table::{Command, table};
use crate::glob::{self, Case};
use crate::protocol::Request;

pub(super) const SPEC: Spec = Spec {
    name: "list",
    arity: -2,
    flags: Flags::LOADING.union(Flags::STALE),
    categories: Categories::CONNECTION,
    since: "7.0.0",
    group: Group::Server,
    summary: "Returns the names of commands and subcommands.",
    complexity: "O(N) for N commands that there are",
    tips: &["nondeterministic_output_order"],
    arguments: &[Argument::new(
        "filterby",
        ArgKind::OneOf(&[
            Argument::new("module-name", ArgKind::String).token("MODULE"),
            Argument::new("category", ArgKind::String).token("ACLCAT"),
            Argument::new("pattern", ArgKind::Pattern).token("PATTERN"),
        ]),
    )
    .token("FILTERBY")
    .optional()],
    help: &[
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    The names of all commands and subcommands, or of those of a module, in a category, or",
        "    of a form.",
    ],
    handler: execute,
    ..Spec::DEFAULT
};

enum Filter<'a> {
    /// There are no modules.
    Module,
    Category(Categories),
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn matches(&self, command: &Command) -> bool {
        match self {
            Self::Module => false,
            Self::Category(category) => command.spec.all_categories().intersects(*category),
            Self::Pattern(pattern) => glob::matches(pattern, command.full_name.as_bytes(), Case::Insensitive),
        }
    }
}

fn parse(request: Request<'_>) -> Result<Option<Filter<'_>>, CommandError> {
    if request.len() == 2 {
        return Ok(None);
    }
    if request.len() != 5 || !request.arg(2).eq_ignore_ascii_case(b"filterby") {
        return Err(CommandError::Syntax);
    }
    let (kind, value) = (request.arg(3), request.arg(4));
    if kind.eq_ignore_ascii_case(b"module") {
        return Ok(Some(Filter::Module));
    }
    if kind.eq_ignore_ascii_case(b"aclcat") {
        let name = value.to_ascii_uppercase();
        // A category that is not there has no commands.
        let category = std::str::from_utf8(&name).ok().and_then(Categories::from_name);
        return Ok(Some(Filter::Category(category.unwrap_or(Categories::empty()))));
    }
    if kind.eq_ignore_ascii_case(b"pattern") {
        return Ok(Some(Filter::Pattern(value)));
    }
    Err(CommandError::Syntax)
}

fn execute(context: &mut Context<'_, '_>, request: Request<'_>) -> Result<Outcome, CommandError> {
    let filter = parse(request)?;
    let matching =
        || table().iter().filter(|command| filter.as_ref().is_none_or(|filter| filter.matches(command)));
    context.reply.array(matching().count());
    matching().for_each(|command| context.reply.text(&command.full_name));
    Ok(Outcome::Done)
}
