// The scenario in node-redis: node node-redis.js PORT PROTOCOL PART. See ../README.md.

import { createClient } from "redis";
import { setTimeout as sleep } from "node:timers/promises";

const [port, protocol, part] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const ADD_AFTER_MS = 200;

async function connect() {
  const client = createClient({ socket: { port, host: "127.0.0.1" }, RESP: protocol });
  client.on("error", (error) => console.error(error));
  return client.connect();
}

function step(name, result) {
  console.log(JSON.stringify([name, result]));
}

const pair = (entry) => [entry.id, { ...entry.message }];
const entriesOf = (streams) => (streams ? [...streams[0].messages].map(pair) : []);
const idsOf = (streams) => entriesOf(streams).map(([id]) => id);

/** What `read` returns, which blocks until another client adds an entry. */
async function whileBlocked(key, id, read) {
  const adding = (async () => {
    await sleep(ADD_AFTER_MS);
    const other = await connect();
    await other.xAdd(key, id, { late: "1" });
    await other.close();
  })();
  const result = await read();
  await adding;
  return result;
}

async function errorOf(client, ...words) {
  try {
    await client.sendCommand(words);
    return "no error";
  } catch (error) {
    return error.message.replace(/^ERR /, "");
  }
}

async function produce(client) {
  step("add", await client.xAdd("orders", "1-1", { n: "1" }));
  step("add, sequence number left out", await client.xAdd("orders", "1-*", { n: "2" }));
  const more = [];
  for (let n = 1; n < 7; n++) more.push(await client.xAdd("orders", `2-${n}`, { n: String(n + 2), cents: "250" }));
  step("add more", more);
  step("add to no stream", await client.xAddNoMkStream("nothing", "1-1", { n: "1" }));
  const exact = { TRIM: { strategy: "MAXLEN", strategyModifier: "=", threshold: 3 } };
  for (let n = 1; n < 6; n++) await client.xAdd("recent", `1-${n}`, { n: String(n) }, exact);
  step("length after MAXLEN", await client.xLen("recent"));
  const about = { TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: 1000, limit: 10 } };
  step("add, MAXLEN ~ LIMIT", await client.xAdd("recent", "1-6", { n: "6" }, about));
  const acked = { TRIM: { strategy: "MINID", strategyModifier: "=", threshold: "1-5", policy: "ACKED" } };
  step("add, MINID ACKED", await client.xAdd("recent", "2-1", { n: "7" }, acked));
  step("range", (await client.xRange("recent", "-", "+")).map(pair));
  step("reversed range", (await client.xRevRange("recent", "+", "-", { COUNT: 2 })).map((entry) => entry.id));
  step("read", entriesOf(await client.xRead({ key: "orders", id: "2-4" }, { COUNT: 1 })));
}

async function produceOnce(client) {
  const named = { IDMP: { pid: "producer", iid: "1" } };
  const first = await client.xAdd("once", "*", { n: "1" }, named);
  step("add again, IDMP", (await client.xAdd("once", "*", { n: "1" }, named)) === first);
  const hashed = { IDMPAUTO: { pid: "other" } };
  const second = await client.xAdd("once", "*", { n: "2" }, hashed);
  step("add again, IDMPAUTO", (await client.xAdd("once", "*", { n: "2" }, hashed)) === second);
  step("length of what was added once", await client.xLen("once"));
  step("settings", (await client.xCfgSet("once", { IDMP_DURATION: 60, IDMP_MAXSIZE: 50 })) === "OK");
}

async function work(client) {
  const orders = { key: "orders", id: ">" };
  step("create group", (await client.xGroupCreate("orders", "billing", "0")) === "OK");
  step("create group and stream", (await client.xGroupCreate("audit", "readers", "$", { MKSTREAM: true })) === "OK");
  step("create group, ENTRIESREAD", (await client.xGroupCreate("orders", "late", "2-2", { ENTRIESREAD: 4 })) === "OK");
  step("create consumer", await client.xGroupCreateConsumer("orders", "billing", "alice"));
  step("alice reads", entriesOf(await client.xReadGroup("billing", "alice", orders, { COUNT: 3 })));
  step("bob reads", idsOf(await client.xReadGroup("billing", "bob", orders, { COUNT: 2 })));
  const pending = await client.xPending("orders", "billing");
  const consumers = Object.fromEntries(pending.consumers.map((consumer) => [consumer.name, Number(consumer.deliveriesCounter)]));
  step("pending", [pending.pending, pending.firstId, pending.lastId, consumers]);
  step("alice reads again", idsOf(await client.xReadGroup("billing", "alice", { key: "orders", id: "0" })));
  const rows = await client.xPendingRange("orders", "billing", "-", "+", 10, { IDLE: 0 });
  step("pending entries", rows.map((row) => [row.id, row.consumer, row.deliveriesCounter]));
  const bobs = await client.xPendingRange("orders", "billing", "-", "+", 10, { consumer: "bob" });
  step("bob's pending entries", bobs.map((row) => row.id));
  step("acknowledge", await client.xAck("orders", "billing", ["1-1", "9-9"]));
  const claimed = await client.xClaim("orders", "billing", "bob", 0, "1-2", { IDLE: 100000, RETRYCOUNT: 5 });
  step("claim", claimed.map((entry) => entry.id));
  step("claim, JUSTID", await client.xClaimJustId("orders", "billing", "alice", 0, "2-2", { FORCE: true }));
}

async function dieAndDeliverAgain(client) {
  const orders = { key: "orders", id: ">" };
  const carol = await connect();
  step("carol reads and dies", idsOf(await carol.xReadGroup("billing", "carol", orders, { COUNT: 1 })));
  carol.destroy();
  step("dave reads with CLAIM", idsOf(await client.xReadGroup("billing", "dave", orders, { COUNT: 10, CLAIM: 50000 })));
  const claimed = await client.xAutoClaim("orders", "billing", "dave", 0, "2-3", { COUNT: 1 });
  step("dave claims what carol left", [claimed.nextId, claimed.messages.map((entry) => entry.id), claimed.deletedMessages]);
  step("claim by IDs alone", (await client.xAutoClaimJustId("orders", "billing", "erin", 0, "2-6")).messages);
}

async function block(client) {
  const fromGroup = () => client.xReadGroup("readers", "alice", { key: "audit", id: ">" }, { BLOCK: 10000 });
  step("blocked reader of a group", idsOf(await whileBlocked("audit", "1-1", fromGroup)));
  const plain = () => client.xRead({ key: "audit", id: "$" }, { BLOCK: 10000 });
  step("blocked reader", idsOf(await whileBlocked("audit", "1-2", plain)));
  step("nothing comes", idsOf(await client.xRead({ key: "audit", id: "$" }, { BLOCK: 20 })));
  step("read without acknowledging", idsOf(await client.xReadGroup("readers", "bob", { key: "audit", id: ">" }, { NOACK: true })));
}

async function remove(client) {
  step("acknowledge and delete", await client.xAckDel("orders", "billing", ["2-1", "9-9"], "DELREF"));
  step("delete if acknowledged", await client.xDelEx("orders", ["1-1", "2-2", "9-9"], "ACKED"));
  step("trim, DELREF", await client.xTrim("orders", "MAXLEN", 5, { strategyModifier: "=", policy: "DELREF" }));
  step("trim, MINID ~", await client.xTrim("recent", "MINID", "1-1", { strategyModifier: "~", LIMIT: 10 }));
  step("delete", await client.xDel("orders", "2-5"));
  step("delete consumer", await client.xGroupDelConsumer("orders", "billing", "erin"));
  step("set group's ID", (await client.xGroupSetId("orders", "late", "2-3", { ENTRIESREAD: 5 })) === "OK");
  await client.xGroupCreate("orders", "short", "0");
  step("destroy group", await client.xGroupDestroy("orders", "short"));
}

async function look(client) {
  const groups = await client.xInfoGroups("orders");
  step("groups", groups.map((group) => [group.name, group.consumers, group.pending, group["last-delivered-id"]]).sort());
  const consumers = await client.xInfoConsumers("orders", "billing");
  step("consumers", consumers.map((consumer) => [consumer.name, consumer.pending]).sort());
  const info = await client.xInfoStream("orders");
  step("stream", [info.length, info["last-generated-id"], info.groups, info["first-entry"].id]);
  step("errors", [
    await errorOf(client, "XADD", "orders", "1-1", "a", "b"),
    await errorOf(client, "XREADGROUP", "GROUP", "no", "c", "STREAMS", "orders", ">"),
  ]);
}

async function handBack(client) {
  const jobs = { key: "jobs", id: ">" };
  for (let n = 1; n < 8; n++) await client.xAdd("jobs", `1-${n}`, { n: String(n) });
  await client.xGroupCreate("jobs", "workers", "0");
  await client.xReadGroup("workers", "alice", jobs, { COUNT: 4 });
  step("hand back, FAIL", await client.xNack("jobs", "workers", "FAIL", "1-1"));
  step("hand back, SILENT", await client.xNack("jobs", "workers", "SILENT", ["1-2", "9-9"]));
  step("hand back, FATAL", await client.xNack("jobs", "workers", "FATAL", "1-3"));
  step("hand back, RETRYCOUNT FORCE", await client.xNack("jobs", "workers", "FAIL", "1-6", { RETRYCOUNT: 7, FORCE: true }));
  const rows = await client.xPendingRange("jobs", "workers", "-", "+", 10);
  step("pending for nobody", rows.map((row) => [row.id, row.consumer]));
  const claimed = await client.xReadGroup("workers", "bob", jobs, { COUNT: 2, CLAIM: 1000000 });
  step("bob reads what was handed back", idsOf(claimed));
  step("MAXCOUNT", idsOf(await client.xReadGroup("workers", "bob", jobs, { MAXCOUNT: 1 })));
  step("MAXSIZE", idsOf(await client.xRead({ key: "jobs", id: "0" }, { MAXSIZE: 60 })));
  step("record", (await client.sendCommand(["XIDMPRECORD", "jobs", "producer", "1", "1-5"])) === "OK");
}

const parts = { 8.6: [produce, produceOnce, work, dieAndDeliverAgain, block, remove, look], "8.10": [handBack] };
const client = await connect();
for (const each of parts[part]) await each(client);
await client.close();
