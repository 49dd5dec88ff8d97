//! Reading a configuration: files, the standard input, and directives from the command line.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::arguments::Arguments;
use super::error::{ConfigError, Place};
use super::setting::SettingId;
use super::store::Config;
use super::syntax::{append_quoted, split_arguments};
use super::text::describe_io;
use crate::glob::{self, Case};

/// How deep one file may include another.
const INCLUDE_DEPTH_MAX: usize = 16;
/// Lines that old configurations have and that mean nothing any more.
const IGNORED: &[&str] = &["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];
const WRONG_NUMBER: &str = "wrong number of arguments";
const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

/// One line of a configuration that is not a setting but is kept for another layer to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Where it stands.
    pub place: Place,
    /// The line itself.
    pub line: String,
    /// The arguments after the directive's name.
    pub arguments: Vec<String>,
}

impl Directive {
    /// The error that this line is wrong.
    pub fn error(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError::Line { place: self.place.clone(), line: self.line.clone(), reason: reason.into() }
    }
}

impl Config {
    /// The defaults, changed by what the command line's arguments (after the program's name) say: a file, the standard
    /// input and options, in this order, later ones winning.
    pub fn load(arguments: &[String]) -> Result<Config, ConfigError> {
        let arguments = Arguments::parse(arguments);
        let mut config = Config::new();
        if let Some(file) = &arguments.file {
            let unreadable = |error: &std::io::Error| ConfigError::Unreadable {
                file: file.clone(),
                reason: describe_io(error),
            };
            config.file = Some(std::path::absolute(file).map_err(|error| unreadable(&error))?);
            config.load_file(Path::new(file), 0)?;
        }
        if arguments.standard_input {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).map_err(|error| ConfigError::Unreadable {
                file: "-".to_owned(),
                reason: describe_io(&error),
            })?;
            config.load_text(&text, "standard input", 0)?;
        }
        for words in &arguments.directives {
            let line = show_option(words);
            config.load_words(words, &line, &Place::CommandLine, 0)?;
        }
        Ok(config)
    }

    /// Reads a configuration's text, whose lines errors will place in `name`.
    pub fn load_text(&mut self, text: &[u8], name: &str, include_depth: usize) -> Result<(), ConfigError> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let shown = String::from_utf8_lossy(line).into_owned();
            let place = Place::File { name: name.to_owned(), line: index + 1 };
            let words = split_arguments(line).ok_or_else(|| ConfigError::Line {
                place: place.clone(),
                line: shown.clone(),
                reason: "Unbalanced quotes in configuration line".to_owned(),
            })?;
            self.load_words(&words, &shown, &place, include_depth)?;
        }
        Ok(())
    }

    fn load_file(&mut self, path: &Path, include_depth: usize) -> Result<(), ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read(path)
            .map_err(|error| ConfigError::Unreadable { file: name.clone(), reason: describe_io(&error) })?;
        self.load_text(&text, &name, include_depth)
    }

    fn load_words(
        &mut self,
        words: &[Vec<u8>],
        line: &str,
        place: &Place,
        include_depth: usize,
    ) -> Result<(), ConfigError> {
        let Some((name, arguments)) = words.split_first() else {
            return Ok(());
        };
        let mut directive = Directive { place: place.clone(), line: line.to_owned(), arguments: Vec::new() };
        for argument in arguments {
            let text = String::from_utf8(argument.clone())
                .map_err(|_| directive.error("argument must be UTF-8 text"))?;
            directive.arguments.push(text);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if let Some((id, _)) = SettingId::find(name.as_bytes()) {
            let arguments: Vec<&str> = directive.arguments.iter().map(String::as_str).collect();
            let value = self
                .read(id, &arguments, self.explicit[id.index()])
                .map_err(|reason| directive.error(reason))?;
            self.put(id, value);
            self.explicit[id.index()] = true;
            return Ok(());
        }
        match (name.as_str(), directive.arguments.as_slice()) {
            (ignored, [_]) if IGNORED.contains(&ignored) => {}
            (ignored, _) if IGNORED.contains(&ignored) => return Err(directive.error(WRONG_NUMBER)),
            ("include", [pattern]) => {
                if include_depth == INCLUDE_DEPTH_MAX {
                    return Err(
                        directive.error("included files are nested too deeply, or include themselves")
                    );
                }
                for path in find_included(pattern) {
                    self.load_file(&path, include_depth + 1)?;
                }
            }
            ("rename-command", [_, _]) => self.renames.push(directive),
            ("user", [_, ..]) => {
                if self.users.iter().any(|known| known.arguments[0] == directive.arguments[0]) {
                    let reason = format!(
                        "Error in user declaration '{}': Duplicate user found. A user can only be defined once in config files",
                        directive.arguments[0]
                    );
                    return Err(directive.error(reason));
                }
                self.users.push(directive);
            }
            ("loadmodule", [_, ..]) => return Err(directive.error("Millstream does not load modules")),
            ("sentinel", _) => return Err(directive.error("sentinel directive while not in sentinel mode")),
            _ => return Err(directive.error(BAD_DIRECTIVE)),
        }
        Ok(())
    }
}

/// An option of the command line as one can type it.
fn show_option(words: &[Vec<u8>]) -> String {
    let mut shown = String::from("--");
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            shown.push(' ');
        }
        match std::str::from_utf8(word) {
            Ok(plain) if !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_graphic()) => {
                shown.push_str(plain);
            }
            _ => append_quoted(&mut shown, word),
        }
    }
    shown
}

/// The files that an `include` means, in order: the one it names, or all that its pattern matches.
fn find_included(pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[']) {
        return vec![PathBuf::from(pattern)];
    }
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|directory| find_in_directory(directory, part)).collect();
    }
    found
}

/// The entries of a directory whose names match, sorted; hidden ones only where the pattern begins with a dot.
fn find_in_directory(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    if glob::is_literal(pattern.as_bytes()) {
        let path = directory.join(pattern);
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = std::fs::read_dir(listed) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .filter(|name| {
            let name = name.as_encoded_bytes();
            (pattern.starts_with('.') || !name.starts_with(b"."))
                && glob::matches(pattern.as_bytes(), name, Case::Sensitive)
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}
