//! What was acknowledged is there after a crash; damage is told.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;

use crate::harness::Server;

/// A server that was killed after 100 entries were acknowledged.
fn killed_server(appendfsync: &str) -> Server {
    let mut server = Server::millstream(&["--appendfsync", appendfsync]);
    let mut client = server.client();
    for number in 1..=100 {
        client.check(&format!("XADD s {number}-1 number {number}"), &format!("\"{number}-1\""));
    }
    server.kill();
    server
}

#[test]
fn a_torn_tail_is_dropped_with_a_warning() {
    for cut_bytes in [1, 2, 20] {
        let mut server = killed_server("everysec");
        let path = server.log_file();
        let len = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len - cut_bytes).unwrap();
        server.restart();
        let output = server.output();
        let warning = output.lines().find(|line| line.contains("torn")).unwrap_or_default();
        assert!(warning.contains("WARN") && warning.contains("dropped"), "{output}");
        server.client().check("XLEN s", "99");
        server.client().check("XADD s 100-1 a b", "\"100-1\"");
        server.kill();
        server.restart();
        assert!(!server.output().contains("torn"), "{}", server.output());
        server.client().check("XLEN s", "100");
    }
}

#[test]
fn garbage_behind_the_end_is_dropped_with_a_warning() {
    for garbage in [&b"\0\0\0\0\0\0\0\0"[..], b"*3\r\n$4\r\nXADD\r\n$1\r\ns\r\n", b"garbage"] {
        let mut server = killed_server("everysec");
        let mut file = OpenOptions::new().append(true).open(server.log_file()).unwrap();
        file.write_all(garbage).unwrap();
        server.restart();
        let output = server.output();
        let expected = format!("dropped {} bytes at offset", garbage.len());
        assert!(output.contains(&expected), "{expected:?} is to be told: {output}");
        server.client().check("XLEN s", "100");
    }
}

#[test]
fn a_torn_tail_is_refused_where_the_settings_say_so() {
    let mut server = killed_server("everysec");
    let path = server.log_file();
    let len = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
    server.add_arguments(&["--aof-load-truncated", "no"]);
    let exit = server.try_restart().expect_err("the tail is torn");
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(exit.stderr.contains("aof-load-truncated"), "{exit:?}");
}

/// What was synced when later writes followed cannot be torn.
#[test]
fn a_flipped_byte_in_the_middle_is_refused() {
    let mut server = killed_server("always");
    let path = server.log_file();
    let bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    OpenOptions::new().write(true).open(&path).unwrap().write_at(&[bytes[at] ^ 4], at as u64).unwrap();
    let exit = server.try_restart().expect_err("the file is damaged");
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert_eq!(exit.stderr.lines().count(), 1, "{exit:?}");
    let name = path.file_name().unwrap().to_string_lossy();
    let offset = exit.stderr.split("at offset ").nth(1).and_then(|text| {
        text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<usize>().ok())
    });
    assert!(exit.stderr.contains(&*name), "{exit:?}");
    assert!(
        offset.is_some_and(|offset| offset <= at && at - offset < 200),
        "byte {at} was changed: {exit:?}"
    );
    // It is as it was: nothing was cut off.
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64);
}
