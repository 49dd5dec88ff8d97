//! The canonical form of the rules on commands: few rules that allow the same commands, in the form and order that Redis
//! has them.

use super::catalog::{Catalog, CommandSet};
use super::categories::Categories;
use super::selector::Selector;

/// Rules that come to what the selector allows. It starts from all commands or from none, takes the categories that bring it
/// nearer, the best first, and then the commands in which it still differs.
pub(super) fn describe_commands(selector: &Selector, catalog: &Catalog) -> Vec<u8> {
    let from_all = selector.commands.contains_future();
    // What the rules so far allow.
    let mut reached = Selector::new(false);
    if from_all {
        reached.commands = CommandSet::all();
    }
    let mut out = if from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
    // What is left to be told: each category that is taken is undone in it.
    let mut left = selector.clone();
    let mut untaken: Vec<(&str, Categories)> = Categories::all().iter_names().collect();
    while let Some(at) = find_best(&left.commands, &untaken, catalog, from_all) {
        let (name, category) = untaken.remove(at);
        out.extend_from_slice(if from_all { b" -@" } else { b" +@" });
        out.extend_from_slice(name.to_ascii_lowercase().as_bytes());
        reached.set_category(catalog, category, !from_all);
        left.set_category(catalog, category, from_all);
    }
    for command in catalog.commands_by_name() {
        write_difference(&mut out, selector, &mut reached, catalog, command);
    }
    out
}

/// The category that is right for more commands than it is wrong for, and wrong for the fewest; right for the most among
/// those.
fn find_best(
    left: &CommandSet,
    untaken: &[(&str, Categories)],
    catalog: &Catalog,
    from_all: bool,
) -> Option<usize> {
    let mut best: Option<(usize, usize, usize)> = None;
    for (at, (_, category)) in untaken.iter().enumerate() {
        let (mut right, mut wrong) = (0, 0);
        for command in catalog.redis_in_category(*category) {
            match left.contains(command) != from_all {
                true => right += 1,
                false => wrong += 1,
            }
        }
        let is_better = best.is_none_or(|(_, best_right, best_wrong)| {
            wrong < best_wrong || (wrong == best_wrong && right > best_right)
        });
        if right > wrong && is_better {
            best = Some((at, right, wrong));
        }
    }
    best.map(|(at, ..)| at)
}

/// The rules for a command, and for its subcommands, in which what was reached differs.
fn write_difference(
    out: &mut Vec<u8>,
    selector: &Selector,
    reached: &mut Selector,
    catalog: &Catalog,
    command: usize,
) {
    let allowed = selector.commands.contains(command);
    let name = catalog.name(command).as_bytes();
    if allowed != reached.commands.contains(command) {
        out.extend_from_slice(if allowed { b" +" } else { b" -" });
        out.extend_from_slice(name);
        reached.set_command(catalog, command, allowed);
    }
    for &subcommand in catalog.subcommands(command) {
        write_difference(out, selector, reached, catalog, subcommand);
    }
    if !allowed {
        for first_arg in selector.first_args.get(&command).into_iter().flatten() {
            out.extend_from_slice(b" +");
            out.extend_from_slice(name);
            out.push(b'|');
            out.extend_from_slice(first_arg);
        }
    }
}
