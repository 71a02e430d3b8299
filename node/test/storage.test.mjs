// A server and its store: it is waited for with a limit, and what it does wrong stays its own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  InMemorySessionStore,
  NenError,
  RedisSessionStore,
  UpstashSessionStore,
} from '@withnen/native/server';
import { Redis } from 'ioredis';
import { binding } from '../dist/binding.js';
import { Guard } from '../dist/server/guard.js';
import { clients, plain } from './clients.mjs';
import { Peer } from './peer.mjs';
import { RedisServer } from './redis.mjs';
import { startUpstash, TOKEN } from './upstash.mjs';

const SECRET = 'what the store was told';
const TIMEOUT_MS = 300;

/** A store as its users write one: nothing but the contract. Each method can be made to do something else. */
class OwnStore {
  #store = new InMemorySessionStore();

  constructor(instead = {}) {
    this.instead = instead;
  }

  async #do(name, ...args) {
    return (this.instead[name] ?? this.#store[name].bind(this.#store))(...args);
  }

  get = (sid) => this.#do('get', sid);
  set = (sid, record, expiresMs) => this.#do('set', sid, record, expiresMs);
  delete = (sid) => this.#do('delete', sid);
  claimNonce = (sid, nonce, untilMs) => this.#do('claimNonce', sid, nonce, untilMs);
}

const guardOn = (store, log = () => {}) => new Guard({ store, storeTimeoutMs: TIMEOUT_MS, log });
const failureOf = (promise) => promise.then(assert.fail, (reason) => reason);
const throwing = (error) => () => {
  throw error;
};

for (const [name, make] of [
  ['of its users', () => new OwnStore()],
  ['that extends the one in memory', () => new (class extends InMemorySessionStore {})()],
  ['in memory', () => new InMemorySessionStore()],
]) {
  test(`a store ${name} serves every endpoint`, async () => {
    const peer = await Peer.connect(guardOn(make()));
    const first = peer.client.sessionId;
    const request = peer.request();
    assert.equal((await peer.admit(request)).sessionId, first);
    await assert.rejects(peer.admit(request), { code: 'ISO-5001' });
    assert.equal((await peer.lifecycle('status', 'GET')).result, true);
    await peer.lifecycle('rotate', 'POST');
    assert.notEqual(peer.client.sessionId, first);
    const last = peer.request();
    await peer.lifecycle('terminate', 'POST');
    await assert.rejects(peer.admit(last), { code: 'ISO-2002' });
  });
}

class DatabaseError extends Error {
  code = 'ETIMEDOUT';
}

for (const [name, instead, detail] of [
  ['get', throwing(new Error(SECRET)), /^the session store failed with Error$/],
  ['get', throwing(new DatabaseError(SECRET)), /failed with DatabaseError ETIMEDOUT$/],
  ['get', throwing(Object.assign(new TypeError(SECRET), { code: SECRET })), /failed with TypeError$/],
  ['get', throwing(SECRET), /failed with string$/],
  ['get', throwing(undefined), /failed with undefined$/],
  ['get', throwing({ name: SECRET }), /failed with object$/],
  ['get', throwing(Object.create(null)), /failed with object$/],
  ['get', throwing(new NenError('ISO-2002', { detail: SECRET })), /failed with SESSION_/],
  [
    'get',
    throwing(new NenError('ISO-9001', { detail: 'the disk is full', cause: new Error(SECRET) })),
    /^the disk/,
  ],
  ['get', () => 7, /no reply to the question/],
  ['get', () => true, /no reply to the question/],
  ['get', () => ({ sharedSecret: SECRET }), /no reply to the question/],
  ['get', () => 'no record', /record/],
  ['get', () => `{"sharedSecret":"${SECRET}"}`, /record/],
  ['claimNonce', throwing(new Error(SECRET)), /failed with Error$/],
  ['claimNonce', () => 'fresh', /no reply to the question/],
  ['claimNonce', () => 1, /no reply to the question/],
  ['claimNonce', () => undefined, /no reply to the question/],
  ['claimNonce', () => null, /no reply to the question/],
]) {
  const how = `${instead}`.startsWith('() => {') ? 'throws' : 'replies';
  test(`a store whose ${name} ${how} what it should not is unavailable: ${detail.source}`, async () => {
    const store = new OwnStore();
    const peer = await Peer.connect(guardOn(store));
    store.instead[name] = instead;
    const error = await failureOf(peer.admit());
    assert.ok(error instanceof NenError);
    assert.deepEqual([error.code, error.status], ['ISO-9001', 503]);
    assert.match(error.detail, detail);
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(SECRET));
  });
}

test('no failure of an endpoint shows what the store threw', async () => {
  const guard = guardOn(new OwnStore({ set: throwing(new Error(SECRET)) }));
  const error = await failureOf(new Peer(guard).handshake());
  assert.equal(error.code, 'ISO-9001');
  assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(SECRET));
});

test('a store may say that it is full', async () => {
  const full = throwing(new NenError('ISO-5002', { detail: 'too many', cause: new Error(SECRET) }));
  const peer = await Peer.connect(guardOn(new OwnStore({ claimNonce: full })));
  const error = await failureOf(peer.admit());
  assert.deepEqual(
    [error.code, error.status, error.detail, error.cause],
    ['ISO-5002', 503, 'too many', undefined],
  );
});

test('a store that hangs holds a request up no longer than its timeout, and may fail later', async (t) => {
  const unhandled = [];
  const note = (reason) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  const late = async () => {
    await delay(3 * TIMEOUT_MS);
    throw new Error(SECRET);
  };
  for (const hang of [late, () => new Promise(() => {})]) {
    for (const name of ['get', 'claimNonce']) {
      const store = new OwnStore();
      const peer = await Peer.connect(guardOn(store));
      store.instead[name] = hang;
      const begun = performance.now();
      const error = await failureOf(peer.admit());
      assert.ok(performance.now() - begun < TIMEOUT_MS + 1000);
      assert.deepEqual([error.code, error.status], ['ISO-9001', 503]);
      assert.match(error.detail, /did not reply within 300 ms \(storeTimeoutMs\)/);
    }
  }
  await delay(4 * TIMEOUT_MS);
  assert.deepEqual(unhandled, []);
});

test('a thenable that calls back twice, or throws after it did, is taken at its word once', async () => {
  const store = new OwnStore();
  const peer = await Peer.connect(guardOn(store));
  store.claimNonce = () => ({
    // biome-ignore lint/suspicious/noThenProperty: a promise of another library
    then(resolve, reject) {
      resolve(true);
      resolve(false);
      reject(new Error(SECRET));
      throw new Error(SECRET);
    },
  });
  assert.equal((await peer.admit()).sessionId, peer.client.sessionId);
});

test('what is no store is refused at once', () => {
  for (const [store, complaint] of [
    [{}, /it has no get, set, delete, claimNonce/],
    [null, /it has no get, set, delete, claimNonce/],
    [new Redis({ lazyConnect: true }), /it has no delete, claimNonce.*new RedisSessionStore\(client\)/],
    [new Map(), /it has no claimNonce/],
  ]) {
    assert.throws(() => new Guard({ store }).store, { name: 'TypeError', message: complaint });
  }
  for (const storeTimeoutMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '2000']) {
    assert.throws(() => new Guard({ storeTimeoutMs }), {
      name: 'TypeError',
      message: /^storeTimeoutMs must be/,
    });
  }
});

/** Sees that every question to the store is answered with ISO-9001, in time. */
async function isUnavailable(peer) {
  const sid = ['x-nen-session', peer.client.sessionId];
  const { body } = await new binding.Client({}, null).handshake();
  for (const ask of [
    () => peer.admit(),
    () => peer.respond('status', 'GET', sid),
    () => peer.respond('handshake', 'POST', [], body),
  ]) {
    const begun = performance.now();
    const error = await failureOf(ask());
    assert.ok(performance.now() - begun < TIMEOUT_MS + 1000);
    assert.deepEqual([error.code, error.status], ['ISO-9001', 503]);
  }
}

/** Sees that the session is still there. The store's client may wait before it connects anew. */
async function isBack(peer) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      return await peer.admit();
    } catch (error) {
      assert.equal(error.code, 'ISO-9001');
      assert.ok(Date.now() < deadline, 'it did not come back');
      await delay(50);
    }
  }
}

const failingFast = {
  ioredis: { enableOfflineQueue: false, maxRetriesPerRequest: 1 },
  'node-redis': { disableOfflineQueue: true },
};

describe('a Redis that is away is no lost session', { concurrency: 5 }, () => {
  const queueing = plain.map((name) => [name, name, {}]);
  const failing = plain.map((name) => [`${name} that fails fast`, name, failingFast[name.split(' ')[0]]]);
  // One that grows while Redis is away never closes what it was connecting.
  const pools = ['node-redis 5 pool', 'node-redis 6 pool'].map((name) => [name, name, { maximum: 1 }]);
  const pipelining = 'ioredis 6 with pipelines';
  for (const [how, name, options] of [...queueing, ...failing, ...pools, [pipelining, pipelining, {}]]) {
    test(how, async (t) => {
      const redis = await RedisServer.durable();
      t.after(() => redis.close());
      const { client, close } = await clients[name](redis, options);
      t.after(close);
      await client.ping().catch(() => delay(200));
      const peer = await Peer.connect(guardOn(new RedisSessionStore(client)));
      const replayed = peer.request();
      await peer.admit(replayed);

      redis.freeze();
      const during = peer.request();
      await assert.rejects(peer.admit(during), { code: 'ISO-9001' });
      await isUnavailable(peer);
      redis.thaw();
      await isBack(peer);

      await redis.kill();
      await isUnavailable(peer);
      await delay(300);
      await isUnavailable(peer);
      await redis.start();
      await isBack(peer);
      await assert.rejects(peer.admit(replayed), { code: 'ISO-5001' });
    });
  }
});

test('an Upstash that is away is no lost session', async (t) => {
  const redis = await RedisServer.start();
  const upstash = await startUpstash(redis);
  t.after(() => Promise.all([upstash.close(), redis.close()]));
  const peer = await Peer.connect(guardOn(new UpstashSessionStore(upstash.url, TOKEN)));
  for (const script of [
    (response) => response.writeHead(503).end(),
    (response) => response.destroy(),
    () => {},
  ]) {
    upstash.script = script;
    await isUnavailable(peer);
  }
  upstash.script = undefined;
  await isBack(peer);
});

test('a request is admitted once by two servers that share a Redis', async (t) => {
  const redis = await RedisServer.start();
  const [one, two] = [clients['ioredis 6'](redis), await clients['node-redis 6'](redis)];
  t.after(async () => {
    one.close();
    await two.close();
    await redis.close();
  });
  const peer = await Peer.connect(guardOn(new RedisSessionStore(one.client)));
  const other = guardOn(new RedisSessionStore(two.client));
  const request = peer.request();
  const copies = Array.from({ length: 32 }, (_, i) => (i % 2 ? peer.guard : other).admit(request));
  const outcomes = (await Promise.allSettled(copies)).map(({ reason }) => reason?.code ?? 'admitted');
  assert.equal(outcomes.filter((outcome) => outcome === 'admitted').length, 1);
  assert.equal(outcomes.filter((outcome) => outcome === 'ISO-5001').length, 31);

  await peer.lifecycle('rotate', 'POST');
  const last = peer.request();
  await other.admit(peer.request());
  await peer.lifecycle('terminate', 'POST');
  await assert.rejects(async () => other.admit(last), { code: 'ISO-2002' });
});

test('a record that another language wrote is read', async (t) => {
  const redis = await RedisServer.start();
  const { client, close } = clients['ioredis 6'](redis);
  t.after(async () => {
    close();
    await redis.close();
  });
  const peer = await Peer.connect(guardOn(new RedisSessionStore(client)));
  const key = `nen:session:${peer.client.sessionId}`;
  const { sharedSecret, hmacKey, createdAt } = JSON.parse(await redis.admin.get(key));
  for (const record of [
    JSON.stringify({ sharedSecret, hmacKey, createdAt }),
    JSON.stringify({ another: { member: [] }, createdAt, hmacKey, sharedSecret }, null, 2),
  ]) {
    await redis.admin.set(key, record, 'PX', 60_000);
    assert.equal((await peer.admit()).sessionId, peer.client.sessionId);
  }
  await redis.admin.set(key, JSON.stringify({ sharedSecret, hmacKey, createdAt: 0 }), 'PX', 60_000);
  await assert.rejects(peer.admit(), { code: 'ISO-2002' });
});

test('no secret is in any event when Redis fails', async (t) => {
  const redis = await RedisServer.start();
  t.after(() => redis.close());
  for (const name of plain) {
    await redis.admin.config('SET', 'maxmemory', '0');
    const { client, close } = await clients[name](redis);
    t.after(close);
    const events = [];
    const peer = await Peer.connect(guardOn(new RedisSessionStore(client), (event) => events.push(event)));
    const sid = peer.client.sessionId;
    const key = `nen:session:${sid}`;
    const record = await redis.admin.get(key);
    const { sharedSecret, hmacKey } = JSON.parse(record);
    const secrets = [sharedSecret, hmacKey, sid];
    events.length = 0;

    const fails = async () => {
      const request = peer.request();
      secrets.push(...request.headers.filter((_, i) => i % 2));
      const error = await failureOf(peer.admit(request));
      const { status, body } = peer.guard.refuse(error, request);
      assert.equal(status, 503);
      assert.equal(JSON.parse(body).error.code, 'ISO-9001');
    };
    for (const damaged of [
      record.slice(0, -1),
      record.replace('sharedSecret', '\xff'),
      record.replace('=', '!'),
    ]) {
      await redis.admin.set(key, damaged, 'KEEPTTL');
      await fails();
    }
    await redis.admin.del(key);
    await redis.admin.rpush(key, record);
    await fails();
    await redis.admin.del(key);
    await redis.admin.set(key, record, 'PX', 60_000);
    await redis.admin.config('SET', 'maxmemory', '1');
    await fails();
    const { body } = await new binding.Client({}, null).handshake();
    await assert.rejects(peer.respond('handshake', 'POST', [], body), { code: 'ISO-9001', detail: /OOM/ });

    assert.deepEqual(
      events.map(({ event, level, code }) => [event, level, code]),
      Array(5).fill(['refused', 'error', 'ISO-9001']),
    );
    const shown = inspect(events, { depth: 9, showHidden: true });
    for (const secret of secrets) assert.ok(!shown.includes(secret), name);
  }
});

test('a claim that was kept back while Redis was away harms nothing when it is done', async (t) => {
  const redis = await RedisServer.durable();
  t.after(() => redis.close());
  const { client, close } = clients['ioredis 6'](redis, { maxRetriesPerRequest: null });
  t.after(close);
  const store = new RedisSessionStore(client);
  const sid = randomUUID();
  const until = Date.now() + 700;
  await client.ping();
  await redis.kill();
  const kept = store.claimNonce(sid, Buffer.alloc(12), until);
  await delay(800);
  await redis.start();
  assert.equal(await kept, false);
  const [left] = Object.values(await redis.keysOf(sid));
  assert.ok(left > 25_000);
});
