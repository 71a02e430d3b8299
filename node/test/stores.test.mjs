// What every store does, as its contract says: in memory, in Redis by each of its clients, in Upstash.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  InMemorySessionStore,
  REMOTE_CLOCK_SLACK_MS,
  RedisSessionStore,
  UpstashSessionStore,
} from '@withnen/native/server';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import * as redis6 from 'redis';
import * as redis4 from 'redis4';
import { CommandStore } from '../dist/stores/commands.js';
import { clients } from './clients.mjs';
import { losingProxy, RedisServer } from './redis.mjs';
import { startUpstash, TOKEN } from './upstash.mjs';

const MINUTE = 60_000;
const NONCE = Buffer.alloc(12);
const SECRET = randomBytes(32).toString('base64');
const recordUntil = (expiresAt) =>
  JSON.stringify({ sharedSecret: SECRET, hmacKey: SECRET, createdAt: Date.now(), expiresAt });
const RECORD = recordUntil(Date.now() + MINUTE);
const servers = {};

before(async () => {
  servers.redis = await RedisServer.start();
  servers.cluster = await RedisServer.startCluster();
  servers.sentinel = await RedisServer.startSentinel(servers.redis);
  servers.upstash = await startUpstash(servers.redis);
});

after(async () => {
  await servers.upstash?.close();
  for (const name of ['sentinel', 'cluster', 'redis']) await servers[name]?.close();
});

/** @param {() => { store, close?, keysOf? }} make `keysOf` lists what a shared store keeps. */
function storeContract(name, make) {
  describe(name, () => {
    let store;
    let close;
    let keysOf;

    before(async () => {
      ({ store, close = () => {}, keysOf } = await make());
    });
    after(() => close());

    test('a record is kept until it is deleted', async () => {
      const [sid, until] = [randomUUID(), Date.now() + MINUTE];
      const record = recordUntil(until);
      assert.equal(await store.get(sid), null);
      await store.set(sid, record, until);
      assert.equal(await store.get(sid), record);
      await store.delete(sid);
      assert.equal(await store.get(sid), null);
      await store.delete(sid);
    });

    test('a record is kept until its end', async () => {
      const [sid, ended] = [randomUUID(), randomUUID()];
      const [until, past] = [Date.now() + 250, Date.now() - 1];
      await store.set(sid, recordUntil(until), until);
      await store.set(ended, recordUntil(past), past);
      assert.ok(await store.get(sid));
      assert.equal(await store.get(ended), null);
      await delay(300);
      assert.equal(await store.get(sid), null);
    });

    test('a nonce is fresh once for its session', async () => {
      const [sid, other, until] = [randomUUID(), randomUUID(), Date.now() + MINUTE];
      assert.equal(await store.claimNonce(sid, NONCE, until), true);
      assert.equal(await store.claimNonce(sid, NONCE, until), false);
      assert.equal(await store.claimNonce(sid, Buffer.alloc(12, 1), until), true);
      assert.equal(await store.claimNonce(other, NONCE, until), true);
    });

    test('a claim whose time has passed is not fresh', async () => {
      for (const ago of [10_000, 60 * MINUTE]) {
        assert.equal(await store.claimNonce(randomUUID(), NONCE, Date.now() - ago), false);
      }
    });

    test('of many claims at once one is fresh', async () => {
      const [sid, until] = [randomUUID(), Date.now() + MINUTE];
      const claims = Array.from({ length: 50 }, () => store.claimNonce(sid, NONCE, until));
      const fresh = (await Promise.all(claims)).filter((isFresh) => isFresh);
      assert.deepEqual(fresh, [true]);
    });

    test('only session ids become keys', async () => {
      const sid = randomUUID();
      for (const other of ['', '*', 'x:n:y', sid.toUpperCase(), `${sid}\n`, `{${sid}}`, undefined]) {
        const until = Date.now() + MINUTE;
        await assert.rejects(async () => store.get(other), Error, other);
        await assert.rejects(async () => store.set(other, RECORD, until), Error);
        await assert.rejects(async () => store.delete(other), Error);
        await assert.rejects(async () => store.claimNonce(other, NONCE, until), Error);
      }
      await assert.rejects(async () => store.claimNonce(sid, Buffer.alloc(11), Date.now() + MINUTE), Error);
    });

    test('keys are those of every language, and expire', async (t) => {
      if (!keysOf) return t.skip('nothing outside of the process');
      const sid = randomUUID();
      await store.set(sid, RECORD, Date.now() + MINUTE);
      await store.claimNonce(sid, NONCE, Date.now() + MINUTE);
      const {
        [`nen:session:${sid}`]: session,
        [`nen:session:${sid}:n:AAAAAAAAAAAAAAAA`]: nonce,
        ...other
      } = await keysOf(sid);
      assert.deepEqual(other, {});
      assert.ok(session > MINUTE - 5000 && session <= MINUTE, `${session}`);
      const life = MINUTE + REMOTE_CLOCK_SLACK_MS;
      assert.ok(nonce > life - 5000 && nonce <= life, `${nonce}`);
    });

    test('it shows nothing', async () => {
      const sid = randomUUID();
      await store.set(sid, RECORD, Date.now() + MINUTE);
      const shown = inspect(store, { depth: 9, showHidden: true });
      for (const secret of [TOKEN, SECRET, sid, '127.0.0.1']) assert.ok(!shown.includes(secret));
    });
  });
}

storeContract('InMemorySessionStore', () => ({ store: new InMemorySessionStore() }));

storeContract('UpstashSessionStore', () => ({
  store: new UpstashSessionStore(servers.upstash.url, TOKEN),
  keysOf: (sid) => servers.redis.keysOf(sid),
}));

for (const [name, make] of Object.entries(clients)) {
  storeContract(`RedisSessionStore with ${name}`, async () => {
    const { client, close } = await make(servers.redis, servers);
    const server = name.endsWith('cluster') ? servers.cluster : servers.redis;
    return { store: new RedisSessionStore(client), close, keysOf: (sid) => server.keysOf(sid) };
  });
}

for (const version of [5, 6]) {
  test(`a claim that ioredis ${version} sent twice is fresh`, async (t) => {
    const proxy = await losingProxy(servers.redis.port, t);
    const { client, close } = clients[`ioredis ${version}`](proxy);
    t.after(close);
    const store = new RedisSessionStore(client);
    const [sid, until] = [randomUUID(), Date.now() + MINUTE];
    assert.equal(await store.claimNonce(sid, NONCE, until), true);
    assert.equal(proxy.claims, 2);
    assert.equal(await store.claimNonce(sid, NONCE, until), false);
  });
}

for (const version of [4, 5, 6]) {
  test(`a claim whose answer node-redis ${version} lost is no claim`, async (t) => {
    const proxy = await losingProxy(servers.redis.port, t);
    const { client, close } = await clients[`node-redis ${version}`](proxy);
    t.after(close);
    const store = new RedisSessionStore(client);
    const [sid, until] = [randomUUID(), Date.now() + MINUTE];
    await assert.rejects(store.claimNonce(sid, NONCE, until), { code: 'ISO-9001' });
    assert.equal(await store.claimNonce(sid, NONCE, until), false);
  });
}

test('what is no client of Redis is refused at once', () => {
  const redis = new Redis({ lazyConnect: true });
  const nodeRedis = redis6.createClient();
  const others = [
    undefined,
    null,
    'redis://127.0.0.1:6379',
    {},
    new Map(),
    new InMemorySessionStore(),
    redis.pipeline(),
    redis.multi(),
    nodeRedis.multi(),
    nodeRedis.legacy(),
    redis4.createClient({ legacyMode: true }),
    redis4.createClient().multi(),
  ];
  for (const other of others) {
    assert.throws(() => new RedisSessionStore(other), {
      name: 'TypeError',
      message: /needs a client of ioredis .* or of node-redis/,
    });
  }
});

test('a client that nobody connected is told by its error', async () => {
  for (const { createClient } of [redis4, redis6]) {
    const store = new RedisSessionStore(createClient());
    const detail = 'Redis failed with ClientClosedError';
    await assert.rejects(store.get(randomUUID()), { code: 'ISO-9001', detail });
  }
});

test('a reply that Redis does not give is an error', async () => {
  const sid = randomUUID();
  const until = Date.now() + MINUTE;
  let reply;
  const answer = async () => reply;
  const store = new RedisSessionStore({
    get: answer,
    set: answer,
    del: answer,
    connect: answer,
    getBuffer: answer,
  });
  for (reply of ['QUEUED', '', 1, true, undefined, {}, [], Buffer.from('QUEUED')]) {
    await assert.rejects(store.claimNonce(sid, NONCE, until), { code: 'ISO-9001' }, inspect(reply));
    await assert.rejects(store.set(sid, RECORD, until), { code: 'ISO-9001' }, inspect(reply));
  }
  for (reply of [1, true, undefined, {}, []]) await assert.rejects(store.get(sid), { code: 'ISO-9001' });
  reply = null;
  await assert.rejects(store.set(sid, RECORD, until), {
    code: 'ISO-9001',
    detail: 'Redis did not keep the session',
  });
  assert.equal(await store.claimNonce(sid, NONCE, until), false);
});

test('a claim that the client kept back until its time had passed is not fresh', async () => {
  const late = new CommandStore('Redis', { set: () => delay(60, 'OK') });
  assert.equal(await late.claimNonce(randomUUID(), NONCE, Date.now() + 20), false);
  assert.equal(await late.claimNonce(randomUUID(), NONCE, Date.now() + MINUTE), true);
});

test('what an error of Redis says has no part of the command', async (t) => {
  const full = await RedisServer.start();
  t.after(() => full.close());
  await full.admin.config('SET', 'maxmemory', '1');
  const sid = randomUUID();
  for (const [name, make] of Object.entries(clients).filter(([name]) => /^\S+ \d$/.test(name))) {
    const { client, close } = await make(full);
    const store = new RedisSessionStore(client);
    for (const failure of [
      store.set(sid, RECORD, Date.now() + MINUTE),
      store.claimNonce(sid, NONCE, Date.now() + MINUTE),
    ]) {
      const error = await failure.then(assert.fail, (reason) => reason);
      assert.match(error.detail, /^Redis failed with \w+ OOM$/, name);
      const shown = inspect(error, { depth: 9, showHidden: true });
      for (const secret of [SECRET, sid]) assert.ok(!shown.includes(secret), name);
      assert.ok(!('cause' in error));
    }
    await close();
  }
});

test('any of what a server asks is kept and told as it was asked', async (t) => {
  const { client, close } = clients['ioredis 6'](servers.redis);
  t.after(close);
  const stores = [new RedisSessionStore(client), new UpstashSessionStore(servers.upstash.url, TOKEN)];
  const record = fc.string({ unit: 'binary', maxLength: 2000 });
  const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
  // Beyond the time that the test takes, on either side of now.
  const life = fc.oneof(fc.integer({ min: MINUTE, max: 2 ** 45 }), fc.integer({ min: -(2 ** 40), max: -1 }));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...stores), record, nonce, life, async (store, text, bytes, lifeMs) => {
      const sid = randomUUID();
      const until = Date.now() + lifeMs;
      await store.set(sid, text, until);
      assert.equal(await store.get(sid), lifeMs > 0 ? text : null);
      assert.equal(await store.claimNonce(sid, bytes, until), lifeMs > 0);
      assert.equal(await store.claimNonce(sid, bytes, until), false);
      await store.delete(sid);
      assert.equal(await store.get(sid), null);
      // A nonce outlives its session: an id never comes back, but a request that was sent again may.
      assert.equal(await store.claimNonce(sid, bytes, until), false);
    }),
    { numRuns: 200 },
  );
});

test('InMemorySessionStore refuses what is no text without repeating it', () => {
  const store = new InMemorySessionStore();
  const sid = '00000000-0000-4000-8000-000000000000';
  const secret = { record: 'the keys of a session' };
  for (const misuse of [
    () => store.get(secret),
    () => store.set(sid, Buffer.from(secret.record), 1),
    () => store.set(secret, '{}', 1),
    () => store.set(sid, secret, 1),
    () => store.delete(secret),
    () => store.claimNonce(secret, Buffer.alloc(12), 1),
    () => store.claimNonce(sid, secret, 1),
  ]) {
    assert.throws(misuse, ({ message }) => !/keys|116/.test(message), String(misuse));
  }
});
