//! What the tests of this layer share.

use super::*;
use crate::engine::Value;
use crate::protocol::Request;
use crate::rdb::{Content, FileItem, FileKey};

/// Where the tests keep the log.
pub(super) fn test_paths() -> LogPaths {
    paths_in("d".into())
}

pub(super) fn paths_in(dir: std::path::PathBuf) -> LogPaths {
    LogPaths { dir, append_dir_name: "appendonlydir".into(), append_file_name: "appendonly.aof".into() }
}

/// An empty file system with the server's directory.
pub(super) fn test_storage(seed: u64) -> FaultStorage {
    let storage = FaultStorage::new(seed);
    storage.create_dir(&test_paths().dir).unwrap();
    storage.sync_dir("".as_ref()).unwrap();
    storage
}

/// A command as the tests compare it: its arguments apart by blanks.
pub(super) fn to_text(request: &Request<'_>) -> String {
    let args: Vec<_> = request.args_from(0).map(String::from_utf8_lossy).collect();
    args.join(" ")
}

fn describe_item(item: &FileItem) -> String {
    match item {
        FileItem::Key(FileKey { db, key, content: Content::Value(Value::String(value)), .. }) => value
            .with_bytes(|bytes| {
                format!("db {db}: {} {}", String::from_utf8_lossy(key), String::from_utf8_lossy(bytes))
            }),
        other => format!("{other:?}"),
    }
}

/// Recovers and answers the commands and the keys of snapshots, those before an error included.
pub(super) fn recover_texts(
    storage: &dyn Storage,
    paths: &LogPaths,
) -> (Vec<String>, Result<Recovered, LogError>) {
    let settings = RecoverySettings { paths: paths.clone(), load_truncated: true };
    let mut texts = Vec::new();
    let mut apply = |recorded: Recorded<'_>| {
        texts.push(match recorded {
            Recorded::Command(request) => to_text(request),
            Recorded::Item(item) => describe_item(&item),
        });
        Ok(())
    };
    let result = recover(storage, &settings, &LoadProgress::default(), &mut apply);
    (texts, result)
}

/// Recovers and goes on with the log; syncs only on demand.
pub(super) fn start(storage: &dyn Storage, paths: &LogPaths, policy: FsyncPolicy) -> Result<Log, LogError> {
    let recovered = recover_texts(storage, paths).1?;
    let sync_interval = std::time::Duration::from_secs(3600);
    Log::start(storage, recovered, LogSettings { policy, sync_interval })
}

/// Effects of commands given as words apart by blanks.
pub(super) fn effects_of(db: usize, commands: &[&str]) -> Effects {
    let mut effects = Effects::new();
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        effects.begin(db, words.len());
        words.iter().for_each(|word| effects.arg(word.as_bytes()));
    }
    effects
}

/// Runs a future to its end on a runtime of its own.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
