//! Users in a file, one a line.

use std::collections::HashSet;

use super::catalog::Catalog;
use super::error::{LinesError, RuleError};
use super::user::{User, merge_selectors};

/// Makes the users that a file's lines tell of; `name` is the file's, and `all_channels` what a selector without rules allows.
///
/// # Errors
/// All that is wrong, in one line.
pub fn parse_users(
    catalog: &Catalog,
    name: &str,
    text: &[u8],
    all_channels: bool,
) -> Result<Vec<User>, LinesError> {
    let mut users = Vec::new();
    let mut names = HashSet::new();
    let mut faults = String::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match parse_user(catalog, line, all_channels) {
            Ok(user) if names.insert(user.name().to_vec()) => users.push(user),
            Ok(user) => faults.push_str(&format!(
                "WARNING: Duplicate user '{}' found on line {}. ",
                String::from_utf8_lossy(user.name()),
                number + 1
            )),
            Err(found) => {
                for fault in found {
                    faults.push_str(&format!("{name}:{}{fault}", number + 1));
                }
            }
        }
    }
    if faults.is_empty() {
        return Ok(users);
    }
    faults
        .push_str("WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    Err(LinesError(faults))
}

/// The user that a line tells of, or all that is wrong with the line, each as it follows the line's number.
fn parse_user(catalog: &Catalog, line: &[u8], all_channels: bool) -> Result<User, Vec<String>> {
    let mut words = line.split(|&byte| byte == b' ').map(<[u8]>::trim_ascii);
    let (keyword, name) = (words.next(), words.next());
    let Some(name) = name.filter(|_| keyword == Some(b"user")) else {
        return Err(vec![" should start with user keyword followed by the username. ".into()]);
    };
    let rules = merge_selectors(words.filter(|word| !word.is_empty()))
        .map_err(|_| vec![": Unmatched parenthesis in selector definition.".to_string()])?;
    let mut user = User::new(name, all_channels);
    let mut faults = Vec::new();
    let mut has_other_fault = false;
    for rule in &rules {
        match user.apply(catalog, rule, all_channels) {
            Ok(()) => {}
            // What is not known is told of each rule, anything else once for a line.
            Err(error @ RuleError::Unknown) => faults.push(format!(
                ": Error in applying operation '{}': {error}. ",
                String::from_utf8_lossy(rule)
            )),
            Err(error) if !has_other_fault => {
                has_other_fault = true;
                faults.push(format!(": {error}. "));
            }
            Err(_) => {}
        }
    }
    if faults.is_empty() { Ok(user) } else { Err(faults) }
}
