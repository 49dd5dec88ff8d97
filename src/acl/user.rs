//! A user: its name, passwords and rules.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::catalog::Catalog;
use super::error::RuleError;
use super::selector::Selector;

/// How payloads of RESTORE are checked, as far as a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payloads {
    Unsaid,
    Sanitized,
    Trusted,
}

/// A user. What any of its selectors allows, it may do.
#[derive(Debug, Clone)]
pub struct User {
    name: Vec<u8>,
    enabled: bool,
    any_password: bool,
    payloads: Payloads,
    /// SHA-256 of each, in lower case hexadecimal digits.
    passwords: Vec<String>,
    /// The first is the user's own, the others stand in parentheses.
    selectors: Vec<Selector>,
}

impl User {
    /// A user that may do nothing, and may not log in.
    pub fn new(name: &[u8], all_channels: bool) -> Self {
        Self {
            name: name.to_vec(),
            enabled: false,
            any_password: false,
            payloads: Payloads::Unsaid,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
        }
    }

    /// A user that may do everything, and needs no password.
    pub(super) fn unrestricted(name: &[u8]) -> Self {
        Self {
            enabled: true,
            any_password: true,
            selectors: vec![Selector::unrestricted()],
            ..Self::new(name, true)
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may log in.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether any password is right.
    pub fn needs_no_password(&self) -> bool {
        self.any_password
    }

    /// Whether it may do everything.
    pub fn is_unrestricted(&self) -> bool {
        self.selectors[0].is_unrestricted()
    }

    /// Its selectors: its own rules first.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// The hashes of its passwords.
    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// Whether it may use a channel; `is_pattern` for a pattern to subscribe to.
    pub fn may_use_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// Whether it may log in with this password. How long it takes does not depend on how nearly the password is right.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let hash = hash(password);
        let is_known = self
            .passwords
            .iter()
            .fold(Choice::from(0), |found, known| found | known.as_bytes().ct_eq(hash.as_bytes()));
        self.enabled && (self.any_password || bool::from(is_known))
    }

    /// Gives it one password only, or none to need.
    pub(super) fn set_only_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.any_password = password.is_empty();
        if !password.is_empty() {
            self.passwords.push(hash(password));
        }
    }

    /// Applies a rule; `all_channels` is what a selector that has no rules allows.
    ///
    /// # Errors
    /// See [`RuleError`]; nothing is changed then.
    pub fn apply(&mut self, catalog: &Catalog, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"nopass" => {
                self.any_password = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.any_password = false;
                self.passwords.clear();
            }
            b"skip-sanitize-payload" => self.payloads = Payloads::Trusted,
            b"sanitize-payload" => self.payloads = Payloads::Sanitized,
            b"clearselectors" => self.selectors.truncate(1),
            b"reset" => {
                *self = Self { payloads: Payloads::Sanitized, ..Self::new(&self.name, all_channels) };
            }
            _ => return self.apply_spelled(catalog, rule, all_channels),
        }
        Ok(())
    }

    fn apply_spelled(&mut self, catalog: &Catalog, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        match rule {
            [b'>', password @ ..] => self.add_password(hash(password)),
            [b'#', digits @ ..] => self.add_password(check_hash(digits)?),
            [b'<', password @ ..] => return self.remove_password(&hash(password)),
            [b'!', digits @ ..] => return self.remove_password(&check_hash(digits)?),
            [b'(', rules @ .., b')'] => {
                let mut selector = Selector::new(all_channels);
                for rule in rules.split(|&byte| byte == b' ').filter(|rule| !rule.is_empty()) {
                    selector.apply(catalog, rule)?;
                }
                self.selectors.push(selector);
            }
            _ => return self.selectors[0].apply(catalog, rule),
        }
        Ok(())
    }

    fn add_password(&mut self, hash: String) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.any_password = false;
    }

    fn remove_password(&mut self, hash: &str) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Its flags, as GETUSER tells them.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let payloads = match self.payloads {
            Payloads::Unsaid => None,
            Payloads::Sanitized => Some("sanitize-payload"),
            Payloads::Trusted => Some("skip-sanitize-payload"),
        };
        let enabled = if self.enabled { "on" } else { "off" };
        [Some(enabled), self.any_password.then_some("nopass"), payloads].into_iter().flatten()
    }

    /// All that is told of it where users are written down, without the word `user`: its name and rules that make it anew.
    pub fn describe(&self, catalog: &Catalog) -> Vec<u8> {
        let mut out = self.name.clone();
        for flag in self.flags() {
            out.push(b' ');
            out.extend_from_slice(flag.as_bytes());
        }
        for hash in &self.passwords {
            out.extend_from_slice(b" #");
            out.extend_from_slice(hash.as_bytes());
        }
        for (at, selector) in self.selectors.iter().enumerate() {
            let (open, close) = if at == 0 { (&b" "[..], &b""[..]) } else { (&b" ("[..], &b")"[..]) };
            out.extend_from_slice(open);
            out.extend_from_slice(&selector.describe(catalog));
            out.extend_from_slice(close);
        }
        out
    }
}

/// SHA-256, in lower case hexadecimal digits.
fn hash(password: &[u8]) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_hash(digits: &[u8]) -> Result<String, RuleError> {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    match digits.len() == 64 && digits.iter().all(is_digit) {
        true => Ok(String::from_utf8_lossy(digits).into_owned()),
        false => Err(RuleError::NotAHash),
    }
}

/// Puts the words of each selector together, which stands in parentheses and may be spread over several arguments.
///
/// # Errors
/// The first word of a selector that is not closed.
pub fn merge_selectors<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let mut merged = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        open = match open {
            None if word.starts_with(b"(") && !word.ends_with(b")") => Some((word, word.to_vec())),
            None => {
                merged.push(word.to_vec());
                None
            }
            Some((first, mut rules)) => {
                rules.push(b' ');
                rules.extend_from_slice(word);
                match word.ends_with(b")") {
                    true => {
                        merged.push(rules);
                        None
                    }
                    false => Some((first, rules)),
                }
            }
        };
    }
    match open {
        Some((first, _)) => Err(first.to_vec()),
        None => Ok(merged),
    }
}
