//! The scenario in the crate `fred`: stream-scenario-fred PORT PROTOCOL PART. See ../README.md.

use std::time::Duration;

use fred::prelude::*;
use fred::types::streams::XPendingArgs;
use fred::types::{CustomCommand, RespVersion};
use serde_json::{Map, Value as Json, json};

const ADD_AFTER: Duration = Duration::from_millis(200);

/// How a reader reads: alone, or as a consumer of a group.
#[derive(Clone, Copy, Default)]
struct Reading {
    consumer: Option<(&'static str, &'static str)>,
    count: Option<u64>,
    block_ms: Option<u64>,
    noack: bool,
}

impl Reading {
    fn of(group: &'static str, consumer: &'static str) -> Self {
        Self { consumer: Some((group, consumer)), ..Self::default() }
    }

    fn count(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    fn block_ms(self, block_ms: u64) -> Self {
        Self { block_ms: Some(block_ms), ..self }
    }

    fn noack(self) -> Self {
        Self { noack: true, ..self }
    }
}

struct Scenario {
    port: u16,
    protocol: RespVersion,
    client: Client,
}

fn step(name: &str, result: Json) {
    println!("{}", json!([name, result]));
}

/// A reply as JSON has it.
fn plain(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Boolean(is) => json!(is),
        Value::Array(values) => values.into_iter().map(plain).collect(),
        Value::Map(map) => {
            let named = |(key, value): (Key, Value)| (key.as_str_lossy().into_owned(), plain(value));
            Json::Object(map.inner().into_iter().map(named).collect())
        }
        other => json!(other.as_string()),
    }
}

/// An entry, of which what follows its fields is left out, as a pair of ID and fields.
fn pair(entry: &Json) -> Json {
    let words = entry[1].as_array().expect("an entry has fields");
    let fields = words.chunks(2).map(|field| (text(&field[0]), field[1].clone()));
    json!([entry[0], fields.collect::<Map<String, Json>>()])
}

fn text(value: &Json) -> String {
    value.as_str().expect("this is a string").to_owned()
}

/// The entries of the one stream that a reply of XREAD or XREADGROUP has: a map in RESP3, pairs in RESP2.
fn stream_of(reply: Value) -> Vec<Json> {
    let entries = match plain(reply) {
        Json::Object(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        Json::Array(streams) => streams.first().map(|stream| stream[1].clone()),
        _ => None,
    };
    entries.and_then(|entries| entries.as_array().cloned()).unwrap_or_default()
}

fn ids(entries: &[Json]) -> Json {
    entries.iter().map(|entry| entry[0].clone()).collect()
}

fn ids_of(reply: Value) -> Json {
    ids(&stream_of(reply))
}

fn entries_of(reply: Value) -> Json {
    stream_of(reply).iter().map(pair).collect()
}

fn is_ok(reply: &str) -> Json {
    json!(reply == "OK")
}

async fn connect(port: u16, protocol: &RespVersion) -> FredResult<Client> {
    let mut config = Config { version: protocol.clone(), ..Config::default() };
    config.server = ServerConfig::new_centralized("127.0.0.1", port);
    let client = Builder::from_config(config).build()?;
    client.init().await?;
    Ok(client)
}

impl Scenario {
    /// Sends a command that fred has no method or no option for.
    async fn send<R: FromValue>(&self, command: &'static str, words: &[&str]) -> FredResult<R> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let is_blocking = words.iter().any(|word| word == "BLOCK");
        self.client.custom(CustomCommand::new_static(command, None::<u16>, is_blocking), words).await
    }

    /// Reads one stream.
    async fn read(&self, key: &str, id: &str, reading: Reading) -> FredResult<Value> {
        let Reading { consumer, count, block_ms, noack } = reading;
        match consumer {
            None => self.client.xread(count, block_ms, key, id).await,
            Some((group, name)) => self.client.xreadgroup(group, name, count, block_ms, noack, key, id).await,
        }
    }

    /// Reads while another client adds an entry after a while.
    async fn read_while_adding(
        &self,
        (key, entry_id): (&'static str, &'static str),
        from: &str,
        reading: Reading,
    ) -> FredResult<Value> {
        let (port, protocol) = (self.port, self.protocol.clone());
        let adding = tokio::spawn(async move {
            tokio::time::sleep(ADD_AFTER).await;
            let other = connect(port, &protocol).await?;
            let _: String = other.xadd(key, false, None, entry_id, ("late", "1")).await?;
            other.quit().await
        });
        let reply = self.read(key, from, reading).await?;
        adding.await.expect("adding does not panic")?;
        Ok(reply)
    }

    async fn error_of(&self, command: &'static str, words: &[&str]) -> String {
        match self.send::<Value>(command, words).await {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.details().trim_start_matches("ERR ").to_owned(),
        }
    }

    async fn produce(&self) -> FredResult<()> {
        let client = &self.client;
        let id: String = client.xadd("orders", false, None, "1-1", ("n", "1")).await?;
        step("add", json!(id));
        let id: String = client.xadd("orders", false, None, "1-*", ("n", "2")).await?;
        step("add, sequence number left out", json!(id));
        let pipeline = client.pipeline();
        for n in 1..7 {
            let fields = vec![("n", (n + 2).to_string()), ("cents", "250".to_owned())];
            let _: () = pipeline.xadd("orders", false, None, format!("2-{n}"), fields).await?;
        }
        let more: Vec<String> = pipeline.all().await?;
        step("add more", json!(more));
        let id: Option<String> = client.xadd("nothing", true, None, "1-1", ("n", "1")).await?;
        step("add to no stream", json!(id));
        for n in 1..6 {
            let _: String =
                client.xadd("recent", false, ("MAXLEN", "=", 3), format!("1-{n}"), ("n", n)).await?;
        }
        step("length after MAXLEN", json!(client.xlen::<i64, _>("recent").await?));
        let about = ("MAXLEN", "~", 1000, Some(10));
        let id: String = client.xadd("recent", false, about, "1-6", ("n", "6")).await?;
        step("add, MAXLEN ~ LIMIT", json!(id));
        let words = ["recent", "MINID", "=", "1-5", "ACKED", "2-1", "n", "7"];
        step("add, MINID ACKED", json!(self.send::<String>("XADD", &words).await?));
        let range: Value = client.xrange("recent", "-", "+", None).await?;
        step("range", plain(range).as_array().into_iter().flatten().map(pair).collect());
        let range: Value = client.xrevrange("recent", "+", "-", Some(2)).await?;
        step("reversed range", ids(plain(range).as_array().expect("a range is a list")));
        step("read", entries_of(self.read("orders", "2-4", Reading::default().count(1)).await?));
        Ok(())
    }

    async fn produce_once(&self) -> FredResult<()> {
        let words = ["once", "IDMP", "producer", "1", "*", "n", "1"];
        let (first, again): (String, String) =
            (self.send("XADD", &words).await?, self.send("XADD", &words).await?);
        step("add again, IDMP", json!(first == again));
        let words = ["once", "IDMPAUTO", "other", "*", "n", "2"];
        let (first, again): (String, String) =
            (self.send("XADD", &words).await?, self.send("XADD", &words).await?);
        step("add again, IDMPAUTO", json!(first == again));
        step("length of what was added once", json!(self.client.xlen::<i64, _>("once").await?));
        let words = ["once", "IDMP-DURATION", "60", "IDMP-MAXSIZE", "50"];
        step("settings", is_ok(&self.send::<String>("XCFGSET", &words).await?));
        Ok(())
    }

    async fn work(&self) -> FredResult<()> {
        let client = &self.client;
        let created: String = client.xgroup_create("orders", "billing", "0", false).await?;
        step("create group", is_ok(&created));
        let created: String = client.xgroup_create("audit", "readers", "$", true).await?;
        step("create group and stream", is_ok(&created));
        let words = ["CREATE", "orders", "late", "2-2", "ENTRIESREAD", "4"];
        step("create group, ENTRIESREAD", is_ok(&self.send::<String>("XGROUP", &words).await?));
        let created: i64 = client.xgroup_createconsumer("orders", "billing", "alice").await?;
        step("create consumer", json!(created));
        let read = self.read("orders", ">", Reading::of("billing", "alice").count(3)).await?;
        step("alice reads", entries_of(read));
        let read = self.read("orders", ">", Reading::of("billing", "bob").count(2)).await?;
        step("bob reads", ids_of(read));
        let (count, start, end, consumers): (i64, String, String, Vec<(String, i64)>) =
            client.xpending("orders", "billing", ()).await?;
        let consumers: Map<String, Json> =
            consumers.into_iter().map(|(name, pending)| (name, json!(pending))).collect();
        step("pending", json!([count, start, end, consumers]));
        let read = self.read("orders", "0", Reading::of("billing", "alice")).await?;
        step("alice reads again", ids_of(read));
        self.look_at_pending().await?;
        let acknowledged: i64 = client.xack("orders", "billing", vec!["1-1", "9-9"]).await?;
        step("acknowledge", json!(acknowledged));
        let (idle_ms, retries) = (Some(100_000), Some(5));
        let claimed: Value =
            client.xclaim("orders", "billing", "bob", 0, "1-2", idle_ms, None, retries, false, false).await?;
        step("claim", ids(plain(claimed).as_array().expect("claimed entries are a list")));
        let claimed: Vec<String> =
            client.xclaim("orders", "billing", "alice", 0, "2-2", None, None, None, true, true).await?;
        step("claim, JUSTID", json!(claimed));
        Ok(())
    }

    async fn look_at_pending(&self) -> FredResult<()> {
        let all = XPendingArgs {
            idle: Some(0),
            start: Some("-".into()),
            end: Some("+".into()),
            count: Some(10),
            consumer: None,
        };
        type Rows = Vec<(String, String, i64, i64)>;
        let rows: Rows = self.client.xpending("orders", "billing", all).await?;
        let rows = rows.iter().map(|(id, consumer, _, times)| json!([id, consumer, times]));
        step("pending entries", rows.collect());
        let rows: Rows = self.client.xpending("orders", "billing", ("-", "+", 10, "bob")).await?;
        step("bob's pending entries", rows.iter().map(|(id, ..)| json!(id)).collect());
        Ok(())
    }

    async fn die_and_deliver_again(&self) -> FredResult<()> {
        {
            let (port, protocol) = (self.port, self.protocol.clone());
            let client = connect(port, &protocol).await?;
            let carol = Self { port, protocol, client };
            let read = carol.read("orders", ">", Reading::of("billing", "carol").count(1)).await?;
            step("carol reads and dies", ids_of(read));
        }
        let words = ["GROUP", "billing", "dave", "COUNT", "10", "CLAIM", "50000", "STREAMS", "orders", ">"];
        step("dave reads with CLAIM", ids_of(self.send("XREADGROUP", &words).await?));
        let claimed: Value =
            self.client.xautoclaim("orders", "billing", "dave", 0, "2-3", Some(1), false).await?;
        let claimed = plain(claimed);
        let entries = claimed[1].as_array().expect("claimed entries are a list");
        step("dave claims what carol left", json!([claimed[0], ids(entries), claimed[2]]));
        let claimed: Value =
            self.client.xautoclaim("orders", "billing", "erin", 0, "2-6", None, true).await?;
        step("claim by IDs alone", plain(claimed)[1].clone());
        Ok(())
    }

    async fn block(&self) -> FredResult<()> {
        let alice = Reading::of("readers", "alice").block_ms(10_000);
        let read = self.read_while_adding(("audit", "1-1"), ">", alice).await?;
        step("blocked reader of a group", ids_of(read));
        let alone = Reading::default();
        let read = self.read_while_adding(("audit", "1-2"), "$", alone.block_ms(10_000)).await?;
        step("blocked reader", ids_of(read));
        step("nothing comes", ids_of(self.read("audit", "$", alone.block_ms(20)).await?));
        let read = self.read("audit", ">", Reading::of("readers", "bob").noack()).await?;
        step("read without acknowledging", ids_of(read));
        Ok(())
    }

    async fn remove(&self) -> FredResult<()> {
        let client = &self.client;
        let words = ["orders", "billing", "DELREF", "IDS", "2", "2-1", "9-9"];
        step("acknowledge and delete", plain(self.send("XACKDEL", &words).await?));
        let words = ["orders", "ACKED", "IDS", "3", "1-1", "2-2", "9-9"];
        step("delete if acknowledged", plain(self.send("XDELEX", &words).await?));
        let words = ["orders", "MAXLEN", "=", "5", "DELREF"];
        step("trim, DELREF", plain(self.send("XTRIM", &words).await?));
        let trimmed: i64 = client.xtrim("recent", ("MINID", "~", "1-1", Some(10))).await?;
        step("trim, MINID ~", json!(trimmed));
        step("delete", json!(client.xdel::<i64, _, _>("orders", "2-5").await?));
        let deleted: i64 = client.xgroup_delconsumer("orders", "billing", "erin").await?;
        step("delete consumer", json!(deleted));
        let words = ["SETID", "orders", "late", "2-3", "ENTRIESREAD", "5"];
        step("set group's ID", is_ok(&self.send::<String>("XGROUP", &words).await?));
        let _: String = client.xgroup_create("orders", "short", "0", false).await?;
        let destroyed: i64 = client.xgroup_destroy("orders", "short").await?;
        step("destroy group", json!(destroyed));
        Ok(())
    }

    async fn look(&self) -> FredResult<()> {
        let named = |rows: Vec<std::collections::BTreeMap<String, Value>>, fields: &[&str]| {
            let mut rows: Vec<Json> = rows
                .into_iter()
                .map(|row| fields.iter().map(|field| plain(row[*field].clone())).collect())
                .collect();
            rows.sort_by_key(|row: &Json| text(&row[0]));
            Json::Array(rows)
        };
        let groups = self.client.xinfo_groups("orders").await?;
        step("groups", named(groups, &["name", "consumers", "pending", "last-delivered-id"]));
        let consumers = self.client.xinfo_consumers("orders", "billing").await?;
        step("consumers", named(consumers, &["name", "pending"]));
        let info: std::collections::BTreeMap<String, Value> =
            self.client.xinfo_stream("orders", false, None).await?;
        let told = |field: &str| plain(info[field].clone());
        let first_id = told("first-entry")[0].clone();
        step("stream", json!([told("length"), told("last-generated-id"), told("groups"), first_id]));
        let errors = [
            self.error_of("XADD", &["orders", "1-1", "a", "b"]).await,
            self.error_of("XREADGROUP", &["GROUP", "no", "c", "STREAMS", "orders", ">"]).await,
        ];
        step("errors", json!(errors));
        Ok(())
    }

    async fn hand_back(&self) -> FredResult<()> {
        let client = &self.client;
        for n in 1..8 {
            let _: String = client.xadd("jobs", false, None, format!("1-{n}"), ("n", n)).await?;
        }
        let _: String = client.xgroup_create("jobs", "workers", "0", false).await?;
        self.read("jobs", ">", Reading::of("workers", "alice").count(4)).await?;
        let steps: [(&str, &[&str]); 4] = [
            ("hand back, FAIL", &["jobs", "workers", "FAIL", "IDS", "1", "1-1"]),
            ("hand back, SILENT", &["jobs", "workers", "SILENT", "IDS", "2", "1-2", "9-9"]),
            ("hand back, FATAL", &["jobs", "workers", "FATAL", "IDS", "1", "1-3"]),
            (
                "hand back, RETRYCOUNT FORCE",
                &["jobs", "workers", "FAIL", "IDS", "1", "1-6", "RETRYCOUNT", "7", "FORCE"],
            ),
        ];
        for (name, words) in steps {
            step(name, plain(self.send("XNACK", words).await?));
        }
        let rows: Vec<(String, String, i64, i64)> =
            client.xpending("jobs", "workers", ("-", "+", 10)).await?;
        let rows = rows.iter().map(|(id, consumer, ..)| json!([id, consumer]));
        step("pending for nobody", rows.collect());
        let words = ["GROUP", "workers", "bob", "COUNT", "2", "CLAIM", "1000000", "STREAMS", "jobs", ">"];
        step("bob reads what was handed back", ids_of(self.send("XREADGROUP", &words).await?));
        let words = ["GROUP", "workers", "bob", "MAXCOUNT", "1", "STREAMS", "jobs", ">"];
        step("MAXCOUNT", ids_of(self.send("XREADGROUP", &words).await?));
        let words = ["MAXSIZE", "60", "STREAMS", "jobs", "0"];
        step("MAXSIZE", ids_of(self.send("XREAD", &words).await?));
        let words = ["jobs", "producer", "1", "1-5"];
        step("record", is_ok(&self.send::<String>("XIDMPRECORD", &words).await?));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> FredResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, protocol, part] = &arguments[..] else {
        panic!("usage: stream-scenario-fred PORT PROTOCOL PART")
    };
    let port = port.parse().expect("the port is a number");
    let protocol = if protocol == "3" { RespVersion::RESP3 } else { RespVersion::RESP2 };
    let client = connect(port, &protocol).await?;
    let scenario = Scenario { port, protocol, client };
    if part == "8.10" {
        return scenario.hand_back().await;
    }
    scenario.produce().await?;
    scenario.produce_once().await?;
    scenario.work().await?;
    scenario.die_and_deliver_again().await?;
    scenario.block().await?;
    scenario.remove().await?;
    scenario.look().await
}
