//! The Unix socket: who may connect, how clients there are shown, what becomes of its file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::harness::{Client, Server, run_to_exit};

fn socket_of(server: &Server) -> PathBuf {
    server.data_dir().join("s.sock")
}

/// The path is told relative to `dir`, which is where the server goes at its start.
const ARGUMENTS: &[&str] = &["--unixsocket", "s.sock", "--unixsocketperm", "700"];

#[test]
fn clients_there_are_served_and_shown_as_redis_shows_them() {
    let mut server = Server::millstream(ARGUMENTS);
    let path = socket_of(&server);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let mut client = Client::connect_unix(&path);
    client.check("XADD s 1-1 f v", "\"1-1\"");
    assert_eq!(server.client().call("XLEN s").to_string(), "1");
    let line = client.call("CLIENT INFO").to_string();
    assert!(line.contains(" addr=s.sock:0 laddr=s.sock:0 "), "{line}");
    assert!(line.contains(" flags=U "), "{line}");
    let info = client.call("INFO server").to_string();
    assert!(info.contains(&format!("listener0:name=tcp,bind=127.0.0.1,port={}", server.port())), "{info}");
    assert!(info.contains("listener1:name=unix,bind=s.sock"), "{info}");
    // Replies that are larger than what a socket takes at once.
    let value = "x".repeat(4 << 20);
    client.call_args(&["SET", "large", &value]);
    assert_eq!(client.call("GET large").to_string().trim_matches('"'), value);
    let mut other = Client::connect_unix(&path);
    other.check("PING", "PONG");
    client.check("CLIENT KILL ADDR s.sock:0", "1");
    assert!(other.is_closed());
    assert!(server.terminate().status.success());
    assert!(!path.exists(), "the file is removed at the end");
}

#[test]
fn what_a_killed_server_left_behind_is_replaced() {
    let mut server = Server::millstream(ARGUMENTS);
    let path = socket_of(&server);
    server.kill();
    assert!(path.exists());
    server.restart();
    Client::connect_unix(&path).check("PING", "PONG");
}

#[test]
fn port_0_leaves_the_unix_socket_alone() {
    let mut server = Server::prepare_millstream(ARGUMENTS);
    server.add_arguments(&["--port", "0"]);
    server.restart();
    assert!(Client::try_connect(server.port()).is_none());
    let info = Client::connect_unix(&socket_of(&server)).call("INFO server").to_string();
    assert!(info.contains("tcp_port:0"), "{info}");
    assert!(info.contains("listener0:name=unix,bind=s.sock"), "{info}");
}

#[test]
fn a_file_that_is_no_socket_is_left_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.sock");
    fs::write(&path, "kept").unwrap();
    let path_text = path.to_str().unwrap();
    let exit = run_to_exit(dir.path(), &["--port", "0", "--unixsocket", path_text]);
    assert!(!exit.status.success());
    assert!(exit.stderr.contains("Failed opening Unix socket"), "{}", exit.stderr);
    assert_eq!(fs::read(&path).unwrap(), b"kept");
}
