//! Access rules: written down as redis-server writes them down, and kept in files.

use std::collections::HashSet;
use std::fs;

use crate::harness::{Client, Program, Server, run_to_exit};

/// Rounds of the comparison with redis-server, unless `MILLSTREAM_ACCESS_RULES` says how many.
const ROUNDS: usize = 1500;

/// The names of redis-server's commands and categories.
struct Names {
    categories: Vec<String>,
    commands: Vec<String>,
    known: HashSet<String>,
    containers: HashSet<String>,
}

impl Names {
    fn ask(client: &mut Client) -> Self {
        let texts = |client: &mut Client, line: &str| -> Vec<String> {
            client.call(line).elements().iter().map(|name| name.text()).collect()
        };
        let categories = texts(client, "ACL CAT");
        let of_all = categories.iter().flat_map(|category| texts(client, &format!("ACL CAT {category}")));
        let known: HashSet<String> = of_all.collect();
        let mut commands: Vec<String> = known.iter().cloned().collect();
        commands.sort();
        let containers = known.iter().filter_map(|name| Some(name.split_once('|')?.0.to_owned())).collect();
        Self { categories, commands, known, containers }
    }

    /// Whether a rule on a single command names one that redis-server has.
    fn has(&self, name: &str) -> bool {
        let container = name.split('|').next().unwrap();
        self.known.contains(name) || (self.known.contains(container) && !self.containers.contains(container))
    }

    /// A reply's text, without what redis-server leaves to chance: the order of single commands, which is its hash table's. Those
    /// that it does not have are left out.
    fn normalize(&self, text: &str) -> String {
        let mut out: Vec<&str> = Vec::new();
        let mut singles: Vec<&str> = Vec::new();
        for token in text.split_inclusive(['"', '(', ')', ' ']) {
            let word = token.trim_end_matches(['"', '(', ')', ' ']);
            match word.strip_prefix(['+', '-']) {
                Some(name) if !name.starts_with('@') => {
                    if self.has(name) {
                        singles.push(word);
                    }
                }
                _ => {
                    singles.sort_unstable();
                    out.append(&mut singles);
                    out.push(word);
                }
            }
            let end = &token[word.len()..];
            if !end.trim().is_empty() {
                singles.sort_unstable();
                out.append(&mut singles);
                out.push(end);
            }
        }
        out.append(&mut singles);
        out.join(" ")
    }
}

fn pick<'a>(random: &mut fastrand::Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// A rule; in parentheses, one of those that may stand there, and now and then another.
fn make_rule(random: &mut fastrand::Rng, names: &Names, is_inner: bool) -> String {
    let sign = pick(random, &["+", "-"]);
    let rule = match random.u8(..if is_inner { 80 } else { 100 }) {
        0..25 => format!("{sign}{}", names.commands[random.usize(..names.commands.len())]),
        25..50 => format!("{sign}@{}", names.categories[random.usize(..names.categories.len())]),
        50..55 => format!("{sign}@all"),
        55..59 => pick(
            random,
            &["allkeys", "resetkeys", "allchannels", "resetchannels", "allcommands", "nocommands"],
        )
        .into(),
        59..69 => {
            let kinds = ["~", "%R~", "%W~", "%RW~", "%wr~", "%", "%R", "%~", "%RR~", "%X~", "~*", "%RW~*"];
            format!("{}{}", pick(random, &kinds), pick(random, &["a", "b", "c*", "", "a b"]))
        }
        69..73 => format!("&{}", pick(random, &["a", "b", "*", "c*", ""])),
        73..77 => {
            let commands = ["select", "get", "ping", "config", "debug", "client|id", "sadd"];
            format!("+{}|{}", pick(random, &commands), pick(random, &["0", "1", "A", "a", "", "get", "id"]))
        }
        77..80 => {
            let wrong = [
                "+foo",
                "-foo",
                "+@foo",
                "foo",
                "+",
                "-",
                "",
                "-select|0",
                "#zz",
                "!zz",
                "<zz",
                "(",
                "()",
                "( )",
                "on",
            ];
            pick(random, &wrong).into()
        }
        80..85 => {
            pick(random, &["on", "off", "nopass", "resetpass", "sanitize-payload", "skip-sanitize-payload"])
                .into()
        }
        85..92 => {
            let hash = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
            match random.u8(..6) {
                0 => format!("#{hash}"),
                1 => format!("!{hash}"),
                2 => format!("#{}", hash.to_uppercase()),
                _ => format!("{}{}", pick(random, &[">", "<"]), pick(random, &["a", "b"])),
            }
        }
        92..98 => {
            let rules: Vec<String> = (0..random.usize(..4)).map(|_| make_rule(random, names, true)).collect();
            format!("({})", rules.join(" "))
        }
        _ => pick(random, &["clearselectors", "reset"]).into(),
    };
    if random.u8(..10) == 0 && !rule.contains('>') { rule.to_uppercase() } else { rule }
}

#[test]
fn rules_are_taken_and_told_as_redis_server_does() {
    let (our_server, their_server) = (Server::millstream(&[]), Server::start(Program::Redis, &[]));
    let (mut ours, mut theirs) = (our_server.client(), their_server.client());
    let names = Names::ask(&mut theirs);
    let rounds = std::env::var("MILLSTREAM_ACCESS_RULES").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..rounds {
        if round % 50 == 0 {
            let protocol = if round % 100 == 0 { 3 } else { 2 };
            ours.switch_to(protocol);
            theirs.switch_to(protocol);
        }
        let mut lines = Vec::new();
        if random.u8(..3) == 0 {
            lines.push(vec!["ACL".to_owned(), "DELUSER".into(), "u".into()]);
        }
        let mut set: Vec<String> = ["ACL", "SETUSER", "u"].map(String::from).to_vec();
        set.extend((0..random.usize(1..7)).map(|_| make_rule(&mut random, &names, false)));
        lines.push(set.clone());
        lines.push(["ACL", "LIST"].map(String::from).to_vec());
        lines.push(["ACL", "GETUSER", "u"].map(String::from).to_vec());
        for line in lines {
            let (mine, yours) = (ours.call_args(&line), theirs.call_args(&line));
            assert_eq!(
                names.normalize(&mine.to_string()),
                names.normalize(&yours.to_string()),
                "seed {seed}, round {round}: {line:?} after {set:?}\nours:   {mine}\ntheirs: {yours}"
            );
        }
    }
}

#[test]
fn users_are_read_from_a_file_and_written_to_it() {
    let mut server = Server::prepare_millstream(&["--aclfile", "users.acl"]);
    let file = server.data_dir().join("users.acl");
    fs::write(&file, "user a on nopass +get (%R~x +set) ~k\nuser b on +hset\n").unwrap();
    server.restart();
    let mut client = server.client();
    let users = r#"["user a on nopass ~k resetchannels -@all +get (%R~x resetchannels -@all +set)", "user b on resetchannels -@all +hset", "user default on nopass ~* &* +@all"]"#;
    client.check("ACL LIST", users);
    let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
    for (text, faults) in [
        ("# c\n", "users.acl:1 should start with user keyword followed by the username. "),
        ("user\n", "users.acl:1 should start with user keyword followed by the username. "),
        (
            "user a +foo on bar baz\n",
            "users.acl:1: Error in applying operation '+foo': Unknown command or category name in ACL. users.acl:1: Syntax error. ",
        ),
        ("user a on\nuser a off\n", "WARNING: Duplicate user 'a' found on line 2. "),
        ("user a (+get\n", "users.acl:1: Unmatched parenthesis in selector definition."),
    ] {
        fs::write(&file, text).unwrap();
        client.check("ACL LOAD", &format!("-ERR {faults}{end}"));
        client.check("ACL LIST", users);
    }
    // LOAD closes the connections of all but the default user.
    let mut other = server.client();
    client.check("ACL SETUSER b nopass", "OK");
    other.check("AUTH a x", "OK");
    client.check("ACL SAVE", "OK");
    let saved = "user a on nopass ~k resetchannels -@all +get (%R~x resetchannels -@all +set)\n\
                 user b on nopass resetchannels -@all +hset\nuser default on nopass ~* &* +@all\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
    fs::write(&file, saved.replace("+hset", "+hget")).unwrap();
    client.check("ACL LOAD", "OK");
    assert!(other.is_closed(), "its user is another");
    server.kill();
    server.restart();
    let mut client = server.client();
    client.check("ACL GETUSER b", r#"["flags", ["on", "nopass"], "passwords", [], "commands", "-@all +hget", "keys", "", "channels", "", "selectors", []]"#);
}

#[test]
fn users_in_the_configuration_are_made_and_written_back() {
    let server = Server::prepare_millstream(&[]);
    let file = server.data_dir().join("server.conf");
    fs::write(&file, "user a on nopass +get ~k (+set\nuser default on >main ~* &* +@all\n").unwrap();
    let refused = run_to_exit(&server.data_dir(), &["server.conf", "--port", "0"]);
    assert!(refused.stderr.contains("Unmatched parenthesis"), "{refused:?}");
    fs::write(&file, "user a on +foo\n").unwrap();
    let refused = run_to_exit(&server.data_dir(), &["server.conf", "--port", "0"]);
    assert!(
        refused.stderr.contains(
            "Error loading ACL rule '+foo' for the user named 'a': Unknown command or category name in ACL"
        ),
        "{refused:?}"
    );
    fs::write(&file, "user a on\naclfile users.acl\n").unwrap();
    let refused = run_to_exit(&server.data_dir(), &["server.conf", "--port", "0"]);
    assert!(refused.stderr.contains("but not both"), "{refused:?}");
    fs::write(&file, "rename-command nothing something\n").unwrap();
    let refused = run_to_exit(&server.data_dir(), &["server.conf", "--port", "0"]);
    assert!(refused.stderr.contains("No such command in rename-command"), "{refused:?}");
    fs::write(&file, "rename-command get set\n").unwrap();
    let refused = run_to_exit(&server.data_dir(), &["server.conf", "--port", "0"]);
    assert!(refused.stderr.contains("Target command name already exists"), "{refused:?}");
    drop(server);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.conf");
    fs::write(&file, "user a on nopass +get ~k ( +set ~l )\n").unwrap();
    let mut server = Server::millstream(&[file.to_str().unwrap()]);
    let mut client = server.client();
    client.check("ACL SETUSER b on >pw", "OK");
    client.check("CONFIG REWRITE", "OK");
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("user a on nopass ~k resetchannels -@all +get (~l resetchannels -@all +set)\n"),
        "{text}"
    );
    assert!(text.contains("user b on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 resetchannels -@all\n"), "{text}");
    let before = client.call("ACL LIST").to_string();
    server.kill();
    server.restart();
    assert_eq!(server.client().call("ACL LIST").to_string(), before);
}
