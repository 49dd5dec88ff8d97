//! What the fuzz targets do with their input. Each function panics when something is wrong.

use std::path::Path;
use std::sync::Arc;

use millstream::command::{Replay, table, uncounted};
use millstream::config::Config;
use millstream::log::{
    Effects, FaultStorage, LoadProgress, Log, LogError, LogPaths, Recorded, Recovered, RecoverySettings,
    Storage, Survival, recover,
};
use millstream::protocol::{Decoded, DecoderLimits, ProtocolError, Request, RequestDecoder};
use millstream::rdb::FileItem;
use millstream::state::{Keys, Shared};
use redis_protocol::resp2::decode::decode as decode_with_oracle;
use redis_protocol::resp2::types::OwnedFrame;

/// Small enough for inputs to come near them.
const LIMITS: DecoderLimits =
    DecoderLimits { bulk_bytes_max: 300, arguments_max: 40, unauthenticated: false };

type Args = Vec<Vec<u8>>;

fn to_args(request: &Request<'_>) -> Args {
    request.args_from(0).map(<[u8]>::to_vec).collect()
}

/// Decodes requests from what a connection sent: the whole at once, and cut into pieces; as the crate `redis-protocol`
/// decodes them where it knows them.
pub fn decode_requests(data: &[u8]) {
    let Some((&piece_len, data)) = data.split_first() else { return };
    let (requests, end) = decode_whole(data);
    let pieces = decode_in_pieces(data, usize::from(piece_len % 16) + 1);
    assert_eq!(
        (&requests, &end),
        (&pieces.0, &pieces.1),
        "the same whole and in pieces of {}",
        piece_len % 16 + 1
    );
}

/// Reads a payload of DUMP, whose footer is made right; what comes out is written and read again.
pub fn decode_payloads(data: &[u8]) {
    millstream::rdb::exercise(data);
}

/// Reads an RDB file; it is read the same in whatever pieces its bytes come.
pub fn read_rdb_files(data: &[u8]) {
    millstream::rdb::exercise_file(data);
}

/// The requests until the bytes or the protocol's rules end.
fn decode_whole(data: &[u8]) -> (Vec<Args>, Result<(), ProtocolError>) {
    let mut decoder = RequestDecoder::new();
    let (mut requests, mut at) = (Vec::new(), 0);
    loop {
        let rest = &data[at..];
        let decoded = decoder.decode(rest, &LIMITS);
        let args = matches!(decoded, Ok(Decoded::Request { .. })).then(|| to_args(&decoder.request(rest)));
        compare_with_oracle(rest, &decoded, args.as_ref());
        match decoded {
            Ok(Decoded::Incomplete) => return (requests, Ok(())),
            Ok(Decoded::Empty { consumed }) => at += consumed,
            Ok(Decoded::Request { consumed }) => {
                requests.extend(args);
                at += consumed;
            }
            Err(error) => return (requests, Err(error)),
        }
    }
}

fn decode_in_pieces(data: &[u8], piece_len: usize) -> (Vec<Args>, Result<(), ProtocolError>) {
    let mut decoder = RequestDecoder::new();
    let (mut requests, mut buffer) = (Vec::new(), Vec::new());
    for piece in data.chunks(piece_len) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&buffer, &LIMITS) {
                Ok(Decoded::Incomplete) => {
                    assert!(
                        decoder.needed_len().is_none_or(|len| len > buffer.len()),
                        "more is needed than there is"
                    );
                    break;
                }
                Ok(Decoded::Empty { consumed }) => drop(buffer.drain(..consumed)),
                Ok(Decoded::Request { consumed }) => {
                    requests.push(to_args(&decoder.request(&buffer)));
                    buffer.drain(..consumed);
                }
                Err(error) => return (requests, Err(error)),
            }
        }
    }
    (requests, Ok(()))
}

fn encode(args: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The arguments, if the frame is an array of strings as clients send requests.
fn request_of(frame: OwnedFrame) -> Option<Args> {
    let OwnedFrame::Array(elements) = frame else { return None };
    elements
        .into_iter()
        .map(|element| match element {
            OwnedFrame::BulkString(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

fn compare_with_oracle(data: &[u8], decoded: &Result<Decoded, ProtocolError>, args: Option<&Args>) {
    // What it makes of a request that was found: the same, from its proper form.
    if let Some(args) = args {
        let encoded = encode(args);
        let (frame, len) = decode_with_oracle(&encoded).expect("a request is a frame").expect("a whole one");
        assert_eq!((request_of(frame).as_ref(), len), (Some(args), encoded.len()));
        let mut decoder = RequestDecoder::new();
        for cut in 0..encoded.len() {
            assert!(matches!(decode_with_oracle(&encoded[..cut]), Ok(None)));
            assert_eq!(decoder.decode(&encoded[..cut], &LIMITS), Ok(Decoded::Incomplete));
        }
        assert_eq!(decoder.decode(&encoded, &LIMITS), Ok(Decoded::Request { consumed: encoded.len() }));
    }
    // What it finds itself. It takes forms that Redis, and so we, do not (`*+1`), and allows larger ones: only proper ones count.
    if data.first() == Some(&b'*')
        && let Ok(Some((frame, len))) = decode_with_oracle(data)
        && let Some(found) = request_of(frame)
        && !found.is_empty()
        && encode(&found) == data[..len]
        && found.len() <= LIMITS.arguments_max
        && found.iter().all(|arg| arg.len() <= LIMITS.bulk_bytes_max)
    {
        assert_eq!(*decoded, Ok(Decoded::Request { consumed: len }), "{found:?}");
        assert_eq!(args, Some(&found));
    }
}

/// Executes commands, each a request in any form, on an empty keyspace: none of them may panic.
pub fn execute_commands(data: &[u8]) {
    let shared = Arc::new(Shared::new(Arc::new(Config::new()), 1, 4));
    shared.set_log(Log::disabled());
    let metrics = uncounted();
    let mut keys = Keys::new(&shared, &metrics, Effects::new(), 1_700_000_000_000);
    let mut replay = Replay::new(&shared, &metrics, &mut keys);
    for args in decode_whole(data).0 {
        if is_about_data(&args) {
            let request = encode(&args);
            let mut decoder = RequestDecoder::new();
            let limits = DecoderLimits::default();
            assert!(matches!(decoder.decode(&request, &limits), Ok(Decoded::Request { .. })));
            // A refusal is an answer too.
            let _ = replay.apply_command(decoder.request(&request));
        }
    }
}

/// Whether a command is on keys, and not on the server or the connection.
fn is_about_data(args: &[Vec<u8>]) -> bool {
    use millstream::command::Group;
    let spec = table().find(&args[0]).map(|command| command.spec);
    spec.is_some_and(|spec| matches!(spec.group, Group::Stream | Group::String | Group::Generic))
}

fn paths() -> LogPaths {
    LogPaths { dir: "d".into(), append_dir_name: "a".into(), append_file_name: "f".into() }
}

fn recover_all(storage: &FaultStorage) -> (Vec<Args>, Result<Recovered, LogError>) {
    let settings = RecoverySettings { paths: paths(), load_truncated: true };
    let mut commands = Vec::new();
    let result = recover(storage, &settings, &LoadProgress::default(), &mut |recorded| {
        commands.push(match recorded {
            Recorded::Command(request) => to_args(request),
            // Each of a snapshot's items has its place like a command.
            Recorded::Item(FileItem::Key(item)) => vec![b"a key".to_vec(), item.key],
            Recorded::Item(item) => vec![format!("{item:?}").into_bytes()],
        });
        Ok(())
    });
    (commands, result)
}

/// Recovers a log with this file in it. It loads or is refused; what was loaded once is loaded again.
pub fn recover_log(data: &[u8]) {
    let storage = FaultStorage::new(1);
    storage.create_dir(Path::new("d")).expect("a file system in memory has room");
    storage.create_dir(&paths().append_dir()).expect("a file system in memory has room");
    storage.put(&paths().manifest(), b"file f.1.incr.aof seq 1 type i\n");
    storage.put(&paths().file("f.1.incr.aof"), data);
    let (commands, result) = recover_all(&storage);
    match result {
        Ok(recovered) => {
            drop(recovered);
            let again = storage.restart(Survival::Written, 1);
            let (commands_again, result) = recover_all(&again);
            let recovered = result.expect("what was loaded is loaded again");
            assert_eq!(commands, commands_again);
            assert_eq!(recovered.replayed.torn_tail, None, "a torn tail was cut off");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.starts_with("append-only file: cannot "), "{text}");
            let content = storage.content(&paths().file("f.1.incr.aof")).expect("it is there");
            assert_eq!(content, data, "a file that is refused stays as it is");
        }
    }
}
