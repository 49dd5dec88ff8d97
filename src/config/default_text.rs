//! The default configuration, printed with its documentation.

use super::kind::Kind;
use super::list::{buffer_limit_lines, save_lines};
use super::setting::{Effect, Handle, Mutability, Setting, SettingId};
use super::settings;
use super::store::Config;

/// Where lines of documentation are broken.
const WIDTH: usize = 100;

/// A configuration file with every setting at its default, commented out, and what it means.
pub fn default_config_text() -> String {
    let defaults = Config::new();
    let mut out = String::from(
        "# Millstream's settings and their defaults. The syntax is that of redis.conf: a name and its values on a line,\n\
         # values with blanks between double quotes. Remove the number sign to set one.\n",
    );
    for id in SettingId::all().filter(|id| !id.setting().hidden) {
        let setting = id.setting();
        out.push('\n');
        append_comment(&mut out, &describe(setting));
        for value in default_values(&defaults, id) {
            out.push_str(&format!("# {} {value}\n", setting.name));
        }
    }
    out
}

fn default_values(defaults: &Config, id: SettingId) -> Vec<String> {
    let setting = id.setting();
    if id == settings::SAVE.id() {
        save_lines(setting.default)
    } else if id == settings::CLIENT_OUTPUT_BUFFER_LIMIT.id() {
        buffer_limit_lines(setting.default)
    } else if id == settings::DIR.id() {
        vec![setting.default.to_owned()]
    } else {
        vec![setting.kind.render_for_file(&defaults.value(id))]
    }
}

fn describe(setting: &Setting) -> String {
    let mut text = setting.doc.trim().to_owned();
    if let Kind::Choice { words } | Kind::Flags { words } = setting.kind {
        text.push_str(&format!(" One of: {}.", words.join(", ")));
    }
    match setting.mutability {
        Mutability::Runtime => {}
        Mutability::Start => text.push_str(" Cannot be changed while the server runs."),
        Mutability::Protected => {
            text.push_str(" Can be changed while the server runs only with enable-protected-configs.")
        }
    }
    if !setting.aliases.is_empty() {
        text.push_str(&format!(" Also called: {}.", setting.aliases.join(", ")));
    }
    if setting.effect == Effect::Accepted {
        text.push_str(" (Accepted, but without effect in Millstream.)");
    }
    text
}

fn append_comment(out: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.len() > WIDTH {
            out.push('\n');
            width = 0;
        }
        if width == 0 {
            out.push('#');
            width = 1;
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + word.len();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_configuration_is_the_default_one() {
        let printed = default_config_text();
        let names: Vec<&str> = SettingId::all()
            .map(|id| id.setting())
            .filter(|setting| !setting.hidden)
            .map(|s| s.name)
            .collect();
        let mut config = Config::new();
        let mut set = Vec::new();
        for line in printed.lines().filter_map(|line| line.strip_prefix("# ")) {
            // Documentation has words after its first that are no values of a setting, and never a name first.
            if let Some(name) = line.split(' ').next().filter(|name| names.contains(name)) {
                config.load_text(line.as_bytes(), "printed", 0).unwrap();
                set.push(name);
            }
        }
        set.dedup();
        assert_eq!(set, names);
        assert_eq!(config.get([b"*".as_slice()]), Config::new().get([b"*".as_slice()]));
    }
}
