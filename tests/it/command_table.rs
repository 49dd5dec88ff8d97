//! What COMMAND tells of each command is what redis-server tells, but for what was looked at ([`DIFFERENCES`]).
//!
//! With redis 7.0, which knows neither COMMAND DOCS' `display_text` nor what came later, COMMAND INFO and COMMAND GETKEYS are
//! compared; with a newer one that `MILLSTREAM_REFERENCE` names, COMMAND DOCS too.

use std::collections::{BTreeMap, BTreeSet};

use millstream::command::table;

use crate::harness::{Client, Program, Reply, Server};

/// The oldest that tells all that is compared.
const OLDEST_WITH_DOCS: (u32, u32) = (7, 2);

/// In every version.
const ALL: (u32, u32) = (u32::MAX, 0);

/// A difference that is meant: a command, what is told of it, and the first version that tells what Millstream tells.
type Difference = (&'static str, &'static str, (u32, u32));

/// All of them.
const DIFFERENCES: &[Difference] = &[
    // What 7.2 changed.
    ("acl|deluser", "tips", (7, 2)),
    ("acl|save", "tips", (7, 2)),
    ("acl|setuser", "tips", (7, 2)),
    ("blpop", "flags", (7, 2)),
    ("client|setname", "tips", (7, 2)),
    ("cluster|shards", "flags", (7, 2)),
    ("cluster|slots", "flags", (7, 2)),
    ("command|getkeys", "arity", (7, 2)),
    ("command|getkeysandflags", "arity", (7, 2)),
    ("config|resetstat", "tips", (7, 2)),
    ("config|rewrite", "tips", (7, 2)),
    ("latency|reset", "tips", (7, 2)),
    ("wait", "categories", (7, 2)),
    ("wait", "flags", (7, 2)),
    // What later ones changed.
    ("client|kill", "arguments", (7, 4)),
    ("client|kill", "history", (7, 4)),
    ("msetnx", "tips", (8, 6)),
    ("randomkey", "tips", (8, 6)),
    ("scan", "tips", (8, 6)),
    ("psubscribe", "flags", (8, 6)),
    ("ssubscribe", "flags", (8, 6)),
    ("subscribe", "flags", (8, 6)),
    ("xreadgroup", "arguments", (8, 10)),
    ("xreadgroup", "history", (8, 10)),
    ("xread", "arguments", (8, 10)),
    ("xread", "history", (8, 10)),
    ("xinfo|stream", "history", (8, 8)),
    // Redis 8.6.2 has the command already; the documentation of 8.8 and later names 8.8.
    ("xidmprecord", "since", (8, 8)),
    // What Redis 7.4 and later have for commands that are no stream's, and Millstream has not.
    ("client|list", "history", ALL),
    ("set", "arguments", (8, 4)),
    ("set", "history", (8, 4)),
    // A command of which Redis does not tell that it is there.
    ("client|maint_notifications", "", ALL),
];

/// What differs and what of [`DIFFERENCES`] was not found.
struct Findings {
    differing: Vec<String>,
    meant: BTreeSet<(String, String)>,
}

impl Findings {
    fn compare(
        &mut self,
        version: (u32, u32),
        name: &str,
        ours: &BTreeMap<String, String>,
        theirs: &BTreeMap<String, String>,
    ) {
        let fields: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for field in fields {
            let (ours, theirs) = (ours.get(field), theirs.get(field));
            if ours == theirs {
                continue;
            }
            let is_meant = DIFFERENCES.iter().any(|(command, what, until)| {
                *command == name && (what == field || what.is_empty()) && version < *until
            });
            if is_meant {
                self.meant.insert((name.to_owned(), field.clone()));
            } else {
                let [ours, theirs] =
                    [ours, theirs].map(|told| told.map_or("(not told)", String::as_str).to_owned());
                self.differing.push(format!("{name}: {field}\n  ours:   {ours}\n  theirs: {theirs}"));
            }
        }
    }
}

/// The fields of a map, or of an array that holds them in turn.
fn pairs(reply: &Reply) -> Vec<(Reply, Reply)> {
    match reply {
        Reply::Map(pairs) => pairs.clone(),
        other => other.elements().chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
    }
}

/// What kind of aggregate a reply is, by its text.
fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Map(_) => "map",
        Reply::Set(_) => "set",
        Reply::Array(_) => "array",
        _ => "none",
    }
}

/// What COMMAND INFO tells of a command. Sentences are not compared, nor are subcommands, which are asked for by their names.
fn info(client: &mut Client, name: &str) -> Option<BTreeMap<String, String>> {
    let reply = client.call(&format!("COMMAND INFO {name}"));
    let [command] = reply.elements() else { panic!("COMMAND INFO {name} answered {reply}") };
    if command.is_null() {
        return None;
    }
    let names = [
        "name",
        "arity",
        "flags",
        "first key",
        "last key",
        "step",
        "categories",
        "tips",
        "keys",
        "subcommands",
    ];
    assert_eq!(command.elements().len(), names.len(), "COMMAND INFO {name} answered {reply}");
    let mut fields = BTreeMap::new();
    for (field, value) in names.into_iter().zip(command.elements()) {
        let text = match field {
            "keys" => {
                let specs: Vec<String> = value
                    .elements()
                    .iter()
                    .map(|spec| {
                        let told =
                            pairs(spec).into_iter().map(|(field, value)| match field.text().as_str() {
                                "notes" => "notes".to_owned(),
                                field => format!("{field}: {value}"),
                            });
                        format!("{}({})", kind(spec), told.collect::<Vec<_>>().join(", "))
                    })
                    .collect();
                format!("{} {specs:?}", kind(value))
            }
            "subcommands" => kind(value).to_owned(),
            _ => value.to_string(),
        };
        fields.insert(field.to_owned(), text);
    }
    Some(fields)
}

/// What COMMAND DOCS tells of a command; of sentences, that they are there.
fn docs(client: &mut Client, name: &str) -> BTreeMap<String, String> {
    let reply = client.call(&format!("COMMAND DOCS {name}"));
    let answer = pairs(&reply);
    let [(_, docs)] = answer.as_slice() else { panic!("COMMAND DOCS {name} answered {reply}") };
    let mut fields = BTreeMap::from([("kinds".to_owned(), format!("{} {}", kind(&reply), kind(docs)))]);
    let mut order = Vec::new();
    for (field, value) in pairs(docs) {
        let field = field.text();
        let text = match field.as_str() {
            "summary" | "complexity" => "told".to_owned(),
            "history" => {
                let versions: Vec<String> = value
                    .elements()
                    .iter()
                    .map(|line| format!("{}[{}]", kind(line), line.elements()[0]))
                    .collect();
                format!("{} {versions:?}", kind(&value))
            }
            "subcommands" => kind(&value).to_owned(),
            _ => value.to_string(),
        };
        // Where it stands, that nothing else changes where it is told or not.
        order.push(field.clone());
        fields.insert(field, text);
    }
    let optional = ["complexity", "doc_flags", "deprecated_since", "replaced_by", "history"];
    order.retain(|field| !optional.contains(&field.as_str()));
    fields.insert("order".to_owned(), order.join(" "));
    fields
}

fn check(protocol: u8) {
    let mut servers = [Program::Millstream, Program::Redis].map(|program| Server::start(program, &[]));
    let version = servers[1].version();
    let mut clients = servers.each_mut().map(|server| server.client());
    clients.iter_mut().for_each(|client| client.switch_to(protocol));
    let [ours, theirs] = &mut clients;
    let mut findings = Findings { differing: Vec::new(), meant: BTreeSet::new() };
    let mut compared = 0;
    let commands: Vec<_> = table()
        .commands()
        .flat_map(|command| std::iter::once(command).chain(table().subcommands(command)))
        .collect();
    for command in commands {
        let name = &command.full_name;
        let told = info(ours, name).unwrap_or_else(|| panic!("COMMAND INFO does not know {name}"));
        let Some(theirs_told) = info(theirs, name) else {
            let since = parse_version(command.spec.since);
            let is_meant = DIFFERENCES.iter().any(|(known, field, _)| known == name && field.is_empty());
            assert!(
                since > version || is_meant,
                "redis {version:?} does not know {name}, which is of {since:?}"
            );
            continue;
        };
        findings.compare(version, name, &told, &theirs_told);
        if version >= OLDEST_WITH_DOCS {
            findings.compare(version, name, &docs(ours, name), &docs(theirs, name));
        }
        compared += 1;
    }
    assert!(compared > 150, "{compared} commands were compared");
    assert!(findings.differing.is_empty(), "with redis {version:?}:\n{}", findings.differing.join("\n"));
    // When exactly a version between these came to tell something is not known.
    let differences = if [(7, 0), (8, 6)].contains(&version) { DIFFERENCES } else { &[] };
    for (name, field, until) in differences {
        let is_of_docs = ["arguments", "history", "since"].contains(field) && version < OLDEST_WITH_DOCS;
        let is_found = findings.meant.contains(&((*name).to_owned(), (*field).to_owned()));
        let is_known = table()
            .find_full_name(name.as_bytes())
            .is_some_and(|command| parse_version(command.spec.since) <= version);
        assert!(
            is_found || version >= *until || is_of_docs || field.is_empty() || !is_known,
            "{name}: {field} does not differ from redis {version:?}: it need not stand in the list"
        );
    }
}

/// Major and minor of a version.
fn parse_version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|number| number.parse().expect("a version is of numbers"));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn commands_are_told_of_as_redis_does() {
    check(2);
}

#[test]
fn commands_are_told_of_as_redis_does_in_resp3() {
    check(3);
}

/// Requests in which something stands where it could be taken for something else, and such as are of no command's form.
const REQUESTS: &[&str] = &[
    "XADD s MAXLEN ~ 10 * f v",
    "XADD streams * streams v",
    "XTRIM s MAXLEN 1",
    "XRANGE s - +",
    "XREAD STREAMS a b 0 0",
    "XREAD COUNT 1 BLOCK 0 STREAMS streams count 0 0",
    "XREADGROUP GROUP g c STREAMS a b > >",
    "XREADGROUP GROUP streams streams COUNT 1 NOACK STREAMS a b 0 0",
    "XREADGROUP GROUP g c STREAMS STREAMS >",
    "XGROUP CREATE s g $ MKSTREAM",
    "XGROUP HELP",
    "XGROUP",
    "XGROUP NOSUCH s",
    "XINFO STREAM s FULL",
    "XINFO CONSUMERS s",
    "XCLAIM s g c 0 1-1",
    "XAUTOCLAIM s g c 0 0",
    "XPENDING s g",
    "XACK s g 1-1",
    "XSETID s 1-1",
    "XLEN s",
    "XDEL s 1-1",
    "XLEN",
    "SET k v",
    "SET k v GET",
    "GETEX k",
    "MSET a 1 b 2",
    "MSET a 1 b",
    "COPY a b",
    "RENAME a b",
    "DEL a b c",
    "MEMORY USAGE k",
    "OBJECT ENCODING k",
    "CONFIG GET k",
    "PING",
    "NOSUCH k",
];

/// The same of commands that came with 8.2 and 8.6.
const NEWER_REQUESTS: &[&str] = &[
    "XACKDEL s g IDS 1 1-1",
    "XDELEX s ACKED IDS 1 1-1",
    "XADD s KEEPREF IDMP p i * f v",
    "XREADGROUP GROUP g c CLAIM 1 STREAMS s >",
    "XCFGSET s IDMP-DURATION 1",
    "XIDMPRECORD s p i 1-1",
];

#[test]
fn keys_are_found_as_redis_finds_them() {
    let servers = [Program::Millstream, Program::Redis].map(|program| Server::start(program, &[]));
    let version = servers[1].version();
    let newer = if version >= (8, 6) { NEWER_REQUESTS } else { &[] };
    for protocol in [2, 3] {
        let mut clients = servers.each_ref().map(|server| server.client());
        clients.iter_mut().for_each(|client| client.switch_to(protocol));
        for request in REQUESTS.iter().chain(newer) {
            for form in ["GETKEYS", "GETKEYSANDFLAGS"] {
                let line = format!("COMMAND {form} {request}");
                // Before 7.2 a command needed an argument.
                if version < (7, 2) && !request.contains(' ') {
                    continue;
                }
                let [ours, theirs] = clients.each_mut().map(|client| client.call(&line));
                assert_eq!(ours, theirs, "{line} in RESP{protocol}");
            }
        }
    }
}
