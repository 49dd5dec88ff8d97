//! What is packaged tells of the settings as they are declared: this test holds it to that.
//!
//! `MILLSTREAM_UPDATE_PACKAGING=1 cargo test --test packaging` writes it anew.

use std::path::{Path, PathBuf};
use std::process::Command;

use millstream::config::{Effect, Setting, SettingId, default_config_text};

const BEGIN: &str = ".\\\" settings:begin\n";
const END: &str = ".\\\" settings:end\n";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).expect("it is there")
}

/// Holds a file to its contents, or writes them.
#[track_caller]
fn check_file(name: &str, wanted: &str) {
    if std::env::var_os("MILLSTREAM_UPDATE_PACKAGING").is_some() {
        std::fs::write(path(name), wanted).expect("it can be written");
    } else {
        assert!(
            read(name) == wanted,
            "packaging/{name} is not what the settings are: MILLSTREAM_UPDATE_PACKAGING=1 cargo test --test packaging"
        );
    }
}

fn millstream(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_millstream")).args(arguments).output().expect("it can be run")
}

#[test]
fn the_configuration_file_has_every_setting() {
    check_file("millstream.conf", &default_config_text());
    let path = path("millstream.conf");
    let output = millstream(&["--check-config", path.to_str().expect("it is text")]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_man_page_has_every_setting_that_does_something() {
    let page = read("millstream.1");
    let (before, rest) = page.split_once(BEGIN).expect("the list's beginning is marked");
    let (_, after) = rest.split_once(END).expect("the list's end is marked");
    let settings = SettingId::all().map(SettingId::setting);
    let active = settings.filter(|setting| setting.effect == Effect::Active && !setting.hidden);
    let list: String = active.map(man_entry).collect();
    check_file("millstream.1", &format!("{before}{BEGIN}{list}{END}{after}"));
}

fn man_entry(setting: &Setting) -> String {
    let default = match setting.default {
        "" => "\"\"".to_owned(),
        default => escape(default),
    };
    let doc = setting.doc.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(".TP\n.BR {} \" \" ({default})\n{}\n", escape(setting.name), escape(&doc))
}

/// What roff would read as its own: escapes, hyphens that are to be minus signs, quotes, requests at a line's beginning.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[test]
fn the_man_page_has_what_the_help_has() {
    let help = String::from_utf8(millstream(&["--help"]).stdout).expect("it is text");
    let page = read("millstream.1").replace("\\-", "-");
    let mut options = 0;
    for line in help.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words[0].trim_end_matches(',');
        if name == "millstream" || name == "--NAME" {
            continue;
        }
        options += 1;
        assert!(page.contains(name), "{name} is to be told");
    }
    assert!(options >= 8, "{options} options were found");
}

#[test]
fn the_unit_runs_the_program_as_it_is() {
    let unit = read("millstream.service");
    for line in ["Type=notify", "WatchdogSec=120", "User=millstream", "WorkingDirectory=/var/lib/millstream"]
    {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
    // It is a file of sections, keys and values.
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        assert!((line.starts_with('[') && line.ends_with(']')) || line.contains('='), "{line}");
    }
    let installed = "/etc/millstream/millstream.conf";
    assert!(unit.contains(&format!("ExecStart=/usr/bin/millstream {installed}\n")));
    let manifest = include_str!("../Cargo.toml");
    assert!(manifest.contains(&format!("[\"packaging/millstream.conf\", \"{}\"", &installed[1..])));
}
