//! Conversations written down: what is sent, and what is to be answered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::words::{escape, unescape};
use super::{Client, PATIENCE, Program, Server, await_true};

/// How long nothing has to come where nothing is to come. Too short a time lets a wrong reply pass now and then, never a
/// right one fail.
const SILENCE: Duration = Duration::from_millis(20);

/// A conversation with a server, one step a line:
///
/// ```text
/// # A comment.
/// > XADD s 1-1 a b           sends a command; quotes and escapes as in redis-cli
/// < "1-1"                    its reply, in the text of `Reply`; a line that begins with blanks goes on with the one before
/// a> XREAD BLOCK 0 STREAMS s $
/// a<                         nothing has come yet; `a` is another connection
/// @ blocked 1                waits until so many clients are blocked
/// < "<id:first>"             <id> stands for an entry's ID, <int> for an integer, <any> for anything; with a name, it is
/// > XDEL s {first}           remembered, and put in later
/// <redis -ERR ...            what redis-server before 7.2 answers instead of the line before
/// a< (closed)                the server closes the connection
/// >> *1\r\n$4\r\nPING\r\n    sends bytes
/// << +PONG\r\n               the bytes of the reply
/// @ await XLEN s => 3        repeats a command until the reply is this
/// @ close a                  closes a connection
/// @ restart                  kills the server with SIGKILL and starts it again; all connections are new ones
/// ```
///
/// and before the first step
///
/// ```text
/// @ redis                    the script is run against redis-server too
/// @ redis 8.6                the same if that is of this version at least (see [`Program::Redis`])
/// @ resp3                    connections speak RESP3
/// @ arguments --maxclients 3 for the server
/// ```
pub(crate) struct Script {
    name: String,
    steps: Vec<(usize, Step)>,
    /// The first version of redis-server that it is run against too.
    pub(crate) redis_from: Option<(u32, u32)>,
    pub(crate) arguments: Vec<String>,
    is_resp3: bool,
}

enum Step {
    Send { client: String, line: String },
    SendRaw { client: String, bytes: Vec<u8> },
    Expect { client: String, pattern: String, redis: Option<String> },
    ExpectRaw { client: String, bytes: Vec<u8> },
    ExpectNothing { client: String },
    ExpectClosed { client: String },
    Await { line: String, pattern: String },
    AwaitBlocked { clients: String },
    Close { client: String },
    Restart,
}

impl Script {
    /// Understands a script's text.
    ///
    /// # Panics
    /// With the line that cannot be understood.
    #[track_caller]
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut script = Self {
            name: name.to_owned(),
            steps: Vec::new(),
            redis_from: None,
            arguments: Vec::new(),
            is_resp3: false,
        };
        for (number, line) in join_lines(text) {
            script
                .parse_line(number, &line)
                .unwrap_or_else(|| panic!("{name}:{number}: cannot be understood: {line}"));
        }
        script
    }

    fn parse_line(&mut self, number: usize, line: &str) -> Option<()> {
        if let Some(directive) = line.strip_prefix('@') {
            return self.parse_directive(number, directive.trim());
        }
        let at = line.find(['>', '<'])?;
        let (client, rest) = (line[..at].to_owned(), &line[at..]);
        if !client.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let step = if let Some(text) = rest.strip_prefix(">>") {
            Step::SendRaw { client, bytes: unescape(text.trim().as_bytes()) }
        } else if let Some(text) = rest.strip_prefix("<<") {
            Step::ExpectRaw { client, bytes: unescape(text.trim().as_bytes()) }
        } else if let Some(text) = rest.strip_prefix('>') {
            Step::Send { client, line: text.trim().to_owned() }
        } else if let Some(text) = rest.strip_prefix("<redis ") {
            let Some((_, Step::Expect { redis, .. })) = self.steps.last_mut() else { return None };
            *redis = Some(text.trim().to_owned());
            return Some(());
        } else {
            match rest[1..].trim() {
                "" => Step::ExpectNothing { client },
                "(closed)" => Step::ExpectClosed { client },
                text => Step::Expect { client, pattern: text.to_owned(), redis: None },
            }
        };
        self.steps.push((number, step));
        Some(())
    }

    fn parse_directive(&mut self, number: usize, directive: &str) -> Option<()> {
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let rest = rest.trim().to_owned();
        let step = match word {
            "redis" => {
                self.redis_from = Some(match rest.split_once('.') {
                    Some((major, minor)) => (major.parse().ok()?, minor.parse().ok()?),
                    None if rest.is_empty() => (0, 0),
                    None => return None,
                });
                return Some(());
            }
            "resp3" => {
                self.is_resp3 = true;
                return Some(());
            }
            "arguments" => {
                self.arguments = rest.split_whitespace().map(str::to_owned).collect();
                return Some(());
            }
            "await" => {
                let (line, pattern) = rest.split_once(" => ")?;
                Step::Await { line: line.trim().to_owned(), pattern: pattern.trim().to_owned() }
            }
            "blocked" => Step::AwaitBlocked { clients: rest },
            "close" => Step::Close { client: rest },
            "restart" => Step::Restart,
            _ => return None,
        };
        self.steps.push((number, step));
        Some(())
    }

    /// Holds the conversation with a server of its own.
    pub(crate) fn run(&self, program: Program, arguments: &[&str]) {
        let mut all: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        all.extend(arguments);
        let mut server = Server::start(program, &all);
        let mut run =
            Run { clients: BTreeMap::new(), names: BTreeMap::new(), is_resp3: self.is_resp3, is_old: None };
        for (number, step) in &self.steps {
            if let Err(what) = run.step(&mut server, program, step) {
                panic!("{}:{number} ({program:?} {}): {what}", self.name, all.join(" "));
            }
        }
        for (name, client) in &mut run.clients {
            if let Ok(Some(reply)) = client.read_within(Duration::from_millis(1)) {
                panic!("{} ({program:?}): left over on connection {name:?}: {reply}", self.name)
            }
        }
    }
}

/// Lines that say something, with their numbers; those that begin with blanks joined to the ones before them.
fn join_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, last)) if line.starts_with(' ') => {
                if !last.ends_with(['[', '{']) {
                    last.push(' ');
                }
                last.push_str(line.trim_start());
            }
            _ => lines.push((index + 1, line.to_owned())),
        }
    }
    lines
}

/// The control connection's name, which no script's has.
const CONTROL: &str = "@";

struct Run {
    clients: BTreeMap<String, Client>,
    /// What was remembered.
    names: BTreeMap<String, String>,
    is_resp3: bool,
    is_old: Option<bool>,
}

impl Run {
    fn client(&mut self, server: &Server, name: &str) -> &mut Client {
        let is_resp3 = self.is_resp3 && name != CONTROL;
        self.clients.entry(name.to_owned()).or_insert_with(|| {
            let mut client = server.client();
            client.switch_to(if is_resp3 { 3 } else { 2 });
            client
        })
    }

    fn step(&mut self, server: &mut Server, program: Program, step: &Step) -> Result<(), String> {
        match step {
            Step::Send { client, line } => {
                let line = self.fill_in(line);
                self.client(server, client).send(&line);
            }
            Step::SendRaw { client, bytes } => self.client(server, client).send_raw(bytes),
            Step::Expect { client, pattern, redis } => {
                let pattern = match redis {
                    Some(redis) if program == Program::Redis && self.is_old(server) => redis,
                    _ => pattern,
                };
                let pattern = self.fill_in(pattern);
                let reply = self.client(server, client).read_within(PATIENCE)?;
                let reply = reply.ok_or_else(|| format!("no reply came, but {pattern} was expected"))?;
                let found = match_text(&pattern, &reply.to_string());
                let found = found.ok_or_else(|| format!("expected {pattern}\n  but got {reply}"))?;
                self.names.extend(found);
            }
            Step::ExpectRaw { client, bytes } => {
                let found = self.client(server, client).read_bytes(bytes.len());
                if found != *bytes {
                    return Err(format!("expected {}\n  but got {}", escape(bytes), escape(&found)));
                }
            }
            Step::ExpectNothing { client } => {
                if let Some(reply) = self.client(server, client).read_within(SILENCE)? {
                    return Err(format!("nothing was to come, but got {reply}"));
                }
            }
            Step::ExpectClosed { client } => {
                if !self.client(server, client).is_closed() {
                    return Err("the connection was to be closed".to_owned());
                }
                self.clients.remove(client);
            }
            Step::Await { line, pattern } => {
                let (line, pattern) = (self.fill_in(line), self.fill_in(pattern));
                let client = self.client(server, CONTROL);
                await_true(&format!("{line} => {pattern}"), || {
                    match_text(&pattern, &client.call(&line).to_string()).is_some()
                });
            }
            Step::AwaitBlocked { clients } => {
                let wanted: usize = clients.parse().map_err(|_| "a number of clients is wanted")?;
                let client = self.client(server, CONTROL);
                let is_blocked = |line: &&str| line.contains(" flags=b");
                await_true(&format!("{wanted} blocked"), || {
                    client.call("CLIENT LIST").text().lines().filter(is_blocked).count() == wanted
                });
            }
            Step::Close { client } => {
                self.clients.remove(client).ok_or("no such connection")?;
            }
            Step::Restart => {
                self.clients.clear();
                server.kill();
                server.restart();
            }
        }
        Ok(())
    }

    /// Whether a redis-server is older than what Millstream does.
    fn is_old(&mut self, server: &Server) -> bool {
        *self.is_old.get_or_insert_with(|| server.version() < (7, 2))
    }

    /// Puts what was remembered in the place of `{name}`.
    fn fill_in(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// Whether a text is what a pattern says; if so, the pieces that have names.
fn match_text(pattern: &str, text: &str) -> Option<Vec<(String, String)>> {
    let Some((before, kind, name, after)) = find_placeholder(pattern) else {
        return (pattern == text).then(Vec::new);
    };
    let rest = text.strip_prefix(before)?;
    let fits = |byte: u8| match kind {
        "int" => byte.is_ascii_digit() || byte == b'-',
        "id" => byte.is_ascii_digit() || byte == b'-',
        _ => true,
    };
    let longest = rest.bytes().take_while(|&byte| fits(byte)).count();
    let ends =
        (0..=longest).rev().filter(|&end| rest.is_char_boundary(end) && is_of_kind(kind, &rest[..end]));
    for end in ends {
        if let Some(mut found) = match_text(after, &rest[end..]) {
            if let Some(name) = name {
                found.push((name.to_owned(), rest[..end].to_owned()));
            }
            return Some(found);
        }
    }
    None
}

fn is_of_kind(kind: &str, text: &str) -> bool {
    match kind {
        "int" => text.parse::<i64>().is_ok(),
        "id" => text
            .split_once('-')
            .is_some_and(|(ms, seq)| ms.parse::<u64>().is_ok() && seq.parse::<u64>().is_ok()),
        _ => true,
    }
}

/// What stands before the first `<kind:name>`, the kind, the name, what stands behind it.
fn find_placeholder(pattern: &str) -> Option<(&str, &str, Option<&str>, &str)> {
    pattern.match_indices('<').find_map(|(start, _)| {
        let end = start + pattern[start..].find('>')?;
        let inner = &pattern[start + 1..end];
        let (kind, name) = match inner.split_once(':') {
            Some((kind, name)) => (kind, Some(name)),
            None => (inner, None),
        };
        let is_kind = matches!(kind, "int" | "id" | "any");
        is_kind.then_some((&pattern[..start], kind, name, &pattern[end + 1..]))
    })
}

#[test]
fn patterns_match_and_remember() {
    let found = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    };
    assert_eq!(match_text("[1, \"a\"]", "[1, \"a\"]"), found(&[]));
    assert_eq!(match_text("[1, \"a\"]", "[1, \"b\"]"), None);
    assert_eq!(match_text("\"<id:x>\"", "\"12-0\""), found(&[("x", "12-0")]));
    assert_eq!(match_text("\"<id>\"", "\"12\""), None);
    assert_eq!(match_text("[<int>, <int:n>]", "[-5, 7]"), found(&[("n", "7")]));
    assert_eq!(match_text("-ERR <any> end", "-ERR a <b> end end"), found(&[]));
    assert_eq!(match_text("<b>", "<b>"), found(&[]));
    assert_eq!(match_text("<any>x", "y"), None);
}

#[test]
fn lines_are_joined() {
    let text = "# c\n> A\n\n< [1,\n     2]\n";
    assert_eq!(join_lines(text), [(2, "> A".to_owned()), (4, "< [1, 2]".to_owned())]);
}
