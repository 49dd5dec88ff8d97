//! From many commands that show a difference to few.

use super::Command;
use super::pair::Difference;
use crate::harness::quote_word;

/// The fewest commands found that still fail, by leaving out ever smaller pieces.
pub(super) fn shrink<T: Clone>(commands: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut commands = commands.to_vec();
    let mut piece = commands.len().div_ceil(2);
    loop {
        let before = commands.len();
        let mut start = 0;
        while start < commands.len() {
            let end = (start + piece).min(commands.len());
            let fewer: Vec<T> = [&commands[..start], &commands[end..]].concat();
            if fails(&fewer) {
                commands = fewer;
            } else {
                start = end;
            }
        }
        if piece == 1 && commands.len() == before {
            return commands;
        }
        piece = piece.div_ceil(2).max(1);
    }
}

/// The commands as a script, ready for `tests/it/scripts/`. Only the last reply is told: that of redis-server.
pub(super) fn to_script(protocol: u8, commands: &[Command], difference: &Difference) -> String {
    let mut text = String::from("@ redis\n");
    if protocol == 3 {
        text.push_str("@ resp3\n");
    }
    for (index, command) in commands.iter().enumerate() {
        let words: Vec<_> = command.iter().map(|word| quote_word(word)).collect();
        text.push_str(&format!("> {}\n", words.join(" ")));
        if index < difference.at {
            text.push_str("< <any>\n");
        }
    }
    let ours = difference.ours.as_ref().map_or_else(|what| format!("({what})"), ToString::to_string);
    text.push_str(&format!("< {}\n# Millstream answers: {ours}\n", difference.theirs));
    text
}

#[test]
fn the_guilty_are_found() {
    let commands: Vec<Command> = (0..100_u32).map(|number| vec![number.to_string().into_bytes()]).collect();
    let is_there =
        |commands: &[Command], number: &str| commands.iter().any(|command| command[0] == number.as_bytes());
    let found = shrink(&commands, |commands| is_there(commands, "17") && is_there(commands, "80"));
    assert_eq!(found, [vec![b"17".to_vec()], vec![b"80".to_vec()]]);
}
