//! Texts that are more than any text: checks, and the form that is kept.

/// Checks a text and gives the form that is kept, or says what is wrong with it.
pub(super) type TextReader = fn(&str) -> Result<String, String>;

/// A file's or directory's name that must not lead elsewhere.
fn name_without_path(name: &str, setting: &str, what: &str) -> Result<String, String> {
    if name.contains('/') {
        return Err(format!("{setting} can't be a path, just a {what}"));
    }
    Ok(name.to_owned())
}

/// `appendfilename`: a name in the log's directory.
pub(super) fn read_appendfilename(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("appendfilename can't be empty".to_owned());
    }
    name_without_path(name, "appendfilename", "filename")
}

/// `appenddirname`: a directory's name in `dir`.
pub(super) fn read_appenddirname(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("appenddirname can't be empty".to_owned());
    }
    name_without_path(name, "appenddirname", "dirname")
}

/// `dbfilename`: a file's name in `dir`.
pub(super) fn read_dbfilename(name: &str) -> Result<String, String> {
    name_without_path(name, "dbfilename", "filename")
}

/// `dir`: a directory that exists, kept as an absolute path.
pub(super) fn read_dir(path: &str) -> Result<String, String> {
    let absolute = std::fs::canonicalize(path).map_err(|error| describe_io(&error))?;
    if !absolute.is_dir() {
        return Err("Not a directory".to_owned());
    }
    absolute.into_os_string().into_string().map_err(|_| "the directory's path must be UTF-8 text".to_owned())
}

/// An operating system's error in its own words, without the number that the standard library adds.
pub fn describe_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// `cluster-announce-hostname`: empty or a host name.
pub(super) fn read_hostname(name: &str) -> Result<String, String> {
    if name.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".to_owned());
    }
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
        Ok(name.to_owned())
    } else {
        Err("Hostnames may only contain alphanumeric characters, hyphens or dots".to_owned())
    }
}

/// `proc-title-template`: a text in which braces hold known variables only.
pub(super) fn read_title_template(template: &str) -> Result<String, String> {
    const VARIABLES: &[&str] =
        &["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let refusal = || "template format is invalid or contains unknown variables".to_owned();
    if template.is_empty() {
        return Err(refusal());
    }
    let mut rest = template;
    while let Some((_, from_brace)) = rest.split_once('{') {
        let (variable, after) = from_brace.split_once('}').ok_or_else(refusal)?;
        if !VARIABLES.contains(&variable) {
            return Err(refusal());
        }
        rest = after;
    }
    Ok(template.to_owned())
}

/// `notify-keyspace-events`: letters of event classes, kept in one order, with `A` for all that it stands for.
pub(super) fn read_event_classes(letters: &str) -> Result<String, String> {
    const BY_A: &str = "g$lshzxetd";
    const OTHERS: &str = "nKEm";
    if !letters.chars().all(|letter| letter == 'A' || BY_A.contains(letter) || OTHERS.contains(letter)) {
        return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned());
    }
    let has_all = letters.contains('A') || BY_A.chars().all(|letter| letters.contains(letter));
    let named = |order: &'static str| order.chars().filter(|&letter| letters.contains(letter));
    Ok(if has_all {
        std::iter::once('A').chain(named(OTHERS)).collect()
    } else {
        named(BY_A).chain(named(OTHERS)).collect()
    })
}
