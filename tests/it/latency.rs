//! LATENCY and INFO latencystats: how long commands took, and what took long.

use crate::harness::{Client, Reply, Server};

/// The fields of a section of INFO.
fn info(client: &mut Client, section: &str) -> String {
    client.call(&format!("INFO {section}")).to_string()
}

fn histogram(client: &mut Client, names: &str) -> String {
    client.call(&format!("LATENCY HISTOGRAM {names}")).to_string()
}

#[test]
fn distributions_are_told_of_commands_that_were_called() {
    let server = Server::millstream(&["--worker-threads", "2", "--enable-debug-command", "yes"]);
    // On both threads.
    let (mut client, mut other) = (server.client(), server.client());
    client.switch_to(3);
    client.check("CONFIG RESETSTAT", "OK");
    assert_eq!(histogram(&mut client, ""), histogram(&mut client, "config|resetstat"));
    for _ in 0..3 {
        client.check("SET k v", "OK");
        other.check("SET k v", "OK");
    }
    other.check("DEBUG SLEEP 0.05", "OK");
    other.call("CLIENT ID");
    let debug = client.call("LATENCY HISTOGRAM debug nosuch get nosuch|x client|list");
    let debug = debug.field("debug").expect("it was called");
    assert_eq!(debug.field("calls"), Some(&Reply::Integer(1)));
    let histogram_us = debug.field("histogram_usec").unwrap().to_string();
    let bound_us =
        histogram_us.strip_prefix('{').and_then(|text| text.strip_suffix(": 1}")).expect("one bucket");
    assert!(bound_us.parse::<u64>().unwrap() >= 50_000, "{histogram_us}");
    let found = client.call("LATENCY HISTOGRAM set client");
    assert_eq!(found.field("set").unwrap().field("calls"), Some(&Reply::Integer(6)));
    assert_eq!(found.field("client|id").unwrap().field("calls"), Some(&Reply::Integer(1)));
    assert_eq!(found.field("client|list"), None);

    client.check("CONFIG SET latency-tracking-info-percentiles \"100 99.99\"", "OK");
    let lines = info(&mut client, "latencystats");
    let debug = lines.split("latency_percentiles_usec_").find_map(|line| line.strip_prefix("debug:p100="));
    let (longest, rest) = debug.expect("it was called").split_once(",p99.99=").unwrap();
    let longest: f64 = longest.parse().unwrap();
    assert!(longest >= 50_000.0, "{longest}");
    assert!(rest.starts_with(&format!("{longest:.3}")), "{rest}");
    assert!(info(&mut client, "all").contains("latency_percentiles_usec_set:"));
    assert!(!info(&mut client, "default").contains("latency_percentiles_usec_set:"));

    client.check("CONFIG SET latency-tracking no", "OK");
    assert!(!info(&mut client, "latencystats").contains("latency_percentiles_usec_"));
    let before = histogram(&mut client, "set");
    client.check("SET k v", "OK");
    assert_eq!(histogram(&mut client, "set"), before, "no more is kept");
    assert!(info(&mut client, "commandstats").contains("cmdstat_set:calls=7,"));
}

#[test]
fn what_took_long_is_kept_where_that_is_wanted() {
    let server = Server::millstream(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    client.check("DEBUG SLEEP 0.02", "OK");
    client.check("LATENCY LATEST", "[]");
    assert!(client.call("LATENCY DOCTOR").to_string().contains("latency-monitor-threshold"));
    client.check("CONFIG SET latency-monitor-threshold 20", "OK");
    assert!(client.call("LATENCY DOCTOR").to_string().contains("Nothing"));
    for seconds in ["0.01", "0.05", "0.03"] {
        client.check(&format!("DEBUG SLEEP {seconds}"), "OK");
    }
    let latest = client.call("LATENCY LATEST");
    let [Reply::Array(event)] = as_array(&latest) else { panic!("{latest}") };
    assert_eq!(event[0], Reply::Bulk(b"command".to_vec()));
    assert!(matches!(event[3], Reply::Integer(50..1000)), "{latest}");
    let history = client.call("LATENCY HISTORY command");
    assert!(matches!(as_array(&history), [_] | [_, _]), "one for each second: {history}");
    let doctor = client.call("LATENCY DOCTOR").to_string();
    assert!(doctor.contains("1. command:") && doctor.contains("SLOWLOG GET tells which"), "{doctor}");
    assert!(client.call("LATENCY GRAPH command").to_string().contains("command - high "));
    client.check("LATENCY GRAPH nosuch", "-ERR No samples available for event 'nosuch'");
    client.check("LATENCY HISTORY nosuch", "[]");
    client.check("LATENCY RESET nosuch command", "1");
    client.check("LATENCY RESET", "0");
    client.check("LATENCY LATEST", "[]");
}

fn as_array(reply: &Reply) -> &[Reply] {
    match reply {
        Reply::Array(elements) => elements,
        other => panic!("{other} is no array"),
    }
}
