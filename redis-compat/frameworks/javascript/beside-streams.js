// Locks, rate limits and sessions, which stand beside streams in the same server: beside-streams.js PORT PROTOCOL. See ../README.md.

import { setTimeout as sleep } from "node:timers/promises";
import { RedisStore as SessionStore } from "connect-redis";
import { Redis } from "ioredis";
import { RedisStore as LimitStore } from "rate-limit-redis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { createClient } from "redis";
import Redlock from "redlock";

const [port, protocol] = [Number(process.argv[2]), Number(process.argv[3])];
const LONG_MS = 60_000;

function step(name, result) {
  console.log(JSON.stringify([name, result]));
}

async function errorOf(promise) {
  try {
    return ["no error", await promise];
  } catch (error) {
    return error.name === "Error" ? error.message : error.name;
  }
}

const within = (ms, ms_max) => ms > ms_max / 2 && ms <= ms_max;

// redlock takes, extends and releases locks over several keys by scripts.
async function locks(redis) {
  const redlock = new Redlock([redis], { retryCount: 0 });
  const lock = await redlock.lock(["lock:a", "lock:b"], LONG_MS);
  step("locked for", await Promise.all(["lock:a", "lock:b"].map(async (key) => within(await redis.pttl(key), LONG_MS))));
  step("locked by another", await errorOf(redlock.lock("lock:b", LONG_MS)));
  const longer = await lock.extend(2 * LONG_MS);
  step("extended", await Promise.all(["lock:a", "lock:b"].map(async (key) => (await redis.pttl(key)) > LONG_MS)));
  await longer.unlock();
  step("released", await redis.exists("lock:a", "lock:b"));
  step("released again", await errorOf(longer.unlock()));
  const patient = new Redlock([redis], { retryCount: 200, retryDelay: 5, retryJitter: 0 });
  let [inside, inside_max, turns] = [0, 0, 0];
  const work = async () => {
    const turn = await patient.lock("lock:turns", LONG_MS);
    inside_max = Math.max(inside_max, ++inside);
    await sleep(2);
    turns += 1;
    inside -= 1;
    await turn.unlock();
  };
  await Promise.all(Array.from({ length: 10 }, work));
  step("turns taken, and how many at once", [turns, inside_max]);
  const short = await redlock.lock("lock:short", 20);
  await sleep(50);
  step("extended too late", await errorOf(short.extend(LONG_MS)));
}

// rate-limiter-flexible counts by script.
async function limits(name, client) {
  const limiter = new RateLimiterRedis({ storeClient: client, keyPrefix: `limit:${name}`, points: 3, duration: 60, useRedisPackage: name === "node-redis" });
  const seen = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const result = await limiter.consume("user").catch((rejected) => rejected);
    seen.push([result.consumedPoints, result.remainingPoints, within(result.msBeforeNext, LONG_MS)]);
  }
  step(`${name}: consumed`, seen);
  await limiter.reward("user", 4);
  step(`${name}: after a reward`, (await limiter.get("user")).consumedPoints);
  await limiter.penalty("user", 1);
  step(`${name}: after a penalty`, (await limiter.get("user")).consumedPoints);
  await limiter.block("guest", 30);
  step(`${name}: blocked`, await limiter.consume("guest").then(() => "not", (rejected) => within(rejected.msBeforeNext, 30_000)));
  step(`${name}: deleted`, [await limiter.delete("guest"), await limiter.get("guest")]);
}

// rate-limit-redis loads its scripts as it begins, and loads them again when the server has lost them.
async function limitStore(client) {
  const store = new LimitStore({ sendCommand: (...words) => client.sendCommand(words), prefix: "store:" });
  await store.init({ windowMs: LONG_MS });
  const tell = ({ totalHits, resetTime }) => [totalHits, within(resetTime - Date.now(), LONG_MS)];
  step("hits", [tell(await store.increment("user")), tell(await store.increment("user"))]);
  await store.decrement("user");
  step("hits told", tell(await store.get("user")));
  await client.sendCommand(["SCRIPT", "FLUSH"]);
  step("hits after the scripts were lost", tell(await store.increment("user")));
  await store.increment("gone");
  await store.resetKey("gone");
}

// connect-redis keeps sessions under keys with a time to live, and finds them with SCAN.
async function sessions(client) {
  const store = new SessionStore({ client, prefix: "session:", ttl: 60 });
  const session = (user) => ({ user, cookie: { originalMaxAge: null } });
  for (let number = 0; number < 30; number++) {
    await store.set(`s${number}`, session(number));
  }
  step("a session", await store.get("s7"));
  step("its time", within(await client.pTTL("session:s7"), LONG_MS));
  await store.touch("s7", { cookie: { expires: new Date(Date.now() + 10 * LONG_MS) } });
  step("its time after it was touched", (await client.pTTL("session:s7")) > LONG_MS);
  await store.destroy("s8");
  step("sessions", [await store.length(), (await store.ids()).sort().slice(0, 3), (await store.all()).length]);
  await store.clear();
  step("sessions after all were cleared", await store.length());
}

const redis = new Redis(port);
const client = await createClient({ url: `redis://127.0.0.1:${port}`, RESP: protocol }).connect();
await locks(redis);
await limits("ioredis", redis);
await limits("node-redis", client);
await limitStore(client);
await sessions(client);
const counters = await Promise.all((await redis.keys("*")).map(async (key) => [key, await redis.get(key), (await redis.persist(key)) === 1]));
step("counters left, each for a time", counters.sort());
process.exit(0);
