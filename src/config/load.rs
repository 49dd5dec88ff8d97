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
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn load(arguments: &[String]) -> Result<Config, ConfigError> {
        let (config, errors) = Self::load_all(arguments);
        errors.into_iter().next().map_or(Ok(config), Err)
    }

    /// As [`Self::load`], but goes on behind what is wrong: what came of it, and all that is wrong, in the order in which it was read.
    pub fn load_all(arguments: &[String]) -> (Config, Vec<ConfigError>) {
        let arguments = Arguments::parse(arguments);
        let mut config = Config::new();
        let mut errors = Vec::new();
        if let Some(file) = &arguments.file {
            match std::path::absolute(file) {
                Ok(path) => {
                    config.file = Some(path);
                    config.load_file(Path::new(file), 0, &mut errors);
                }
                Err(error) => errors.push(unreadable(file, &error)),
            }
        }
        if arguments.standard_input {
            let mut text = Vec::new();
            match std::io::stdin().read_to_end(&mut text) {
                Ok(_) => config.load_lines(&text, "standard input", 0, &mut errors),
                Err(error) => errors.push(unreadable("-", &error)),
            }
        }
        for words in &arguments.directives {
            let line = show_option(words);
            config.load_words(words, &line, &Place::CommandLine, 0, &mut errors);
        }
        (config, errors)
    }

    /// Reads a configuration's text, whose lines errors will place in `name`.
    ///
    /// # Errors
    /// The first line that is wrong; the others count all the same.
    pub fn load_text(&mut self, text: &[u8], name: &str, include_depth: usize) -> Result<(), ConfigError> {
        let mut errors = Vec::new();
        self.load_lines(text, name, include_depth, &mut errors);
        errors.into_iter().next().map_or(Ok(()), Err)
    }

    fn load_lines(&mut self, text: &[u8], name: &str, include_depth: usize, errors: &mut Vec<ConfigError>) {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let shown = String::from_utf8_lossy(line).into_owned();
            let place = Place::File { name: name.to_owned(), line: index + 1 };
            match split_arguments(line) {
                Some(words) => self.load_words(&words, &shown, &place, include_depth, errors),
                None => errors.push(ConfigError::Line {
                    place,
                    line: shown,
                    reason: "Unbalanced quotes in configuration line".to_owned(),
                }),
            }
        }
    }

    fn load_file(&mut self, path: &Path, include_depth: usize, errors: &mut Vec<ConfigError>) {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(text) => self.load_lines(&text, &name, include_depth, errors),
            Err(error) => errors.push(unreadable(&name, &error)),
        }
    }

    fn load_words(
        &mut self,
        words: &[Vec<u8>],
        line: &str,
        place: &Place,
        include_depth: usize,
        errors: &mut Vec<ConfigError>,
    ) {
        if let Err(error) = self.load_directive(words, line, place, include_depth, errors) {
            errors.push(error);
        }
    }

    /// Reads one line. What is wrong with files that it includes goes to `errors`.
    fn load_directive(
        &mut self,
        words: &[Vec<u8>],
        line: &str,
        place: &Place,
        include_depth: usize,
        errors: &mut Vec<ConfigError>,
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
                    self.load_file(&path, include_depth + 1, errors);
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

fn unreadable(file: &str, error: &std::io::Error) -> ConfigError {
    ConfigError::Unreadable { file: file.to_owned(), reason: describe_io(error) }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a configuration and compares what CONFIG GET answers for one setting then, or what is wrong.
    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &str), &str>) {
        let mut config = Config::new();
        let found = config.load_text(text.as_bytes(), "a.conf", 0).map_err(|error| error.to_string());
        match expected {
            Ok((name, value)) => {
                assert_eq!(found, Ok(()), "{text:?}");
                let answered = config.get([name.as_bytes()]);
                assert_eq!(answered, [(name.to_owned(), value.to_owned())], "{text:?}");
            }
            Err(line) => assert_eq!(found, Err(line.to_owned()), "{text:?}"),
        }
    }

    // Each as redis-server 7.0.15 reads it; it writes the same reasons, over four lines.

    #[test]
    fn lines_set_settings() {
        for (text, name, value) in [
            ("masterauth \"a b\"", "masterauth", "a b"),
            ("masterauth \"a\\x41\\n\\\"q\"", "masterauth", "aA\n\"q"),
            ("masterauth 'a\\'b\\n'", "masterauth", "a'b\\n"),
            ("masterauth a#b", "masterauth", "a#b"),
            ("masterauth \"\"", "masterauth", ""),
            ("  timeout   7  ", "timeout", "7"),
            ("\ttimeout\t7\t\r\n", "timeout", "7"),
            ("# timeout 7\n  # timeout 8\n\n", "timeout", "0"),
            ("TIMEOUT 5", "timeout", "5"),
            ("timeout 5\ntimeout 6", "timeout", "6"),
            ("save 60 1\nsave 30 2", "save", "60 1 30 2"),
            ("save 60 1 30 2", "save", "60 1 30 2"),
            ("save \"60 1\"", "save", "60 1"),
            ("save \"\"", "save", ""),
            ("save", "save", ""),
            ("save 60 1\nsave \"\"", "save", ""),
            ("save \"\"\nsave 60 1", "save", "60 1"),
            (
                "client-output-buffer-limit normal 1 2 3\nclient-output-buffer-limit replica 3 4 5",
                "client-output-buffer-limit",
                "normal 1 2 3 slave 3 4 5 pubsub 33554432 8388608 60",
            ),
            ("bind 127.0.0.1 -::1", "bind", "127.0.0.1 -::1"),
            ("bind \"127.0.0.1 -::1\"", "bind", "127.0.0.1 -::1"),
            ("bind 10.0.0.1\nbind 10.0.0.2", "bind", "10.0.0.2"),
            ("replicaof no one", "slaveof", ""),
            ("unixsocketperm 755", "unixsocketperm", "755"),
            ("maxmemory 1gb", "maxmemory", "1073741824"),
            ("shutdown-on-sigint now save", "shutdown-on-sigint", "save now"),
            ("hash-max-ziplist-entries 5", "hash-max-listpack-entries", "5"),
            ("lua-replicate-commands yes\nlist-max-ziplist-entries 5", "timeout", "0"),
            ("include none*.conf", "timeout", "0"),
            ("latency-tracking-info-percentiles \"\"", "latency-tracking-info-percentiles", ""),
        ] {
            check(text, Ok((name, value)));
        }
    }

    #[test]
    fn wrong_lines_are_named_with_file_line_and_reason() {
        for (text, expected) in [
            ("port 1\ntimeout", "a.conf:2: 'timeout': wrong number of arguments"),
            ("timeout 1 2", "a.conf:1: 'timeout 1 2': wrong number of arguments"),
            ("timeout x", "a.conf:1: 'timeout x': argument couldn't be parsed into an integer"),
            ("masterauth \"abc", "a.conf:1: 'masterauth \"abc': Unbalanced quotes in configuration line"),
            ("masterauth a #b", "a.conf:1: 'masterauth a #b': wrong number of arguments"),
            ("nosuch 1", "a.conf:1: 'nosuch 1': Bad directive or wrong number of arguments"),
            ("include", "a.conf:1: 'include': Bad directive or wrong number of arguments"),
            ("include a b", "a.conf:1: 'include a b': Bad directive or wrong number of arguments"),
            (
                "rename-command GET",
                "a.conf:1: 'rename-command GET': Bad directive or wrong number of arguments",
            ),
            ("user", "a.conf:1: 'user': Bad directive or wrong number of arguments"),
            ("save 60", "a.conf:1: 'save 60': Invalid save parameters"),
            ("save \"60 1\" \"30 2\"", "a.conf:1: 'save \"60 1\" \"30 2\"': Invalid save parameters"),
            ("replicaof a b", "a.conf:1: 'replicaof a b': Invalid master port"),
            ("replicaof a", "a.conf:1: 'replicaof a': wrong number of arguments"),
            (
                "appendfilename a/b",
                "a.conf:1: 'appendfilename a/b': appendfilename can't be a path, just a filename",
            ),
            ("appendfilename \"\"", "a.conf:1: 'appendfilename \"\"': appendfilename can't be empty"),
            ("appenddirname \"\"", "a.conf:1: 'appenddirname \"\"': appenddirname can't be empty"),
            ("dir /no/such/place", "a.conf:1: 'dir /no/such/place': No such file or directory"),
            (
                "unixsocketperm 1000",
                "a.conf:1: 'unixsocketperm 1000': argument must be between 0 and 777 inclusive",
            ),
            (
                "unixsocketperm zz",
                "a.conf:1: 'unixsocketperm zz': argument couldn't be parsed as an octal number",
            ),
            ("databases 0", "a.conf:1: 'databases 0': argument must be between 1 and 2147483647 inclusive"),
            ("sentinel x", "a.conf:1: 'sentinel x': sentinel directive while not in sentinel mode"),
            // Redis has modules, replication and clusters, and says this of none of them.
            ("loadmodule /x.so", "a.conf:1: 'loadmodule /x.so': Millstream does not load modules"),
            ("replicaof h 6379", "a.conf:1: 'replicaof h 6379': Millstream cannot be a replica yet"),
            (
                "cluster-enabled yes",
                "a.conf:1: 'cluster-enabled yes': Millstream cannot be a node of a cluster yet",
            ),
            ("masterauth \"\\xff\"", "a.conf:1: 'masterauth \"\\xff\"': argument must be UTF-8 text"),
        ] {
            check(text, Err(expected));
        }
        check(
            "user foo on nopass\nuser foo off",
            Err(
                "a.conf:2: 'user foo off': Error in user declaration 'foo': Duplicate user found. A user can only be defined once in config files",
            ),
        );
        check("include no.conf", Err("can't open config file 'no.conf': No such file or directory"));
    }

    #[track_caller]
    fn load(arguments: &[&str]) -> Result<Config, String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Config::load(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_comes_after_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("m.conf");
        std::fs::write(&file, "timeout 3\nsave 30 2\nport 7000\n").unwrap();
        let config = load(&[file.to_str().unwrap(), "--port", "7001", "--save", "60 1"]).unwrap();
        let found = config.get([b"timeout".as_slice(), b"port", b"save"]);
        let found: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(found, ["3", "7001", "30 2 60 1"]);
        assert_eq!(config.file(), Some(file.as_path()));
    }

    #[test]
    fn wrong_options_are_named() {
        for (arguments, expected) in [
            (&["--timeout"][..], "command line: '--timeout': wrong number of arguments"),
            (&["--nosuch", "5"], "command line: '--nosuch 5': Bad directive or wrong number of arguments"),
            (&["--timeout=5"], "command line: '--timeout=5': Bad directive or wrong number of arguments"),
            (
                &["--timeout", "a b"],
                "command line: '--timeout \"a b\"': argument couldn't be parsed into an integer",
            ),
            (
                &["--port", "1", "--save", "60 1", "30 2"],
                "command line: '--save \"60 1\" \"30 2\"': Invalid save parameters",
            ),
            (&["/no/such.conf"], "can't open config file '/no/such.conf': No such file or directory"),
        ] {
            assert_eq!(load(arguments).map(|_| ()), Err(expected.to_owned()), "{arguments:?}");
        }
    }

    #[test]
    fn files_include_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(path("parts")).unwrap();
        std::fs::write(path("main.conf"), format!("include {}\n", path("par*/*.conf"))).unwrap();
        std::fs::write(path("parts/1.conf"), "timeout 1\nhz 11").unwrap();
        std::fs::write(path("parts/2.conf"), "timeout 2").unwrap();
        std::fs::write(path("parts/.3.conf"), "timeout 3").unwrap();
        let config = load(&[&path("main.conf")]).unwrap();
        let found = config.get([b"timeout".as_slice(), b"hz"]);
        assert_eq!(found, [("timeout".to_owned(), "2".to_owned()), ("hz".to_owned(), "11".to_owned())]);

        std::fs::write(path("parts/2.conf"), "\ntimeout x").unwrap();
        let expected =
            format!("{}:2: 'timeout x': argument couldn't be parsed into an integer", path("parts/2.conf"));
        assert_eq!(load(&[&path("main.conf")]).map(|_| ()), Err(expected));

        let line = format!("include {}", path("loop.conf"));
        std::fs::write(path("loop.conf"), &line).unwrap();
        let expected = format!(
            "{}:1: '{line}': included files are nested too deeply, or include themselves",
            path("loop.conf")
        );
        assert_eq!(load(&[&path("loop.conf")]).map(|_| ()), Err(expected));
    }

    #[test]
    fn lines_for_other_layers_are_kept() {
        let mut config = Config::new();
        let text =
            b"user a on nopass ~*\nrename-command CONFIG \"\"\nio-threads 4\nhz 10\ntimeout 5\nUSER b off";
        config.load_text(text, "a.conf", 0).unwrap();
        let arguments = |lines: &[Directive]| -> Vec<Vec<String>> {
            lines.iter().map(|line| line.arguments.clone()).collect()
        };
        assert_eq!(arguments(config.users()), [vec!["a", "on", "nopass", "~*"], vec!["b", "off"]]);
        assert_eq!(arguments(config.renames()), [["CONFIG", ""]]);
        assert_eq!(config.explicit_without_effect().collect::<Vec<_>>(), ["io-threads"]);
        let error = config.renames()[0].error("No such command in rename-command");
        let expected = "a.conf:2: 'rename-command CONFIG \"\"': No such command in rename-command";
        assert_eq!(error.to_string(), expected);
    }
}
