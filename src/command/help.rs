//! HELP, as each container command answers it: from the declarations of its subcommands.

use super::spec::Spec;
use crate::protocol::Reply;

/// Writes the help of a container command.
pub(super) fn write_help(reply: &mut Reply, container: &Spec) {
    let name = container.name.to_ascii_uppercase();
    let declared = container.subcommands.iter().flat_map(|subcommand| subcommand.help.iter());
    let lines = container.help.iter().chain(declared).copied();
    let count = lines.clone().count();
    // A status for each line, as Redis does: redis-cli prints them without quotes.
    reply.array(count + 3);
    reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.for_each(|line| reply.simple(line));
    reply.simple("HELP");
    reply.simple("    Print this help.");
}
