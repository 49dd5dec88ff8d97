//! `millstream check`: what is in a directory, what is damaged, and what a repair would cost.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::error::ToolError;
use super::find_log::find_log;
use crate::log::{
    Damage, DiskStorage, InspectedFile, Inspection, LogPaths, Recorded, cut, inspect, lock, set_aside,
};

/// What is to be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Nothing is changed.
    None,
    /// A torn tail, as the server does it at its start.
    TornTail,
    /// Damage anywhere, at the cost of all that was written behind it.
    Lossy,
}

/// Checks the log in `dir`, and repairs it as far as it is told to. Answers whether it is sound in the end.
///
/// # Errors
/// Files that cannot be read at all; a repair that cannot be made.
pub(super) fn check(dir: &Path, repair: Repair, out: &mut dyn Write) -> Result<bool, ToolError> {
    let paths = find_log(dir)?;
    let _lock = match (repair, lock(&DiskStorage, &paths)) {
        (Repair::None, Ok(_)) => None,
        (Repair::None, Err(_)) => {
            tell(
                out,
                "A server uses the directory: this is how it is now, and the last write may not be complete yet.",
            )?;
            None
        }
        (_, Ok(lock)) => Some(lock),
        (_, Err(error)) => return Err(error.into()),
    };
    let mut contents = HashMap::<PathBuf, Contents>::new();
    let mut count = |path: &Path, recorded: Recorded<'_>| match contents.get_mut(path) {
        Some(contents) => contents.count(&recorded),
        None => contents.entry(path.to_path_buf()).or_default().count(&recorded),
    };
    let Some(inspection) = inspect(&DiskStorage, &paths, &mut count)? else {
        tell(out, &format!("{}: no log, and no files of one", paths.append_dir().display()))?;
        return Ok(true);
    };
    describe(&paths, &inspection, &contents, out)?;
    if let Some(name) = &inspection.unnamed {
        tell(
            out,
            &format!(
                "{name} holds data, and is later than all that the manifest names: the manifest is an old one, or was changed, and the \
                 server does not start with it. Put the last one back, or move the file elsewhere to go on without it."
            ),
        )?;
        return Ok(false);
    }
    let Some(at) = inspection.files.iter().position(|file| file.damage.is_some()) else {
        let commands: u64 = inspection.files.iter().map(|file| file.commands).sum();
        let bytes: u64 = inspection.files.iter().map(|file| file.bytes).sum();
        let lacking: Vec<String> = contents.values().flat_map(Contents::lacking).collect();
        if !lacking.is_empty() {
            tell(
                out,
                &format!(
                    "Sound, but the server does not start with it, since Millstream does not have: {}; `millstream import` takes over the rest",
                    lacking.join(", ")
                ),
            )?;
            return Ok(false);
        }
        tell(out, &format!("Sound: {} files, {bytes} bytes, {commands} commands", inspection.files.len()))?;
        return Ok(true);
    };
    for (index, file) in inspection.files.iter().enumerate().skip(at) {
        if let Some(damage) = &file.damage {
            describe_damage(&inspection, (file, damage), index == at, out)?;
        }
    }
    let damage = inspection.files[at].damage.as_ref().expect("it was found by its damage");
    match repair {
        Repair::None => Ok(false),
        Repair::TornTail if !damage.is_torn_tail => Ok(false),
        _ => self::repair(&paths, inspection, at, out),
    }
}

fn tell(out: &mut dyn Write, text: &str) -> Result<(), ToolError> {
    let told: io::Result<()> = writeln!(out, "{text}");
    told.map_err(|error| ToolError::Other(format!("cannot write: {error}")))
}

/// A line for each file.
fn describe(
    paths: &LogPaths,
    inspection: &Inspection,
    contents: &HashMap<PathBuf, Contents>,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    tell(out, &format!("{}:", paths.append_dir().display()))?;
    for (index, file) in inspection.files.iter().enumerate() {
        let kind = if index == 0 && inspection.manifest.base.is_some() { "base" } else { "increment" };
        let mut parts = vec![format!("{} bytes", file.bytes)];
        if file.keys > 0 {
            parts.push(format!("{} keys in an RDB snapshot", file.keys));
        }
        parts.push(format!("{} commands", file.commands));
        parts.push(if file.is_ours { "with checksums" } else { "without checksums" }.to_owned());
        if file.damage.is_some() {
            parts.push("DAMAGED".to_owned());
        }
        tell(out, &format!("  {kind} {}: {}", name_of(file), parts.join(", ")))?;
        if let Some(counts) = contents.get(&file.path).and_then(Contents::describe) {
            tell(out, &format!("    {counts}"))?;
        }
    }
    for file in &inspection.manifest.history {
        tell(out, &format!("  {}: was replaced by a rewrite, is removed at the next start", file.name))?;
    }
    for name in &inspection.strays {
        tell(out, &format!("  {name}: the manifest does not name it; a rewrite may have left it behind"))?;
    }
    Ok(())
}

fn name_of(file: &InspectedFile) -> String {
    file.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn describe_damage(
    inspection: &Inspection,
    (file, damage): (&InspectedFile, &Damage),
    is_first: bool,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let place = damage.error.offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
    tell(out, &format!("{}: damaged{place}: {}", name_of(file), damage.error.reason()))?;
    if !is_first {
        return Ok(());
    }
    if damage.error.offset.is_some() {
        let what = match (&damage.first_lost, damage.lost_commands) {
            (Some(first), 1) => format!("; one whole command can be read in them: {first}"),
            (Some(first), count) => {
                format!("; {count} whole commands can be read in them, the first one: {first}")
            }
            (None, _) => "; no whole command is in them".to_owned(),
        };
        tell(out, &format!("  behind that place: {} bytes{what}", damage.lost_bytes))?;
    }
    let is_missing_increment =
        damage.error.offset.is_none() && !is_base(inspection, file) && !file.path.exists();
    let advice = match (damage.is_torn_tail, can_be_cut(damage, file)) {
        _ if is_missing_increment => {
            "The server does not start without it. A backup is the way back to it; --fix --lossy takes it and all later files out of the log, \
             and keeps those in files beside."
        }
        (true, _) => {
            "The end was being written when the process or the machine stopped. The server drops it at its start \
             (unless aof-load-truncated is no); --fix drops it now, and keeps the bytes in a file beside."
        }
        (false, true) => {
            "This is no torn end: the server does not start with it. A backup is the way back to all of it; --fix --lossy cuts the \
             file here and takes all later files out of the log, and keeps all of that in files beside."
        }
        (false, false) => {
            "The server does not start with it, and it cannot be repaired: a backup is the way back."
        }
    };
    tell(out, &format!("  {advice}"))
}

/// Whether it is the base.
fn is_base(inspection: &Inspection, file: &InspectedFile) -> bool {
    inspection.manifest.base.as_ref().is_some_and(|base| base.name == name_of(file))
}

/// Whether the rest of the log is of use when the file is cut at the place.
fn can_be_cut(damage: &Damage, file: &InspectedFile) -> bool {
    let is_in_snapshot = damage.error.reason().starts_with("the RDB snapshot is damaged");
    damage.error.offset.is_some() && !is_in_snapshot && file.bytes > 0
}

/// Cuts the damaged file, and takes those behind it out of the log. Answers whether the log is sound now.
fn repair(
    paths: &LogPaths,
    mut inspection: Inspection,
    at: usize,
    out: &mut dyn Write,
) -> Result<bool, ToolError> {
    let file = &inspection.files[at];
    let damage = file.damage.as_ref().expect("it was found by its damage");
    let is_missing = damage.error.offset.is_none() && !is_base(&inspection, file) && !file.path.exists();
    if !is_missing && !can_be_cut(damage, file) {
        return Ok(false);
    }
    let first = if is_missing { at } else { at + 1 };
    let out_of_log: Vec<String> = inspection.files[first..].iter().map(name_of).collect();
    if !damage.is_torn_tail && !out_of_log.is_empty() {
        for kept in set_aside(&DiskStorage, paths, &mut inspection.manifest, &out_of_log)? {
            tell(out, &format!("Set aside: {}", kept.display()))?;
        }
    }
    let Some(offset) = damage.error.offset else {
        tell(out, &format!("Repaired: {} and what was later are not in the log any more", name_of(file)))?;
        return is_sound(paths);
    };
    let kept = cut(&DiskStorage, paths, &file.path, offset)?;
    tell(
        out,
        &format!(
            "Repaired: {} was cut at offset {offset}; what was cut off is in {}",
            name_of(file),
            kept.display()
        ),
    )?;
    is_sound(paths)
}

fn is_sound(paths: &LogPaths) -> Result<bool, ToolError> {
    let log = inspect(&DiskStorage, paths, &mut |_, _| {})?;
    Ok(log.is_none_or(|log| log.unnamed.is_none() && log.files.iter().all(|file| file.damage.is_none())))
}
