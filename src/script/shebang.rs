//! The first line of a script or library: `#!lua flags=no-writes` or `#!lua name=mylib`.

use bitflags::bitflags;

bitflags! {
    /// What a script says of itself.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ScriptFlags: u8 {
        /// It does not write.
        const NO_WRITES = 1 << 0;
        /// It may run though `maxmemory` is exceeded.
        const ALLOW_OOM = 1 << 1;
        /// It may run on stale data.
        const ALLOW_STALE = 1 << 2;
        /// It is not for a cluster.
        const NO_CLUSTER = 1 << 3;
        /// Its keys may be in several slots.
        const ALLOW_CROSS_SLOT_KEYS = 1 << 4;
        /// It says nothing of itself: what it calls decides. Of scripts without a first line like that. Not written so.
        const UNTOLD = 1 << 5;
    }
}

/// The flags that can be told, and their names, in the order in which FUNCTION LIST shows them.
const NAMES: &[(&str, ScriptFlags)] = &[
    ("no-writes", ScriptFlags::NO_WRITES),
    ("allow-oom", ScriptFlags::ALLOW_OOM),
    ("allow-stale", ScriptFlags::ALLOW_STALE),
    ("no-cluster", ScriptFlags::NO_CLUSTER),
    ("allow-cross-slot-keys", ScriptFlags::ALLOW_CROSS_SLOT_KEYS),
];

impl ScriptFlags {
    /// The flag of this name.
    pub(super) fn find(name: &[u8]) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, flag)| *flag)
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(_, flag)| self.contains(*flag)).map(|(name, _)| *name)
    }
}

/// The refusal of a name.
pub(super) const BAD_NAME: &[u8] =
    b"ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

fn quote(before: &str, text: &[u8]) -> Vec<u8> {
    [before.as_bytes(), text].concat()
}

/// A script's flags, and what is left of it for Lua: all but the first line's text, whose end stays, so that lines count right.
///
/// # Errors
/// The error line: the first line cannot be understood.
pub(super) fn parse_script(code: &[u8]) -> Result<(ScriptFlags, &[u8]), Vec<u8>> {
    if !code.starts_with(b"#!") {
        return Ok((ScriptFlags::UNTOLD, code));
    }
    let end = code.iter().position(|byte| *byte == b'\n').ok_or(&b"ERR Invalid script shebang"[..])?;
    let mut words = code[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(quote("ERR Unexpected engine in script shebang: ", engine));
    }
    let mut flags = ScriptFlags::empty();
    for word in words {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(quote("ERR Unknown lua shebang option: ", word));
        };
        if list.is_empty() {
            continue;
        }
        for name in list.split(|byte| *byte == b',') {
            flags |= ScriptFlags::find(name)
                .ok_or_else(|| quote("ERR Unexpected flag in script shebang: ", name))?;
        }
    }
    Ok((flags, &code[end..]))
}

/// The flags that a script's first line tells, if it can be understood.
pub fn flags_of_script(code: &[u8]) -> Option<ScriptFlags> {
    parse_script(code).ok().map(|(flags, _)| flags)
}

/// A library's name, and what is left of it for Lua.
///
/// # Errors
/// The error line: the first line cannot be understood.
pub(super) fn parse_library(code: &[u8]) -> Result<(Vec<u8>, &[u8]), Vec<u8>> {
    let text = code.strip_prefix(b"#!").ok_or(&b"ERR Missing library metadata"[..])?;
    let end = text.iter().position(|byte| *byte == b'\n').ok_or(&b"ERR Invalid library metadata"[..])?;
    let words = crate::config::split_arguments(&text[..end]).ok_or(&b"ERR Invalid library metadata"[..])?;
    // Redis takes what stands right behind `#!`, which may be nothing.
    let starts_with_space = text.first().is_some_and(u8::is_ascii_whitespace);
    let (engine, rest) = match words.split_first() {
        Some((engine, rest)) if !starts_with_space => (engine.as_slice(), rest),
        _ => (&b""[..], words.as_slice()),
    };
    let mut name = None;
    for word in rest {
        match word.strip_prefix(b"name=") {
            Some(_) if name.is_some() => {
                return Err(b"ERR Invalid metadata value, name argument was given multiple times".to_vec());
            }
            Some(given) => name = Some(given.to_vec()),
            None => return Err(quote("ERR Invalid metadata value given: ", word)),
        }
    }
    let name = name.ok_or(&b"ERR Library name was not given"[..])?;
    if !is_name(&name) {
        return Err(BAD_NAME.to_vec());
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err([b"ERR Engine '", engine, b"' not found"].concat());
    }
    Ok((name, &text[end..]))
}

/// Whether libraries and functions can be called so.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
