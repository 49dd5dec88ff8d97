// Socket.IO with two servers that are joined by @socket.io/redis-streams-adapter: socket-io.js PORT CLIENT PROTOCOL. See ../README.md.

import { createServer } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { decode } from "@msgpack/msgpack";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io } from "socket.io-client";

const [port, library, protocol] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const PATIENCE_MS = 10_000;
const RECOVERY_MS = 60_000;
const RECONNECT_MS = 300;
const BROADCAST = "3";

let round;

function step(name, result) {
  console.log(JSON.stringify([`${round}: ${name}`, result]));
}

async function connect() {
  if (library === "ioredis") {
    return new Redis(port);
  }
  return createClient({ url: `redis://127.0.0.1:${port}`, RESP: protocol }).connect();
}

async function waitFor(what, condition) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`waited in vain: ${what}`);
    }
    await sleep(10);
  }
}

// A Socket.IO server of its own HTTP server, with a connection of its own.
async function serve(name, options) {
  const redis = await connect();
  const http = createServer();
  const server = new Server(http, {
    adapter: createAdapter(redis, { maxLen: 1000, ...options }),
    connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS },
  });
  server.on("connection", (socket) => {
    socket.data.server = name;
    socket.on("join", (room, done) => done(socket.join(room)));
    socket.on("who", (done) => done(socket.recovered));
  });
  server.of("/admin").on("connection", () => {});
  server.on("ask", (question, done) => done(`${name} heard ${question}`));
  server.on("tell", (text) => (server.told = text));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return { name, server, redis, port: http.address().port };
}

async function join(to, namespace = "/", rooms = []) {
  const client = io(`http://127.0.0.1:${to.port}${namespace}`, { reconnectionDelay: RECONNECT_MS, randomizationFactor: 0, forceNew: true });
  client.heard = [];
  client.on("news", (...words) => client.heard.push(words[0]));
  client.on("count", (number, done) => done(number + 1));
  client.on("file", (bytes) => client.heard.push(Buffer.from(bytes).toString("hex")));
  await once(client, "connect");
  for (const room of rooms) {
    await client.emitWithAck("join", room);
  }
  return client;
}

async function heard(what, clients, count) {
  await waitFor(what, () => clients.every((client) => client.heard.length >= count));
  await sleep(50); // what should not come would come now
  return clients.map((client) => client.heard.splice(0));
}

async function broadcasts([first, second], clients) {
  first.server.emit("news", "to all");
  step("to all, from the first server", await heard("to all", clients, 1));
  second.server.emit("news", "to all again");
  step("to all, from the second server", await heard("to all again", clients, 1));
  second.server.to("red").emit("news", "to a room");
  step("to a room", await heard("to a room", [clients[0], clients[2]], 1));
  step("to a room: the others", await heard("nothing", [clients[1], clients[3]], 0));
  first.server.except("red").emit("news", "but a room");
  step("but to a room", await heard("but a room", [clients[1], clients[3]], 1));
  first.server.emit("file", Buffer.from([0, 255, 13, 10]));
  step("bytes", await heard("bytes", clients, 1));
  first.server.local.emit("news", "here alone");
  step("to the first server's alone", await heard("here alone", clients.slice(0, 2), 1));
  const answers = await first.server.timeout(PATIENCE_MS).emitWithAck("count", 1);
  step("to all, with acknowledgements", answers);
}

async function management([first, second], clients) {
  const sockets = await second.server.fetchSockets();
  step("sockets of both servers", sockets.map((socket) => socket.data.server).sort());
  const red = await first.server.in("red").fetchSockets();
  step("sockets in a room", red.map((socket) => [socket.data.server, socket.rooms.has("red")]).sort());
  await first.server.in("red").socketsJoin("blue");
  await waitFor("the room's sockets join another", async () => (await second.server.in("blue").fetchSockets()).length === 2);
  second.server.to("blue").emit("news", "blue");
  step("to the other room", await heard("blue", [clients[0], clients[2]], 1));
  await second.server.in("blue").socketsLeave("red");
  await waitFor("the sockets leave a room", async () => (await first.server.in("red").fetchSockets()).length === 0);
  step("answers of the other server", await first.server.serverSideEmitWithAck("ask", "a question"));
  second.server.serverSideEmit("tell", "a word");
  await waitFor("the other server is told", () => first.server.told !== undefined);
  step("told to the other server", first.server.told);
}

// A client loses its connection, misses what is sent, and gets it when it is back, though at the other server.
async function recovery([first, second]) {
  const [client, witness] = [await join(first, "/", ["green"]), await join(second, "/", ["green"])];
  first.server.emit("news", "before");
  await waitFor("both have an offset", () => client.heard.length === 1 && witness.heard.length === 1);
  const id = client.id;
  client.io.uri = `http://127.0.0.1:${second.port}`;
  client.io.engine.close();
  second.server.to("green").emit("news", "missed in a room");
  // What two servers send on their own connections has an order only where one waits for the other.
  await waitFor("another in the room hears that", () => witness.heard.length === 2);
  first.server.emit("news", "missed by all");
  first.server.to("red").emit("news", "not for this one");
  await waitFor("a session is kept", async () => (await first.redis.keys("sio:session:*")).length === 1);
  step("connected meanwhile", client.connected);
  await waitFor("the client gets what it missed", () => client.heard.length === 3);
  step("recovered", [client.recovered, client.id === id, await client.emitWithAck("who")]);
  step("heard before and after", client.heard);
  second.server.to("green").emit("news", "still in the room");
  await waitFor("the client is still in its room", () => client.heard.length === 4);
  step("still in its room", client.heard[3]);
  witness.disconnect();
  client.io.reconnection(false);
  client.io.engine.close();
  let sessions = [];
  await waitFor("a session is kept", async () => (sessions = await first.redis.keys("sio:session:*")).length === 1);
  const left_ms = await (library === "ioredis" ? first.redis.pttl(sessions[0]) : first.redis.pTTL(sessions[0]));
  step("the session of one that is gone is kept for a while", left_ms > RECOVERY_MS / 2 && left_ms <= RECOVERY_MS);
  await first.redis.del(sessions[0]);
}

async function disconnecting([first, second], clients) {
  const admins = [await join(first, "/admin"), await join(second, "/admin")];
  second.server.of("/admin").emit("news", "to admins");
  step("in another namespace", await heard("to admins", admins, 1));
  first.server.of("/admin").disconnectSockets(true);
  await waitFor("the admins are gone", () => admins.every((client) => !client.connected));
  step("others stay", clients.map((client) => client.connected));
}

// What the servers wrote into the stream, less the heartbeats, whose number is chance.
function tell(entries) {
  return entries
    .filter((message) => message.type === BROADCAST)
    .map(({ nsp, data }) => [nsp, data.startsWith("{") ? JSON.parse(data) : decode(Buffer.from(data, "base64"))])
    .map(([nsp, { opts, packet }]) => [nsp, opts.rooms, opts.except, packet.data]);
}

async function entries(redis, stream) {
  if (library === "ioredis") {
    const found = await redis.xrange(stream, "-", "+");
    return found.map(([, words]) => Object.fromEntries(words.flatMap((word, at) => (at % 2 ? [] : [[word, words[at + 1]]]))));
  }
  return (await redis.xRange(stream, "-", "+")).map((entry) => ({ ...entry.message }));
}

async function run(title, options, streams) {
  round = title;
  const servers = [await serve("first", options), await serve("second", options)];
  await waitFor("the servers know of each other", async () => {
    const counts = await Promise.all(servers.map(({ server }) => server.of("/").adapter.serverCount()));
    return counts.every((count) => count === 2);
  });
  await sleep(200); // both read the stream by now
  const [first, second] = servers;
  const clients = [await join(first, "/", ["red"]), await join(first), await join(second, "/", ["red"]), await join(second)];
  await broadcasts(servers, clients);
  await management(servers, clients);
  await recovery(servers);
  await disconnecting(servers, clients);
  for (const client of clients) {
    client.disconnect();
  }
  await waitFor("all are gone", async () => (await first.server.fetchSockets()).length === 0);
  for (const { server } of servers) {
    await server.close();
  }
  await sleep(100);
  const found = (await Promise.all(streams.map((stream) => entries(first.redis, stream)))).flat();
  step("broadcasts in the streams", tell(found));
  await Promise.all(streams.map((stream) => first.redis.del(stream)));
}

await run("one stream", {}, ["socket.io"]);
const sharded = { streamName: "sharded", streamCount: 2, useShardedPubSub: true, onlyPlaintext: true, channelPrefix: "other" };
await run("two streams, shard channels", sharded, ["sharded-0", "sharded-1"]);
process.exit(0);
