//! TLS: who is let in, certificates that are replaced while the server runs, clients that never finish a handshake.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use tokio_rustls::rustls::{SupportedProtocolVersion, version};

use crate::harness::{
    Authority, Client, Identity, PATIENCE, Server, await_true, find_free_port, run_to_exit,
};

/// A server on a plain port and a TLS port.
struct TlsServer {
    server: Server,
    port: u16,
    authority: Authority,
}

impl TlsServer {
    #[track_caller]
    fn start(arguments: &[&str]) -> Self {
        let authority = Authority::new("the authority");
        let port = find_free_port();
        let mut server = Server::prepare_millstream(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            "server.crt",
            "--tls-key-file",
            "server.key",
            "--tls-ca-cert-file",
            "ca.crt",
        ]);
        server.add_arguments(arguments);
        authority.write(&server.data_dir().join("ca.crt"));
        authority.issue("server").write(&server.data_dir(), "server");
        server.restart();
        Self { server, port, authority }
    }

    /// Whether a client that shows this is let in.
    fn lets_in(&self, identity: Option<&Identity>) -> bool {
        self.lets_in_who_trusts(&self.authority, identity)
    }

    fn lets_in_who_trusts(&self, authority: &Authority, identity: Option<&Identity>) -> bool {
        let Ok(mut client) = Client::connect_tls(self.port, authority.client_config(identity)) else {
            return false;
        };
        client.try_send_raw(b"PING\r\n")
            && client
                .read_within(PATIENCE)
                .is_ok_and(|reply| reply.is_some_and(|reply| reply.to_string() == "PONG"))
    }

    #[track_caller]
    fn client(&self) -> Client {
        let identity = self.authority.issue("client");
        Client::connect_tls(self.port, self.authority.client_config(Some(&identity))).unwrap()
    }
}

#[test]
fn clients_are_let_in_by_their_certificates() {
    let tls = TlsServer::start(&[]);
    let mut plain = tls.server.client();
    let known = tls.authority.issue("a client");
    let unknown = Authority::new("another authority").issue("a client");
    for (mode, expected) in [
        (None, [false, false, true]),
        (Some("no"), [true, true, true]),
        (Some("optional"), [true, false, true]),
        (Some("yes"), [false, false, true]),
    ] {
        if let Some(mode) = mode {
            plain.check(&format!("CONFIG SET tls-auth-clients {mode}"), "OK");
        }
        let found = [None, Some(&unknown), Some(&known)].map(|identity| tls.lets_in(identity));
        assert_eq!(found, expected, "tls-auth-clients {mode:?}");
    }
    let info = plain.call("INFO stats").to_string();
    assert!(info.contains("tls_handshake_failures:5"), "{info}");
    // From a directory instead.
    let dir = tls.server.data_dir().join("authorities");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("README"), "no certificate").unwrap();
    tls.authority.write(&dir.join("ca.pem"));
    plain.check("CONFIG SET tls-ca-cert-file \"\" tls-ca-cert-dir authorities", "OK");
    assert_eq!([Some(&unknown), Some(&known)].map(|identity| tls.lets_in(identity)), [false, true]);
}

#[test]
fn both_ports_serve_the_same_data() {
    let tls = TlsServer::start(&["--appendfsync", "always"]);
    let mut client = tls.client();
    let mut plain = tls.server.client();
    client.check("XADD s 1-1 f v", "\"1-1\"");
    plain.check("XLEN s", "1");
    // Larger than records, buffers and what a socket takes at once.
    let value: String = (0..3_000_000).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
    client.call_args(&["SET", "large", &value]);
    assert_eq!(client.call("GET large").to_string().trim_matches('"'), value);
    // A pipeline, in RESP3, and a blocked client that is served by the other port.
    client.switch_to(3);
    let pipeline: String = (0..10_000).map(|i| format!("XADD s 2-{i} f {i}\r\n")).collect();
    client.send_raw(pipeline.as_bytes());
    for i in 0..10_000 {
        assert_eq!(client.read().to_string(), format!("\"2-{i}\""));
    }
    client.send("XREAD BLOCK 0 STREAMS other $");
    assert_eq!(client.read_within(Duration::from_millis(50)), Ok(None));
    plain.check("XADD other 1-1 f v", "\"1-1\"");
    assert!(client.read().to_string().contains("1-1"));
    client.send("SUBSCRIBE ch");
    client.read();
    plain.check("PUBLISH ch text", "1");
    assert!(client.read().to_string().contains("text"));
    let list = plain.call("CLIENT LIST").to_string();
    assert!(list.contains(&format!("laddr=127.0.0.1:{} ", tls.port)), "{list}");
    let info = plain.call("INFO server").to_string();
    assert!(info.contains(&format!("listener1:name=tls,bind=127.0.0.1,port={}", tls.port)), "{info}");
    plain.check("CLIENT KILL TYPE pubsub", "1");
    assert!(client.is_closed());
}

#[test]
fn certificates_are_replaced_while_the_server_runs_or_stay_in_force() {
    let tls = TlsServer::start(&["--tls-auth-clients", "no"]);
    let mut plain = tls.server.client();
    let mut earlier = tls.client();
    let dir = tls.server.data_dir();
    let refused = |name: &str| {
        format!(
            "-ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS configuration. Check server logs."
        )
    };
    // What is of no use changes nothing, whichever way it is wrong.
    let other = Authority::new("another authority");
    other.issue("server").write(&dir, "other");
    fs::write(dir.join("broken.crt"), "no certificate").unwrap();
    for (name, value) in [
        ("tls-cert-file", "broken.crt"),
        ("tls-cert-file", "missing.crt"),
        ("tls-cert-file", "other.crt"),
        ("tls-key-file", "other.key"),
        ("tls-key-file", "server.crt"),
        ("tls-protocols", "TLSv1"),
        ("tls-protocols", "nosuch"),
        ("tls-ciphers", "AES128-SHA256"),
        ("tls-ciphersuites", "nosuch"),
    ] {
        plain.check(&format!("CONFIG SET {name} {value}"), &refused(name));
        assert!(tls.lets_in(None), "{name} {value}");
    }
    let found = plain.call("CONFIG GET tls-cert-file").to_string();
    assert!(found.contains("server.crt"), "{found}");

    // Another certificate, by other names of files.
    plain.check("CONFIG SET tls-cert-file other.crt tls-key-file other.key", "OK");
    assert!(!tls.lets_in(None));
    assert!(tls.lets_in_who_trusts(&other, None));
    // By the same names, whose files have changed.
    tls.authority.issue("server").write(&dir, "other");
    assert!(tls.lets_in_who_trusts(&other, None), "nothing is read before it is asked for");
    plain.check("CONFIG SET tls-key-file other.key", "OK");
    assert!(tls.lets_in(None));
    // Also on SIGHUP.
    other.issue("server").write(&dir, "other");
    tls.server.signal(rustix::process::Signal::HUP);
    await_true("the new certificate", || tls.lets_in_who_trusts(&other, None));
    earlier.check("PING", "PONG");
}

#[test]
fn ports_are_changed_while_the_server_runs() {
    let tls = TlsServer::start(&["--tls-auth-clients", "no"]);
    let plain_port = tls.server.port();
    let mut client = tls.client();
    // The other way round, each on the port that the other one had.
    client.check(&format!("CONFIG SET tls-port {plain_port} port {}", tls.port), "OK");
    Client::connect(tls.port).check("PING", "PONG");
    let config = || tls.authority.client_config(None);
    Client::connect_tls(plain_port, config()).unwrap().check("PING", "PONG");
    // A port that somebody else has: all stays as it is.
    let free = find_free_port();
    let holder = Server::millstream(&[]);
    let refusal = |name: &str| {
        format!(
            "-ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to listen on this port. Check server logs."
        )
    };
    client.check(&format!("CONFIG SET port {}", holder.port()), &refusal("port"));
    client.check(&format!("CONFIG SET tls-port {}", holder.port()), &refusal("tls-port"));
    Client::connect(tls.port).check("PING", "PONG");
    Client::connect_tls(plain_port, config()).unwrap().check("PING", "PONG");
    client.check("CONFIG SET port 0", "OK");
    assert!(Client::try_connect(tls.port).is_none());
    client.check(&format!("CONFIG SET port {free} tls-port 0"), "OK");
    Client::connect(free).check("PING", "PONG");
    assert!(Client::try_connect(plain_port).is_none());
    client.check("PING", "PONG");
}

#[test]
fn versions_and_ciphers_are_those_that_the_settings_allow() {
    let tls = TlsServer::start(&["--tls-auth-clients", "no"]);
    let mut plain = tls.server.client();
    let speaks = |versions: &[&'static SupportedProtocolVersion]| {
        Client::connect_tls(tls.port, tls.authority.client_config_for(versions, None)).is_ok()
    };
    assert!(speaks(&[&version::TLS12]) && speaks(&[&version::TLS13]));
    plain.check("CONFIG SET tls-protocols \"TLSv1.1 TLSv1.2\"", "OK");
    assert!(speaks(&[&version::TLS12]) && !speaks(&[&version::TLS13]));
    // The certificate's key is of another kind.
    plain.check("CONFIG SET tls-ciphers ECDHE-RSA-AES128-GCM-SHA256", "OK");
    assert!(!speaks(&[&version::TLS12]));
    plain.check("CONFIG SET tls-ciphers DEFAULT tls-protocols TLSv1.3", "OK");
    assert!(!speaks(&[&version::TLS12]) && speaks(&[&version::TLS13]));
}

#[test]
fn handshakes_that_do_not_end_keep_nobody_waiting() {
    let tls = TlsServer::start(&["--tls-auth-clients", "no", "--maxclients", "40"]);
    let mut plain = tls.server.client();
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, tls.port)).unwrap();
    let mut silent: Vec<TcpStream> = (0..30).map(|_| connect()).collect();
    // A record's beginning, and what is no TLS at all.
    silent[0].write_all(b"\x16\x03\x01\x02\x00").unwrap();
    silent[1].write_all(b"PING\r\n").unwrap();
    silent[1].set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    // It may be reset before the alert is read.
    let _ = silent[1].read_to_end(&mut answer);
    assert!(!answer.starts_with(b"+PONG"), "{answer:?}");
    assert!(tls.lets_in(None), "others are served meanwhile");
    plain.check("PING", "PONG");
    await_true("they are counted as clients", || {
        plain.call("INFO clients").to_string().contains("connected_clients:30")
    });
    // Over the limit nobody gets in, and nobody is told in plain text.
    let more: Vec<TcpStream> = (0..10).map(|_| connect()).collect();
    await_true("the limit", || !tls.lets_in(None));
    drop(more);
    plain.check("PING", "PONG");
    // Who does not come to the end is closed, by the server's own clock: ten seconds.
    silent[2].set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(silent[2].read(&mut [0; 16]).unwrap_or(0), 0);
    await_true("all are closed", || {
        plain.call("INFO clients").to_string().contains("connected_clients:1\\r")
    });
}

#[test]
fn an_encrypted_key_is_read_with_its_password() {
    let tls = TlsServer::start(&["--tls-auth-clients", "no"]);
    let mut plain = tls.server.client();
    let dir = tls.server.data_dir();
    let made = std::process::Command::new("openssl")
        .args(["pkcs8", "-topk8", "-in", "server.key", "-out", "encrypted.key", "-passout", "pass:secret"])
        .current_dir(&dir)
        .status();
    assert!(made.expect("openssl is installed").success());
    let refusal = "-ERR CONFIG SET failed (possibly related to argument 'tls-key-file') - Unable to update TLS configuration. Check server logs.";
    plain.check("CONFIG SET tls-key-file encrypted.key", refusal);
    plain.check("CONFIG SET tls-key-file encrypted.key tls-key-file-pass wrong", refusal);
    plain.check("CONFIG SET tls-key-file encrypted.key tls-key-file-pass secret", "OK");
    assert!(tls.lets_in(None));
}

#[test]
fn settings_that_are_of_no_use_are_found_before_and_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("the authority");
    authority.issue("server").write(dir.path(), "server");
    let port = find_free_port().to_string();
    let mut arguments = vec!["--port", "0", "--tls-port", &port];
    for (more, expected) in [
        (&["--tls-cert-file", "server.crt"][..], "tls-key-file is not set"),
        (
            &["--tls-key-file", "server.key"],
            "neither tls-ca-cert-file nor tls-ca-cert-dir says whose are good",
        ),
        (&["--tls-ca-cert-file", "no.crt"], "tls-ca-cert-file no.crt: No such file"),
    ] {
        arguments.extend(more);
        for first in [&[][..], &["--check-config"]] {
            let exit = run_to_exit(dir.path(), &[first, &arguments].concat());
            assert!(!exit.status.success());
            assert!(exit.stderr.contains(expected), "{}", exit.stderr);
        }
    }
    arguments.extend(["--tls-auth-clients", "no"]);
    let exit = run_to_exit(dir.path(), &[&["--check-config"], &arguments[..]].concat());
    assert!(exit.status.success(), "{}", exit.stderr);
}

#[test]
fn tools_speak_it_too() {
    let tls = TlsServer::start(&[]);
    tls.server.client().check("XADD s 1-1 f v", "\"1-1\"");
    let dir = tempfile::tempdir().unwrap();
    tls.authority.write(&dir.path().join("ca.crt"));
    tls.authority.issue("client").write(dir.path(), "client");
    Authority::new("another authority").write(&dir.path().join("other.crt"));
    let url = format!("rediss://127.0.0.1:{}", tls.port);
    let import = |more: &[&str], into: &str| {
        let arguments = [&["import", &url, "--into", into, "--cacert"], more].concat();
        run_to_exit(dir.path(), &arguments)
    };
    for (more, expected) in [
        (&["other.crt"][..], "UnknownIssuer"),
        (&["no.crt"], "--cacert no.crt: No such file"),
        (&["ca.crt"], "lost the connection"),
    ] {
        let exit = import(more, "nothing");
        assert_eq!(exit.status.code(), Some(2), "{exit:?}");
        assert!(exit.stderr.contains(expected), "{}", exit.stderr);
    }
    let exit = import(&["ca.crt", "--cert", "client.crt", "--key", "client.key"], "data");
    assert!(exit.status.success(), "{exit:?}");
    let server = Server::start_on(crate::harness::Program::Millstream, &dir.path().join("data"), &[]);
    server.client().check("XLEN s", "1");
}
