use super::super::annotation::{CHUNK_LINE_BYTES, seal_chunk};
use super::super::testing::*;
use super::super::{FaultStorage, FsyncPolicy, Survival};
use super::*;

/// Where the first chunk begins.
const START: usize = FILE_LINE_BYTES;
const TAG: FileTag = FileTag(0x1234_abcd);
const INCREMENT: &str = "file appendonly.aof.1.incr.aof seq 1 type i\n";
const INCREMENT_2: &str = "file appendonly.aof.2.incr.aof seq 2 type i\n";
const BASE: &str = "file appendonly.aof.1.base.aof seq 1 type b\n";

/// What recovery is to come to: the commands, and where and how much was dropped; or the error's text.
type Expected<'a> = Result<(&'a [&'a str], Option<(u64, u64)>), &'a str>;

/// Files of the log: their names, without what all begin with, and what is in them.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// A storage with these files in the log's directory, named without what all names begin with.
fn storage_with(files: &[(&str, &[u8])]) -> FaultStorage {
    let storage = test_storage(1);
    let paths = test_paths();
    storage.create_dir(&paths.append_dir()).unwrap();
    storage.sync_dir(&paths.dir).unwrap();
    for (name, content) in files {
        storage.put(&paths.file(&format!("appendonly.aof.{name}")), content);
    }
    storage
}

#[track_caller]
fn check(files: &[(&str, &[u8])], expected: Expected<'_>) -> FaultStorage {
    let storage = storage_with(files);
    let (texts, result) = recover_texts(&storage, &test_paths());
    match (result, expected) {
        (Ok(recovered), Ok((commands, dropped))) => {
            assert_eq!(texts, commands);
            let replayed = &recovered.replayed;
            assert_eq!(replayed.commands + replayed.keys, commands.len() as u64);
            let tail = &recovered.replayed.torn_tail;
            assert_eq!(tail.as_ref().map(|tail| (tail.offset, tail.bytes)), dropped, "{tail:?}");
            drop(recovered);
            // The torn tail is gone: the second time there is none.
            let (again, result) = recover_texts(&storage.restart(Survival::Synced, 1), &test_paths());
            assert_eq!((again, result.unwrap().replayed.torn_tail), (texts, None));
        }
        (Err(error), Err(expected)) => {
            assert_eq!(error.to_string().lines().count(), 1);
            assert!(error.way_out.is_some(), "{error}");
            // The way out has tests of its own.
            let text = LogError { way_out: None, ..error }.to_string();
            assert_eq!(text.strip_prefix("append-only file: cannot ").unwrap(), expected);
        }
        (Ok(_), Err(expected)) => panic!("{texts:?} instead of {expected}"),
        (Err(error), Ok(_)) => panic!("{error}"),
    }
    storage
}

/// Commands given as words, as bytes.
fn commands(commands: &[&str]) -> Vec<u8> {
    effects_of(0, commands).as_bytes().to_vec()
}

/// A file of ours: chunks of commands, each with what it says of the durable part.
fn our_file(chunks: &[(&[u8], usize)]) -> Vec<u8> {
    let mut file = annotation::encode_file_line(TAG).to_vec();
    for (payload, synced_offset) in chunks {
        let start = file.len();
        file.resize(start + CHUNK_LINE_BYTES, 0);
        file.extend_from_slice(payload);
        seal_chunk(&mut file[start..], TAG, *synced_offset as u64);
    }
    file
}

#[test]
fn nothing_is_an_empty_log() {
    check(&[], Ok((&[], None)));
    // What is left when the machine stops while the first increment is made.
    check(&[("1.incr.aof", b"")], Ok((&[], None)));
    check(&[("1.incr.aof", &our_file(&[]))], Ok((&[], None)));
}

#[test]
fn redis_files() {
    let annotated = [
        b"#TS:1700000000\r\n".as_slice(),
        &commands(&["SET a 1"]),
        b"# whatever\r\n#\n",
        &commands(&["set b 2", "SELECT 3"]),
        b"#TS:1700000001\r\n",
    ]
    .concat();
    let expected: &[&str] = &["SET a 1", "set b 2", "SELECT 3"];
    check(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &annotated)], Ok((expected, None)));

    let manifest = [BASE, INCREMENT, INCREMENT_2].concat();
    let files: [(&str, &[u8]); 4] = [
        ("2.incr.aof", &commands(&["DEL c"])),
        ("manifest", manifest.as_bytes()),
        ("1.base.aof", &commands(&["DEL a"])),
        ("1.incr.aof", &commands(&["DEL b"])),
    ];
    check(&files, Ok((&["DEL a", "DEL b", "DEL c"], None)));
    check(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", b"")], Ok((&[], None)));
}

#[test]
fn a_torn_command_is_dropped() {
    let start = commands(&["SET a 1"]);
    for tail in [commands(&["SET b 2"]), b"#TS:1700000000\r\n".to_vec()] {
        for cut in 1..tail.len() {
            let content = [&start[..], &tail[..cut]].concat();
            check(
                &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &content)],
                Ok((&["SET a 1"], Some((start.len() as u64, cut as u64)))),
            );
        }
    }
}

#[test]
fn a_transaction_is_applied_as_a_whole_or_not() {
    let start = commands(&["SET a 1"]);
    let transaction = commands(&["MULTI", "SELECT 1", "SET b 2", "exec"]);
    let content = [&start[..], &transaction].concat();
    let whole: &[&str] = &["SET a 1", "SELECT 1", "SET b 2"];
    check(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &content)], Ok((whole, None)));
    for cut in 1..transaction.len() {
        let content = [&start[..], &transaction[..cut]].concat();
        check(
            &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &content)],
            Ok((&["SET a 1"], Some((start.len() as u64, cut as u64)))),
        );
    }
    for (content, expected) in [
        (commands(&["MULTI", "MULTI"]), "offset 15: a transaction begins within a transaction"),
        (commands(&["EXEC"]), "offset 0: a transaction ends that did not begin"),
    ] {
        check(
            &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &content)],
            Err(&format!("read d/appendonlydir/appendonly.aof.1.incr.aof at {expected}")),
        );
    }
}

#[test]
fn corruption_of_redis_files_is_refused() {
    let cases: [(&[u8], &str); 4] = [
        (b"*1\r\n$4\r\nPING\r\nGARBAGE", "at offset 14: a command is expected here, not 'G'"),
        (b"*1\r\n$4\r\nPING\r\n\0\0\0\0", "at offset 14: a command is expected here, not '\\0'"),
        (b"*1\r\n+4\r\nPING\r\n", "at offset 0: expected '$', got '+'"),
        (b"*0\r\n*1\r\n$4\r\nPING\r\n", "at offset 0: a command has no arguments"),
    ];
    for (content, expected) in cases {
        check(
            &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", content)],
            Err(&format!("read d/appendonlydir/appendonly.aof.1.incr.aof {expected}")),
        );
    }
}

/// Two keys in the RDB format, without a checksum.
const SNAPSHOT: &[u8] = b"REDIS0010\xfe\x02\x00\x01a\x011\x00\x01b\x012\xff\0\0\0\0\0\0\0\0";

#[test]
fn a_snapshot_is_loaded_before_the_commands() {
    let manifest = ["file appendonly.aof.1.base.rdb seq 1 type b\n", INCREMENT].concat();
    let snapshot = &["db 2: a 1", "db 2: b 2"][..];
    let expected = [snapshot, &["DEL a"]].concat();
    let del = commands(&["DEL a"]);
    check(
        &[("manifest", manifest.as_bytes()), ("1.base.rdb", SNAPSHOT), ("1.incr.aof", &del)],
        Ok((&expected, None)),
    );
    // Both in one file, as Redis up to 6.2 had it.
    let both = [SNAPSHOT, &del].concat();
    check(&[("manifest", BASE.as_bytes()), ("1.base.aof", &both)], Ok((&expected, None)));
    // Commands may be cut off; a snapshot may not.
    for cut in 1..del.len() {
        let torn = Some((SNAPSHOT.len() as u64, (del.len() - cut) as u64));
        check(
            &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &both[..both.len() - cut])],
            Ok((snapshot, torn)),
        );
    }
    for len in 5..SNAPSHOT.len() {
        let storage = storage_with(&[
            ("manifest", manifest.as_bytes()),
            ("1.base.rdb", &SNAPSHOT[..len]),
            ("1.incr.aof", b""),
        ]);
        let error = recover_texts(&storage, &test_paths()).1.err().unwrap();
        assert!(error.reason().starts_with("the RDB snapshot is damaged: "), "{len}: {error}");
    }
    check(
        &[("manifest", BASE.as_bytes()), ("1.base.aof", b"REDIS0099")],
        Err(
            "read d/appendonlydir/appendonly.aof.1.base.aof at offset 0: the RDB snapshot is damaged: it is an RDB file of version 99; versions 1 to 13 are known",
        ),
    );
}

#[test]
fn files_that_do_not_belong_together() {
    let name = "d/appendonlydir/appendonly.aof";
    let one = commands(&["DEL a"]);
    check(
        &[("manifest", INCREMENT.as_bytes())],
        Err(&format!("open {name}.1.incr.aof: the manifest names it, but it is not there")),
    );
    check(
        &[("1.incr.aof", &one)],
        Err(&format!("read {name}.1.incr.aof: it holds data, but there is no manifest that names it")),
    );
    check(
        &[("manifest", b"file a type i\n")],
        Err(&format!("read {name}.manifest: line 1 of the manifest lacks file, seq or type")),
    );
    let manifest = [INCREMENT, INCREMENT_2].concat();
    check(
        &[("manifest", manifest.as_bytes()), ("1.incr.aof", &one[..9]), ("2.incr.aof", &one)],
        Err(&format!(
            "read {name}.1.incr.aof at offset 0: a command is not complete: \
             the last 9 bytes would have to be dropped, but only the last file may end so"
        )),
    );
    check(
        &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", b"#MS 1234abcd version=2 crc32c=1a2b3c4d\r\n")],
        Err(&format!("read {name}.1.incr.aof at offset 0: it was written by a later version of Millstream")),
    );

    check(
        &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", b"#MS 1234abcd versi")],
        Err(&format!("read {name}.1.incr.aof at offset 0: its first line is damaged")),
    );

    let storage = test_storage(1);
    storage.put("d/appendonly.aof".as_ref(), &one);
    let error = recover_texts(&storage, &test_paths()).1.err().unwrap();
    assert!(error.to_string().contains("single-file log of Redis before 7.0"), "{error}");
    assert_eq!(error.path, Path::new("d/appendonly.aof"));

    let storage =
        storage_with(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &one), ("2.incr.aof", &one)]);
    let error = start(&storage, &test_paths(), FsyncPolicy::No).unwrap_err();
    assert!(
        error.to_string().contains(
            "2.incr.aof: it holds data, but the manifest does not name it; the manifest is an old one"
        ),
        "{error}"
    );
}

#[test]
fn errors_tell_the_way_out() {
    let name = "d/appendonlydir/appendonly.aof";
    let one = commands(&["DEL a"]);
    let torn = &one[..one.len() - 1];
    let lossy =
        "`millstream check d/appendonlydir` tells what would be lost, and cuts it away with --fix --lossy";
    let two = [INCREMENT, INCREMENT_2].concat();
    let no_manifest = format!(
        "put {name}.manifest back, from a backup or by hand, or move the files elsewhere to begin without data"
    );
    let damaged = [&one[..], b"?"].concat();
    let cases: [(Files<'_>, &str); 8] = [
        (&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &damaged)], lossy),
        (
            &[("manifest", INCREMENT.as_bytes())],
            "put it back, from a backup; `millstream check d/appendonlydir` tells what there is",
        ),
        (&[("manifest", two.as_bytes()), ("1.incr.aof", torn), ("2.incr.aof", &one)], lossy),
        (&[("1.incr.aof", &one)], &no_manifest),
        (
            &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &one), ("3.incr.aof", &one)],
            "the manifest is an old one, or was changed: put the last one back, or move this file elsewhere to go on without it",
        ),
        (
            &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", b"REDIS0010\xfe")],
            "it cannot be repaired: put it back from a backup",
        ),
        (
            &[("manifest", b"file a seq 1 type i\nfile a seq 2 type i\n")],
            "put a manifest of the last state back, or correct it: it is a text, a line for each file",
        ),
        (
            &[("manifest", b"")],
            "put a manifest of the last state back, or correct it: it is a text, a line for each file",
        ),
    ];
    for (files, expected) in cases {
        let storage = storage_with(files);
        let error = recover_texts(&storage, &test_paths()).1.err().unwrap();
        assert_eq!(error.way_out.as_deref(), Some(expected), "{error}");
        // Nothing is changed before all is understood.
        for (name, content) in files {
            assert_eq!(
                storage.content(&test_paths().file(&format!("appendonly.aof.{name}"))).unwrap(),
                *content
            );
        }
    }
    let storage = storage_with(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", torn)]);
    let settings = RecoverySettings { paths: test_paths(), load_truncated: false };
    let error = recover(&storage, &settings, &LoadProgress::default(), &mut |_| Ok(())).err().unwrap();
    assert_eq!(
        error.way_out.as_deref(),
        Some("`millstream check d/appendonlydir --fix` drops them, and keeps them in a file beside")
    );
}

#[test]
fn a_torn_tail_is_an_error_when_the_settings_say_so() {
    let content = [&commands(&["DEL a"])[..], b"*1\r\n$4\r\n"].concat();
    let storage = storage_with(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &content)]);
    let settings = RecoverySettings { paths: test_paths(), load_truncated: false };
    let result = recover(&storage, &settings, &LoadProgress::default(), &mut |_| Ok(()));
    let error = result.err().unwrap();
    assert_eq!((error.operation, error.offset), (LogOperation::Read, Some(20)));
    assert!(error.reason().ends_with("but aof-load-truncated is off"), "{error}");
    assert_eq!(storage.content(&test_paths().file("appendonly.aof.1.incr.aof")).unwrap(), content);
}

#[test]
fn a_command_that_cannot_be_executed_is_told() {
    let file = our_file(&[(&commands(&["DEL a", "NONSENSE"]), START)]);
    let storage = storage_with(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file)]);
    let settings = RecoverySettings { paths: test_paths(), load_truncated: true };
    let progress = LoadProgress::default();
    let mut apply = |recorded: Recorded<'_>| match recorded {
        Recorded::Command(request) if request.arg(0) == b"NONSENSE" => Err("unknown command".to_owned()),
        _ => Ok(()),
    };
    let error = recover(&storage, &settings, &progress, &mut apply).err().unwrap();
    assert_eq!(
        error.to_string(),
        "append-only file: cannot replay d/appendonlydir/appendonly.aof.1.incr.aof at offset 131: unknown command"
    );
}

/// Two chunks; the second says that the file was durable up to `synced_offset`. Each byte of the file is changed once.
#[track_caller]
fn check_each_change(synced_offset: usize) {
    let (first, second) = (commands(&["SET a 1"]), commands(&["SET b 2"]));
    let file = our_file(&[(&first, START), (&second, synced_offset)]);
    let second_start = START + CHUNK_LINE_BYTES + first.len();
    let is_first_durable = synced_offset > START;
    for at in START..file.len() {
        for change in [1, 0x80] {
            let mut changed = file.clone();
            changed[at] ^= change;
            let storage = storage_with(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &changed)]);
            let (texts, result) = recover_texts(&storage, &test_paths());
            let is_in_first = at < second_start;
            if is_in_first && is_first_durable {
                let error =
                    result.err().unwrap_or_else(|| panic!("byte {at} changed and {texts:?} recovered"));
                assert_eq!((error.offset, texts.len()), (Some(START as u64), 0), "{error}");
                assert!(error.reason().contains("this is no torn tail"), "{error}");
            } else {
                let tail = result.unwrap().replayed.torn_tail.unwrap();
                let expected = if is_in_first { START } else { second_start };
                assert_eq!(tail.offset, expected as u64, "{tail:?}");
                assert_eq!(texts.len(), usize::from(!is_in_first));
            }
        }
    }
}

#[test]
fn a_changed_byte_is_a_torn_tail_only_where_the_file_was_not_durable() {
    check_each_change(START);
    let first = commands(&["SET a 1"]);
    check_each_change(START + CHUNK_LINE_BYTES + first.len());
}

#[test]
fn a_chunk_is_cut_as_a_whole() {
    let (first, second) = (commands(&["SET a 1"]), commands(&["SET b 2", "SET c 3"]));
    let file = our_file(&[(&first, START), (&second, START)]);
    let second_start = START + CHUNK_LINE_BYTES + first.len();
    for end in second_start + 1..file.len() {
        check(
            &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file[..end])],
            Ok((&["SET a 1"], Some((second_start as u64, (end - second_start) as u64)))),
        );
    }
    // The file grew but its bytes never came.
    let with_zeros = [&file[..second_start], &[0; 100]].concat();
    check(
        &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &with_zeros)],
        Ok((&["SET a 1"], Some((second_start as u64, 100)))),
    );
}

#[test]
fn a_chunk_line_inside_a_value_is_no_evidence() {
    // A client that stores the bytes of another log's file, and one that guesses.
    let mut other = vec![0; CHUNK_LINE_BYTES];
    seal_chunk(&mut other, FileTag(TAG.0 + 1), 1_000_000);
    let mut effects = effects_of(0, &["SET a 1"]);
    effects.begin(0, 2);
    effects.arg(b"ECHO");
    effects.arg(&other);
    let mut file = our_file(&[(effects.as_bytes(), START)]);
    file[START + CHUNK_LINE_BYTES + 10] ^= 1;
    let start = START as u64;
    let len = file.len() as u64;
    check(
        &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file)],
        Ok((&[], Some((start, len - start)))),
    );
}

#[test]
fn evidence_is_found_far_behind_the_damage() {
    let large = "x".repeat(3 << 20);
    let first = commands(&["SET a 1"]);
    let second = commands(&[&format!("SET b {large}")]);
    let third_start = START + 2 * CHUNK_LINE_BYTES + first.len() + second.len();
    let mut file = our_file(&[(&first, START), (&second, START), (&commands(&["SET c 3"]), third_start)]);
    let damaged = START + CHUNK_LINE_BYTES + first.len();
    file[damaged + 500] = b'y';
    let expected = format!(
        "read d/appendonlydir/appendonly.aof.1.incr.aof at offset {damaged}: a chunk's checksum is wrong, \
         and this is no torn tail: the file was durable up to {third_start}"
    );
    check(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file)], Err(&expected));
}

#[test]
fn evidence_is_found_wherever_a_piece_of_the_file_ends() {
    let first = commands(&["SET a 1"]);
    let empty = commands(&["SET b "]).len() + 6;
    for distance in (1 << 20) - 100..(1 << 20) + 20 {
        // The chunk that tells of the first one begins this far behind the damage.
        let second = commands(&[&format!(
            "SET b {}",
            "x".repeat(distance - 2 * CHUNK_LINE_BYTES - first.len() - empty)
        )]);
        let third_start = START + 2 * CHUNK_LINE_BYTES + first.len() + second.len();
        let mut file = our_file(&[(&first, START), (&second, START), (b"", third_start)]);
        file[START + CHUNK_LINE_BYTES] = b'?';
        let storage = storage_with(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file)]);
        let error = recover_texts(&storage, &test_paths()).1.err().unwrap();
        assert_eq!(error.offset, Some(START as u64));
        assert!(error.reason().ends_with(&format!("durable up to {third_start}")), "{distance}: {error}");
    }
}

#[test]
fn what_redis_appended_to_our_file_is_kept() {
    let ours = our_file(&[(&commands(&["SET a 1"]), START)]);
    let foreign = commands(&["SELECT 0", "SET b 2"]);
    let mut file = [&ours[..], &foreign].concat();
    let expected: &[&str] = &["SET a 1", "SELECT 0", "SET b 2"];
    let storage = check(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file)], Ok((expected, None)));
    // We go on behind it.
    let log = start(&storage, &test_paths(), FsyncPolicy::No).unwrap();
    log.append(&effects_of(0, &["SET c 3"]));
    log.close().unwrap();
    let (texts, _) = recover_texts(&storage, &test_paths());
    assert_eq!(texts, [expected, &["SELECT 0", "SET c 3"]].concat());
    // Its torn tail is a command, and garbage behind its commands is not to be dropped silently.
    let foreign_end = file.len() as u64;
    file.extend_from_slice(b"*2\r\n$3");
    check(
        &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file)],
        Ok((expected, Some((foreign_end, 6)))),
    );
    file[foreign_end as usize] = b'G';
    check(
        &[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", &file)],
        Err(&format!(
            "read d/appendonlydir/appendonly.aof.1.incr.aof at offset {foreign_end}: \
             a command is expected here, not 'G'"
        )),
    );
}

#[test]
fn a_file_of_redis_is_followed_by_an_increment_of_ours() {
    let manifest = [BASE, INCREMENT].concat();
    let storage = storage_with(&[
        ("manifest", manifest.as_bytes()),
        ("1.base.aof", &commands(&["DEL a"])),
        ("1.incr.aof", &commands(&["DEL b"])),
    ]);
    for key in ["c", "d"] {
        let log = start(&storage, &test_paths(), FsyncPolicy::No).unwrap();
        log.append(&effects_of(0, &[&format!("DEL {key}")]));
        log.close().unwrap();
    }
    let written = storage.content(&test_paths().manifest()).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), [BASE, INCREMENT, INCREMENT_2].concat());
    let (texts, _) = recover_texts(&storage, &test_paths());
    assert_eq!(texts, ["DEL a", "DEL b", "SELECT 0", "DEL c", "SELECT 0", "DEL d"]);
}

#[test]
fn commands_and_chunks_larger_than_the_window() {
    let large = "x".repeat(9 << 20);
    let storage = test_storage(1);
    let log = start(&storage, &test_paths(), FsyncPolicy::No).unwrap();
    let mut effects = effects_of(0, &["SET a 1", &format!("SET b {large}"), "SET c 3"]);
    log.append(&effects);
    effects.clear();
    log.append(&effects_of(0, &["SET d 4"]));
    log.close().unwrap();
    let settings = RecoverySettings { paths: test_paths(), load_truncated: true };
    let progress = LoadProgress::default();
    let mut sizes = Vec::new();
    let mut apply = |recorded: Recorded<'_>| {
        if let Recorded::Command(request) = recorded {
            sizes.push(request.bytes());
        }
        Ok(())
    };
    let replayed = replay(&storage, &settings, &progress, &mut apply).unwrap();
    assert_eq!(sizes, [7, 5, 4 + (9 << 20), 5, 5]);
    assert_eq!(replayed.bytes, progress.total_bytes.load(Ordering::Relaxed));
    assert_eq!(replayed.bytes, progress.loaded_bytes.load(Ordering::Relaxed));

    // A wrong byte in the large chunk: nothing of it is executed.
    let path = test_paths().file("appendonly.aof.1.incr.aof");
    let mut content = storage.content(&path).unwrap();
    content[8 << 20] = b'y';
    storage.put(&path, &content);
    let (texts, result) = recover_texts(&storage, &test_paths());
    assert_eq!((texts.len(), result.err().unwrap().offset), (0, Some(START as u64)));
}

#[test]
fn a_directory_that_another_server_uses_is_left_alone() {
    let storage = storage_with(&[("manifest", INCREMENT.as_bytes()), ("1.incr.aof", b"*1\r\n")]);
    let _lock = storage.lock_dir(&test_paths().append_dir()).unwrap();
    let error = recover_texts(&storage, &test_paths()).1.err().unwrap();
    assert_eq!(
        error.to_string(),
        "append-only file: cannot lock d/appendonlydir: another server uses it; \
         stop that one, or give this one a directory of its own (dir)"
    );
    assert_eq!(storage.content(&test_paths().file("appendonly.aof.1.incr.aof")).unwrap(), b"*1\r\n");
}
