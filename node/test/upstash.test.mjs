// What is said of and by Upstash stays where it belongs. What the store does is in `stores.test.mjs`.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { UpstashSessionStore } from '@withnen/native/server';
import { RedisServer } from './redis.mjs';
import { startUpstash, TOKEN } from './upstash.mjs';

const SID = randomUUID();
const FAR = 2 ** 45;
const RECORD = '{"sharedSecret":"the-shared-secret"}';
let redis;
let upstash;

before(async () => {
  redis = await RedisServer.start();
  upstash = await startUpstash(redis);
});
after(async () => {
  await upstash?.close();
  await redis?.close();
});

const showsNothing = (error) => {
  const shown = inspect(error, { depth: 9, showHidden: true });
  for (const secret of [TOKEN, 'the-shared-secret', SID]) assert.ok(!shown.includes(secret), shown);
};

test('a command is a POST of JSON with the token', async () => {
  upstash.requests.length = 0;
  await new UpstashSessionStore(`${upstash.url}/db`, TOKEN).set(SID, RECORD, Date.now() + 60_000);
  const [{ method, url, headers, body }] = upstash.requests;
  assert.deepEqual([method, url, headers.authorization], ['POST', '/db', `Bearer ${TOKEN}`]);
  assert.match(headers['content-type'], /^application\/json/);
  const [, key, record, px, life] = JSON.parse(body);
  assert.deepEqual([key, record, px], [`nen:session:${SID}`, RECORD, 'PX']);
  assert.ok(life > 55_000 && life <= 60_000);
});

for (const [name, script, detail] of [
  ['an error status', (r) => r.writeHead(500).end('the-shared-secret'), /^Upstash answered with status 500$/],
  ['no content', (r) => r.writeHead(204).end(), /with status 204$/],
  ['no JSON', (r) => r.end('the-shared-secret'), /something else than a result$/],
  ['JSON that is no object', (r) => r.end('null'), /something else than a result$/],
  ['deep JSON', (r) => r.end('['.repeat(50_000)), /something else than a result$/],
  ['an error', (r) => r.end('{"error":"ERR the-shared-secret"}'), /something else than a result$/],
  ['an inherited result', (r) => r.end('{"__proto__":{"result":"x"}}'), /something else than a result$/],
  ['a result that is no string', (r) => r.end('{"result":{"a":"the-shared-secret"}}'), /replied with object/],
  ['a long answer', (r) => r.end(`{"result":"${'x'.repeat(65_536)}"}`), /more than 65536 bytes$/],
  [
    'an end before the end',
    (r) => r.writeHead(200, { 'content-length': 9 }).write('{', () => r.destroy()),
    /could/,
  ],
]) {
  test(`${name} is ISO-9001, without its text`, async (t) => {
    upstash.script = script;
    t.after(() => {
      upstash.script = undefined;
    });
    const error = await new UpstashSessionStore(upstash.url, TOKEN).get(SID).then(assert.fail, (e) => e);
    assert.equal(error.code, 'ISO-9001');
    assert.match(error.detail, detail);
    showsNothing(error);
  });
}

test('an answer without an end is not read to its end', async (t) => {
  let closed;
  upstash.script = (response) => {
    closed = once(response, 'close');
    const write = () => !response.destroyed && response.write('x'.repeat(16_384), () => setImmediate(write));
    write();
  };
  t.after(() => {
    upstash.script = undefined;
  });
  await assert.rejects(new UpstashSessionStore(upstash.url, TOKEN).get(SID), { code: 'ISO-9001' });
  await closed;
});

test('no redirect is followed', async (t) => {
  upstash.script = (response) => response.writeHead(307, { location: `${upstash.url}/elsewhere` }).end();
  t.after(() => {
    upstash.script = undefined;
  });
  upstash.requests.length = 0;
  const get = new UpstashSessionStore(upstash.url, TOKEN).get(SID);
  await assert.rejects(get, { detail: 'Upstash answered with status 307' });
  assert.equal(upstash.requests.length, 1);
});

test('a service that refuses the token or is not there is ISO-9001', async () => {
  const wrong = new UpstashSessionStore(upstash.url, 'another-token');
  const gone = new UpstashSessionStore('http://127.0.0.1:1', TOKEN);
  for (const [store, detail] of [
    [wrong, /status 401$/],
    [gone, /could not be asked: \w+/],
  ]) {
    const error = await store.set(SID, RECORD, FAR).then(assert.fail, (reason) => reason);
    assert.equal(error.code, 'ISO-9001');
    assert.match(error.detail, detail);
    showsNothing(error);
  }
});

test('a request that takes too long is given up, and its socket closed', async (t) => {
  const sockets = [];
  const silent = createServer((socket) => sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  t.mock.method(AbortSignal, 'timeout', (ms) => {
    assert.equal(ms, 10_000);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException('late', 'TimeoutError')), 100);
    return controller.signal;
  });
  const store = new UpstashSessionStore(`http://127.0.0.1:${silent.address().port}`, TOKEN);
  await assert.rejects(store.get(SID), { detail: 'Upstash could not be asked: TimeoutError' });
  if (!sockets[0].closed) await once(sockets[0].resume(), 'close');
});

test('the fetch of the options is the one that sends', async () => {
  const asked = [];
  const answering = async (url, init) => {
    asked.push([url, init.method, init.redirect, init.cache]);
    return Response.json({ result: null });
  };
  const store = new UpstashSessionStore('https://db.upstash.io', TOKEN, { fetch: answering });
  assert.equal(await store.get(SID), null);
  assert.deepEqual(asked, [['https://db.upstash.io/', 'POST', 'manual', 'no-store']]);
  const followed = async () =>
    Object.defineProperty(Response.json({ result: null }), 'redirected', { value: true });
  const other = new UpstashSessionStore('https://db.upstash.io', TOKEN, { fetch: followed });
  await assert.rejects(other.get(SID), { code: 'ISO-9001' });
});

for (const url of [
  undefined,
  '',
  7,
  'db.upstash.io',
  'ftp://db.upstash.io',
  'https://',
  'https://default:secret@db.upstash.io',
  'https://secret@db.upstash.io',
  'https://db.upstash.io?_token=secret',
  'https://db.upstash.io#secret',
  'http://secret:secret@:99999',
  'http://db.upstash.io',
  'http://localhost.evil.example',
]) {
  test(`a url that would not do is refused at once: ${url}`, () => {
    assert.throws(
      () => new UpstashSessionStore(url, TOKEN),
      (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /^url must be/);
        assert.ok(!inspect(error, { showHidden: true }).includes('secret'));
        return true;
      },
    );
  });
}

test('a token that would not do is refused at once and not shown', () => {
  for (const token of [undefined, '', 7, 'two words', 'line\r\nX-Injected: 1', 'tökén']) {
    assert.throws(() => new UpstashSessionStore('https://db.upstash.io', token), {
      name: 'TypeError',
      message: /^token must be UPSTASH_REDIS_REST_TOKEN: ASCII, with no white space(; it is undefined)?$/,
    });
  }
});

test('an environment without the variables is told so', () => {
  const { NO_SUCH_URL, NO_SUCH_TOKEN } = process.env;
  assert.throws(
    () => new UpstashSessionStore(NO_SUCH_URL, NO_SUCH_TOKEN),
    /UPSTASH_REDIS_REST_URL.*undefined/,
  );
  assert.throws(
    () => new UpstashSessionStore('https://db.upstash.io', NO_SUCH_TOKEN),
    /UPSTASH_REDIS_REST_TOKEN.*undefined/,
  );
  assert.throws(
    () => new UpstashSessionStore('https://db.upstash.io', TOKEN, { fetch: 'fetch' }),
    /fetch must be/,
  );
});
