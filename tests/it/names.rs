//! Names that are as long as values are.

use crate::harness::{Client, Server, await_true};

/// Long enough for no buffer to keep it, short enough for a test.
const NAME_BYTES: usize = 8 << 20;

fn used_memory_bytes(client: &mut Client) -> i64 {
    let info = client.call("INFO memory").text();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("INFO has it");
    line.parse().expect("it is a number")
}

#[test]
fn long_names_are_kept_and_their_memory_comes_back() {
    let mut server = Server::millstream(&["--worker-threads", "1"]);
    let mut client = server.client();
    let before = used_memory_bytes(&mut client);
    let name = |byte: u8| vec![byte; NAME_BYTES];
    let (key, group, consumer, field) = (name(b'k'), name(b'g'), name(b'c'), name(b'f'));
    client.call_args(&[b"XADD", key.as_slice(), b"1-1", &field, b"v"]);
    assert_eq!(client.call_args(&[b"XGROUP", b"CREATE".as_slice(), &key, &group, b"0"]).text(), "OK");
    let read =
        client.call_args(&[b"XREADGROUP", b"GROUP".as_slice(), &group, &consumer, b"STREAMS", &key, b">"]);
    assert_eq!(read.elements()[0].elements()[0].text().len(), NAME_BYTES);
    let refused = client.call_args(&[b"XPENDING", key.as_slice(), b"other"]);
    assert_eq!(
        refused.to_string().len(),
        "-NOGROUP No such key '' or consumer group 'other'".len() + NAME_BYTES
    );

    server.kill();
    server.restart();
    let mut client = server.client();
    let pending = client.call_args(&[b"XPENDING", key.as_slice(), &group]);
    let consumers = pending.elements()[3].elements()[0].elements();
    assert_eq!((consumers[0].text().into_bytes(), consumers[1].text()), (consumer.clone(), "1".to_owned()));
    assert_eq!(
        client.call_args(&[b"XGROUP", b"DELCONSUMER".as_slice(), &key, &group, &consumer]).integer(),
        1
    );
    assert_eq!(client.call_args(&[b"DEL", key.as_slice()]).integer(), 1);
    let left_max = before + NAME_BYTES as i64 / 2;
    await_true("the memory comes back", || used_memory_bytes(&mut client) < left_max);
}
