//! Importing from a running server: its keys one by one, while others go on using it. What changes meanwhile is seen as it is when
//! the key is read: this is a copy of each key at some moment, not of all at one.

use super::super::client::{Address, Client};
use super::super::error::ToolError;
use super::files::lacking;
use super::report::Report;
use super::resume::State;
use super::target::{NewKey, Target};
use super::{Import, progress_bar};
use crate::clock;
use crate::protocol::Frame;
use crate::rdb;

/// How many keys a call of SCAN is to look at.
const SCAN_COUNT: &[u8] = b"256";
/// The longest string that a payload may come to.
const STRING_BYTES_MAX: usize = 1 << 40;
/// What Millstream has.
const TYPES: &[&[u8]] = &[b"string", b"list", b"set", b"stream"];

pub(super) fn import(
    import: &Import,
    address: &Address,
    resumed: Option<State>,
    target: &mut dyn Target,
    report: &mut Report,
) -> Result<(), ToolError> {
    let mut client = Client::connect(address)?;
    let mut state = State {
        source: address.host_and_port.clone(),
        run_id: info_field(&mut client, "server", "run_id")?,
        destination: import.destination_text(),
        db: 0,
        cursor: "0".to_owned(),
    };
    if let Some(resumed) = resumed {
        check_resumed(&resumed, &state)?;
        state = resumed;
    } else if import.wants_libraries() {
        import_libraries(&mut client, target, report)?;
    }
    let dbs = list_dbs(&mut client)?;
    let mut fetch = Fetch { has_expiry_times: has_expiry_times(&mut client)?, client };
    let bar = progress_bar(dbs.iter().map(|(_, keys)| keys).sum(), false)
        .with_message(address.host_and_port.clone());
    for (db, keys) in dbs {
        let is_wanted = import.dbs.is_empty() || import.dbs.contains(&db);
        if db < state.db || !is_wanted {
            bar.inc(keys);
            continue;
        }
        if db > state.db {
            (state.db, state.cursor) = (db, "0".to_owned());
        }
        fetch.client.call(&[b"SELECT", db.to_string().as_bytes()])?;
        loop {
            let (next, keys) = scan(&mut fetch.client, &state.cursor, import.pattern.as_deref())?;
            import_keys(&mut fetch, db, &keys, target, report)?;
            bar.inc(keys.len() as u64);
            state.cursor = next;
            let is_last = state.cursor == "0";
            if is_last {
                state.db = db + 1;
            }
            if let Some(path) = &import.resume {
                target.settle(report)?;
                state.store(path)?;
            }
            if is_last {
                break;
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Imports the libraries of functions, which a server has since Redis 7.0.
fn import_libraries(
    client: &mut Client,
    target: &mut dyn Target,
    report: &mut Report,
) -> Result<(), ToolError> {
    client.push(&[b"FUNCTION", b"DUMP"]);
    client.flush()?;
    let reply = client.read()?;
    match (text_of(&reply), &reply) {
        (Some(payload), _) => match rdb::decode_functions(payload, STRING_BYTES_MAX) {
            Ok(codes) => codes.iter().try_for_each(|code| target.put_library(code, report))?,
            Err(error) => {
                report.leave(&format!("function libraries that cannot be read: {error}"), b"FUNCTION DUMP");
            }
        },
        (None, Frame::Error(text)) if text.starts_with("ERR unknown command") => {}
        (None, Frame::Error(text)) => report.leave(&format!("the source answers {text}"), b"FUNCTION DUMP"),
        (None, _) => report.leave("the source's reply to FUNCTION DUMP is none", b"FUNCTION DUMP"),
    }
    Ok(())
}

fn check_resumed(resumed: &State, now: &State) -> Result<(), ToolError> {
    let differs = |what: &str, was: &str, is: &str| {
        Err(ToolError::Other(format!(
            "the import that is to go on had the {what} {was}, not {is}; remove its state file to begin anew"
        )))
    };
    if resumed.source != now.source {
        return differs("source", &resumed.source, &now.source);
    }
    if resumed.destination != now.destination {
        return differs("destination", &resumed.destination, &now.destination);
    }
    if resumed.run_id != now.run_id {
        return Err(ToolError::Other(
            "the source was started anew since the import was interrupted, and its cursors are of no use any more; \
             remove the state file to begin anew"
                .to_owned(),
        ));
    }
    Ok(())
}

fn text_of(frame: &Frame) -> Option<&[u8]> {
    match frame {
        Frame::BulkString(bytes) | Frame::SimpleString(bytes) => Some(bytes),
        _ => None,
    }
}

fn info(client: &mut Client, section: &str) -> Result<String, ToolError> {
    let reply = client.call(&[b"INFO", section.as_bytes()])?;
    Ok(String::from_utf8_lossy(text_of(&reply).unwrap_or_default()).into_owned())
}

fn info_field(client: &mut Client, section: &str, name: &str) -> Result<String, ToolError> {
    let text = info(client, section)?;
    let field = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
    field.ok_or_else(|| ToolError::Other(format!("the source's INFO does not tell {name}")))
}

/// The databases that hold keys, and how many.
fn list_dbs(client: &mut Client) -> Result<Vec<(u64, u64)>, ToolError> {
    let text = info(client, "keyspace")?;
    let mut dbs: Vec<(u64, u64)> = text.lines().filter_map(parse_db).collect();
    dbs.sort_unstable();
    Ok(dbs)
}

/// `db0:keys=5,expires=0,avg_ttl=0`
fn parse_db(line: &str) -> Option<(u64, u64)> {
    let (db, rest) = line.trim_end().strip_prefix("db")?.split_once(':')?;
    let keys = rest.split(',').find_map(|pair| pair.strip_prefix("keys="))?;
    Some((db.parse().ok()?, keys.parse().ok()?))
}

fn scan(
    client: &mut Client,
    cursor: &str,
    pattern: Option<&str>,
) -> Result<(String, Vec<Vec<u8>>), ToolError> {
    let mut args: Vec<&[u8]> = vec![b"SCAN", cursor.as_bytes(), b"COUNT", SCAN_COUNT];
    if let Some(pattern) = pattern {
        args.extend([&b"MATCH"[..], pattern.as_bytes()]);
    }
    let reply = client.call(&args)?;
    if let Frame::Array(parts) = reply
        && let Ok([cursor, Frame::Array(keys)]) = <[Frame; 2]>::try_from(parts)
        && let Some(cursor) = text_of(&cursor)
    {
        let keys = keys.iter().filter_map(text_of).map(<[u8]>::to_vec).collect();
        return Ok((String::from_utf8_lossy(cursor).into_owned(), keys));
    }
    Err(ToolError::Other("the source's reply to SCAN is none".to_owned()))
}

/// Whether the source tells when a key expires (since Redis 7.0), and not only for how long it still lives, which is a little less by the time that it
/// is told.
fn has_expiry_times(client: &mut Client) -> Result<bool, ToolError> {
    client.push(&[b"PEXPIRETIME", b"x"]);
    client.flush()?;
    Ok(!matches!(client.read()?, Frame::Error(_)))
}

/// A source to fetch keys from.
struct Fetch {
    client: Client,
    has_expiry_times: bool,
}

/// Imports some keys: first their types are asked for, so that nothing large is fetched in vain.
fn import_keys(
    Fetch { client, has_expiry_times }: &mut Fetch,
    db: u64,
    keys: &[Vec<u8>],
    target: &mut dyn Target,
    report: &mut Report,
) -> Result<(), ToolError> {
    keys.iter().for_each(|key| client.push(&[b"TYPE", key]));
    client.flush()?;
    let mut wanted = Vec::new();
    for key in keys {
        let reply = client.read()?;
        match (text_of(&reply), &reply) {
            (Some(b"none"), _) => report.gone += 1,
            (Some(kind), _) if TYPES.contains(&kind) => wanted.push(key),
            (Some(kind), _) => report.leave(&lacking(&String::from_utf8_lossy(kind)), key),
            (None, Frame::Error(text)) => report.leave(&format!("the source answers {text}"), key),
            (None, _) => report.leave("the source's reply to TYPE is none", key),
        }
    }
    for key in &wanted {
        let expiry: &[u8] = if *has_expiry_times { b"PEXPIRETIME" } else { b"PTTL" };
        client.push(&[expiry, key]);
        client.push(&[b"DUMP", key]);
    }
    client.flush()?;
    for key in wanted {
        let (expiry, payload) = (client.read()?, client.read()?);
        let expires_at_ms = match expiry {
            Frame::Integer(at_ms @ 0..) if *has_expiry_times => Some(at_ms.cast_unsigned()),
            Frame::Integer(ttl_ms @ 0..) => Some(clock::unix_ms().saturating_add(ttl_ms.cast_unsigned())),
            _ => None,
        };
        match payload {
            Frame::Null => report.gone += 1,
            Frame::BulkString(payload) => match rdb::decode(&payload, STRING_BYTES_MAX) {
                Ok(decoded) => {
                    let new = NewKey { db: db as usize, key, value: &decoded.value, expires_at_ms };
                    target.put(&new, report)?;
                }
                Err(error) => report.leave(&format!("a payload that cannot be read: {error}"), key),
            },
            Frame::Error(text) => report.leave(&format!("the source answers {text}"), key),
            _ => report.leave("the source's reply to DUMP is none", key),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_of_info() {
        assert_eq!(parse_db("db0:keys=5,expires=0,avg_ttl=0\r"), Some((0, 5)));
        assert_eq!(parse_db("db12:keys=70,expires=1,avg_ttl=9,subexpiry=0"), Some((12, 70)));
        assert_eq!(parse_db("# Keyspace"), None);
    }
}
