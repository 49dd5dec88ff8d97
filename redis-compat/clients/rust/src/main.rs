//! The scenario in the crate `redis`: stream-scenario PORT PROTOCOL PART. See ../README.md.

use std::thread;
use std::time::Duration;

use redis::streams::{
    StreamAddOptions, StreamAutoClaimOptions, StreamAutoClaimReply, StreamClaimOptions, StreamClaimReply,
    StreamConfigOptions, StreamDeletionPolicy, StreamId, StreamInfoConsumersReply, StreamInfoGroupsReply,
    StreamInfoStreamReply, StreamMaxlen, StreamNackMode, StreamNackOptions, StreamPendingCountReply,
    StreamPendingReply, StreamRangeReply, StreamReadOptions, StreamReadReply, StreamTrimOptions,
    StreamTrimStrategy, StreamTrimmingMode, XAckDelStatusCode, XDelExStatusCode,
};
use redis::{Client, Commands, Connection, RedisResult, cmd};
use serde_json::{Map, Value, json};

const ADD_AFTER: Duration = Duration::from_millis(200);

struct Scenario {
    url: String,
    client: Connection,
}

fn step(name: &str, result: Value) {
    println!("{}", json!([name, result]));
}

fn pair(entry: &StreamId) -> Value {
    let fields: Map<String, Value> =
        entry.map.keys().map(|field| (field.clone(), json!(entry.get::<String>(field)))).collect();
    json!([entry.id, fields])
}

fn entries_of(reply: &Option<StreamReadReply>) -> Value {
    reply.iter().flat_map(|reply| &reply.keys).flat_map(|stream| &stream.ids).map(pair).collect()
}

fn ids_of(reply: &Option<StreamReadReply>) -> Value {
    reply
        .iter()
        .flat_map(|reply| &reply.keys)
        .flat_map(|stream| &stream.ids)
        .map(|entry| json!(entry.id))
        .collect()
}

fn ids(entries: &[StreamId]) -> Value {
    entries.iter().map(|entry| json!(entry.id)).collect()
}

impl Scenario {
    fn new(url: String) -> RedisResult<Self> {
        Ok(Self { client: connect(&url)?, url })
    }

    /// Reads one stream.
    fn read(
        &mut self,
        key: &str,
        id: &str,
        options: StreamReadOptions,
    ) -> RedisResult<Option<StreamReadReply>> {
        self.client.xread_options(&[key], &[id], &options)
    }

    /// Reads while another client adds an entry after a while.
    fn read_while_adding(
        &mut self,
        (key, entry_id): (&str, &'static str),
        from: &str,
        options: StreamReadOptions,
    ) -> RedisResult<Option<StreamReadReply>> {
        let (url, added_to) = (self.url.clone(), key.to_owned());
        let adding = thread::spawn(move || -> RedisResult<Option<String>> {
            thread::sleep(ADD_AFTER);
            connect(&url)?.xadd(added_to, entry_id, &[("late", "1")])
        });
        let reply = self.read(key, from, options)?;
        adding.join().expect("adding does not panic")?;
        Ok(reply)
    }

    fn error_of(&mut self, words: &[&str]) -> String {
        let result = cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut self.client);
        match result {
            Ok(_) => "no error".to_owned(),
            Err(error) => {
                let code = error.code().filter(|code| *code != "ERR").map(|code| format!("{code} "));
                format!("{}{}", code.unwrap_or_default(), error.detail().unwrap_or_default())
            }
        }
    }

    fn produce(&mut self) -> RedisResult<()> {
        let client = &mut self.client;
        let id: Option<String> = client.xadd("orders", "1-1", &[("n", "1")])?;
        step("add", json!(id));
        let id: Option<String> = client.xadd("orders", "1-*", &[("n", "2")])?;
        step("add, sequence number left out", json!(id));
        let mut pipeline = redis::pipe();
        for n in 1..7 {
            pipeline.xadd(
                "orders",
                format!("2-{n}"),
                &[("n", (n + 2).to_string()), ("cents", "250".to_owned())],
            );
        }
        let more: Vec<String> = pipeline.query(client)?;
        step("add more", json!(more));
        let options = StreamAddOptions::default().nomkstream();
        let id: Option<String> = client.xadd_options("nothing", "1-1", &[("n", "1")], &options)?;
        step("add to no stream", json!(id));
        for n in 1..6 {
            let _: Option<String> =
                client.xadd_maxlen("recent", StreamMaxlen::Equals(3), format!("1-{n}"), &[("n", n)])?;
        }
        step("length after MAXLEN", json!(client.xlen::<_, i64>("recent")?));
        let about = StreamTrimStrategy::maxlen(StreamTrimmingMode::Approx, 1000).limit(10);
        let options = StreamAddOptions::default().trim(about);
        let id: Option<String> = client.xadd_options("recent", "1-6", &[("n", "6")], &options)?;
        step("add, MAXLEN ~ LIMIT", json!(id));
        let options = StreamAddOptions::default()
            .trim(StreamTrimStrategy::minid(StreamTrimmingMode::Exact, "1-5"))
            .set_deletion_policy(StreamDeletionPolicy::Acked);
        let id: Option<String> = client.xadd_options("recent", "2-1", &[("n", "7")], &options)?;
        step("add, MINID ACKED", json!(id));
        let range: StreamRangeReply = client.xrange_all("recent")?;
        step("range", range.ids.iter().map(pair).collect());
        let range: StreamRangeReply = client.xrevrange_count("recent", "+", "-", 2)?;
        step("reversed range", ids(&range.ids));
        let read = self.read("orders", "2-4", StreamReadOptions::default().count(1))?;
        step("read", entries_of(&read));
        Ok(())
    }

    fn produce_once(&mut self) -> RedisResult<()> {
        let mut add_twice = |n: &str, options: StreamAddOptions| -> RedisResult<bool> {
            let first: Option<String> = self.client.xadd_options("once", "*", &[("n", n)], &options)?;
            let again: Option<String> = self.client.xadd_options("once", "*", &[("n", n)], &options)?;
            Ok(first.is_some() && first == again)
        };
        step("add again, IDMP", json!(add_twice("1", StreamAddOptions::default().idmp("producer", "1"))?));
        step("add again, IDMPAUTO", json!(add_twice("2", StreamAddOptions::default().idmpauto("other"))?));
        step("length of what was added once", json!(self.client.xlen::<_, i64>("once")?));
        let options = StreamConfigOptions::with_idempotency_seconds(60)
            .and_then(|options| options.idempotency_maxsize(50))
            .expect("both are within their bounds");
        step("settings", json!(self.client.xcfgset::<_, String>("once", &options)? == "OK"));
        Ok(())
    }

    fn work(&mut self) -> RedisResult<()> {
        let client = &mut self.client;
        step(
            "create group",
            json!(client.xgroup_create::<_, _, _, String>("orders", "billing", "0")? == "OK"),
        );
        let created: String = client.xgroup_create_mkstream("audit", "readers", "$")?;
        step("create group and stream", json!(created == "OK"));
        let words = ["CREATE", "orders", "late", "2-2", "ENTRIESREAD", "4"];
        step("create group, ENTRIESREAD", json!(cmd("XGROUP").arg(&words).query::<String>(client)? == "OK"));
        let created: bool = client.xgroup_createconsumer("orders", "billing", "alice")?;
        step("create consumer", json!(i64::from(created)));
        let as_consumer = |name: &str| StreamReadOptions::default().group("billing", name);
        let read = self.read("orders", ">", as_consumer("alice").count(3))?;
        step("alice reads", entries_of(&read));
        let read = self.read("orders", ">", as_consumer("bob").count(2))?;
        step("bob reads", ids_of(&read));
        let StreamPendingReply::Data(pending) = self.client.xpending("orders", "billing")? else {
            panic!("nothing is pending");
        };
        let consumers: Map<String, Value> = pending
            .consumers
            .iter()
            .map(|consumer| (consumer.name.clone(), json!(consumer.pending)))
            .collect();
        step("pending", json!([pending.count, pending.start_id, pending.end_id, consumers]));
        let read = self.read("orders", "0", as_consumer("alice"))?;
        step("alice reads again", ids_of(&read));
        let words = ("orders", "billing", "IDLE", 0, "-", "+", 10);
        let rows: StreamPendingCountReply = cmd("XPENDING").arg(words).query(&mut self.client)?;
        let row = |row: &redis::streams::StreamPendingId| json!([row.id, row.consumer, row.times_delivered]);
        step("pending entries", rows.ids.iter().map(row).collect());
        let rows: StreamPendingCountReply =
            self.client.xpending_consumer_count("orders", "billing", "-", "+", 10, "bob")?;
        step("bob's pending entries", rows.ids.iter().map(|row| json!(row.id)).collect());
        step("acknowledge", json!(self.client.xack::<_, _, _, i64>("orders", "billing", &["1-1", "9-9"])?));
        let options = StreamClaimOptions::default().idle(100_000).retry(5);
        let claimed: StreamClaimReply =
            self.client.xclaim_options("orders", "billing", "bob", 0, &["1-2"], options)?;
        step("claim", ids(&claimed.ids));
        let options = StreamClaimOptions::default().with_force().with_justid();
        let claimed: Vec<String> =
            self.client.xclaim_options("orders", "billing", "alice", 0, &["2-2"], options)?;
        step("claim, JUSTID", json!(claimed));
        Ok(())
    }

    fn die_and_deliver_again(&mut self) -> RedisResult<()> {
        let as_consumer = |name: &str| StreamReadOptions::default().group("billing", name);
        {
            let mut carol = Self::new(self.url.clone())?;
            let read = carol.read("orders", ">", as_consumer("carol").count(1))?;
            step("carol reads and dies", ids_of(&read));
        }
        let read = self.read("orders", ">", as_consumer("dave").count(10).claim(50_000))?;
        step("dave reads with CLAIM", ids_of(&read));
        let options = StreamAutoClaimOptions::default().count(1);
        let claimed: StreamAutoClaimReply =
            self.client.xautoclaim_options("orders", "billing", "dave", 0, "2-3", options)?;
        step(
            "dave claims what carol left",
            json!([claimed.next_stream_id, ids(&claimed.claimed), claimed.deleted_ids]),
        );
        let options = StreamAutoClaimOptions::default().with_justid();
        let claimed: StreamAutoClaimReply =
            self.client.xautoclaim_options("orders", "billing", "erin", 0, "2-6", options)?;
        step("claim by IDs alone", ids(&claimed.claimed));
        Ok(())
    }

    fn block(&mut self) -> RedisResult<()> {
        let as_consumer = |name: &str| StreamReadOptions::default().group("readers", name);
        let read = self.read_while_adding(("audit", "1-1"), ">", as_consumer("alice").block(10_000))?;
        step("blocked reader of a group", ids_of(&read));
        let read =
            self.read_while_adding(("audit", "1-2"), "$", StreamReadOptions::default().block(10_000))?;
        step("blocked reader", ids_of(&read));
        let read = self.read("audit", "$", StreamReadOptions::default().block(20))?;
        step("nothing comes", ids_of(&read));
        let read = self.read("audit", ">", as_consumer("bob").noack())?;
        step("read without acknowledging", ids_of(&read));
        Ok(())
    }

    fn remove(&mut self) -> RedisResult<()> {
        let client = &mut self.client;
        let codes: Vec<XAckDelStatusCode> =
            client.xack_del("orders", "billing", &["2-1", "9-9"], StreamDeletionPolicy::DelRef)?;
        let code = |code: &XAckDelStatusCode| match code {
            XAckDelStatusCode::IdNotFound => -1,
            XAckDelStatusCode::AcknowledgedAndDeleted => 1,
            _ => 2,
        };
        step("acknowledge and delete", json!(codes.iter().map(code).collect::<Vec<_>>()));
        let codes: Vec<XDelExStatusCode> =
            client.xdel_ex("orders", &["1-1", "2-2", "9-9"], StreamDeletionPolicy::Acked)?;
        let code = |code: &XDelExStatusCode| match code {
            XDelExStatusCode::IdNotFound => -1,
            XDelExStatusCode::Deleted => 1,
            _ => 2,
        };
        step("delete if acknowledged", json!(codes.iter().map(code).collect::<Vec<_>>()));
        let options = StreamTrimOptions::maxlen(StreamTrimmingMode::Exact, 5)
            .set_deletion_policy(StreamDeletionPolicy::DelRef);
        step("trim, DELREF", json!(client.xtrim_options::<_, i64>("orders", &options)?));
        let options = StreamTrimOptions::minid(StreamTrimmingMode::Approx, "1-1").limit(10);
        step("trim, MINID ~", json!(client.xtrim_options::<_, i64>("recent", &options)?));
        step("delete", json!(client.xdel::<_, _, i64>("orders", &["2-5"])?));
        let deleted: i64 = client.xgroup_delconsumer("orders", "billing", "erin")?;
        step("delete consumer", json!(deleted));
        let words = ["SETID", "orders", "late", "2-3", "ENTRIESREAD", "5"];
        step("set group's ID", json!(cmd("XGROUP").arg(&words).query::<String>(client)? == "OK"));
        let _: String = client.xgroup_create("orders", "short", "0")?;
        let destroyed: bool = client.xgroup_destroy("orders", "short")?;
        step("destroy group", json!(i64::from(destroyed)));
        Ok(())
    }

    fn look(&mut self) -> RedisResult<()> {
        let mut groups: StreamInfoGroupsReply = self.client.xinfo_groups("orders")?;
        groups.groups.sort_by(|a, b| a.name.cmp(&b.name));
        let groups = groups.groups.iter();
        let groups =
            groups.map(|group| json!([group.name, group.consumers, group.pending, group.last_delivered_id]));
        step("groups", groups.collect());
        let mut consumers: StreamInfoConsumersReply = self.client.xinfo_consumers("orders", "billing")?;
        consumers.consumers.sort_by(|a, b| a.name.cmp(&b.name));
        let consumers = consumers.consumers.iter().map(|consumer| json!([consumer.name, consumer.pending]));
        step("consumers", consumers.collect());
        let info: StreamInfoStreamReply = self.client.xinfo_stream("orders")?;
        step("stream", json!([info.length, info.last_generated_id, info.groups, info.first_entry.id]));
        let errors = [
            self.error_of(&["XADD", "orders", "1-1", "a", "b"]),
            self.error_of(&["XREADGROUP", "GROUP", "no", "c", "STREAMS", "orders", ">"]),
        ];
        step("errors", json!(errors));
        Ok(())
    }

    fn hand_back(&mut self) -> RedisResult<()> {
        let as_consumer = |name: &str| StreamReadOptions::default().group("workers", name);
        for n in 1..8 {
            let _: Option<String> = self.client.xadd("jobs", format!("1-{n}"), &[("n", n)])?;
        }
        let _: String = self.client.xgroup_create("jobs", "workers", "0")?;
        self.read("jobs", ">", as_consumer("alice").count(4))?;
        let mut nack = |mode, ids: &[&str]| -> RedisResult<Value> {
            Ok(json!(self.client.xnack::<_, _, _, i64>(
                "jobs",
                "workers",
                ids,
                &StreamNackOptions::new(mode)
            )?))
        };
        step("hand back, FAIL", nack(StreamNackMode::Fail, &["1-1"])?);
        step("hand back, SILENT", nack(StreamNackMode::Silent, &["1-2", "9-9"])?);
        step("hand back, FATAL", nack(StreamNackMode::Fatal, &["1-3"])?);
        let words = ["jobs", "workers", "FAIL", "IDS", "1", "1-6", "RETRYCOUNT", "7", "FORCE"];
        step("hand back, RETRYCOUNT FORCE", json!(cmd("XNACK").arg(&words).query::<i64>(&mut self.client)?));
        let rows: StreamPendingCountReply = self.client.xpending_count("jobs", "workers", "-", "+", 10)?;
        step("pending for nobody", rows.ids.iter().map(|row| json!([row.id, row.consumer])).collect());
        let read = self.read("jobs", ">", as_consumer("bob").count(2).claim(1_000_000))?;
        step("bob reads what was handed back", ids_of(&read));
        let words = ["GROUP", "workers", "bob", "MAXCOUNT", "1", "STREAMS", "jobs", ">"];
        step("MAXCOUNT", ids_of(&cmd("XREADGROUP").arg(&words).query(&mut self.client)?));
        let words = ["MAXSIZE", "60", "STREAMS", "jobs", "0"];
        step("MAXSIZE", ids_of(&cmd("XREAD").arg(&words).query(&mut self.client)?));
        let words = ["jobs", "producer", "1", "1-5"];
        step("record", json!(cmd("XIDMPRECORD").arg(&words).query::<String>(&mut self.client)? == "OK"));
        Ok(())
    }
}

fn connect(url: &str) -> RedisResult<Connection> {
    Client::open(url)?.get_connection()
}

fn main() -> RedisResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, protocol, part] = &arguments[..] else {
        panic!("usage: stream-scenario PORT PROTOCOL PART")
    };
    let mut scenario = Scenario::new(format!("redis://127.0.0.1:{port}/?protocol=resp{protocol}"))?;
    if part == "8.10" {
        return scenario.hand_back();
    }
    scenario.produce()?;
    scenario.produce_once()?;
    scenario.work()?;
    scenario.die_and_deliver_again()?;
    scenario.block()?;
    scenario.remove()?;
    scenario.look()
}
