// The keys under which records are sealed in a store, over a real Redis.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { createNen, InMemorySessionStore, RedisSessionStore } from '@withnen/native/server';
import { binding } from '../dist/binding.js';
import { Guard } from '../dist/server/guard.js';
import { clients } from './clients.mjs';
import { Peer } from './peer.mjs';
import { RedisServer } from './redis.mjs';

const OLD = randomBytes(32).toString('base64');
const NEW = randomBytes(32).toString('base64');
const PREFIX = 'nen:session:';

describe('in Redis', () => {
  let redis;
  let store;
  let close;

  before(async () => {
    redis = await RedisServer.start();
    const made = clients['ioredis 6'](redis);
    store = new RedisSessionStore(made.client);
    close = made.close;
  });
  after(async () => {
    close();
    await redis.close();
  });
  beforeEach(() => redis.admin.flushall());

  const guardOf = (storeKeys, options = {}) =>
    new Guard({ store, log: () => {}, ...(storeKeys && { storeKeys }), ...options });
  const recordOf = (sid) => redis.admin.getBuffer(PREFIX + sid);

  /** Both keys of a session, in each form that a value could hold them in. */
  async function secretsOf(sid, keys) {
    const session = new binding.StoreKeys(keys).read(sid, `${await recordOf(sid)}`, 0);
    const { sharedSecret, hmacKey } = JSON.parse(session.toRecord());
    const raw = [sharedSecret, hmacKey].map((key) => Buffer.from(key, 'base64'));
    const forms = ['base64', 'base64url', 'hex'].flatMap((form) => raw.map((key) => key.toString(form)));
    return ['sharedSecret', 'hmacKey', ...raw, ...forms];
  }

  for (const [name, keys, isSealed] of [
    ['a key as text', [OLD], true],
    ['a key as bytes', [Buffer.from(OLD, 'base64')], true],
    ['a key before plain', [OLD, 'plain'], true],
    ['plain before a key', ['plain', OLD], false],
    ['no keys', undefined, false],
  ]) {
    test(`${name}: a value ${isSealed ? 'holds no' : 'holds the'} key of a session`, async () => {
      const peer = await Peer.connect(guardOf(keys));
      await peer.admit();
      const secrets = await secretsOf(peer.client.sessionId, keys ?? ['plain']);
      await peer.lifecycle('rotate', 'POST');
      secrets.push(...(await secretsOf(peer.client.sessionId, keys ?? ['plain'])));
      await peer.admit();
      const names = await redis.admin.keys('*');
      const values = Buffer.concat(await Promise.all(names.map((key) => redis.admin.getBuffer(key))));
      const found = secrets.filter((secret) => values.includes(secret));
      assert.equal(found.length > 0, !isSealed);
    });
  }

  for (const [what, stages] of [
    ['a key is replaced', [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]],
    ['sealing is turned on', [undefined, ['plain', NEW], [NEW, 'plain'], [NEW]]],
  ]) {
    test(`while ${what}, sessions live on, whichever server they come to`, async () => {
      const peers = [await Peer.connect(guardOf(stages[0]))];
      const [first] = peers;
      for (const [at, keys] of stages.entries()) {
        if (at === stages.length - 1) break;
        // Until all servers are at the next stage, some are at this one.
        const guards = [guardOf(keys), guardOf(stages[at + 1])];
        for (const guard of guards) {
          const born = await Peer.connect(guard);
          peers.push(born);
          for (const peer of at < 2 ? peers : [born]) {
            for (peer.guard of guards) {
              assert.equal((await peer.admit()).sessionId, peer.client.sessionId);
              assert.equal((await peer.lifecycle('status', 'GET')).result, true);
            }
          }
        }
      }
      // A session of the old key that lives on beyond the last stage is not lost without a word.
      first.guard = guardOf(stages.at(-1));
      await assert.rejects(first.admit(), { code: 'ISO-9001' });
    });
  }

  for (const [what, theirs, ours, detail] of [
    ['another key', [OLD], [NEW], /no store key opens it/],
    ['no key', [OLD], undefined, /no store key opens it/],
    ['a key where records are in the clear', undefined, [NEW], /in the clear.*list `plain`/],
  ]) {
    test(`a server that has ${what} answers 503 and ISO-9001, and says so`, async () => {
      const events = [];
      const peer = await Peer.connect(guardOf(theirs));
      const kept = await recordOf(peer.client.sessionId);
      peer.guard = guardOf(ours, { log: (event) => events.push(event) });
      const failing = [
        () => peer.admit(),
        ...[
          ['status', 'GET'],
          ['rotate', 'POST'],
          ['terminate', 'POST'],
        ].map((call) => () => peer.lifecycle(...call)),
      ];
      for (const fails of failing) {
        const error = await fails().then(assert.fail, (reason) => reason);
        assert.equal(error.code, 'ISO-9001');
        const { status, body } = peer.guard.refuse(error, peer.request());
        assert.equal(status, 503);
        assert.equal(JSON.parse(body).error.code, 'ISO-9001');
        const { level, detail: told } = events.at(-1);
        assert.equal(level, 'error');
        assert.match(told, detail);
        assert.ok(!`${body}${inspect([error, events])}`.includes(peer.client.sessionId));
      }
      assert.deepEqual(await recordOf(peer.client.sessionId), kept);
    });
  }

  test('a record that was moved to another session, or changed, is no session', async () => {
    const guard = guardOf([OLD]);
    const [one, other] = [await Peer.connect(guard), await Peer.connect(guard)];
    const [ours, theirs] = [one, other].map((peer) => PREFIX + peer.client.sessionId);
    const record = await redis.admin.get(ours);
    await redis.admin.set(ours, await redis.admin.get(theirs), 'KEEPTTL');
    await assert.rejects(one.admit(), { code: 'ISO-9001' });
    const { ct, n } = JSON.parse(record);
    const sealed = Buffer.from(ct, 'base64');
    sealed[0] ^= 1;
    await redis.admin.set(ours, JSON.stringify({ ct: sealed.toString('base64'), n }), 'KEEPTTL');
    await assert.rejects(one.admit(), { code: 'ISO-9001' });
    await redis.admin.set(ours, record, 'KEEPTTL');
    await one.admit();
    await other.admit();
  });

  test('all routes of a server have its keys, whether they are strict or not', async () => {
    const guard = guardOf([OLD]);
    const peer = await Peer.connect(guard);
    await guard.admit(peer.request(), false);
    await guard.admit(peer.request(), true);
    await peer.lifecycle('rotate', 'POST');
    await guard.admit(peer.request(), false);
    guard.store = new RedisSessionStore(redis.admin);
    await guard.admit(peer.request(), true);
  });

  test('keys are copied when a server is made: the array and the bytes may be wiped', async () => {
    const bytes = Buffer.from(OLD, 'base64');
    const keys = [bytes];
    const guard = guardOf(keys);
    const peer = await Peer.connect(guard);
    bytes.fill(0);
    keys[0] = 'plain';
    guard.allowUnsigned();
    await peer.admit();
    await peer.lifecycle('rotate', 'POST');
    peer.guard = guardOf([OLD]);
    await peer.admit();
  });
});

test('a store of its users sees sealed records alone', async () => {
  const records = new Map();
  const store = {
    get: (sid) => records.get(sid) ?? null,
    set: (sid, record) => records.set(sid, record),
    delete: (sid) => records.delete(sid),
    claimNonce: () => true,
  };
  const peer = await Peer.connect(new Guard({ store, storeKeys: [OLD], log: () => {} }));
  await peer.admit();
  assert.deepEqual(
    [...records.values()].map((record) => Object.keys(JSON.parse(record))),
    [['ct', 'n']],
  );
});

test('the store in memory has no records, and is not to be wrapped where they are sealed', async () => {
  const guard = (store) => new Guard({ store, storeKeys: [OLD], log: () => {} });
  const peer = await Peer.connect(guard(new InMemorySessionStore()));
  await peer.admit();
  await peer.lifecycle('rotate', 'POST');
  await peer.admit();
  const extended = new (class extends InMemorySessionStore {})();
  await assert.rejects(Peer.connect(guard(extended)), { code: 'ISO-9001', detail: /storeKeys/ });
});

test('what is no list of keys is refused when a server is made', () => {
  const short = randomBytes(24).toString('base64');
  for (const [storeKeys, message] of [
    [undefined, /storeKeys must be an array.*'plain'.*leave the option out/],
    [null, /storeKeys must be an array/],
    [OLD, /storeKeys must be an array/],
    [Buffer.from(OLD, 'base64'), /storeKeys must be an array/],
    [new Set([OLD]), /storeKeys must be an array/],
    [[], /storeKeys: .*empty.*openssl rand -base64 32/],
    [[undefined], /storeKeys\[0\] is undefined.*variable/],
    [[OLD, null], /storeKeys\[1\] is null/],
    [new Array(1), /storeKeys\[0\] is undefined/],
    [[7], /storeKeys\[0\] is number/],
    [[new Uint16Array(32)], /storeKeys\[0\] is object/],
    [[[...Buffer.from(OLD, 'base64')]], /storeKeys\[0\] is object/],
    [[''], /storeKeys\[0\]: .*base64 of 32 bytes, or the word plain.*openssl rand -base64 32/],
    [[OLD, 'undefined'], /storeKeys\[1\]: .*base64/],
    [['Plain'], /storeKeys\[0\]: .*base64/],
    [[`${OLD}\n`], /storeKeys\[0\]: .*base64/],
    [[OLD.replace('=', '')], /storeKeys\[0\]: .*base64/],
    [[`${OLD},${NEW}`], /storeKeys\[0\]: .*base64/],
    [[short], /storeKeys\[0\]: .*base64/],
    [[Buffer.alloc(0)], /storeKeys\[0\]: .*32 bytes/],
    [[Buffer.alloc(31)], /storeKeys\[0\]: .*32 bytes/],
    [[new Uint8Array(33)], /storeKeys\[0\]: .*32 bytes/],
  ]) {
    assert.throws(
      () => createNen({ storeKeys }),
      (error) => {
        assert.equal(error.name, 'TypeError');
        assert.match(error.message, message);
        const shown = inspect(error, { showHidden: true, depth: 9 });
        return [OLD, NEW, short].every((key) => !shown.includes(key.slice(0, 20)));
      },
      inspect(storeKeys),
    );
  }
  createNen({ storeKeys: ['plain'] });
  createNen({ storeKeys: [new Uint8Array(32), OLD, 'plain'] });
});

test('a server shows none of its keys', () => {
  const storeKeys = [OLD, Buffer.from(NEW, 'base64')];
  const guard = new Guard({ store: new InMemorySessionStore(), storeKeys });
  const shown = inspect([guard, createNen({ storeKeys }), new binding.StoreKeys(storeKeys)], {
    depth: 9,
    showHidden: true,
  });
  const hex = Buffer.from(NEW, 'base64').toString('hex').slice(0, 16);
  for (const key of [OLD, NEW, hex]) assert.ok(!shown.replaceAll(' ', '').includes(key));
});
