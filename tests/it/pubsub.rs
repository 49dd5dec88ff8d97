//! Publish and subscribe beyond what scripts show: order, many subscribers, those that do not read.

use std::thread;

use crate::harness::{Client, Server, await_true};

const MESSAGES: usize = 2000;

fn info(client: &mut Client, section: &str, field: &str) -> u64 {
    let text = client.call(&format!("INFO {section}")).text();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("INFO has no {field}"))
}

#[test]
fn each_publishers_messages_come_in_their_order_and_all_of_them() {
    let server = Server::millstream(&["--worker-threads", "4", "--appendonly", "no"]);
    let mut subscribers: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        if number % 2 == 0 {
            subscriber.switch_to(3);
        }
        subscriber.call("SUBSCRIBE c");
    }
    thread::scope(|scope| {
        for publisher in 0..3 {
            let mut client = server.client();
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    client.send(&format!("PUBLISH c {publisher}:{number}"));
                }
                for _ in 0..MESSAGES {
                    assert_eq!(client.read().integer(), 8);
                }
            });
        }
        for subscriber in &mut subscribers {
            scope.spawn(move || {
                let mut next = [0; 3];
                for _ in 0..3 * MESSAGES {
                    let text = subscriber.read().elements()[2].text();
                    let (publisher, number) = text.split_once(':').unwrap();
                    let next = &mut next[publisher.parse::<usize>().unwrap()];
                    assert_eq!(number.parse::<usize>().unwrap(), *next);
                    *next += 1;
                }
            });
        }
    });
}

#[test]
fn a_subscriber_that_does_not_read_is_closed_and_its_memory_given_back() {
    let server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    client.check("CONFIG SET client-output-buffer-limit \"pubsub 8mb 0 0\"", "OK");
    let mut other = server.client();
    other.call("SUBSCRIBE c");
    let mut slow = server.client();
    slow.call("SUBSCRIBE c");
    let before = info(&mut client, "memory", "used_memory");
    let payload = vec![b'x'; 256 * 1024];
    let mut sent = 0;
    // Beyond what the kernel takes, and then the limit.
    while client.call_args(&[&b"PUBLISH"[..], b"c", &payload]).integer() == 2 {
        assert_eq!(other.read().elements()[2].text().len(), payload.len());
        sent += 1;
        assert!(sent < 1000, "it is never closed");
    }
    assert!(sent > 32, "it is closed before its limit");
    await_true("the connection goes", || info(&mut client, "stats", "pubsub_channels") == 1);
    client.check("PUBSUB NUMSUB c", "[\"c\", 1]");
    await_true("the memory is given back", || {
        info(&mut client, "memory", "used_memory") < before + (2 << 20)
    });
    // The one that reads goes on.
    client.check("PUBLISH c last", "1");
    while other.read().elements()[2].text() != "last" {}
}

#[test]
fn a_hundred_thousand_subscriptions_go_with_their_connection() {
    let server = Server::millstream(&["--appendonly", "no"]);
    let (mut client, mut subscriber) = (server.client(), server.client());
    let before = info(&mut client, "memory", "used_memory");
    for batch in 0..100 {
        let mut args = vec!["SUBSCRIBE".to_owned()];
        args.extend((0..1000).map(|number| format!("channel-{batch}-{number}")));
        subscriber.send_args(&args);
        (0..1000).for_each(|_| drop(subscriber.read()));
    }
    assert_eq!(info(&mut client, "stats", "pubsub_channels"), 100_000);
    client.check("PUBLISH channel-99-999 hi", "1");
    drop(subscriber);
    await_true("all subscriptions end", || info(&mut client, "stats", "pubsub_channels") == 0);
    await_true("the memory is given back", || {
        info(&mut client, "memory", "used_memory") < before + (2 << 20)
    });
}

#[test]
fn events_of_keys_are_published_by_class() {
    let server = Server::millstream(&["--notify-keyspace-events", "Egx"]);
    let (mut client, mut subscriber) = (server.client(), server.client());
    client.check("CONFIG GET notify-keyspace-events", "[\"notify-keyspace-events\", \"gxE\"]");
    subscriber.call("PSUBSCRIBE __key*__:*");
    let mut expect = |channel: &str, payload: &str| {
        let parts: Vec<String> = subscriber.read().elements()[2..].iter().map(|part| part.text()).collect();
        assert_eq!(parts, [channel, payload]);
    };
    client.check("SET soon 1 PX 30", "OK");
    expect("__keyevent@0__:expire", "soon");
    // Nobody asks for it.
    expect("__keyevent@0__:expired", "soon");
    client.check("CONFIG SET notify-keyspace-events Kt", "OK");
    client.check("SELECT 3", "OK");
    client.check("SET a 1", "OK");
    client.check("XADD s 1-1 f v", "\"1-1\"");
    client.check("DEL s", "1");
    expect("__keyspace@3__:s", "xadd");
    client.check("CONFIG SET notify-keyspace-events \"\"", "OK");
    client.check("XADD s 1-1 f v", "\"1-1\"");
    client.check("PUBLISH __key__:end x", "1");
    expect("__key__:end", "x");
}

#[test]
fn who_may_not_listen_any_more_is_closed() {
    let server = Server::millstream(&["--worker-threads", "4", "--appendonly", "no"]);
    let mut client = server.client();
    client.check("ACL SETUSER joe on nopass +@all allchannels", "OK");
    let subscribe = |how: &str| {
        let mut subscriber = server.client();
        subscriber.check("AUTH joe any", "OK");
        subscriber.call(how);
        if how.ends_with("a b") {
            subscriber.read();
        }
        subscriber
    };
    let mut kept = [subscribe("SUBSCRIBE a"), subscribe("PSUBSCRIBE a*"), subscribe("SSUBSCRIBE ab")];
    let mut closed = [subscribe("SUBSCRIBE a b"), subscribe("PSUBSCRIBE *"), subscribe("SSUBSCRIBE b")];
    let mut other = server.client();
    other.call("SUBSCRIBE b");
    client.check("ACL SETUSER joe resetchannels &a*", "OK");
    for subscriber in &mut closed {
        assert!(subscriber.is_closed());
    }
    client.check("PUBLISH a x", "2");
    client.check("PUBLISH b x", "1");
    client.check("SPUBLISH ab x", "1");
    kept.iter_mut().for_each(|subscriber| drop(subscriber.read()));
    client.check("ACL DELUSER joe", "1");
    for subscriber in &mut kept {
        assert!(subscriber.is_closed());
    }
    other.read();
}

#[test]
fn a_subscriber_over_the_soft_limit_is_closed_though_nothing_comes_any_more() {
    let server = Server::millstream(&["--appendonly", "no"]);
    let mut client = server.client();
    client.check("CONFIG SET client-output-buffer-limit \"pubsub 0 1mb 1\"", "OK");
    let mut slow = server.client();
    slow.call("SUBSCRIBE c");
    let payload = vec![b'x'; 1 << 20];
    // Beyond what the kernel takes.
    for _ in 0..32 {
        client.call_args(&[&b"PUBLISH"[..], b"c", &payload]);
    }
    await_true("it is closed", || {
        info(&mut client, "stats", "client_output_buffer_limit_disconnections") == 1
    });
    await_true("it is gone", || info(&mut client, "stats", "pubsub_channels") == 0);
}
