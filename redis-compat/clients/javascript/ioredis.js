// The scenario in ioredis, which takes a command's words and speaks RESP2: node ioredis.js PORT PROTOCOL PART. See ../README.md.

import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";

const [port, protocol, part] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const ADD_AFTER_MS = 200;
if (protocol !== 2) throw new Error("this scenario is written for RESP2");

const connect = () => new Redis({ port, host: "127.0.0.1", protocol: 2 });

function step(name, result) {
  console.log(JSON.stringify([name, result]));
}

/** The fields and values of a reply in RESP2, by name. */
function byName(list) {
  const found = {};
  for (let at = 0; at < list.length; at += 2) found[list[at]] = list[at + 1];
  return found;
}

const pair = ([id, fields]) => [id, byName(fields)];
const entriesOf = (streams) => (streams ? streams[0][1].map(pair) : []);
const idsOf = (streams) => entriesOf(streams).map(([id]) => id);

async function whileBlocked(key, id, read) {
  const adding = (async () => {
    await sleep(ADD_AFTER_MS);
    const other = connect();
    await other.xadd(key, id, "late", "1");
    await other.quit();
  })();
  const result = await read();
  await adding;
  return result;
}

async function errorOf(client, ...words) {
  try {
    await client.call(...words);
    return "no error";
  } catch (error) {
    return error.message.replace(/^ERR /, "");
  }
}

async function produce(client) {
  step("add", await client.xadd("orders", "1-1", "n", "1"));
  step("add, sequence number left out", await client.xadd("orders", "1-*", "n", "2"));
  const more = client.pipeline();
  for (let n = 1; n < 7; n++) more.xadd("orders", `2-${n}`, "n", String(n + 2), "cents", "250");
  step("add more", (await more.exec()).map(([, id]) => id));
  step("add to no stream", await client.xadd("nothing", "NOMKSTREAM", "1-1", "n", "1"));
  for (let n = 1; n < 6; n++) await client.xadd("recent", "MAXLEN", "=", 3, `1-${n}`, "n", String(n));
  step("length after MAXLEN", await client.xlen("recent"));
  step("add, MAXLEN ~ LIMIT", await client.xadd("recent", "MAXLEN", "~", 1000, "LIMIT", 10, "1-6", "n", "6"));
  step("add, MINID ACKED", await client.call("XADD", "recent", "ACKED", "MINID", "=", "1-5", "2-1", "n", "7"));
  step("range", (await client.xrange("recent", "-", "+")).map(pair));
  step("reversed range", (await client.xrevrange("recent", "+", "-", "COUNT", 2)).map(([id]) => id));
  step("read", entriesOf(await client.xread("COUNT", 1, "STREAMS", "orders", "2-4")));
}

async function produceOnce(client) {
  const named = ["XADD", "once", "IDMP", "producer", "1", "*", "n", "1"];
  const first = await client.call(...named);
  step("add again, IDMP", (await client.call(...named)) === first);
  const hashed = ["XADD", "once", "IDMPAUTO", "other", "*", "n", "2"];
  const second = await client.call(...hashed);
  step("add again, IDMPAUTO", (await client.call(...hashed)) === second);
  step("length of what was added once", await client.xlen("once"));
  step("settings", (await client.call("XCFGSET", "once", "IDMP-DURATION", 60, "IDMP-MAXSIZE", 50)) === "OK");
}

async function work(client) {
  step("create group", (await client.xgroup("CREATE", "orders", "billing", "0")) === "OK");
  step("create group and stream", (await client.xgroup("CREATE", "audit", "readers", "$", "MKSTREAM")) === "OK");
  step("create group, ENTRIESREAD", (await client.xgroup("CREATE", "orders", "late", "2-2", "ENTRIESREAD", 4)) === "OK");
  step("create consumer", await client.xgroup("CREATECONSUMER", "orders", "billing", "alice"));
  step("alice reads", entriesOf(await client.xreadgroup("GROUP", "billing", "alice", "COUNT", 3, "STREAMS", "orders", ">")));
  step("bob reads", idsOf(await client.xreadgroup("GROUP", "billing", "bob", "COUNT", 2, "STREAMS", "orders", ">")));
  const [total, first, last, consumers] = await client.xpending("orders", "billing");
  step("pending", [total, first, last, Object.fromEntries(consumers.map(([name, count]) => [name, Number(count)]))]);
  step("alice reads again", idsOf(await client.xreadgroup("GROUP", "billing", "alice", "STREAMS", "orders", "0")));
  const rows = await client.xpending("orders", "billing", "IDLE", 0, "-", "+", 10);
  step("pending entries", rows.map(([id, consumer, , count]) => [id, consumer, count]));
  step("bob's pending entries", (await client.xpending("orders", "billing", "-", "+", 10, "bob")).map(([id]) => id));
  step("acknowledge", await client.xack("orders", "billing", "1-1", "9-9"));
  const claimed = await client.xclaim("orders", "billing", "bob", 0, "1-2", "IDLE", 100000, "RETRYCOUNT", 5);
  step("claim", claimed.map(([id]) => id));
  step("claim, JUSTID", await client.xclaim("orders", "billing", "alice", 0, "2-2", "FORCE", "JUSTID"));
}

async function dieAndDeliverAgain(client) {
  const carol = connect();
  step("carol reads and dies", idsOf(await carol.xreadgroup("GROUP", "billing", "carol", "COUNT", 1, "STREAMS", "orders", ">")));
  carol.disconnect();
  const words = ["XREADGROUP", "GROUP", "billing", "dave", "COUNT", 10, "CLAIM", 50000, "STREAMS", "orders", ">"];
  step("dave reads with CLAIM", idsOf(await client.call(...words)));
  const [next, entries, deleted] = await client.xautoclaim("orders", "billing", "dave", 0, "2-3", "COUNT", 1);
  step("dave claims what carol left", [next, entries.map(([id]) => id), deleted]);
  step("claim by IDs alone", (await client.xautoclaim("orders", "billing", "erin", 0, "2-6", "JUSTID"))[1]);
}

async function block(client) {
  const fromGroup = () => client.xreadgroup("GROUP", "readers", "alice", "BLOCK", 10000, "STREAMS", "audit", ">");
  step("blocked reader of a group", idsOf(await whileBlocked("audit", "1-1", fromGroup)));
  const plain = () => client.xread("BLOCK", 10000, "STREAMS", "audit", "$");
  step("blocked reader", idsOf(await whileBlocked("audit", "1-2", plain)));
  step("nothing comes", idsOf(await client.xread("BLOCK", 20, "STREAMS", "audit", "$")));
  step("read without acknowledging", idsOf(await client.xreadgroup("GROUP", "readers", "bob", "NOACK", "STREAMS", "audit", ">")));
}

async function remove(client) {
  step("acknowledge and delete", await client.call("XACKDEL", "orders", "billing", "DELREF", "IDS", 2, "2-1", "9-9"));
  step("delete if acknowledged", await client.call("XDELEX", "orders", "ACKED", "IDS", 3, "1-1", "2-2", "9-9"));
  step("trim, DELREF", await client.call("XTRIM", "orders", "MAXLEN", "=", 5, "DELREF"));
  step("trim, MINID ~", await client.xtrim("recent", "MINID", "~", "1-1", "LIMIT", 10));
  step("delete", await client.xdel("orders", "2-5"));
  step("delete consumer", await client.xgroup("DELCONSUMER", "orders", "billing", "erin"));
  step("set group's ID", (await client.xgroup("SETID", "orders", "late", "2-3", "ENTRIESREAD", 5)) === "OK");
  await client.xgroup("CREATE", "orders", "short", "0");
  step("destroy group", await client.xgroup("DESTROY", "orders", "short"));
}

async function look(client) {
  const groups = (await client.xinfo("GROUPS", "orders")).map(byName);
  step("groups", groups.map((group) => [group.name, group.consumers, group.pending, group["last-delivered-id"]]).sort());
  const consumers = (await client.xinfo("CONSUMERS", "orders", "billing")).map(byName);
  step("consumers", consumers.map((consumer) => [consumer.name, consumer.pending]).sort());
  const info = byName(await client.xinfo("STREAM", "orders"));
  step("stream", [info.length, info["last-generated-id"], info.groups, info["first-entry"][0]]);
  step("errors", [
    await errorOf(client, "XADD", "orders", "1-1", "a", "b"),
    await errorOf(client, "XREADGROUP", "GROUP", "no", "c", "STREAMS", "orders", ">"),
  ]);
}

async function handBack(client) {
  const read = (consumer, ...options) =>
    client.call("XREADGROUP", "GROUP", "workers", consumer, ...options, "STREAMS", "jobs", ">");
  for (let n = 1; n < 8; n++) await client.xadd("jobs", `1-${n}`, "n", String(n));
  await client.xgroup("CREATE", "jobs", "workers", "0");
  await read("alice", "COUNT", 4);
  const nack = (mode, ...ids) => client.call("XNACK", "jobs", "workers", mode, "IDS", ids.length, ...ids);
  step("hand back, FAIL", await nack("FAIL", "1-1"));
  step("hand back, SILENT", await nack("SILENT", "1-2", "9-9"));
  step("hand back, FATAL", await nack("FATAL", "1-3"));
  const forced = ["FAIL", "IDS", 1, "1-6", "RETRYCOUNT", 7, "FORCE"];
  step("hand back, RETRYCOUNT FORCE", await client.call("XNACK", "jobs", "workers", ...forced));
  const rows = await client.xpending("jobs", "workers", "-", "+", 10);
  step("pending for nobody", rows.map(([id, consumer]) => [id, consumer]));
  step("bob reads what was handed back", idsOf(await read("bob", "COUNT", 2, "CLAIM", 1000000)));
  step("MAXCOUNT", idsOf(await read("bob", "MAXCOUNT", 1)));
  step("MAXSIZE", idsOf(await client.call("XREAD", "MAXSIZE", 60, "STREAMS", "jobs", "0")));
  step("record", (await client.call("XIDMPRECORD", "jobs", "producer", "1", "1-5")) === "OK");
}

const parts = { 8.6: [produce, produceOnce, work, dieAndDeliverAgain, block, remove, look], "8.10": [handBack] };
const client = connect();
for (const each of parts[part]) await each(client);
await client.quit();
