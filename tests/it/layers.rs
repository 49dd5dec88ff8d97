//! The arrows between the modules only point downwards.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, the highest first.
const LAYERS: &[&str] = &[
    "main",
    "tools",
    "server",
    "monitoring",
    "net",
    "command",
    "state",
    "acl",
    "script",
    "log",
    "rdb",
    "protocol",
    "engine",
];

/// Below all layers; they import nothing but one another.
const LEAVES: &[&str] =
    &["clock", "config", "equal", "glob", "limits", "logging", "metrics", "number", "process", "tls"];

/// What the engine may not touch: it is synchronous and knows neither I/O nor the time.
const FOREIGN_TO_ENGINE: &[&str] = &[
    "tokio",
    "std::net",
    "std::fs",
    "std::io",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime",
    "redis_protocol",
    "rustix",
];

/// The height of a module; leaves have 0.
fn height(module: &str) -> Option<usize> {
    if LEAVES.contains(&module) {
        return Some(0);
    }
    LAYERS.iter().rev().position(|layer| *layer == module).map(|position| position + 1)
}

/// Why a module may not import another, if so.
fn find_fault(importer: &str, imported: &str) -> Option<String> {
    let Some(to) = height(imported) else {
        return Some(format!("{imported} is neither a layer nor a leaf"));
    };
    let from = height(importer)?;
    let is_allowed = importer == imported || (from == 0 && to == 0) || from > to;
    (!is_allowed).then(|| format!("{importer} must not import {imported}"))
}

/// The modules of this crate that a line of code names: `crate::x`, `crate::{x::y, z}`, `millstream::x` (main.rs does so).
fn list_modules(code: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for root in ["crate::", "millstream::"] {
        for (start, _) in code.match_indices(root) {
            let before = code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &code[start + root.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                modules.extend(list_group(group));
            } else {
                modules.extend(first_word(rest));
            }
        }
    }
    modules
}

/// The first words of the outermost elements in braces.
fn list_group(group: &str) -> Vec<String> {
    let mut modules = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                modules.extend(first_word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                modules.extend(first_word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    modules
}

/// A module's name at the front of a path; constants and macros of the crate's root are none.
fn first_word(path: &str) -> Option<String> {
    let word: String = path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    word.starts_with(|c: char| c.is_ascii_lowercase()).then_some(word)
}

/// The text of a source file without comments; line breaks stay.
fn strip_comments(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        // Within a string it is most often an address.
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn list_sources(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The layer or leaf that a file belongs to.
fn module_of(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn imports_only_point_downwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list_sources(&root, &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    let (mut faults, mut imports) = (Vec::new(), 0);
    for file in &files {
        let path = file.strip_prefix(&root).unwrap();
        let importer = module_of(path);
        // The map of modules may link to all of them.
        if importer == "lib" {
            continue;
        }
        if height(&importer).is_none() {
            faults.push(format!("{}: {importer} is neither a layer nor a leaf", path.display()));
        }
        let code = strip_comments(&fs::read_to_string(file).unwrap());
        for imported in list_modules(&code) {
            imports += 1;
            faults.extend(find_fault(&importer, &imported).map(|what| format!("{}: {what}", path.display())));
        }
        if importer == "engine" {
            let foreign = FOREIGN_TO_ENGINE.iter().filter(|name| code.contains(**name));
            faults.extend(foreign.map(|name| format!("{}: the engine must not use {name}", path.display())));
        }
    }
    assert!(imports > 100, "only {imports} imports were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn imports_are_found() {
    for (code, expected) in [
        ("use crate::engine::{Key, StreamId};", &["engine"][..]),
        ("use crate::{clock, state::{Keys, Shared}, log};", &["clock", "state", "log"]),
        ("let now = crate::clock::unix_ms(); crate::REDIS_VERSION;", &["clock"]),
        ("use super::x; mycrate::y", &[]),
        ("millstream::server::run(config)", &["server"]),
    ] {
        assert_eq!(list_modules(code), expected, "{code}");
    }
    assert_eq!(strip_comments("a // crate::server\nb \"http://x\""), "a \nb \"http://x\"");
}

#[test]
fn arrows_upwards_and_sideways_are_faults() {
    for (importer, imported, is_fault) in [
        ("server", "engine", false),
        ("engine", "engine", false),
        ("config", "number", false),
        ("engine", "config", false),
        ("engine", "protocol", true),
        ("protocol", "log", true),
        ("net", "server", true),
        ("config", "engine", true),
        ("net", "helpers", true),
    ] {
        assert_eq!(find_fault(importer, imported).is_some(), is_fault, "{importer} {imported}");
    }
}

/// A setting that is marked as active changes what the server does: some code must read it.
#[test]
fn active_settings_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list_sources(&root, &mut files);
    let declarations = root.join("config/settings.rs");
    files.retain(|file| *file != declarations);
    let code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let words: std::collections::HashSet<&str> =
        code.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let text = strip_comments(&fs::read_to_string(&declarations).unwrap());
    let active = text.split(';').filter(|declaration| declaration.contains(".active()"));
    let names: Vec<&str> =
        active.filter_map(|declaration| declaration.split_once(": ")?.0.split_whitespace().last()).collect();
    assert!(names.len() > 50, "only {} were found", names.len());
    let unread: Vec<&&str> = names.iter().filter(|name| !words.contains(**name)).collect();
    assert!(unread.is_empty(), "active, but read nowhere: {unread:?}");
}
